/**
 * `table-4.4`: the echo benchmark on the modelled NFP-4000 with its parallelism added step by step:
 * 64 connections, one RPC of 2 KB each. One constant is fitted, cycles per counted instruction, to
 * row 3; rows 4 and 5 are what the model makes of it. The instructions are those that the stages
 * executed in this run.
 */
import type { Machine } from "../../host/modelled/machine.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { type Placement, REORDER_OFF, TABLE_4_4_ROWS } from "../../host/modelled/placement.ts";
import type { StageCost } from "../../host/modelled/stage-table.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import { loadModules, type RpcModules, type RpcResult, runRpcs } from "./modelled-rpc.ts";
import { echoPlan, machineGiven, manyTurns, SETTING } from "./modelled-setting.ts";
import { percentile } from "./statistics.ts";

const FLOWS = 64;
const RPC_BYTES = 2048;
const FIRST_ROWS = ["baseline", "pipelining"];
const CALIBRATED = "intra_fpc_threads";
const NS_PER_US = 1000;

/** Runs of one placement. */
function measure(
  modules: RpcModules,
  placement: Placement,
  options: LabOptions,
  machine: Machine = NFP_4000,
): RpcResult {
  const slow = placement.runToCompletion;
  const rpcs = options.quick ? (slow ? 300 : 1000) : slow ? 4000 : 24_000;
  const { seed } = options;
  const workload = { flows: FLOWS, requestBytes: RPC_BYTES, rpcs, seed };
  return runRpcs(echoPlan(modules, { machine, placement, ...workload }));
}

/** Requests in flight by Little's law, out of printed throughput and median. */
function inFlight(megabits: number, medianUs: number): number {
  return (megabits / 8 / RPC_BYTES) * medianUs;
}

function rowsOf(id: string, result: RpcResult): LabRow[] {
  const median = percentile(result.latencies, 0.5) / NS_PER_US;
  const tail = percentile(result.latencies, 0.9999) / NS_PER_US;
  const origin = id === CALIBRATED ? "calibrated" : "predicted";
  const paper = (part: string): number => anchor(`t4.4.${id}.${part}`).value;
  const little = inFlight(paper("mbps"), paper("p50"));
  // The paper's own figures of rows 1 and 2 are not those of 64 requests in flight.
  const isFirst = FIRST_ROWS.includes(id);
  const anchored = (part: string): Pick<LabRow, "anchor"> =>
    isFirst ? {} : { anchor: `t4.4.${id}.${part}` };
  return [
    {
      name: `${id} throughput`,
      ours: result.megabits,
      unit: "Mbit/s",
      origin,
      ...anchored("mbps"),
      note: `busiest: ${busiest(result)}`,
    },
    { name: `${id} median`, ours: median, unit: "us", origin, ...anchored("p50") },
    { name: `${id} 99.99 %`, ours: tail, unit: "us", origin, ...anchored("p9999") },
    {
      name: `${id} in flight`,
      ours: inFlight(result.megabits, median),
      unit: "requests",
      origin: "predicted",
      note: `throughput x median; the paper's own row makes ${little.toFixed(1)} of 64`,
    },
  ];
}

function busiest({ utilisation }: RpcResult): string {
  const [name, share] = [...utilisation].reduce((a, b) => (b[1] > a[1] ? b : a));
  return `${name}, ${(share * 100).toFixed(0)} %`;
}

/** Each row over the one before it. */
function stepRows(results: ReadonlyMap<string, RpcResult>): LabRow[] {
  const rate = (id: string): number => (results.get(id) as RpcResult).megabits;
  const steps: readonly (readonly [string, string, string])[] = [
    ["pipelining", "pipelining", "baseline"],
    ["threads", CALIBRATED, "pipelining"],
    ["replication", "replicated_pre_post", CALIBRATED],
    ["islands", "flow_group_islands", "replicated_pre_post"],
  ];
  return steps.map(([id, after, before]) => ({
    name: `step: ${id}`,
    ours: rate(after) / rate(before),
    unit: "x previous",
    origin: "predicted",
    anchor: `t4.4.step.${id}`,
  }));
}

/** What the stages executed, by kind of item: the table that a change of a stage changes. */
function costRows(costs: readonly StageCost[]): LabRow[] {
  return costs.map(({ name, instructions }) => {
    const [own = [], ...engines] = instructions;
    const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    const hardware = engines.reduce((sum, counts) => sum + total(counts), 0);
    const [narrow = 0, wide = 0, vector = 0] = own.map((count) => Math.round(count));
    return {
      name: `instructions: ${name}`,
      ours: total(own),
      unit: "an item",
      origin: "counted",
      note: `${narrow} of 32 bits, ${wide} of 64, ${vector} of 128; engines ${hardware.toFixed(0)}`,
    };
  });
}

/** The last row without its reorder points. */
function disorderRows(ordered: RpcResult, loose: RpcResult): LabRow[] {
  const row = (name: string, ours: number, unit: string): LabRow => ({
    name: `no reordering: ${name}`,
    ours,
    unit,
    origin: "predicted",
  });
  const outOfOrder = loose.outOfOrder[0] + loose.outOfOrder[1];
  return [
    row("throughput", loose.megabits / ordered.megabits, "x five rows'"),
    row("segments out of order", outOfOrder, "segments"),
    row("segments sent again", loose.retransmissions, "segments"),
  ];
}

function run(options: LabOptions): LabReport {
  const modules = loadModules();
  const results = new Map<string, RpcResult>();
  for (const [id, placement] of Object.entries(TABLE_4_4_ROWS)) {
    options.say(`table-4.4: ${placement.name}`);
    results.set(id, measure(modules, placement, options));
  }
  const full = TABLE_4_4_ROWS.flow_group_islands as Placement;
  const loose = measure(modules, { ...full, reorder: REORDER_OFF }, options);
  const turning = measure(modules, full, options, manyTurns(NFP_4000));
  const last = results.get("flow_group_islands") as RpcResult;
  const calibrated = results.get(CALIBRATED) as RpcResult;
  const bars = [...results].map(([id, { megabits }]) => [id, megabits] as const);
  return {
    rows: [
      ...[...results].flatMap(([id, result]) => rowsOf(id, result)),
      ...stepRows(results),
      {
        name: "flow_group_islands, turns of SCH on all its threads: throughput",
        ours: turning.megabits,
        unit: "Mbit/s",
        origin: "predicted",
        anchor: "t4.4.flow_group_islands.mbps",
        note: "how much row 5 hangs on turnsAtOnce",
      },
      ...disorderRows(last, loose),
      ...costRows(calibrated.costs),
    ],
    given: [...SETTING, ...machineGiven(NFP_4000)],
    plots: [
      {
        title: "Echo of 2 KB, 64 connections (Table 4.4)",
        x: { label: "", scale: "category" },
        y: { label: "Mbit/s", scale: "log" },
        series: [
          { name: "toeloop, modelled", form: "bars", points: bars },
          {
            name: "paper",
            form: "bars",
            points: bars.map(([id]) => [id, anchor(`t4.4.${id}.mbps`).value]),
          },
        ],
      },
    ],
    notes: [
      "Calibrated: cycles for each instruction, on row 3. Rows 4 and 5 are predicted.",
      "Rows 1 and 2 are compared by steps only: with 64 requests in flight, throughput x median",
      "must make 64, and the paper's own rows make 5.7 and 40.7.",
      "Replication gains less than in the paper: our protocol stage does more for each segment",
      "(PAWS, windows with scaling, RTT, RFC 9293's checks), so it is the narrowest in row 3 too.",
      "Row 5 is limited by the flow scheduler, whose turns follow each other (turnsAtOnce, from",
      "the public code). With turns on all its threads it is not, and row 5 comes out too high.",
    ],
  };
}

export const TABLE_4_4: Experiment = {
  name: "table-4.4",
  title: "data-path parallelism on the modelled NFP-4000",
  section: "4.5.2, Table 4.4",
  run,
};
