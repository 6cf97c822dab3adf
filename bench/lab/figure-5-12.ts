/**
 * `figure-5.12`: how many packets the pipeline processes (5.5.1.3). Eight hosts with Laminar
 * exchange 8 B echoes on one switch, every packet through the stage program; then two clients with
 * TAS beside them. What ends the curve is the recirculation port, by frame sizes alone.
 */
import { hybridEcho, LaminarEcho, laminarHosts } from "../../host/modelled/laminar/laminar-echo.ts";
import { type EchoStack, runEcho } from "../../host/modelled/laminar/echo.ts";
import type { SwitchOptions } from "../../host/modelled/laminar/rmt-switch.ts";
import type { Experiment, LabOptions, LabReport, Plot } from "./experiment.ts";
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
const COUNTS = [64, 128, 256, 384, 448, 512, 544, 576, 640, 768, 1024, 2048, 8192];
const QUICK_COUNTS = [64, 256, 512, 576, 768, 2048];
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
      { name: "Laminar hosts alone, at most", ours: most.mpps, unit: "Mpps", origin: predicted },
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
      },
    ],
    given: [...switchGiven(), ...hostsGiven(), ...stacksGiven()],
    plots: [plotOf(points, more)],
    notes: [
      "Nothing is fitted to this figure: frames of 4 recirculated packets an RPC fill 300 Gbit/s.",
      "The paper names no hosts' limit for its two TAS clients; ours are bound by their 32 cores.",
    ],
  };
}

export const FIGURE_5_12: Experiment = {
  name: "figure-5.12",
  title: "packets of the RMT pipeline against latency, 8 B echoes",
  section: "5.5.1.3, Figure 5.12",
  run,
};
