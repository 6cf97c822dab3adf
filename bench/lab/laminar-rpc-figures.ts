/**
 * `figure-5.8` to `figure-5.11`: echoes over Laminar, RDMA, FlexTOE, TAS and Linux (5.5.1):
 * unloaded, against load, against cores, against connections. Laminar's packets all pass the stage
 * program, FlexTOE's all stages on its modelled NIC; TAS and Linux run to completion.
 */
import type { Experiment, LabOptions, LabReport, LabRow, Plot } from "./experiment.ts";
import { unpublished } from "./experiment.ts";
import { flextoeSocketsNs } from "./flextoe-echo.ts";
import { flextoeGiven } from "./flextoe-host.ts";
import { echoOver, pointOf, type RpcPoint, type RpcPlan } from "./laminar-rpc.ts";
import { STACKS, type StackName } from "./laminar-rpc.ts";
import { hostsGiven, stacksGiven, switchGiven } from "./laminar-setting.ts";

const BYTES = 64;
const CORES = 32;
/** Connections of Figure 5.9's highest point: by Little's law 40 MOps/s in 18 us are 720. */
const PEAK_CONNECTIONS = 768;

const GIVEN = (): LabReport["given"] => [
  ...switchGiven(),
  ...hostsGiven(),
  ...stacksGiven(),
  {
    name: "FlexTOE's sockets",
    value: `${flextoeSocketsNs()} ns a request of a server core; clients have TAS`,
    source: "paper: Table 4.2 at 2 GHz; 5.5",
  },
  ...flextoeGiven(),
];
/** Why the NIC of this model is slow for short requests. */
const SLOW_NIC = "its flow scheduler's turns follow each other (turnsAtOnce), as in figure-4.9";

function planOf(options: LabOptions, changes: Partial<RpcPlan>): RpcPlan {
  return {
    connections: 1,
    bytes: BYTES,
    cores: CORES,
    seed: options.seed,
    warmUpNs: 50_000,
    ns: options.quick ? 100_000 : 300_000,
    rpcs: Number.POSITIVE_INFINITY,
    pauseNs: 0,
    ...changes,
  };
}

/** Slow stacks, which are cheap to model, run for longer; FlexTOE, whose RPCs wait longest, too. */
const LONGER: Partial<Record<StackName, number>> = { TAS: 3, Linux: 15, FlexTOE: 15 };
/** Of 5.8's RPCs: FlexTOE's NIC executes each stage of each packet; tails of 20,000 are coarse. */
const RPC_SHARES: Partial<Record<StackName, number>> = { FlexTOE: 0.1, TAS: 3, Linux: 3 };

function point(stack: StackName, options: LabOptions, changes: Partial<RpcPlan>): RpcPoint {
  const longer = LONGER[stack] ?? 1;
  const { warmUpNs, ns, ...rest } = planOf(options, changes);
  const plan = { ...rest, warmUpNs: warmUpNs * longer, ns: ns * longer };
  options.say(`${stack}: ${plan.connections} connections, ${plan.cores} cores, ${plan.bytes} B`);
  return pointOf(plan.connections, echoOver(stack, plan));
}

type Curve = readonly (readonly [number, number])[];

function plot(
  title: string,
  x: string,
  y: string,
  curves: Iterable<readonly [string, Curve]>,
): Plot {
  return {
    title,
    x: { label: x, scale: "log" },
    y: { label: y, scale: "log" },
    series: [...curves].map(([name, points]) => ({ name, form: "line", points })),
  };
}

/** One connection, one RPC in flight. */
function unloaded(options: LabOptions): LabReport {
  const sizes = [64, 1024];
  const rpcs = options.quick ? 20_000 : 100_000;
  const all = new Map<string, RpcPoint>();
  for (const bytes of sizes) {
    for (const stack of STACKS) {
      const count = rpcs * (RPC_SHARES[stack] ?? 1);
      const load = { bytes, rpcs: count, ns: Number.MAX_SAFE_INTEGER };
      all.set(`${stack} ${bytes} B`, point(stack, options, load));
    }
  }
  const of = (name: string): RpcPoint => all.get(name) as RpcPoint;
  const [laminar, zero, rdma] = [of("Laminar 64 B"), of("Laminar-ZC 64 B"), of("RDMA 64 B")];
  const [tas, linux] = [of("TAS 64 B"), of("Linux 64 B")];
  const each = [...all].flatMap(([name, { median, p9999 }]): LabRow[] => [
    { name: `${name}: median`, ours: median, unit: "us", origin: "predicted" },
    { name: `${name}: 99.99 %`, ours: p9999, unit: "us", origin: "predicted" },
  ]);
  const kinds = [...all.keys()];
  const bars = (value: (p: RpcPoint) => number): (readonly [string, number])[] =>
    kinds.map((name) => [name, value(of(name))]);
  return {
    rows: [
      {
        ...{ name: "tail of TAS over Laminar", ours: tas.p9999 / laminar.p9999, unit: "x" },
        ...{ origin: "calibrated", anchor: "fig5.8.tail_vs_tas" },
      },
      {
        ...{ name: "median of Linux over Laminar", ours: linux.median / laminar.median },
        ...{ unit: "x", origin: "calibrated", anchor: "fig5.8.median_vs_linux" },
      },
      {
        ...{ name: "tail of Linux over Laminar", ours: linux.p9999 / laminar.p9999, unit: "x" },
        ...{ origin: "calibrated", anchor: "fig5.8.tail_vs_linux" },
      },
      {
        ...{ name: "zero copy over RDMA", ours: zero.median - rdma.median, unit: "us more" },
        ...{ origin: "predicted", anchor: "fig5.8.zc_vs_rdma" },
        note: "each way 750 ns of recirculation, and half a pass: RDMA is only forwarded",
      },
      {
        ...{ name: "median of FlexTOE over Laminar", unit: "x", origin: "predicted" },
        ours: of("FlexTOE 64 B").median / laminar.median,
        note: "stages of 800 MHz cores and PCIe, one after the other",
      },
      ...each,
    ],
    given: GIVEN(),
    plots: [
      {
        title: "Unloaded round trips (Figure 5.8)",
        x: { label: "", scale: "category" },
        y: { label: "us", scale: "log" },
        series: [
          { name: "median", form: "bars", points: bars(({ median }) => median) },
          { name: "99.99 %", form: "bars", points: bars(({ p9999 }) => p9999) },
        ],
      },
    ],
    notes: [
      "TAS and Linux: cycles of Table 2.1; wake-up and interruptions fitted at 64 B alone.",
      "FlexTOE: a tenth of the RPCs; of a short run its 99.99 % is the largest.",
    ],
  };
}

const LOADED: readonly StackName[] = [
  ...(["Laminar", "RDMA", "Laminar, TAS clients"] as const),
  ...(["FlexTOE", "TAS", "Linux"] as const),
];

function loadPlots(curves: ReadonlyMap<string, readonly RpcPoint[]>): Plot[] {
  const of = (title: string, value: (point: RpcPoint) => number): Plot => {
    const lines = [...curves].map(([name, points]): readonly [string, Curve] => [
      name,
      points.map((each) => [each.mops, value(each)]),
    ]);
    return plot(title, "MOps/s", "us", lines);
  };
  return [
    of("Round trips against load (Figure 5.9): median", ({ median }) => median),
    of("99.99 %", ({ p9999 }) => p9999),
  ];
}

/** Throughput against latency, 32 cores. */
function loadLatency(options: LabOptions): LabReport {
  const counts = options.quick
    ? [64, 256, PEAK_CONNECTIONS]
    : [32, 64, 128, 192, 256, 384, 512, PEAK_CONNECTIONS, 1024];
  const curves = new Map(
    LOADED.map((stack) => [
      stack,
      counts.map((connections) => point(stack, options, { connections })),
    ]),
  );
  const curve = (stack: StackName): RpcPoint[] => curves.get(stack) as RpcPoint[];
  const peak = (stack: StackName): number => Math.max(...curve(stack).map(({ mops }) => mops));
  const at = (stack: StackName): RpcPoint =>
    curve(stack).find(({ connections }) => connections === PEAK_CONNECTIONS) as RpcPoint;
  const [laminar, linux] = [at("Laminar"), at("Linux")];
  const light = (stack: StackName): RpcPoint => curve(stack)[0] as RpcPoint;
  const slower = (stack: StackName): number => at(stack).median - laminar.median;
  const more = light("Laminar").median - light("RDMA").median;
  return {
    rows: [
      {
        ...{ name: "Laminar, at most", ours: peak("Laminar"), unit: "MOps/s" },
        ...{ origin: "calibrated", anchor: "fig5.9.peak" },
      },
      {
        ...{ name: "Laminar over TAS", ours: peak("Laminar") / peak("TAS"), unit: "x" },
        ...{ origin: "predicted", anchor: "fig5.9.vs_tas" },
        note: "TAS by Table 2.1's cycles on 32 cores",
      },
      {
        ...{ name: "Laminar, median at the peak", ours: laminar.median, unit: "us" },
        ...{ origin: "predicted", anchor: "fig5.9.median" },
        note: `${PEAK_CONNECTIONS} in flight`,
      },
      {
        ...{ name: "Laminar, 99.99 % at the peak", ours: laminar.p9999, unit: "us" },
        ...{ origin: "predicted", anchor: "fig5.9.p9999" },
      },
      {
        ...{ name: "Laminar over RDMA at low load", ours: more, unit: "us more" },
        ...{ origin: "predicted", anchor: "fig5.9.recirculation" },
      },
      {
        ...{ name: "Laminar over Linux", ours: peak("Laminar") / peak("Linux"), unit: "x" },
        ...{ origin: "predicted", anchor: "fig5.9.linux_tput" },
        note: "Table 2.1's cycles, without the locks of many cores",
      },
      {
        ...{ name: "Linux's median over Laminar's", ours: linux.median / laminar.median },
        ...{ unit: "x", origin: "predicted", anchor: "fig5.9.linux_lat" },
        note: "same connections; the paper does not say which points it divides",
      },
      unpublished("with TAS clients, at most", peak("Laminar, TAS clients"), "MOps/s"),
      unpublished("with TAS clients, median more", slower("Laminar, TAS clients"), "us"),
      unpublished("FlexTOE, at most", peak("FlexTOE"), "MOps/s", SLOW_NIC),
      unpublished("FlexTOE, median at the lightest load", light("FlexTOE").median, "us"),
      unpublished("TAS, at most", peak("TAS"), "MOps/s"),
    ],
    given: GIVEN(),
    plots: loadPlots(curves),
    notes: ["Latency at the peak is Little's law: what is in flight over what the NIC takes."],
  };
}

/** The fewest connections that give most of the throughput. */
const KNEE = 0.95;

function knee(stack: StackName, options: LabOptions, cores: number): RpcPoint {
  const quick = stack === "FlexTOE" ? [8, 24] : [8, 24, 64];
  const each = options.quick ? quick : [4, 8, 16, 24, 32, 64];
  const points = each.map((n) => {
    const connections = Math.min(PEAK_CONNECTIONS, n * Math.max(2, cores));
    return point(stack, options, { cores, connections });
  });
  const most = Math.max(...points.map(({ mops }) => mops));
  return points.find(({ mops }) => mops >= KNEE * most) as RpcPoint;
}

const CORED: readonly StackName[] = ["Laminar", "TAS", "Linux", "FlexTOE"];

/** The fewest cores that give most of the throughput. */
function coresTo(points: readonly (readonly [number, RpcPoint])[]): number {
  const most = Math.max(...points.map(([, { mops }]) => mops));
  return (points.find(([, { mops }]) => mops >= KNEE * most) as readonly [number, RpcPoint])[0];
}

function cores(options: LabOptions): LabReport {
  const counts = options.quick ? [2, 4, 8, 32] : [2, 3, 4, 6, 8, 10, 12, 16, 24, 32];
  // Its NIC is the limit from the first cores on.
  const few = options.quick ? [1, 8] : [1, 2, 4, 8];
  const curves = CORED.map((stack) => {
    const of = stack === "FlexTOE" ? few : counts;
    return [stack, of.map((n) => [n, knee(stack, options, n)] as const)] as const;
  });
  type Points = readonly (readonly [number, RpcPoint])[];
  const [laminar, tas, , flextoe] = curves.map(([, points]) => points) as unknown as [
    ...[Points, Points, Points, Points],
  ];
  const at = (points: readonly (readonly [number, RpcPoint])[], n: number): RpcPoint =>
    (points.find(([count]) => count === n) as readonly [number, RpcPoint])[1];
  const [two, four, eight] = [at(laminar, 2), at(laminar, 4), at(laminar, 8)];
  return {
    rows: [
      {
        ...{ name: "cores at the NIC's limit", ours: coresTo(laminar), unit: "cores" },
        ...{ origin: "calibrated", anchor: "fig5.10.knee" },
      },
      {
        ...{ name: "TAS's tail at 32 cores over Laminar's at 8", unit: "x" },
        ...{ ours: at(tas, 32).p9999 / eight.p9999, origin: "predicted" },
        anchor: "fig5.10.tail_vs_tas",
        note: "each at its knee; the paper's points are a picture",
      },
      { name: "4 cores over 2", ours: four.mops / two.mops, unit: "x", origin: "predicted" },
      {
        ...{ name: "Laminar at 8 cores", ours: eight.mops, unit: "MOps/s" },
        ...{ origin: "calibrated", anchor: "fig5.9.peak" },
      },
      unpublished("TAS at 32 cores", at(tas, 32).mops, "MOps/s"),
      unpublished("FlexTOE: cores at the NIC's limit", coresTo(flextoe), "cores", SLOW_NIC),
      unpublished("FlexTOE at 8 cores", at(flextoe, 8).mops, "MOps/s"),
    ],
    given: GIVEN(),
    plots: [
      plot(
        "Throughput against server cores (Figure 5.10)",
        "cores",
        "MOps/s",
        curves.map(([name, points]) => [name, points.map(([n, { mops }]) => [n, mops])]),
      ),
    ],
    notes: [`A point is the fewest connections with ${KNEE} of the most for that many cores.`],
  };
}

/** Between a response and the next request, under load: fitted to 768 connections. */
const CLIENT_NS = 13_400;
/** A curve is at its limit from then on. */
const SATURATED = 0.98;
const MANY = 32_000;

const COUNTS = [32, 64, 128, 192, 256, 288, 320, 384, 512, 640, 704, 768, 832, 1024, 1536];
const FLEXTOE_COUNTS = [8, 16, 32, 64, 128, 256, 512, 1024];
const QUICK_COUNTS = [64, 256, 288, 512, 704, 768, 1024];

function saturated(points: readonly RpcPoint[]): number {
  const most = Math.max(...points.map(({ mops }) => mops));
  return (points.find(({ mops }) => mops >= SATURATED * most) as RpcPoint).connections;
}

function connections(options: LabOptions): LabReport {
  const counts = options.quick ? QUICK_COUNTS : COUNTS;
  const curve = (stack: StackName, pauseNs: number, of = counts): RpcPoint[] =>
    of.map((n) => point(stack, options, { connections: n, pauseNs }));
  const [laminar, fitted] = [curve("Laminar", 0), curve("Laminar", CLIENT_NS)];
  const [tas, linux] = [curve("TAS", 0), curve("Linux", 0)];
  const flextoe = curve("FlexTOE", 0, options.quick ? [16, 64, 1024] : FLEXTOE_COUNTS);
  const most = (points: readonly RpcPoint[]): number => Math.max(...points.map(({ mops }) => mops));
  const many = point("Laminar, TAS clients", options, {
    connections: MANY,
    warmUpNs: 1_200_000,
    ns: 200_000,
  });
  const line = (points: readonly RpcPoint[]): Curve => points.map((p) => [p.connections, p.mops]);
  return {
    rows: [
      {
        ...{ name: "saturated from, nothing fitted", ours: saturated(laminar) },
        ...{ unit: "connections", origin: "predicted", anchor: "fig5.11.saturate" },
        note: "an unloaded round trip of 5 us: the paper's hosts take longer under load",
      },
      {
        ...{ name: "saturated from, with time in the clients", ours: saturated(fitted) },
        ...{ unit: "connections", origin: "calibrated", anchor: "fig5.11.saturate" },
      },
      {
        ...{ name: "over TAS", ours: most(laminar) / most(tas), unit: "x" },
        ...{ origin: "predicted", anchor: "fig5.11.vs_tas" },
        note: "without what many connections cost TAS's caches",
      },
      {
        ...{ name: "over Linux", ours: most(laminar) / most(linux), unit: "x" },
        ...{ origin: "predicted", anchor: "fig5.11.vs_linux" },
      },
      unpublished("over FlexTOE", most(laminar) / most(flextoe), "x", SLOW_NIC),
      unpublished("FlexTOE: saturated from", saturated(flextoe), "connections"),
      {
        ...{ name: `${MANY} connections, of the most`, ours: many.mops / most(laminar) },
        ...{ unit: "x", origin: "predicted" },
        note: "TAS clients: with Laminar at both ends rows are for 16,384 connections",
      },
    ],
    given: [
      ...GIVEN(),
      {
        name: "time in the clients",
        value: `${CLIENT_NS} ns`,
        source: "fitted: Figure 5.11, 768 connections",
      },
    ],
    plots: [
      plot("Throughput against connections (Figure 5.11)", "connections", "MOps/s", [
        ["Laminar", line(laminar)],
        ["Laminar, time in the clients", line(fitted)],
        ["FlexTOE", line(flextoe)],
        ["TAS", line(tas)],
        ["Linux", line(linux)],
      ]),
    ],
    notes: [
      "State is in stage-local memory: a connection costs nothing, and the model has nothing else.",
      "The paper's slight drop beyond 768 connections is not modelled.",
    ],
  };
}

export const LAMINAR_RPC_FIGURES: readonly Experiment[] = [
  {
    name: "figure-5.8",
    title: "unloaded round trips of Laminar, RDMA, FlexTOE, TAS and Linux",
    section: "5.5.1.1, Figure 5.8",
    run: unloaded,
  },
  {
    name: "figure-5.9",
    title: "load against latency, 64 B echoes",
    section: "5.5.1.2, Figure 5.9",
    run: loadLatency,
  },
  {
    name: "figure-5.10",
    title: "throughput against server cores",
    section: "5.5.1.3, Figure 5.10",
    run: cores,
  },
  {
    name: "figure-5.11",
    title: "throughput against connections",
    section: "5.5.1.3, Figure 5.11",
    run: connections,
  },
];
