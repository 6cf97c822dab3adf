/**
 * `figure-4.7`: the three reorderings of a parallel pipeline. Each is provoked as the paper tells
 * it, by making one item slow in one stage, with the reorder points off and with them on.
 */
import { TCP_SEQ, TCP_DATA_OFFSET } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import type { Disturbance } from "../../host/modelled/modelled-core.ts";
import { FLEXTOE, REORDER_OFF, REORDER_ON } from "../../host/modelled/placement.ts";
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import { loadModules, type RpcModules, type RpcPlan, runRpcs } from "./modelled-rpc.ts";
import { echoPlan, SEGMENT_BYTES, SETTING } from "./modelled-setting.ts";

/** How long the slow item is held: longer than the ones behind it need. */
const SLOW_NS = 20_000;
const IPV4_HEADER = 20;

/** Frames that left behind one with a higher sequence number. */
class WireOrder {
  #highest: number | undefined;
  behind = 0;

  readonly see = (frame: Uint8Array): void => {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const seq = view.getUint32(IPV4_HEADER + TCP_SEQ);
    const header = (view.getUint8(IPV4_HEADER + TCP_DATA_OFFSET) >> 4) * 4;
    const end = (seq + frame.length - IPV4_HEADER - header) >>> 0;
    const past = this.#highest === undefined ? 0 : (seq - this.#highest) | 0;
    if (past < 0) this.behind += 1;
    if (this.#highest === undefined || ((end - this.#highest) | 0) > 0) this.#highest = end;
  };
}

interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly disturbance: Disturbance;
  readonly plan: Pick<RpcPlan, "requestBytes" | "responseBytes" | "inFlight">;
}

/** Bytes of a request of the ACK scenario: one segment each. */
const SHORT_BYTES = 64;

type Word = (offset: number) => number;

const SCENARIOS: readonly Scenario[] = [
  {
    id: "TX",
    title: "the first segment of a response stalls in DMA",
    disturbance: {
      dma: (queue, word) =>
        queue === "tx" && word(W.WORK_OUT_PAYLOAD_LENGTH) === SEGMENT_BYTES ? SLOW_NS : 0,
    },
    plan: { requestBytes: 64, responseBytes: 2048, inFlight: 1 },
  },
  {
    id: "RX",
    title: "the first segment of a request stalls in flow identification",
    disturbance: {
      stage: (station, word) => (station === "pre" && isFull(word) ? SLOW_NS : 0),
    },
    plan: { requestBytes: 2048, responseBytes: 64, inFlight: 1 },
  },
  {
    id: "ACK",
    title: "post-processing of every other received segment is slow while a response leaves",
    disturbance: {
      stage: (station, word) => (station === "post" && isEverySecond(word) ? SLOW_NS : 0),
    },
    plan: { requestBytes: SHORT_BYTES, responseBytes: SHORT_BYTES, inFlight: 4 },
  },
];

function isFull(word: Word): boolean {
  return word(W.WORK_KIND) === W.WorkKind.Rx && word(W.WORK_FRAME_LENGTH) > SEGMENT_BYTES;
}

/** Every other request, by its place in the stream. */
function isEverySecond(word: Word): boolean {
  if (word(W.WORK_KIND) !== W.WorkKind.Rx || word(W.WORK_PAYLOAD_LENGTH) === 0) return false;
  return (word(W.WORK_SEQ) & SHORT_BYTES) !== 0;
}

/** [frames behind, segments out of order at the server, at the client]. */
function provoke(
  modules: RpcModules,
  scenario: Scenario,
  isOn: boolean,
  options: LabOptions,
): readonly [number, number, number] {
  const order = new WireOrder();
  const reorder = isOn ? REORDER_ON : REORDER_OFF;
  const result = runRpcs(
    echoPlan(modules, {
      machine: NFP_4000,
      placement: { ...FLEXTOE, reorder },
      flows: 1,
      rpcs: options.quick ? 50 : 500,
      seed: options.seed,
      jitter: 0,
      disturbance: scenario.disturbance,
      onFrame: order.see,
      ...scenario.plan,
    }),
  );
  return [order.behind, ...result.outOfOrder];
}

function rowsOf(modules: RpcModules, scenario: Scenario, options: LabOptions): LabRow[] {
  return [false, true].flatMap((isOn): LabRow[] => {
    const [behind, server, client] = provoke(modules, scenario, isOn, options);
    const points = isOn ? "reorder points on" : "reorder points off";
    const row = (what: string, ours: number): LabRow => ({
      name: `${scenario.id}, ${points}: ${what}`,
      ours,
      unit: "segments",
      origin: "predicted",
      note: scenario.title,
    });
    return [
      row("sent behind a later one", behind),
      row("out of order at the server", server),
      row("out of order at the client", client),
    ];
  });
}

function run(options: LabOptions): LabReport {
  const modules = loadModules();
  const rows = SCENARIOS.flatMap((scenario) => rowsOf(modules, scenario, options));
  const bars = (isOn: boolean): (readonly [string, number])[] =>
    SCENARIOS.map(({ id }) => {
      const own = rows.filter(({ name }) => name.startsWith(`${id}, `));
      const wanted = isOn ? "points on" : "points off";
      const sum = own.filter(({ name }) => name.includes(wanted));
      return [id, sum.reduce((total, { ours }) => total + ours, 0)] as const;
    });
  return {
    rows,
    given: [...SETTING, { name: "slow item", value: `${SLOW_NS} ns`, source: "Figure 4.7" }],
    plots: [
      {
        title: "Segments out of order, by cause (Figure 4.7)",
        x: { label: "", scale: "category" },
        y: { label: "segments", scale: "linear" },
        series: [
          { name: "reorder points off", form: "bars", points: bars(false) },
          { name: "reorder points on", form: "bars", points: bars(true) },
        ],
      },
    ],
    notes: [
      "The figure shows that it happens and no numbers; ours count it over the whole run.",
      "Jitter is 0: what is reordered is reordered by the slow item alone.",
    ],
  };
}

export const FIGURE_4_7: Experiment = {
  name: "figure-4.7",
  title: "pipeline reordering, with and without reorder points",
  section: "4.3.2, Figure 4.7",
  run,
};
