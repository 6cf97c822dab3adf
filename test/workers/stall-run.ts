/**
 * One run of the workers executor under stalls (4.3.2): a seed chooses replicas, their places on
 * threads, connections, faults of the link and when each stage stalls. Streams must arrive whole
 * and every sequence number must be released. Threads are no part of the seed: what replays is the
 * work, and the modelled executor replays an order.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import type { WorkersExecutor } from "../../bindings/workers.ts";
import { ERRNO } from "../../host/errors.ts";
import { SHUT_WR } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { Prng } from "../../host/prng.ts";
import { WorldPair } from "../stack/world-pair.ts";
import { startWorkers } from "./start-workers.ts";

const PORT = 80;
const SEGMENT = 1448;
/** A prime: no chunk, segment or buffer has the pattern's period. */
const PERIOD = 65521;
const CHUNK = 16384;

export interface StallRun {
  readonly seed: number;
  readonly plan: WorkersPlan;
  readonly connections: number;
  /** Data segments that the executor's stack sent and received. */
  readonly segments: number;
  /** What was wrong, in words; empty when all is well. */
  readonly failures: readonly string[];
}

/** Replicas and places by chance: every shape that a plan may have. */
export function randomPlan(random: Prng): WorkersPlan {
  const pre = 1 + random.below(4);
  const groups = [1, 2, 4][random.below(3)] as number;
  const post = 1 + random.below(4);
  const dma = 1 + random.below(4);
  const names = (stem: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${stem}.${index}`);
  const all = ["netif", "context-queue", ...names("pre", pre), ...names("protocol", groups)];
  all.push(...names("post", post), ...names("dma", dma));
  const threads: string[][] = Array.from({ length: 1 + random.below(4) }, () => []);
  for (const name of all) threads[random.below(threads.length)]?.push(name);
  const stallSeed = 1 + random.below(0xfffffffe);
  return { pre, groups, post, dma, threads: threads.filter((list) => list.length > 0), stallSeed };
}

/** Sends and checks one direction each of a connection, without keeping what was sent. */
class PatternEnd {
  sent = 0;
  received = 0;
  failure: string | undefined;
  #ended = false;
  #shut = false;
  readonly #chunk = new Uint8Array(CHUNK);
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #bytes: number;
  readonly #pattern: Uint8Array;

  constructor(toe: LibToe, fd: number, bytes: number, pattern: Uint8Array) {
    this.#toe = toe;
    this.#fd = fd;
    this.#bytes = bytes;
    this.#pattern = pattern;
  }

  get finished(): boolean {
    return (this.#ended && this.#shut) || this.failure !== undefined;
  }

  run(): boolean {
    if (this.finished) return false;
    const sent = this.#send();
    return this.#receive() || sent;
  }

  #send(): boolean {
    if (this.#shut) return false;
    const left = this.#bytes - this.sent;
    if (left === 0) {
      this.#shut = true;
      return this.#toe.shutdown(this.#fd, SHUT_WR) === 0;
    }
    const from = this.sent % PERIOD;
    const length = Math.min(left, CHUNK, PERIOD - from);
    const count = this.#toe.send(this.#fd, this.#pattern, from, length);
    if (count < 0 && count !== -ERRNO.EAGAIN) this.failure = `send: ${count}`;
    if (count > 0) this.sent += count;
    return count > 0;
  }

  #receive(): boolean {
    if (this.#ended) return false;
    const count = this.#toe.recv(this.#fd, this.#chunk);
    if (count < 0 && count !== -ERRNO.EAGAIN) this.failure = `recv: ${count}`;
    if (count < 0) return false;
    if (count === 0) this.#ended = true;
    for (let i = 0; i < count; i += 1) {
      const at = this.received + i;
      if (this.#chunk[i] === this.#pattern[at % PERIOD]) continue;
      this.failure = `byte ${at}: ${this.#chunk[i]}`;
      return true;
    }
    this.received += count;
    if (count === 0 && this.received !== this.#bytes) {
      this.failure = `ended after ${this.received} of ${this.#bytes} bytes`;
    }
    return true;
  }
}

/** Data segments in and out of a stack whose counters are up to date. */
function segmentsOf(pair: WorldPair): number {
  const { core } = pair.client.stack;
  const of = (counter: Counter): number =>
    Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
  return of(Counter.DataSegmentsIn) + of(Counter.DataSegmentsOut);
}

/** About `segments` data segments through an executor; the other end is one too, or batch. */
export async function stallRun(seed: number, segments: number): Promise<StallRun> {
  const random = new Prng(seed);
  const plan = randomPlan(random);
  const executor = await startWorkers(plan);
  const peer = random.below(2) === 0 ? await startWorkers(randomPlan(random)) : undefined;
  try {
    return run(random, seed, plan, segments, [executor, peer]);
  } finally {
    executor.close();
    peer?.close();
  }
}

function run(
  random: Prng,
  seed: number,
  plan: WorkersPlan,
  segments: number,
  executors: readonly [WorkersExecutor, WorkersExecutor | undefined],
): StallRun {
  const faults = { loss: 0.002, reorder: 0.01, duplicate: 0.002, corrupt: 0.001 };
  const link = { rate: 1e13, delay: 5e4, ...(random.below(2) === 0 ? {} : { faults }) };
  const sequences = [random.below(2 ** 32), 2 ** 32 - 1 - random.below(100000)] as const;
  const pair = new WorldPair({ seed, executors, link, sequences });
  const connections = 1 + random.below(8);
  const bytes = Math.ceil((segments * SEGMENT) / 2 / connections);
  const pattern = new Uint8Array(PERIOD);
  random.fill(pattern);
  const listener = pair.listen(PORT);
  const ends = Array.from({ length: connections }, () => {
    const { client, server } = pair.establish(listener, PORT);
    return [
      new PatternEnd(pair.clientToe, client, bytes, pattern),
      new PatternEnd(pair.serverToe, server, bytes, pattern),
    ] as const;
  });
  for (const [client, server] of ends) {
    pair.client.applications.push(() => client.run());
    pair.server.applications.push(() => server.run());
  }
  const all = ends.flat();
  const failures: string[] = [];
  try {
    pair.until(() => all.every(({ finished }) => finished), "the end of all streams");
    pair.clientToe.closeAll(true);
    pair.serverToe.closeAll(true);
    failures.push(...pair.leftovers());
  } catch (error) {
    failures.push(String(error));
  }
  for (const { failure } of all) if (failure !== undefined) failures.push(failure);
  for (const executor of executors) {
    executor?.fold();
    failures.push(...(executor?.unreleased() ?? []));
    if (executor?.fenced !== undefined) failures.push(`fenced: ${executor.fenced}`);
  }
  return { seed, plan, connections, segments: segmentsOf(pair), failures };
}
