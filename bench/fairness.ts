/**
 * `fairness`: CUBIC connections over one drop-tail bottleneck of one bandwidth-delay product, two
 * whole stacks in virtual time. Jain's index over what each connection's receiver got, and the
 * share of their time that connections spent waiting for a retransmission timeout.
 */
import { Counter } from "../bindings/abi/counters.ts";
import { PROFILES } from "../host/control-plane/profile.ts";
import { table, WorkHash, type BenchReport, type BenchScale } from "./harness.ts";
import { SimulatedNetwork } from "./lab/simulated-network.ts";
import { BulkStreams } from "./lab/simulated-traffic.ts";
import { jainIndex } from "./lab/statistics.ts";
import { counterOf } from "./stack-pair.ts";

/** Round trip of the empty path: 5 ms. */
const DELAY = 2.5e6;
const SEED = 1;
/** A quarter of the shortest timeout. */
const LOOK_NS = 50e6;

interface Setting {
  readonly connections: number;
  /** Of the bottleneck, bits/s. */
  readonly rate: number;
  readonly seconds: number;
  /** Jain's index, at least. */
  readonly least: number;
}

/** The issue's: 1 Gbit/s, and 2,000 connections at 10 Gbit/s. */
const FULL: readonly Setting[] = [
  { connections: 2, rate: 1e9, seconds: 30, least: 0.95 },
  { connections: 16, rate: 1e9, seconds: 30, least: 0.95 },
  { connections: 256, rate: 1e9, seconds: 30, least: 0.95 },
  { connections: 2000, rate: 10e9, seconds: 30, least: 0.9 },
];
/** A tenth of the rate. */
const QUICK: readonly Setting[] = [
  { connections: 2, rate: 100e6, seconds: 30, least: 0.95 },
  { connections: 16, rate: 100e6, seconds: 30, least: 0.95 },
];
const SMOKE: readonly Setting[] = [{ connections: 2, rate: 100e6, seconds: 0.3, least: 0 }];

interface Outcome {
  readonly fairness: number;
  /** Payload over the bottleneck's rate. */
  readonly utilisation: number;
  /** Of all connections' time. */
  readonly waiting: number;
  readonly timeouts: number;
}

function networkOf({ connections, rate }: Setting): SimulatedNetwork {
  const product = (rate / 8) * ((2 * DELAY) / 1e9);
  return new SimulatedNetwork({
    seed: SEED,
    machine: { profile: PROFILES.internet, congestion: "cubic", nsPerFrame: 0 },
    connections,
    // The senders' NIC is no bottleneck; frames meet in the switch.
    lineRate: 4 * rate,
    portRate: rate,
    delay: DELAY,
    portQueue: { bytes: Math.ceil(product) },
    // Window and queue, and as much again for recovery.
    buffer: bufferOf(product, connections),
  });
}

/** A connection's share of path and queue, eight times over; between 64 KiB and 4 MiB. */
function bufferOf(product: number, connections: number): number {
  const bytes = 2 ** Math.ceil(Math.log2((16 * product) / connections));
  return Math.min(1 << 22, Math.max(1 << 16, bytes));
}

/** A connection whose left edge stands still until its timer goes off. */
interface Stall {
  una: number;
  timeouts: number;
  since: number;
}

/** Time that connections stood still, of every standstill in which the timer went off. */
class TimeoutWatch {
  readonly #network: SimulatedNetwork;
  readonly #stalls = new Map<number, Stall>();
  waited = 0;

  constructor(network: SimulatedNetwork) {
    this.#network = network;
  }

  look(): void {
    const { client, world } = this.#network;
    for (const { connection, txUna, timeouts } of client.toe.connections()) {
      const stall = this.#stalls.get(connection);
      if (stall?.una === txUna) continue;
      if (stall !== undefined && timeouts > stall.timeouts) this.waited += world.now - stall.since;
      this.#stalls.set(connection, { una: txUna, timeouts, since: world.now });
    }
  }
}

function measure(setting: Setting, hash: WorkHash): Outcome {
  const network = networkOf(setting);
  const streams = new BulkStreams(network);
  const watch = new TimeoutWatch(network);
  const time = setting.seconds * 1e9;
  for (let passed = 0; passed < time; passed += LOOK_NS) {
    network.pass(Math.min(LOOK_NS, time - passed));
    watch.look();
  }
  const bytes = streams.received.reduce((sum, each) => sum + each, 0);
  const timeouts = counterOf(network.client, Counter.Timeouts);
  for (const count of [bytes, timeouts]) hash.add(count);
  return {
    fairness: jainIndex(streams.received),
    utilisation: (bytes * 8e9) / time / setting.rate,
    waiting: watch.waited / (time * setting.connections),
    timeouts,
  };
}

function settingsOf(scale: BenchScale): readonly Setting[] {
  if (scale.work >= 1) return FULL;
  return scale.work < 0.01 ? SMOKE : QUICK;
}

/** Every setting once: virtual time has no noise. */
export function fairness(scale: BenchScale): BenchReport {
  const hash = new WorkHash();
  const rows = settingsOf(scale).map((setting) => {
    scale.say(`fairness: ${setting.connections} connections`);
    return { ...setting, ...measure(setting, hash) };
  });
  const head = [
    "connections",
    "bottleneck",
    "time",
    "Jain's index",
    "goodput",
    "in RTO",
    "timeouts",
  ];
  const cells = rows.map((row) => [
    `${row.connections}`,
    `${row.rate / 1e6} Mbit/s`,
    `${row.seconds} s`,
    row.fairness.toFixed(4),
    `${(100 * row.utilisation).toFixed(1)} %`,
    `${(100 * row.waiting).toFixed(2)} %`,
    `${row.timeouts}`,
  ]);
  const lines = ["CUBIC, 5 ms, drop-tail of 1 BDP", ...table([head, ...cells]), `work ${hash}`];
  const bars = rows.map(({ connections, least, fairness: ratio }) => {
    return { name: `fairness, ${connections} connections: Jain's index`, least, ratio };
  });
  return { lines, values: { rows, work: hash.toString() }, bars };
}
