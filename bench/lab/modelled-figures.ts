/**
 * `figure-4.9`, `figure-4.11` to `figure-4.14`: RPCs on the modelled NFP-4000 as it stands after
 * Table 4.4. Nothing is fitted here; other stacks are their cycles of Table 2.1 on host cores.
 */
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { NFP_LX } from "../../host/modelled/machines/nfp-lx.ts";
import type { Machine } from "../../host/modelled/machine.ts";
import { FLEXTOE, type Placement } from "../../host/modelled/placement.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabOptions, LabReport, LabRow, PlotSeries } from "./experiment.ts";
import { loadModules, type RpcModules, type RpcResult, runRpcs } from "./modelled-rpc.ts";
import {
  echoPlan,
  HOST_CYCLES_PER_NS,
  machineGiven,
  manyTurns,
  SETTING,
} from "./modelled-setting.ts";
import { percentile } from "./statistics.ts";

/** "the protocol stage, which uses 8 FPCs in this benchmark" (4.5.2). */
const TWO_PROTOCOL: Placement = { ...FLEXTOE, cores: { ...FLEXTOE.cores, protocol: 2 } };
const KILO = 1000;
const HOST_HZ = HOST_CYCLES_PER_NS * 1e9;

/** One run's frame: what each figure varies is in the arguments. */
type Choice = Parameters<typeof echoPlan>[1];

function echo(
  modules: RpcModules,
  options: LabOptions,
  choice: Partial<Choice> & Pick<Choice, "flows" | "requestBytes" | "rpcs">,
): RpcResult {
  options.say(`${choice.flows} connections, ${choice.requestBytes} B`);
  const common = { machine: NFP_4000, placement: FLEXTOE, seed: options.seed };
  return runRpcs(echoPlan(modules, { ...common, ...choice }));
}

function report(
  rows: readonly LabRow[],
  title: string,
  axes: readonly [x: string, y: string],
  series: readonly PlotSeries[],
  notes: readonly string[],
): LabReport {
  return {
    rows,
    given: [...SETTING, ...machineGiven(NFP_4000)],
    plots: [
      {
        title,
        x: { label: axes[0], scale: "log" },
        y: { label: axes[1], scale: "linear" },
        series,
      },
    ],
    notes,
  };
}

function line(name: string, points: readonly (readonly [number, number])[]): PlotSeries {
  return { name, form: "line", points };
}

/** kcycles of one Memcached request (Table 2.1; FlexTOE's are in Table 4.2). */
const KILOCYCLES: Readonly<Record<string, number>> = { tas: 3.34, chelsio: 8.89, linux: 12.13 };

function kilocycles(stack: string): number {
  return KILOCYCLES[stack] ?? anchor("t4.2.flextoe.total.kcycles").value;
}

const MEMCACHED_BYTES = 64;

/** Requests a second over host cores. */
function coreCurve(
  modules: RpcModules,
  options: LabOptions,
  machine: Machine,
): (readonly [number, number])[] {
  const cores = options.quick ? [1, 2, 12] : [1, 2, 3, 4, 6, 8, 10, 12, 16, 20];
  const serverNs = (kilocycles("flextoe") * KILO) / HOST_CYCLES_PER_NS;
  const rpcs = options.quick ? 1500 : 15_000;
  return cores.map((hostCores) => {
    const workload = { flows: 16 * hostCores, requestBytes: MEMCACHED_BYTES, rpcs };
    const choice = { ...workload, machine, placement: TWO_PROTOCOL, hostCores, serverNs };
    return [hostCores, echo(modules, options, choice).rpcsPerSecond] as const;
  });
}

function kneeOf(points: readonly (readonly [number, number])[]): number {
  const most = Math.max(...points.map(([, rate]) => rate));
  return points.find(([, rate]) => rate > 0.95 * most)?.[0] ?? 0;
}

function runFigure9(options: LabOptions): LabReport {
  const modules = loadModules();
  const points = coreCurve(modules, options, NFP_4000);
  const turning = coreCurve(modules, options, manyTurns(NFP_4000));
  const against = (stack: string): number =>
    Math.max(...points.map(([n, rate]) => rate / ((n * HOST_HZ) / (kilocycles(stack) * KILO))));
  const knee = (name: string, curve: readonly (readonly [number, number])[]): LabRow => ({
    name: `cores at which the NIC is the limit${name}`,
    ours: kneeOf(curve),
    unit: "host cores",
    origin: "predicted",
    anchor: "fig4.9.knee",
    note: "95 % of the most, among the points above",
  });
  const rows: LabRow[] = [
    ...points.map(
      ([n, rate], i): LabRow => ({
        name: `${n} host cores`,
        ours: rate / 1e6,
        unit: "M requests/s",
        origin: "predicted",
        note: `SCH on all threads ${((turning[i]?.[1] ?? 0) / 1e6).toFixed(2)} M`,
      }),
    ),
    ...["tas", "chelsio", "linux"].map(
      (stack): LabRow => ({
        name: `most over ${stack}`,
        ours: against(stack),
        unit: "x",
        origin: "predicted",
        anchor: `fig4.9.tput_vs_${stack}`,
        note: "the other stack: its cycles of Table 2.1 on as many cores, no locks",
      }),
    ),
    knee("", points),
    knee(", SCH on all threads", turning),
  ];
  return report(
    rows,
    "Memcached throughput (Figure 4.9)",
    ["host cores", "requests/s"],
    [line("toeloop, modelled", points), line("SCH on all threads", turning)],
    [
      "Requests are 64 B echoes whose application takes FlexTOE's cycles of Table 4.2.",
      "Table 4.3 has 11.35 M requests/s: with one segment each, the NIC of this model is too slow",
      "for short requests, first in the flow scheduler, then in the protocol stage.",
    ],
  );
}

function runFigure11(options: LabOptions): LabReport {
  const modules = loadModules();
  const sizes = options.quick ? [64, 2048] : [32, 64, 128, 256, 512, 1024, 2048];
  const rpcs = options.quick ? 1500 : 10_000;
  const measure = (bytes: number, cycles: number, sends: boolean): number => {
    const result = echo(modules, options, {
      flows: 128,
      requestBytes: sends ? 32 : bytes,
      responseBytes: sends ? bytes : 0,
      inFlight: 2,
      hostCores: 1,
      serverNs: cycles / HOST_CYCLES_PER_NS,
      rpcs,
    });
    return (result.rpcsPerSecond * bytes * 8) / 1e9;
  };
  const rows: LabRow[] = [];
  const series: PlotSeries[] = [];
  for (const cycles of [250, 1000]) {
    for (const sends of [false, true]) {
      const name = `${sends ? "TX" : "RX"}, ${cycles} cycles`;
      const points = sizes.map((size) => [size, measure(size, cycles, sends)] as const);
      series.push(line(name, points));
      for (const [size, gigabits] of points) {
        const anchored = size === 2048 && cycles === 250 && !sends;
        rows.push({
          name: `${name}, ${size} B`,
          ours: gigabits,
          unit: "Gbit/s",
          origin: "predicted",
          ...(anchored ? { anchor: "fig4.11.2KB.flextoe" } : {}),
        });
      }
    }
  }
  return report(
    rows,
    "RPC throughput of one server core (Figure 4.11)",
    ["RPC bytes", "Gbit/s of payload"],
    series,
    [
      "TX answers a request of 32 B with each message; the paper's producers are not asked.",
      "The application's cycles are all that its core does; sockets would come on top.",
    ],
  );
}

function runFigure12(options: LabOptions): LabReport {
  const modules = loadModules();
  const sizes = options.quick ? [64, 2048] : [32, 64, 128, 256, 512, 1024, 2048];
  const rpcs = options.quick ? 300 : 20_000;
  const results = sizes.map((bytes) => {
    return [bytes, echo(modules, options, { flows: 1, requestBytes: bytes, rpcs })] as const;
  });
  const shares = [0.5, 0.99, 0.9999];
  const rows = results.flatMap(([bytes, { latencies }]) =>
    shares.map((share): LabRow => {
      const isFitted = bytes === 64 && share === 0.5;
      return {
        name: `${bytes} B, ${share * 100} %`,
        ours: percentile(latencies, share) / KILO,
        unit: "us",
        origin: isFitted ? "calibrated" : "predicted",
        ...(share === 0.5 && bytes < 256 ? { anchor: "fig4.12.median.flextoe" } : {}),
      };
    }),
  );
  const points = (share: number): (readonly [number, number])[] =>
    results.map(([bytes, { latencies }]) => [bytes, percentile(latencies, share) / KILO] as const);
  return report(
    rows,
    "Round trip of one RPC (Figure 4.12)",
    ["RPC bytes", "us"],
    shares.map((share) => line(`${share * 100} %`, points(share))),
    ["Calibrated: time of network and client, on the median of 64 B."],
  );
}

function runFigure13(options: LabOptions): LabReport {
  const modules = loadModules();
  const sizes = options.quick ? [16_384] : [16_384, 65_536, 131_072, 262_144];
  const rows: LabRow[] = [];
  const series = [false, true].map((isEcho): PlotSeries => {
    const name = isEcho ? "echoed" : "short response";
    const points = sizes.map((bytes): readonly [number, number] => {
      const result = echo(modules, options, {
        flows: 1,
        requestBytes: bytes,
        responseBytes: isEcho ? bytes : 32,
        warmUp: 2,
        rpcs: options.quick ? 10 : 40,
        bufferShift: 19,
      });
      return [bytes, result.megabits / KILO];
    });
    for (const [bytes, gigabits] of points) {
      const row: LabRow = {
        name: `${bytes / 1024} KiB, ${name}`,
        ours: gigabits,
        unit: "Gbit/s",
        origin: "predicted",
      };
      rows.push(row);
    }
    return line(name, points);
  });
  return report(rows, "One connection, large RPCs (Figure 4.13)", ["RPC bytes", "Gbit/s"], series, [
    "The paper compares with Chelsio's TOE only, which is not modelled.",
  ]);
}

function scaling(
  modules: RpcModules,
  options: LabOptions,
  machine: Machine,
  flows: number,
): number {
  const result = echo(modules, options, {
    machine,
    placement: TWO_PROTOCOL,
    flows,
    requestBytes: 64,
    warmUp: flows,
    rpcs: Math.max(2000, flows),
    bufferShift: 10,
  });
  return result.rpcsPerSecond;
}

function runFigure14(options: LabOptions): LabReport {
  const modules = loadModules();
  const counts = options.quick ? [512, 2048] : [512, 2048, 4096, 8192, 16_384];
  const points = counts.map((n) => [n, scaling(modules, options, NFP_4000, n)] as const);
  const larger = counts.map((n) => [n, scaling(modules, options, NFP_LX, n)] as const);
  const turning = counts.map(
    (n) => [n, scaling(modules, options, manyTurns(NFP_4000), n)] as const,
  );
  const low = options.quick ? 512 : 2048;
  const high = options.quick ? 2048 : 8192;
  const drop = (curve: readonly (readonly [number, number])[]): number => {
    const at = (n: number): number => curve.find(([count]) => count === n)?.[1] ?? 0;
    return (1 - at(high) / at(low)) * 100;
  };
  const rows = points.map(
    ([n, rate], i): LabRow => ({
      name: `${n} connections`,
      ours: rate / 1e6,
      unit: "M requests/s",
      origin: "predicted",
      note: `nfp-lx ${((larger[i]?.[1] ?? 0) / 1e6).toFixed(2)} M`,
    }),
  );
  const drops = [["", points] as const, [", SCH on all threads", turning] as const];
  for (const [name, curve] of drops) {
    rows.push({
      name: `decline from ${low} to ${high} connections${name}`,
      ours: drop(curve),
      unit: "%",
      origin: "predicted",
      // The paper's is from 2K to 8K; a quick run has other points.
      ...(options.quick ? {} : { anchor: "fig4.14.8K_drop" }),
    });
  }
  return report(
    rows,
    "Connections of one 64 B RPC each (Figure 4.14)",
    ["connections", "requests/s"],
    [
      line("nfp-4000, modelled", points),
      line("nfp-4000, SCH on all threads", turning),
      line("nfp-lx, modelled", larger),
    ],
    [
      "The paper prints how far throughput falls, not how high it is.",
      "TAS and Linux are not modelled here: their rates are pictures only.",
    ],
  );
}

const SECTION = "4.5.2";

export const MODELLED_FIGURES: readonly Experiment[] = [
  {
    name: "figure-4.9",
    title: "Memcached throughput over host cores",
    section: "4.5.1, Figure 4.9",
    run: runFigure9,
  },
  {
    name: "figure-4.11",
    title: "RPC throughput of a saturated server core",
    section: `${SECTION}, Figure 4.11`,
    run: runFigure11,
  },
  {
    name: "figure-4.12",
    title: "latency of one RPC",
    section: `${SECTION}, Figure 4.12`,
    run: runFigure12,
  },
  {
    name: "figure-4.13",
    title: "large RPCs on one connection",
    section: `${SECTION}, Figure 4.13`,
    run: runFigure13,
  },
  {
    name: "figure-4.14",
    title: "connection scalability",
    section: `${SECTION}, Figure 4.14`,
    run: runFigure14,
  },
];
