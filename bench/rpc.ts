/**
 * `npm run bench -- rpc`: 64 bytes there and back through send() and recv(), over 1 and over 64
 * connections at once, beside lwIP in Wasm and native. Both applications run in the stack's
 * callbacks (setWatcher; lwIP's recv callback), and a client sends its next request when it has
 * the whole answer to the last one. Timestamps are off.
 */
import { IPPROTO_TCP, POLLIN, TCP_NODELAY } from "../host/libtoe/constants.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";
import type { Watcher } from "../host/libtoe/socket.ts";
import { formatQuartiles, interleave, pairRatio, quartiles, table } from "./harness.ts";
import { Stopwatch, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale, Quartiles } from "./harness.ts";
import { lwipBuilt, lwipRpc, rpcFigures, type RpcFigures } from "./peers/lwip.ts";
import { must, StackPair } from "./stack-pair.ts";

const MESSAGE = 64;
const CONNECTIONS = [1, 64] as const;
const TRIPS = 200_000;
/** V8 goes on optimising for this long; lwIP runs 200,000 before its clock starts. */
const WARM_TRIPS = 400_000;
/** Least ratios, by connections; lwIP looks connections up in linear lists. */
const BARS = [
  [1, "wasm", 1.3],
  [64, "native", 2],
] as const;

/** Connections that answer 64 bytes with 64 bytes, each with one request under way. */
export class RpcRun {
  readonly #pair: StackPair;
  readonly #request: Uint8Array;
  readonly #answer: Uint8Array;
  readonly #served: Uint8Array;
  #trips = 0;
  #target = 0;
  /** Requests under way. */
  #open = 0;

  constructor(connections: number) {
    this.#pair = new StackPair({ timestamps: false, connections });
    const { client, server, clientFds, serverFds } = this.#pair;
    this.#request = client.toe.allocate(MESSAGE);
    this.#answer = client.toe.allocate(MESSAGE);
    this.#served = server.toe.allocate(MESSAGE);
    for (let i = 0; i < MESSAGE; i += 1) this.#request[i] = (i * 7) & 255;
    for (const fd of serverFds) this.#watch(server.toe, fd, this.#serve);
    for (const fd of clientFds) this.#watch(client.toe, fd, this.#finish);
  }

  #watch(toe: LibToe, fd: number, watcher: Watcher): void {
    must(toe.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1), "setsockopt");
    must(toe.setWatcher(fd, watcher), "setWatcher");
  }

  readonly #serve: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const { toe } = this.#pair.server;
    const got = toe.recv(fd, this.#served, 0, MESSAGE);
    if (got <= 0) return;
    if (toe.send(fd, this.#served, 0, got) !== got) throw new Error("rpc: answer not taken");
  };

  readonly #finish: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const got = this.#pair.client.toe.recv(fd, this.#answer, 0, MESSAGE);
    if (got <= 0) return;
    // A message of 64 bytes is one segment: it arrives whole.
    if (got !== MESSAGE || this.#answer[MESSAGE - 1] !== this.#request[MESSAGE - 1]) {
      throw new Error(`rpc: expected an answer of ${MESSAGE} bytes, got ${got}`);
    }
    this.#trips += 1;
    this.#open -= 1;
    if (this.#trips < this.#target) this.#ask(fd);
  };

  #ask(fd: number): void {
    const put = this.#pair.client.toe.send(fd, this.#request, 0, MESSAGE);
    if (put !== MESSAGE) throw new Error(`rpc: expected send ${MESSAGE}, got ${put}`);
    this.#open += 1;
  }

  /** At least `trips` more round trips: each connection's last one is waited for. */
  exchange(trips: number): RpcFigures {
    const { clientLink, serverLink } = this.#pair;
    const segments = (): number => clientLink.frames + serverLink.frames;
    const before = this.#trips;
    const sent = segments();
    this.#target = before + trips;
    const watch = new Stopwatch();
    for (const fd of this.#pair.clientFds) this.#ask(fd);
    let progress = true;
    while (this.#open > 0) {
      const done = this.#trips;
      this.#pair.turn(progress);
      progress = this.#trips !== done;
    }
    const elapsed = watch.read();
    return rpcFigures({ ...elapsed, trips: this.#trips - before, segments: segments() - sent });
  }
}

interface Compared {
  readonly connections: number;
  readonly figures: ReadonlyMap<string, readonly RpcFigures[]>;
}

function compare(connections: number, scale: BenchScale): Compared {
  const trips = Math.max(connections, Math.round(TRIPS * scale.work));
  const run = new RpcRun(connections);
  run.exchange(Math.round(WARM_TRIPS * Math.min(1, scale.work * 4)));
  const sides = new Map<string, () => RpcFigures>([["toeloop", () => run.exchange(trips)]]);
  for (const form of ["wasm", "native"] as const) {
    if (!scale.peers || !lwipBuilt(form, false)) continue;
    sides.set(`lwip-${form}`, () => lwipRpc(form, false, connections, trips));
  }
  scale.say(`rpc: ${connections} connections, ${scale.rounds} rounds of ${[...sides.keys()]}`);
  return { connections, figures: interleave(scale.rounds, sides) };
}

function medians(runs: readonly RpcFigures[]): RpcFigures {
  const median = (of: (f: RpcFigures) => number): number => quartiles(runs.map(of)).median;
  return {
    roundTripsPerSecond: median((f) => f.roundTripsPerSecond),
    nsPerRoundTrip: median((f) => f.nsPerRoundTrip),
    cpuNsPerRoundTrip: median((f) => f.cpuNsPerRoundTrip),
    segmentsPerRoundTrip: median((f) => f.segmentsPerRoundTrip),
  };
}

/** toeloop's round trips over a peer's, pair by pair; undefined without the peer. */
function ratio(compared: Compared, peer: string): Quartiles | undefined {
  const theirs = compared.figures.get(peer)?.map((f) => f.roundTripsPerSecond);
  const ours = compared.figures.get("toeloop")?.map((f) => f.roundTripsPerSecond);
  return ours === undefined || theirs === undefined ? undefined : pairRatio(ours, theirs);
}

/** The same by processor time a round trip. */
function cpuRatio(compared: Compared, peer: string): Quartiles | undefined {
  const theirs = compared.figures.get(peer)?.map((f) => f.cpuNsPerRoundTrip);
  const ours = compared.figures.get("toeloop")?.map((f) => f.cpuNsPerRoundTrip);
  return ours === undefined || theirs === undefined ? undefined : pairRatio(theirs, ours);
}

function rowsOf(compared: Compared): string[][] {
  return [...compared.figures].map(([side, runs]) => {
    const m = medians(runs);
    const against = side === "toeloop" ? undefined : ratio(compared, side);
    const byCpu = side === "toeloop" ? undefined : cpuRatio(compared, side);
    return [
      side,
      `${compared.connections}`,
      (m.roundTripsPerSecond / 1e3).toFixed(1),
      m.nsPerRoundTrip.toFixed(0),
      m.cpuNsPerRoundTrip.toFixed(0),
      m.segmentsPerRoundTrip.toFixed(2),
      against === undefined ? "" : formatQuartiles(against, 2),
      byCpu === undefined ? "" : formatQuartiles(byCpu, 2),
    ];
  });
}

function valuesOf(compared: Compared): Record<string, unknown> {
  const peers = [...compared.figures].filter(([side]) => side !== "toeloop");
  return {
    ...medians(compared.figures.get("toeloop") as readonly RpcFigures[]),
    peers: Object.fromEntries(
      peers.map(([side, runs]) => [
        side,
        { ...medians(runs), ratio: ratio(compared, side), cpuRatio: cpuRatio(compared, side) },
      ]),
    ),
  };
}

/** 1 and 64 connections, timestamps off. */
export function rpc(scale: BenchScale): BenchReport {
  const all = CONNECTIONS.map((connections) => compare(connections, scale));
  const head = ["", "connections", "k rt/s", "ns/rt", "CPU ns/rt", "seg/rt"];
  head.push("toeloop / peer", "by CPU time");
  const hash = new WorkHash();
  hash.add(...CONNECTIONS, Math.round(TRIPS * scale.work));
  const bars: Bar[] = BARS.map(([connections, form, least]) => {
    const compared = all.find((each) => each.connections === connections) as Compared;
    const name = `rpc, ${connections} connections, toeloop / lwip-${form}`;
    return { name, least, ratio: ratio(compared, `lwip-${form}`)?.median };
  });
  const byConnections = all.map((compared) => [compared.connections, valuesOf(compared)]);
  return {
    lines: [...table([head, ...all.flatMap(rowsOf)]), `work ${hash}`],
    values: {
      ...valuesOf(all[0] as Compared),
      rounds: scale.rounds,
      connections: Object.fromEntries(byConnections),
      work: hash.toString(),
    },
    bars,
  };
}
