/**
 * `figure-4.15`: one connection on the machines of the ports, a sink that takes pipelined messages:
 * the pipeline with and without replicas against run to completion (TAS), with and without its
 * copies. Predicted from the instructions of our stages; nothing is fitted to the figure.
 */
import type { Machine } from "../../host/modelled/machine.ts";
import { BLUEFIELD, X86 } from "../../host/modelled/machines/host-cores.ts";
import { type Placement, REORDER_ON } from "../../host/modelled/placement.ts";
import type { Experiment, LabOptions, LabReport, LabRow, PlotSeries } from "./experiment.ts";
import { loadModules, type RpcModules, runRpcs } from "./modelled-rpc.ts";
import { echoPlan, machineGiven, SETTING } from "./modelled-setting.ts";

const ONE = { pre: 1, protocol: 1, post: 1, dma: 1, atx: 1, arx: 1, scheduler: 1 };
const SCALAR: Placement = {
  name: "FlexTOE-scalar",
  runToCompletion: false,
  threads: 1,
  groups: 1,
  cores: ONE,
  reorder: REORDER_ON,
};
const TWICE: Placement = { ...SCALAR, name: "FlexTOE", cores: { ...ONE, pre: 2, post: 2 } };
const TAS: Placement = { ...SCALAR, name: "TAS", runToCompletion: true };

/** Messages under way: enough for no stage to wait. */
const IN_FLIGHT = 64;

function rate(
  modules: RpcModules,
  options: LabOptions,
  machine: Machine,
  placement: Placement,
  bytes: number,
): number {
  options.say(`${machine.name}, ${placement.name}, ${bytes} B`);
  const result = runRpcs(
    echoPlan(modules, {
      machine,
      placement,
      flows: 1,
      requestBytes: bytes,
      responseBytes: 0,
      mss: bytes,
      inFlight: IN_FLIGHT,
      bufferShift: 17,
      serverNs: 0,
      rpcs: options.quick ? 1500 : 20_000,
      warmUp: 500,
      seed: options.seed,
    }),
  );
  return result.rpcsPerSecond;
}

interface Curves {
  readonly rows: LabRow[];
  readonly series: PlotSeries[];
}

function measure(
  modules: RpcModules,
  options: LabOptions,
  machine: Machine,
  sizes: readonly number[],
): Curves {
  const noCopy: Machine = { ...machine, payloadHardware: true };
  const curve = (m: Machine, placement: Placement): (readonly [number, number])[] =>
    sizes.map((bytes) => [bytes, rate(modules, options, m, placement, bytes)] as const);
  const tas = curve(machine, TAS);
  const curves: readonly (readonly [string, readonly (readonly [number, number])[]])[] = [
    ["FlexTOE", curve(machine, TWICE)],
    ["FlexTOE-scalar", curve(machine, SCALAR)],
    ["TAS-nocopy", curve(noCopy, TAS)],
  ];
  const best = (points: readonly (readonly [number, number])[]): number =>
    Math.max(...points.map(([, ours], i) => ours / (tas[i]?.[1] as number)));
  const short = machine.name === "bluefield" ? "bf" : "x86";
  const ids: Readonly<Record<string, string>> = {
    FlexTOE: `fig4.15.${short}_vs_tas`,
    "FlexTOE-scalar": `fig4.15.scalar_${short}`,
  };
  const rows = curves.map(([name, points]): LabRow => {
    const id = ids[name];
    return {
      name: `${machine.name}: ${name} over TAS, at most`,
      ours: best(points),
      unit: "x",
      origin: "predicted",
      ...(id === undefined ? {} : { anchor: id }),
    };
  });
  const series = [["TAS", tas] as const, ...curves].map(
    ([name, points]): PlotSeries => ({ name: `${machine.name} ${name}`, form: "line", points }),
  );
  return { rows, series };
}

function run(options: LabOptions): LabReport {
  const modules = loadModules();
  const sizes = options.quick ? [64, 1448] : [64, 128, 256, 512, 1024, 1448];
  const parts = [BLUEFIELD, X86].map((machine) => measure(modules, options, machine, sizes));
  return {
    rows: parts.flatMap(({ rows }) => rows),
    given: [...SETTING, ...machineGiven(BLUEFIELD), ...machineGiven(X86)],
    plots: [
      {
        title: "One connection on BlueField and x86 (Figure 4.15)",
        x: { label: "segment bytes", scale: "log" },
        y: { label: "messages/s", scale: "log" },
        series: parts.flatMap(({ series }) => series),
      },
    ],
    notes: [
      "TAS here is our own stages run to completion on one core, not TAS's code.",
      "TAS-nocopy: the same without the instructions of checksums and copies.",
    ],
  };
}

export const FIGURE_4_15: Experiment = {
  name: "figure-4.15",
  title: "pipeline against run to completion on BlueField and x86",
  section: "4.5.2, Figure 4.15",
  run,
};
