/**
 * The job of `bench workers`: connections that each carry bytes one way between two stacks, sender
 * and receiver applications included, the received bytes compared with what was sent. The same job
 * runs over any executor.
 */
import { Counter } from "../bindings/abi/counters.ts";
import type { WorkersPlan } from "../bindings/workers-layout.ts";
import { WorkersExecutor } from "../bindings/workers.ts";
import { nodeSpawner } from "../bindings/node-workers.ts";
import { pathToFileURL } from "node:url";
import { loadModule, repositoryRoot } from "./harness.ts";
import { counterOf, StackPair } from "./stack-pair.ts";
import { type LoopedChecksum, loopedChecksum } from "./wasm-loops.ts";

/** The pattern's period: 44 segments of 1448 bytes, as in bench/bulk.ts. */
const PERIOD = 44 * 1448;
/** Where the application's buffers stand in testing.wasm's memory. */
const PAGE = 65_536;
const STRIDE = 2 * PAGE;

/** Turns without progress after which the host rests, and for how long. */
const IDLE_TURNS = 50;
const REST_MS = 0.02;

/** Where stages run: the batch executor, or an executor with threads for each stack. */
export type JobPlan = "batch" | { readonly client: WorkersPlan; readonly server: WorkersPlan };

export interface JobOptions {
  readonly plan: JobPlan;
  readonly connections: number;
  /** Turns do not wait for threads, and time is the wall's. */
  readonly overlap?: boolean;
}

interface Stream {
  readonly client: number;
  readonly server: number;
  readonly sink: number;
  sent: number;
  received: number;
}

/** A file of the built benches, whoever asks. */
export function builtFile(path: string): URL {
  return pathToFileURL(`${repositoryRoot()}/dist/${path}`);
}

async function startExecutor(plan: WorkersPlan, options: JobOptions): Promise<WorkersExecutor> {
  return WorkersExecutor.start({
    module: loadModule("workers.wasm"),
    spawn: nodeSpawner(builtFile("bindings/node-worker.js")),
    layout: { connections: options.connections * 2 + 16 },
    overlap: options.overlap === true,
    plan,
  });
}

export class BulkJob {
  readonly executors: readonly WorkersExecutor[];
  readonly #pair: StackPair;
  readonly #overlap: boolean;
  readonly #app: LoopedChecksum;
  readonly #expected: bigint;
  readonly #source: Uint8Array;
  readonly #streams: readonly Stream[];
  readonly #rest = new Int32Array(new SharedArrayBuffer(4));
  #idle = 0;
  #clock = process.hrtime.bigint();

  private constructor(options: JobOptions, executors: readonly WorkersExecutor[]) {
    this.executors = executors;
    this.#overlap = options.overlap === true;
    const { connections } = options;
    const [client, server] = executors;
    this.#pair = new StackPair({
      timestamps: true,
      connections,
      ...(client === undefined || server === undefined ? {} : { executors: [client, server] }),
    });
    this.#app = loopedChecksum((connections + 1) * 2 + 2);
    this.#source = this.#app.bytes.subarray(PAGE, PAGE + PERIOD);
    for (let i = 0; i < PERIOD; i += 1) this.#source[i] = (i * 7 + (i >> 8)) & 255;
    this.#expected = this.#app.functions.sumWords(PAGE, PERIOD);
    this.#streams = this.#pair.clientFds.map((fd, index) => ({
      client: fd,
      server: this.#pair.serverFds[index] as number,
      sink: PAGE + STRIDE * (index + 1),
      sent: 0,
      received: 0,
    }));
  }

  /** Starts the executors' threads and opens the connections; assembleLoops() comes first. */
  static async start(options: JobOptions): Promise<BulkJob> {
    const { plan } = options;
    if (plan === "batch") return new BulkJob(options, []);
    const executors = [
      await startExecutor(plan.client, options),
      await startExecutor(plan.server, options),
    ];
    return new BulkJob(options, executors);
  }

  /** Data segments and ACKs that both stacks have sent. */
  get segments(): number {
    for (const executor of this.executors) executor.fold();
    const { client, server } = this.#pair;
    let sum = 0;
    for (const stack of [client, server]) {
      sum += counterOf(stack, Counter.DataSegmentsOut) + counterOf(stack, Counter.AcksOut);
    }
    return sum;
  }

  /** Carries `bytes` more on each connection. Throws Error when other bytes arrive. */
  transfer(bytes: number): void {
    const target = (this.#streams[0] as Stream).received + bytes;
    this.#clock = process.hrtime.bigint();
    let progress = true;
    let left = this.#streams.length;
    while (left > 0) {
      progress = false;
      for (const stream of this.#streams) progress = this.#write(stream, target) || progress;
      this.#turn(progress);
      left = 0;
      for (const stream of this.#streams) {
        progress = this.#read(stream) || progress;
        if (stream.received < target) left += 1;
      }
    }
  }

  #turn(progress: boolean): void {
    if (!this.#overlap) {
      this.#pair.turn(progress);
      return;
    }
    // A core that spins is one that the threads may need.
    this.#idle = progress ? 0 : this.#idle + 1;
    if (this.#idle > IDLE_TURNS) Atomics.wait(this.#rest, 0, 0, REST_MS);
    const now = process.hrtime.bigint();
    this.#pair.turn(true, Number(now - this.#clock));
    this.#clock = now;
  }

  #write(stream: Stream, target: number): boolean {
    const { toe } = this.#pair.client;
    const before = stream.sent;
    while (stream.sent < target) {
      const at = stream.sent % PERIOD;
      const room = Math.min(PERIOD - at, target - stream.sent);
      const put = toe.send(stream.client, this.#source, at, room);
      if (put <= 0) break;
      stream.sent += put;
      if (put < room) break;
    }
    return stream.sent !== before;
  }

  #read(stream: Stream): boolean {
    const { toe } = this.#pair.server;
    const before = stream.received;
    for (;;) {
      const at = stream.received % PERIOD;
      const got = toe.recv(stream.server, this.#app.bytes, stream.sink + at, PERIOD - at);
      if (got <= 0) break;
      stream.received += got;
      if (at + got < PERIOD) break;
      const sum = this.#app.functions.sumWords(stream.sink, PERIOD);
      if (sum === this.#expected) continue;
      throw new Error(`workers: expected payload sum ${this.#expected}, got ${sum}`);
    }
    return stream.received !== before;
  }

  close(): void {
    for (const executor of this.executors) executor.close();
  }
}
