/**
 * `npm run bench -- connect`: connections opened and closed in order, both ends in this thread,
 * through socket(), connect(), accept() and close(), in virtual time. The client closes first and
 * keeps TIME-WAIT for 2 MSL: virtual time moves on by 2 MSL for as many connections as there are
 * TIME-WAIT records, so that none is cut short (the run fails otherwise). Ports are used again
 * over K address pairs. Beside it: the same loop over Node's net module and the kernel's loopback.
 */
import { createServer, connect as netConnect, type AddressInfo, type Server } from "node:net";
import { AF_INET, POLLIN, POLLOUT, SOCK_NONBLOCK, SOCK_STREAM } from "../host/libtoe/constants.ts";
import type { Watcher } from "../host/libtoe/socket.ts";
import type { SocketAddress } from "../host/libtoe/calls.ts";
import { formatQuartiles, quartiles, Stopwatch, table, WorkHash } from "./harness.ts";
import type { BenchReport, BenchScale } from "./harness.ts";
import { clientAddresses, must, PORT, SERVER, StackPair } from "./stack-pair.ts";

/** N: TIME-WAIT records that the client keeps at once. */
const RECORDS = 16_384;
/** K: address pairs; each has 49,152 ephemeral ports. */
const PAIRS = 4;
/** Connections under way at once. */
const BATCH = 48;
/** 2 MSL of the profile. */
const TIME_WAIT_NS = 60e9;
/** Records for connections that are not in TIME-WAIT yet. */
const SPARE = 2048;
const CONNECTIONS = 200_000;
const WARM = 100_000;
/** Connections a second. */
const BAR = 200_000;
/** Turns in which nothing ended before a run is called stuck. */
const STUCK_TURNS = 10_000;
const NODE_CONNECTIONS = 5000;
/** Connections that the loop over Node's net has under way. */
const NODE_BATCH = 32;

/** Connects and closes, over and over. */
export class ConnectRun {
  readonly #pair: StackPair;
  readonly #locals: readonly SocketAddress[];
  readonly #remote: SocketAddress = { address: SERVER, port: PORT };
  readonly #step: number;
  readonly #rows: number;
  #opened = 0;
  #closed = 0;
  #open = 0;

  /** `records`: N, `pairs`: K. */
  constructor(records = RECORDS, pairs = PAIRS) {
    this.#rows = records + SPARE;
    const layout = { connections: this.#rows, payloadBytes: 16 << 20 };
    this.#pair = new StackPair({
      timestamps: true,
      connections: 0,
      layout,
      serverLayout: { ...layout, connections: SPARE },
      addresses: pairs,
      buffers: 0,
    });
    this.#locals = clientAddresses(pairs).map((address) => ({ address, port: 0 }));
    this.#step = Math.ceil(TIME_WAIT_NS / records);
    const { toe } = this.#pair.server;
    const listener = must(toe.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    must(toe.bind(listener, this.#remote), "bind");
    must(toe.listen(listener, 4096), "listen");
    must(toe.setWatcher(listener, this.#accept), "setWatcher");
  }

  readonly #accept: Watcher = (listener) => {
    const { toe } = this.#pair.server;
    for (let fd = toe.accept(listener); fd >= 0; fd = toe.accept(listener)) {
      must(toe.setWatcher(fd, this.#served), "setWatcher");
    }
  };

  /** The client has closed: so does the server. */
  readonly #served: Watcher = (fd, events) => {
    if ((events & POLLIN) === 0) return;
    must(this.#pair.server.toe.close(fd), "close");
    this.#closed += 1;
    this.#open -= 1;
  };

  readonly #connected: Watcher = (fd, events) => {
    if ((events & POLLOUT) === 0) return;
    must(this.#pair.client.toe.close(fd), "close");
  };

  #begin(): void {
    const { toe } = this.#pair.client;
    const fd = must(toe.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    const local = this.#locals[this.#opened % this.#locals.length] as SocketAddress;
    must(toe.bind(fd, local), "bind");
    must(toe.setWatcher(fd, this.#connected), "setWatcher");
    // -EINPROGRESS: the handshake runs in the turns.
    toe.connect(fd, this.#remote);
    this.#opened += 1;
    this.#open += 1;
  }

  /** `count` more connections, from socket() to the second close(); seconds. */
  run(count: number): { readonly seconds: number; readonly processor: number } {
    const target = this.#closed + count;
    const last = this.#opened + count;
    const watch = new Stopwatch();
    let idle = 0;
    let done = 1;
    while (this.#closed < target) {
      while (this.#open < BATCH && this.#opened < last) this.#begin();
      const before = this.#closed;
      // 2 MSL for N connections.
      this.#pair.turn(true, Math.max(1, done) * this.#step);
      done = this.#closed - before;
      idle = done === 0 ? idle + 1 : 0;
      if (idle > STUCK_TURNS) throw new Error(`connect: stuck with ${this.#open} under way`);
      this.#check();
    }
    return watch.read();
  }

  /** A table without room would have cut a TIME-WAIT short. */
  #check(): void {
    const { connections } = this.#pair.client.control.counters;
    if (connections < this.#rows) return;
    throw new Error(`connect: expected fewer than ${this.#rows} rows in use, got ${connections}`);
  }

  /** TIME-WAIT records now. */
  get timeWait(): number {
    return this.#pair.client.control.counters.timeWait;
  }
}

function listenLoopback(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.resume();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Node's net over the kernel's loopback: connect, close, wait for both ends; connections/s. */
async function kernelRate(count: number): Promise<number> {
  const server = await listenLoopback();
  const { port } = server.address() as AddressInfo;
  let left = count;
  const one = (done: () => void): void => {
    const socket = netConnect(port, "127.0.0.1", () => socket.end());
    socket.resume();
    socket.on("close", done);
    socket.on("error", () => socket.destroy());
  };
  const watch = new Stopwatch();
  const lane = (resolve: () => void): void => {
    left -= 1;
    if (left < 0) resolve();
    else one(() => lane(resolve));
  };
  await Promise.all(Array.from({ length: NODE_BATCH }, () => new Promise<void>(lane)));
  const { seconds } = watch.read();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return count / seconds;
}

interface Rates {
  readonly ours: number[];
  readonly cpu: number[];
  readonly kernel: number[];
}

async function measure(scale: BenchScale, count: number, run: ConnectRun): Promise<Rates> {
  const rates: Rates = { ours: [], cpu: [], kernel: [] };
  const loops = Math.max(NODE_BATCH, Math.round(NODE_CONNECTIONS * Math.min(1, scale.work * 4)));
  for (let round = 0; round < scale.rounds; round += 1) {
    const { seconds, processor } = run.run(count);
    rates.ours.push(count / seconds);
    rates.cpu.push(count / processor);
    rates.kernel.push(await kernelRate(loops));
    scale.say(`connect: round ${round + 1}: ${(count / seconds).toFixed(0)}/s`);
  }
  return rates;
}

/** Connections a second, and Node's. */
export async function connect(scale: BenchScale): Promise<BenchReport> {
  const count = Math.max(BATCH, Math.round(CONNECTIONS * scale.work));
  const run = new ConnectRun();
  run.run(Math.max(BATCH, Math.round(WARM * Math.min(1, scale.work * 4))));
  const rates = await measure(scale, count, run);
  const [ours, cpu, kernel] = [
    quartiles(rates.ours),
    quartiles(rates.cpu),
    quartiles(rates.kernel),
  ];
  const hash = new WorkHash();
  hash.add(count, RECORDS, PAIRS, BATCH);
  const thousand = (values: readonly number[]): string =>
    formatQuartiles(quartiles(values.map((value) => value / 1e3)), 1);
  return {
    lines: [
      ...table([
        ["", "k connections/s", "by CPU time"],
        ["toeloop, both ends", thousand(rates.ours), thousand(rates.cpu)],
        ["Node's net, kernel loopback", thousand(rates.kernel), ""],
      ]),
      `K = ${PAIRS} address pairs, N = ${RECORDS} TIME-WAIT records of 60 s: ${run.timeWait} now`,
      `work ${hash}`,
    ],
    values: {
      connectionsPerSecond: ours.median,
      connectionsPerProcessorSecond: cpu.median,
      kernelConnectionsPerSecond: kernel.median,
      pairs: PAIRS,
      records: RECORDS,
      timeWait: run.timeWait,
      rounds: scale.rounds,
      work: hash.toString(),
    },
    bars: [{ name: "connect, connections/s / 200,000", least: 1, ratio: ours.median / BAR }],
  };
}
