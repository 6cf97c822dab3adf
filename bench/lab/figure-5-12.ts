/**
 * `figure-5.12`: how many packets the pipeline processes (5.5.1.3). Eight hosts with Laminar
 * exchange 8 B echoes on one switch, every packet through the stage program; then two clients with
 * TAS beside them. What ends the curve is the recirculation port, by frame sizes alone. Baselines:
 * the packets of FlexTOE's NIC, and of a core that runs its stages to completion.
 */
import { hybridEcho, LaminarEcho, laminarHosts } from "../../host/modelled/laminar/laminar-echo.ts";
import { type EchoStack, runEcho } from "../../host/modelled/laminar/echo.ts";
import type { SwitchOptions } from "../../host/modelled/laminar/rmt-switch.ts";
import type { StackHost } from "../../host/modelled/laminar/stack-host.ts";
import type { Machine } from "../../host/modelled/machine.ts";
import { X86 } from "../../host/modelled/machines/host-cores.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { FLEXTOE, type Placement, RUN_TO_COMPLETION } from "../../host/modelled/placement.ts";
import type { Experiment, LabOptions, LabReport, LabRow, Plot } from "./experiment.ts";
import { unpublished } from "./experiment.ts";
import { flextoeEcho, flextoeServer } from "./flextoe-echo.ts";
import { flextoeGiven, FlexToeHost } from "./flextoe-host.ts";
import {
  hostOptions,
  hostsGiven,
  newSwitch,
  stackHosts,
  stacksGiven,
  switchGiven,
  switchOptions,
  tasOptions,
  testbed,
} from "./laminar-setting.ts";
import { percentile } from "./statistics.ts";

const HOSTS = 8;
const BYTES = 8;
const TAS_CLIENTS = 2;
/** In flight from each client with TAS: more than its cores need. */
const TAS_CONNECTIONS = 512;
/** Of a quick run. */
const BASELINE_NS = 500_000;
const COUNTS = [64, 128, 256, 384, 448, 512, 544, 576, 640, 768, 1024, 2048, 8192];
const QUICK_COUNTS = [64, 256, 512, 576, 768, 2048];
/** Enough for NFP-4000 and core to be the limit. */
const BASELINE_CONNECTIONS = 128;
/** Latency is flat while its tail is below this over the unloaded one's. */
const FLAT = 1.25;

export interface PipelinePoint {
  readonly connections: number;
  /** Millions a second. */
  readonly mpps: number;
  readonly mops: number;
  readonly passesPerRpc: number;
  readonly gbps: number;
  /** Us. */
  readonly median: number;
  readonly tail: number;
  readonly refused: number;
  readonly drops: number;
}

/** Several loads as one: connections of the first, then those of the next. */
class Together implements EchoStack {
  readonly connections: number;
  readonly #stacks: readonly EchoStack[];

  constructor(stacks: readonly EchoStack[]) {
    this.connections = stacks.reduce((n, { connections }) => n + connections, 0);
    this.#stacks = stacks;
  }

  request(connection: number, answered: () => void): void {
    let at = connection;
    for (const stack of this.#stacks) {
      if (at < stack.connections) {
        stack.request(at, answered);
        return;
      }
      at -= stack.connections;
    }
  }
}

/** One point: so many connections, and clients with TAS. */
export function pipelinePoint(
  seed: number,
  connections: number,
  tasClients: number,
  ns: number,
  changes: Partial<SwitchOptions> = {},
): PipelinePoint {
  const bed = testbed(seed);
  const rows = 2 * connections + 1 + tasClients * TAS_CONNECTIONS;
  const to = newSwitch(bed, switchOptions(seed, HOSTS + tasClients, rows, changes));
  const hosts = laminarHosts(to, HOSTS, hostOptions(), bed.prng);
  const pairs = hosts.flatMap((client) =>
    hosts.filter((server) => server !== client).map((server) => ({ client, server })),
  );
  const local = new LaminarEcho(to, pairs, connections, BYTES);
  const clients = stackHosts(bed, tasClients, tasOptions());
  const remote = clients.map((client, i) => {
    const first = 2 * connections + 1 + i * TAS_CONNECTIONS;
    return hybridEcho(to, client, hosts, TAS_CONNECTIONS, BYTES, first);
  });
  const stack = new Together([local, ...remote]);
  const warmUpNs = 40_000;
  const { kinds, passes: of } = to.program;
  // Grants and returned windows belong to no RPC.
  const apart = (): number => (of[kinds.GRANT] as number) + (of[kinds.SYNC] as number);
  let passes = 0;
  let others = 0;
  let bytes = 0;
  bed.simulation.at(warmUpNs, () => {
    passes = to.passes;
    others = apart();
    bytes = to.bytes;
  });
  const load = { warmUpNs, ns, rpcs: Number.POSITIVE_INFINITY, pauseNs: 0 };
  const { rate, trips } = runEcho(bed.simulation, stack, load, bed.prng);
  const mpps = ((to.passes - passes) * 1000) / ns;
  return {
    connections,
    mpps,
    mops: rate / 1e6,
    passesPerRpc: ((to.passes - passes - apart() + others) * 1e9) / ns / rate,
    gbps: ((to.bytes - bytes) * 8) / ns,
    median: percentile(trips, 0.5) / 1000,
    tail: percentile(trips, 0.99) / 1000,
    refused: to.refused.reduce((a, b) => a + b),
    drops: to.manager.drops,
  };
}

/** What one machine with TCP on it makes of the same echoes. */
export interface BaselinePoint {
  /** Millions a second, in and out. */
  readonly mpps: number;
  readonly mops: number;
  readonly packetsPerRpc: number;
  readonly median: number;
}

/** FlexTOE's data path on a machine: its NIC, or a host's core that runs it to completion. */
export function baselinePoint(
  seed: number,
  machine: Machine,
  placement: Placement,
  ns: number,
): BaselinePoint {
  const bed = testbed(seed);
  const connections = BASELINE_CONNECTIONS;
  const host = new FlexToeHost(bed, { flows: connections, seed, machine, placement });
  const clients = stackHosts(bed, 1, tasOptions());
  flextoeServer(bed, host, clients[0]?.options.applicationCores as number, BYTES);
  const echo = flextoeEcho(bed, host, clients[0] as StackHost, connections, BYTES);
  const warmUpNs = ns / 2;
  let packets = 0;
  bed.simulation.at(warmUpNs, () => {
    packets = host.packets;
  });
  const load = { warmUpNs, ns, rpcs: Number.POSITIVE_INFINITY, pauseNs: 0 };
  const { rate, trips } = runEcho(bed.simulation, echo, load, bed.prng);
  const mpps = ((host.packets - packets) * 1000) / ns;
  const median = percentile(trips, 0.5) / 1000;
  return { mpps, mops: rate / 1e6, packetsPerRpc: (mpps * 1e6) / rate, median };
}

/** The last point before the tail rises, of points in the order of their load. */
export function flatUntil(points: readonly PipelinePoint[]): number {
  const base = (points[0] as PipelinePoint).tail;
  const end = points.findIndex(({ tail }) => tail > FLAT * base);
  const flat = end === -1 ? points : points.slice(0, end);
  return Math.max(...flat.map(({ mpps }) => mpps));
}

function plotOf(points: readonly PipelinePoint[], more: PipelinePoint): Plot {
  const line = (of: (point: PipelinePoint) => number): (readonly [number, number])[] =>
    points.map((point) => [point.mpps, of(point)]);
  return {
    title: "Round trips against packets of the pipeline (Figure 5.12)",
    x: { label: "Mpps through egress", scale: "linear" },
    y: { label: "us", scale: "log" },
    series: [
      { name: "median", form: "line", points: line(({ median }) => median) },
      { name: "99 %", form: "line", points: line(({ tail }) => tail) },
      { name: "with TAS clients, median", form: "marks", points: [[more.mpps, more.median]] },
    ],
  };
}

function baselineRows(name: string, point: BaselinePoint): LabRow[] {
  const packets = `${point.packetsPerRpc.toFixed(1)} an RPC, ${point.median.toFixed(1)} us`;
  return [
    unpublished(name, point.mpps, "Mpps", packets),
    unpublished(`${name}, RPCs`, point.mops, "MOps/s"),
  ];
}

/** One machine each, with TAS clients. */
function baselines(options: LabOptions): LabRow[] {
  options.say("baselines");
  const alone = (machine: Machine, placement: Placement): BaselinePoint =>
    baselinePoint(options.seed, machine, placement, BASELINE_NS * (options.quick ? 1 : 5));
  return [
    ...baselineRows("FlexTOE's NIC", alone(NFP_4000, FLEXTOE)),
    ...baselineRows("run to completion, an x86 core", alone(X86, RUN_TO_COMPLETION)),
  ];
}

function run(options: LabOptions): LabReport {
  const counts = options.quick ? QUICK_COUNTS : COUNTS;
  const ns = options.quick ? 30_000 : 100_000;
  const points = counts.map((connections) => {
    options.say(`${connections} connections`);
    return pipelinePoint(options.seed, connections, 0, ns);
  });
  const most = points.reduce((a, b) => (b.mops > a.mops ? b : a));
  const more = pipelinePoint(options.seed, most.connections, TAS_CLIENTS, ns);
  const predicted = "predicted" as const;
  return {
    rows: [
      {
        name: "egress passes of an RPC",
        ours: (points[0] as PipelinePoint).passesPerRpc,
        unit: "",
        origin: predicted,
        anchor: "fig5.12.pkts_per_rpc",
      },
      {
        name: "latency flat until",
        ours: flatUntil(points),
        unit: "Mpps",
        origin: predicted,
        anchor: "fig5.12.flat_until",
        note: `99 % below ${FLAT} x the unloaded one's`,
      },
      unpublished("Laminar hosts alone, at most", most.mpps, "Mpps"),
      {
        name: "with two TAS clients",
        ours: more.mpps,
        unit: "Mpps",
        origin: predicted,
        anchor: "fig5.12.max",
      },
      {
        name: "with two TAS clients, RPCs",
        ours: more.mops,
        unit: "MOps/s",
        origin: predicted,
        anchor: "fig5.12.goodput",
      },
      {
        name: "with two TAS clients, channels",
        ours: more.gbps,
        unit: "Gbit/s",
        origin: predicted,
        anchor: "fig5.12.throughput",
        note: 'the paper\'s "nearing"; ours is every frame behind egress, with its gap',
      },
      ...baselines(options),
    ],
    given: [
      ...switchGiven(),
      ...hostsGiven(),
      ...stacksGiven(),
      ...flextoeGiven(),
      ...flextoeGiven(X86),
    ],
    plots: [plotOf(points, more)],
    notes: [
      "Nothing is fitted to this figure: frames of 4 recirculated packets an RPC fill 300 Gbit/s.",
      "The paper names no hosts' limit for its two TAS clients; ours are bound by their 32 cores.",
      "Baselines are one machine each, with TAS clients: our data path on FlexTOE's NIC, and its",
      "stages run to completion by one core of figure-4.15's x86.",
    ],
  };
}

export const FIGURE_5_12: Experiment = {
  name: "figure-5.12",
  title: "packets of the RMT pipeline against latency, 8 B echoes",
  section: "5.5.1.3, Figure 5.12",
  run,
};
