/**
 * `npm run bench -- connections`: 1, 1,000, 10,000 and 100,000 connections between two stacks of
 * one thread: how fast they are set up, the rate of 64-byte round trips when each connection has
 * its turn, and the bytes that an idle one costs, all of it counted.
 *
 * At most 64 requests are under way, so what grows with the number of connections is the memory
 * that the turns walk through: a round trip reads and writes some 20 cache lines of rows on each
 * side, which 100,000 connections push out of every cache before their next turn.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AF_INET, IPPROTO_TCP, POLLIN, POLLOUT } from "../host/libtoe/constants.ts";
import { SOCK_NONBLOCK, SOCK_STREAM } from "../host/libtoe/constants.ts";
import { TCP_NODELAY } from "../host/libtoe/constants.ts";
import { ROW_BYTES } from "../host/control-plane/row-table.ts";
import type { SocketAddress } from "../host/libtoe/calls.ts";
import type { Watcher } from "../host/libtoe/socket.ts";
import { formatQuartiles, pairRatio, quartiles, Stopwatch, table, WorkHash } from "./harness.ts";
import type { BenchReport, BenchScale } from "./harness.ts";
import { clientAddresses, must, PORT, SERVER, StackPair } from "./stack-pair.ts";

const COUNTS = [1, 1000, 10_000, 100_000] as const;
const REFERENCE = 1000;
const MESSAGE = 64;
/** Handshakes, and then requests, under way at once. */
const UNDER_WAY = 48;
const TRIPS = 200_000;
/** Each has 49,152 ephemeral ports. */
const ADDRESSES = 4;
/** Bytes of a chunk: what an idle connection's window promises. */
const CHUNK = 1024;
const BYTES_MAX = 2560;
/** Answers that wait for a delayed acknowledgment hold chunks: at least so many are there. */
const CHUNKS_MIN = 65_536;
/**
 * Virtual time a turn: the 40 ms of a delayed acknowledgment are 20 turns, fewer than 1,000
 * connections take for a turn each, so that from there on every round trip has the same segments.
 */
const STEP_NS = 2e6;

/** Connections that are all open, and their round trips in turn. */
export class ConnectionsRun {
  readonly #pair: StackPair;
  readonly #count: number;
  readonly #remote: SocketAddress = { address: SERVER, port: PORT };
  readonly #locals: readonly SocketAddress[];
  readonly #request: Uint8Array;
  readonly #answer: Uint8Array;
  readonly #served: Uint8Array;
  readonly #fds: number[] = [];
  #begun = 0;
  #accepted = 0;
  #next = 0;
  #trips = 0;
  #open = 0;
  #asked = 0;
  #target = 0;
  /** What a watcher threw: the stack resets its connection and goes on. */
  #failure: unknown = undefined;

  constructor(count: number) {
    this.#count = count;
    const connections = count + 16;
    // Every connection's chunk, and the sixteenth for sending.
    const chunks = Math.max(CHUNKS_MIN, Math.ceil((connections * 16) / 15) + 64);
    const layout = { connections, chunkBytes: CHUNK, payloadBytes: chunks * CHUNK };
    const addresses = ADDRESSES;
    this.#pair = new StackPair({ timestamps: true, connections: 0, layout, addresses, buffers: 0 });
    const { client, server } = this.#pair;
    for (const { toe } of [client, server]) {
      toe.onCallbackError = (_fd, error) => {
        this.#failure = error;
      };
    }
    this.#locals = clientAddresses(ADDRESSES).map((address) => ({ address, port: 0 }));
    this.#request = client.toe.allocate(MESSAGE).fill(7);
    this.#answer = client.toe.allocate(MESSAGE);
    this.#served = server.toe.allocate(MESSAGE);
    const listener = must(server.toe.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    must(server.toe.bind(listener, this.#remote), "bind");
    must(server.toe.setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, 1), "setsockopt");
    must(server.toe.listen(listener, 4096), "listen");
    must(server.toe.setWatcher(listener, this.#accept), "setWatcher");
  }

  readonly #accept: Watcher = (listener) => {
    const { toe } = this.#pair.server;
    for (let fd = toe.accept(listener); fd >= 0; fd = toe.accept(listener)) {
      must(toe.setWatcher(fd, this.#serve), "setWatcher");
      this.#accepted += 1;
    }
  };

  readonly #serve: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const { toe } = this.#pair.server;
    const got = toe.recv(fd, this.#served, 0, MESSAGE);
    if (got <= 0) return;
    if (toe.send(fd, this.#served, 0, got) !== got) throw new Error("connections: not taken");
  };

  readonly #connected: Watcher = (fd, events) => {
    if ((events & POLLOUT) === 0) return;
    must(this.#pair.client.toe.setWatcher(fd, this.#finish), "setWatcher");
    this.#fds.push(fd);
  };

  readonly #finish: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    const got = this.#pair.client.toe.recv(fd, this.#answer, 0, MESSAGE);
    if (got <= 0) return;
    if (got !== MESSAGE) throw new Error(`connections: expected ${MESSAGE} bytes, got ${got}`);
    this.#trips += 1;
    this.#open -= 1;
    if (this.#asked < this.#target) this.#ask();
  };

  #begin(): void {
    const { toe } = this.#pair.client;
    const fd = must(toe.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    must(toe.bind(fd, this.#locals[this.#begun % ADDRESSES] as SocketAddress), "bind");
    must(toe.setWatcher(fd, this.#connected), "setWatcher");
    toe.connect(fd, this.#remote);
    this.#begun += 1;
  }

  /** Opens up to `total` connections; processor seconds. */
  connectTo(total: number): number {
    const watch = new Stopwatch();
    const { client } = this.#pair;
    while (this.#fds.length < total || this.#accepted < total) {
      const free = Math.min(total, this.#fds.length + UNDER_WAY);
      while (this.#begun < free) this.#begin();
      this.#pair.turn(true);
    }
    if (client.control.counters.connections !== total) throw new Error("connections: lost some");
    return watch.read().processor;
  }

  #ask(): void {
    const fd = this.#fds[this.#next] as number;
    this.#next = this.#next + 1 < this.#count ? this.#next + 1 : 0;
    const put = this.#pair.client.toe.send(fd, this.#request, 0, MESSAGE);
    if (put !== MESSAGE) throw new Error(`connections: expected send ${MESSAGE}, got ${put}`);
    this.#asked += 1;
    this.#open += 1;
  }

  /** `trips` round trips, each on the next connection; seconds, wall and processor. */
  exchange(trips: number): { readonly seconds: number; readonly processor: number } {
    const watch = new Stopwatch();
    this.#target = this.#asked + trips;
    const first = Math.min(this.#count, UNDER_WAY, trips);
    for (let i = 0; i < first; i += 1) this.#ask();
    let progress = true;
    while (this.#open > 0) {
      const done = this.#trips;
      this.#pair.turn(progress, STEP_NS);
      if (this.#failure !== undefined) throw this.#failure;
      progress = this.#trips !== done;
    }
    return watch.read();
  }

  /** Bytes of linear memory of one side. */
  get linearBytes(): number {
    const { map } = this.#pair.client.core;
    const last = map.regions.at(-1);
    return (last?.base ?? 0) + (last?.bytes ?? 0) - map.core;
  }
}

/** Bytes of the JavaScript heap in use, after a full collection. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

interface Measured {
  readonly count: number;
  /** Handshakes a processor second: over all, and the last tenth against the first. */
  readonly setup: number;
  readonly flat: number;
  readonly rates: number[];
  readonly cpu: number[];
  /** An idle connection of one side. */
  readonly linear: number;
  readonly rows: number;
  readonly heap: number;
}

/** Opens them in tenths: the first against the last says whether setup grows with what is there. */
function open(run: ConnectionsRun, count: number): { setup: number; flat: number } {
  const tenth = Math.max(1, Math.floor(count / 10));
  const times: number[] = [];
  for (let total = tenth; times.length < 10 && total <= count; total += tenth) {
    times.push(run.connectTo(total));
  }
  run.connectTo(count);
  const seconds = times.reduce((sum, time) => sum + time, 0);
  const ends = (list: number[]): number => quartiles(list).median;
  const flat = ends(times.slice(0, 3)) / ends(times.slice(-3));
  return { setup: (tenth * times.length) / seconds, flat };
}

function measure(scale: BenchScale, count: number): Measured {
  const before = heapBytes();
  const run = new ConnectionsRun(count);
  const { setup, flat } = open(run, count);
  const heap = (heapBytes() - before) / 2 / count;
  const trips = Math.max(UNDER_WAY, Math.round(TRIPS * scale.work));
  run.exchange(Math.max(trips, Math.min(count, trips * 2)));
  const [rates, cpu]: [number[], number[]] = [[], []];
  for (let round = 0; round < scale.rounds; round += 1) {
    const { seconds, processor } = run.exchange(trips);
    rates.push(trips / seconds);
    cpu.push(trips / processor);
  }
  scale.say(`connections: ${count}: ${(setup / 1e3).toFixed(1)} k handshakes/s`);
  return { count, setup, flat, rates, cpu, linear: run.linearBytes / count, rows: ROW_BYTES, heap };
}

function totalBytes({ linear, rows, heap }: Measured): number {
  return linear + rows + heap;
}

function rowsOf(all: readonly Measured[], reference: Measured): string[][] {
  return all.map((m) => [
    `${m.count}`,
    (m.setup / 1e3).toFixed(1),
    m.flat.toFixed(2),
    (quartiles(m.rates).median / 1e3).toFixed(1),
    (quartiles(m.cpu).median / 1e3).toFixed(1),
    m === reference ? "" : formatQuartiles(pairRatio(m.cpu, reference.cpu), 2),
    m.count < REFERENCE ? "" : `${Math.round(m.linear)}+${m.rows}+${Math.round(m.heap)}`,
    m.count < REFERENCE ? "" : `${Math.round(totalBytes(m))}`,
  ]);
}

/** Setup, round trips and memory at each number of connections. */
export function connections(scale: BenchScale): BenchReport {
  // The smoke run has no time for all of them.
  const counts = scale.work < 0.01 ? COUNTS.slice(0, 2) : COUNTS;
  // V8 optimises what all of them run.
  new ConnectionsRun(64).connectTo(64);
  const all = counts.map((count) => measure(scale, count));
  const reference = all[1] as Measured;
  const most = all.at(-1) as Measured;
  const ratioAt = (count: number): number | undefined => {
    const found = all.find((m) => m.count === count);
    return found === undefined ? undefined : pairRatio(found.cpu, reference.cpu).median;
  };
  const hash = new WorkHash();
  hash.add(...counts, Math.round(TRIPS * scale.work));
  const head = ["connections", "k opened/CPU s", "last/first", "k rt/s", "k rt/CPU s"];
  head.push("/ 1,000", "linear+rows+heap B", "B/idle");
  const one = most.count * totalBytes(most);
  return {
    lines: [
      ...table([head, ...rowsOf(all, reference)]),
      `one side of ${most.count}: ${(one / 2 ** 20).toFixed(1)} MiB`,
      `work ${hash}`,
    ],
    values: {
      connections: Object.fromEntries(
        all.map((m) => [m.count, { ...m, bytes: totalBytes(m), roundTrips: quartiles(m.rates) }]),
      ),
      mebibytes: one / 2 ** 20,
      rounds: scale.rounds,
      work: hash.toString(),
    },
    bars: [
      { name: "connections, round trips at 10,000 / 1,000", least: 0.5, ratio: ratioAt(10_000) },
      { name: "connections, round trips at 100,000 / 1,000", least: 0.3, ratio: ratioAt(100_000) },
      { name: "connections, setup, last / first third", least: 0.8, ratio: most.flat },
      { name: "connections, 2,560 / bytes idle", least: 1, ratio: BYTES_MAX / totalBytes(most) },
      { name: "connections, 256 MiB / one side", least: 1, ratio: (256 * 2 ** 20) / one },
    ],
  };
}
