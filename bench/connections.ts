/**
 * `npm run bench -- connections`: 1, 1,000, 10,000 and 100,000 connections between two stacks of
 * one thread: how fast they are set up, the rate of 64-byte round trips over all of them, in the
 * order in which they were opened and in a random one that is the same in each pass, and the bytes
 * that an idle one costs, all counted.
 *
 * At most 48 requests are under way, so what grows with the number of connections is the memory
 * that the passes walk through: a round trip reads and writes some 20 cache lines of rows on each
 * side, which 100,000 connections push out of every cache before their next turn.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AF_INET, IPPROTO_TCP, POLLIN, POLLOUT } from "../host/libtoe/constants.ts";
import { SOCK_NONBLOCK, SOCK_STREAM } from "../host/libtoe/constants.ts";
import { TCP_NODELAY } from "../host/libtoe/constants.ts";
import type { SocketAddress } from "../host/libtoe/calls.ts";
import type { Watcher } from "../host/libtoe/socket.ts";
import { formatQuartiles, pairRatio, quartiles, Stopwatch, table, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale } from "./harness.ts";
import { clientAddresses, must, PORT, SERVER, StackPair } from "./stack-pair.ts";

const COUNTS = [1, 1000, 10_000, 100_000] as const;
const MESSAGE = 64;
/** Handshakes, and then requests, under way at once. */
const UNDER_WAY = 48;
const TRIPS = 200_000;
/** Each has 49,152 ephemeral ports. */
const ADDRESSES = 4;
/** Bytes of a chunk: what an idle connection's window promises. */
const CHUNK = 1024;
const BYTES_MAX = 2560;
const SIDE_BYTES_MAX = 256 * 2 ** 20;
/** From here on bytes and rates of setup mean something. */
const MANY = 1000;
/** Times that each number is opened, and connections before the first time. */
const OPENINGS = 5;
const WARM = 20_000;
/** Answers that wait for a delayed acknowledgment hold chunks: at least so many are there. */
const CHUNKS_MIN = 65_536;
/**
 * Virtual time a turn: the 40 ms of a delayed acknowledgment are 20 turns, fewer than 1,000
 * connections take for a turn each, so that from there on every round trip has the same segments.
 */
const STEP_NS = 2e6;

/** The descriptors in a random order, the same in every run. */
function shuffled(fds: readonly number[]): Int32Array<ArrayBuffer> {
  const order = Int32Array.from(fds);
  let state = 1;
  for (let i = order.length - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (i + 1));
    const fd = order[i] as number;
    order[i] = order[other] as number;
    order[other] = fd;
  }
  return order;
}

/** Connections that are all open, and their round trips. */
export class ConnectionsRun {
  readonly #pair: StackPair;
  readonly #count: number;
  readonly #remote: SocketAddress = { address: SERVER, port: PORT };
  readonly #locals: readonly SocketAddress[];
  readonly #request: Uint8Array;
  readonly #answer: Uint8Array;
  readonly #served: Uint8Array;
  readonly #fds: number[] = [];
  /** The same in the order of the pass under way. */
  #order = new Int32Array(0);
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
    const fd = this.#order[this.#next] as number;
    this.#next = this.#next + 1 < this.#count ? this.#next + 1 : 0;
    const put = this.#pair.client.toe.send(fd, this.#request, 0, MESSAGE);
    if (put !== MESSAGE) throw new Error(`connections: expected send ${MESSAGE}, got ${put}`);
    this.#asked += 1;
    this.#open += 1;
  }

  /** Passes go through all of them as they were opened, or in a random order. */
  arrange(random: boolean): void {
    this.#order = random ? shuffled(this.#fds) : Int32Array.from(this.#fds);
    this.#next = 0;
  }

  /** `trips` round trips, each on the next one of the pass; seconds, wall and processor. */
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

  /** Round trips since the start. */
  get answered(): number {
    return this.#trips;
  }

  /** Bytes of linear memory of one side. */
  get linearBytes(): number {
    const { map } = this.#pair.client.core;
    const last = map.regions.at(-1);
    return (last?.base ?? 0) + (last?.bytes ?? 0) - map.core;
  }
}

/** Bytes in use outside linear memory: the JavaScript heap after a full collection, and buffers. */
function heapBytes(): { readonly heap: number; readonly buffers: number } {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, buffers: arrayBuffers };
}

/** One number of connections: what opening them cost, and then their round trips. */
interface Measured {
  readonly count: number;
  readonly run: ConnectionsRun;
  /** Handshakes a processor second, of each opening. */
  readonly setup: number[];
  /** The last tenth's rate over the first tenth's, of each opening. */
  readonly flat: number[];
  /** Bytes of an idle connection, one side. */
  readonly linear: number;
  readonly buffers: number;
  readonly heap: number;
  /** Round trips in the order of opening, and in a random one. */
  readonly inTurn: Rates;
  readonly random: Rates;
}

/** Round trips a second in each round, by wall and by processor time. */
interface Rates {
  readonly wall: number[];
  readonly processor: number[];
}

const noRates = (): Rates => ({ wall: [], processor: [] });

/** Opens all in tenths; seconds of each. */
function open(run: ConnectionsRun, count: number): number[] {
  const times: number[] = [];
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    times.push(run.connectTo(Math.round((count * tenth) / 10)));
  }
  return times;
}

function measureSetup(count: number, rounds: number): Measured {
  const [setup, flat]: [number[], number[]] = [[], []];
  const before = heapBytes();
  let run = new ConnectionsRun(count);
  let times = open(run, count);
  const after = heapBytes();
  for (let round = 1; ; round += 1) {
    setup.push(count / times.reduce((sum, time) => sum + time, 0));
    flat.push((times[0] as number) / (times.at(-1) as number));
    if (round === rounds) break;
    run = new ConnectionsRun(count);
    times = open(run, count);
  }
  const share = (name: "heap" | "buffers"): number => (after[name] - before[name]) / 2 / count;
  const memory = { linear: run.linearBytes / count, buffers: share("buffers") };
  return {
    count,
    run,
    setup,
    flat,
    ...memory,
    heap: share("heap"),
    inTurn: noRates(),
    random: noRates(),
  };
}

const ORDERS = { inTurn: "in turn", random: "at random" } as const;

/** Rounds over all numbers of connections, so that their ratios are of the same moments. */
function measureRates(all: readonly Measured[], scale: BenchScale): void {
  const trips = Math.max(UNDER_WAY, Math.round(TRIPS * scale.work));
  for (const order of ["inTurn", "random"] as const) {
    // A pass over all: the first message of a connection takes its buffers.
    for (const { run, count } of all) {
      run.arrange(order === "random");
      run.exchange(Math.max(trips, count));
    }
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const measured of all) {
        const { seconds, processor } = measured.run.exchange(trips);
        measured[order].wall.push(trips / seconds);
        measured[order].processor.push(trips / processor);
      }
      scale.say(`connections: ${order}, round ${round + 1}`);
    }
  }
}

function totalBytes({ linear, buffers, heap }: Measured): number {
  return linear + buffers + heap;
}

function ratesOf({ wall, processor }: Rates, reference: Rates): string[] {
  const thousand = (values: number[]): string => (quartiles(values).median / 1e3).toFixed(0);
  const ratio = pairRatio(processor, reference.processor);
  const same = processor === reference.processor;
  return [thousand(wall), thousand(processor), same ? "" : formatQuartiles(ratio, 2)];
}

function rowsOf(all: readonly Measured[], reference: Measured): string[][] {
  return all.map((m) => [
    `${m.count}`,
    (quartiles(m.setup).median / 1e3).toFixed(1),
    m.count < 10 * MANY ? "" : quartiles(m.flat).median.toFixed(2),
    ...ratesOf(m.inTurn, reference.inTurn),
    ...ratesOf(m.random, reference.random),
    m.count < MANY ? "" : [m.linear, m.buffers, m.heap].map((bytes) => bytes.toFixed(0)).join("+"),
    m.count < MANY ? "" : totalBytes(m).toFixed(0),
  ]);
}

function valuesOf(m: Measured): Record<string, unknown> {
  return {
    setupPerProcessorSecond: quartiles(m.setup),
    setupLastOverFirst: quartiles(m.flat),
    roundTripsPerSecond: quartiles(m.inTurn.wall),
    roundTripsPerProcessorSecond: quartiles(m.inTurn.processor),
    randomRoundTripsPerSecond: quartiles(m.random.wall),
    randomRoundTripsPerProcessorSecond: quartiles(m.random.processor),
    linearBytes: m.linear,
    bufferBytes: m.buffers,
    heapBytes: m.heap,
    idleBytes: totalBytes(m),
  };
}

/** 1 when two rates are the same, less when one is above the other, whichever. */
function flatness(ratio: number): number {
  return Math.min(ratio, 1 / ratio);
}

function barsOf(all: readonly Measured[]): Bar[] {
  const reference = all[1] as Measured;
  const most = all.at(-1) as Measured;
  const share = (count: number, least: number, order: "inTurn" | "random"): Bar => {
    const found = all.find((m) => m.count === count);
    const name = `connections, round trips ${ORDERS[order]} at ${count} / 1,000`;
    if (found === undefined) return { name, least, ratio: undefined };
    const ratio = pairRatio(found[order].processor, reference[order].processor);
    return { name, least, ratio: ratio.median };
  };
  const side = most.count * totalBytes(most);
  const flat = flatness(quartiles(most.flat).median);
  return [
    share(10_000, 0.5, "inTurn"),
    share(10_000, 0.5, "random"),
    share(100_000, 0.3, "inTurn"),
    share(100_000, 0.3, "random"),
    { name: "connections, setup, first tenth and last", least: 0.8, ratio: flat },
    { name: "connections, 2,560 / bytes idle", least: 1, ratio: BYTES_MAX / totalBytes(most) },
    { name: "connections, 256 MiB / one side", least: 1, ratio: SIDE_BYTES_MAX / side },
  ];
}

/** Setup, round trips and memory at each number of connections. */
export function connections(scale: BenchScale): BenchReport {
  // The smoke run has no time for all of them.
  const smoke = scale.work < 0.01;
  const counts = smoke ? COUNTS.slice(0, 2) : COUNTS;
  // V8 optimises what all of them run, the collector's part included.
  if (!smoke) new ConnectionsRun(WARM).connectTo(WARM);
  const openings = Math.min(scale.rounds, OPENINGS);
  const all = counts.map((count) => measureSetup(count, openings));
  measureRates(all, scale);
  const most = all.at(-1) as Measured;
  const side = (most.count * totalBytes(most)) / 2 ** 20;
  const hash = new WorkHash();
  hash.add(...counts, Math.round(TRIPS * scale.work));
  const head = ["connections", "k opened/CPU s", "last/first"];
  head.push("k trips/s in turn", "/CPU s", "/ 1,000", "at random", "/CPU s", "/ 1,000");
  head.push("linear+buffers+heap B", "B idle");
  return {
    lines: [
      ...table([head, ...rowsOf(all, all[1] as Measured)]),
      `one side of ${most.count} idle connections: ${side.toFixed(1)} MiB`,
      `work ${hash}`,
    ],
    values: {
      connections: Object.fromEntries(all.map((m) => [m.count, valuesOf(m)])),
      sideMebibytes: side,
      openings,
      rounds: scale.rounds,
      work: hash.toString(),
    },
    bars: barsOf(all),
  };
}
