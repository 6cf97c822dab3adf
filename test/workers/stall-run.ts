/**
 * One run of the workers executor under stalls (4.3.2): a seed chooses replicas, their places on
 * threads, connections, faults of the link and when each stage stalls. Streams must arrive whole
 * and every sequence number must be released. Threads are no part of the seed: a failure is recast
 * as a run of the modelled executor, whose time is virtual, and that one repeats.
 */
import { readFileSync } from "node:fs";
import { Counter } from "../../bindings/abi/counters.ts";
import type { CoreSource } from "../../bindings/core.ts";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import { countedModule } from "../../host/modelled/counted-core.ts";
import { modelledExecutor } from "../../host/modelled/executor.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { FLEXTOE, type Station, STATIONS } from "../../host/modelled/placement.ts";
import type { Stack } from "../../host/stack.ts";
import { Prng } from "../../host/prng.ts";
import { WorldPair } from "../stack/world-pair.ts";
import { ROOT } from "../support/env.ts";
import { TEST_LAYOUT } from "../support/load-core.ts";
import { PatternEnd, PERIOD } from "./pattern-end.ts";
import { startWorkers } from "./start-workers.ts";

const PORT = 80;
const SEGMENT = 1448;
/** Empty rounds of a thread before it sleeps. */
const SPINS = 4;
/** In the modelled run one item of so many stalls, for up to so many ns. */
const STALL_ITEMS = 8;
const STALL_NS = 20_000;
/** Modelled runs that a failure is looked for in. */
const VARIANTS = 20;

const DISORDER = [
  ["segments out of order", Counter.OutOfOrderPlaced],
  ["duplicate ACKs", Counter.DupAcksIn],
  ["fast retransmits", Counter.FastRetransmits],
] as const;

export interface StallOptions {
  /** Stages run on a modelled machine in virtual time: the run repeats. */
  readonly modelled?: boolean;
  /** Of the modelled run: other moments of the same stalls. */
  readonly variant?: number;
  /** In place of the builds under test. */
  readonly threadsModule?: WebAssembly.Module;
  /** From countedModule(). */
  readonly modelledModule?: WebAssembly.Module;
}

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
  // In some plans the host's own thread is one of them.
  const host = random.below(4) === 0 ? (threads.pop() as string[]) : [];
  const others = threads.filter(({ length }) => length > 0);
  return { pre, groups, post, dma, host, threads: others, stallSeed };
}

/** A counter of a stack whose counters are up to date. */
function counterOf({ core }: Stack, counter: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
}

/** Data segments in and out. */
function segmentsOf({ client }: WorldPair): number {
  const arrived = counterOf(client.stack, Counter.DataSegmentsIn);
  return arrived + counterOf(client.stack, Counter.DataSegmentsOut);
}

/** Over a link that keeps order and loses nothing, replicas must not change that (4.3.2). */
function disorder(pair: WorldPair): string[] {
  return [pair.client.stack, pair.server.stack].flatMap((stack) =>
    DISORDER.flatMap(([name, counter]) => {
      const got = counterOf(stack, counter);
      return got === 0 ? [] : [`${stack.name}: ${got} ${name} on a link that keeps order`];
    }),
  );
}

/** An executor under test, whichever it is. */
interface Tested {
  readonly source: CoreSource;
  /** Numbers that were not released, and what else went wrong; at rest. */
  failures(): string[];
  close(): void;
}

/** Stages on threads that stall; few empty rounds, since a stall delays each. */
async function onThreads(plan: WorkersPlan, options: StallOptions): Promise<Tested> {
  const module = options.threadsModule === undefined ? {} : { module: options.threadsModule };
  const source = await startWorkers(plan, {}, { spins: SPINS, ...module });
  return {
    source,
    failures: () => {
      source.fold();
      const fenced = source.fenced === undefined ? [] : [`fenced: ${source.fenced}`];
      return [...source.unreleased(), ...fenced];
    },
    close: () => source.close(),
  };
}

/**
 * The plan on a modelled machine: replicas are cores, and a stall is time that an item takes more.
 * Replicas of pre- and post-processing belong to a flow group there.
 */
function onModel(seed: number, plan: WorkersPlan, options: StallOptions): Tested {
  const { pre = 1, post = 1, groups = 1, dma = 1, stallSeed = 1 } = plan;
  const each = (replicas: number): number => Math.ceil(replicas / groups);
  const variant = options.variant ?? 0;
  const stalls = new Map<Station, Prng>();
  for (const name of STATIONS) stalls.set(name, new Prng(stallSeed).fork(`${name}.${variant}`));
  const source = modelledExecutor({
    module: options.modelledModule ?? modelledBuild(),
    machine: NFP_4000,
    placement: {
      ...FLEXTOE,
      name: "stalls",
      threads: 1,
      groups,
      cores: { ...FLEXTOE.cores, pre: each(pre), post: each(post), dma },
    },
    layout: TEST_LAYOUT,
    seed: seed + variant,
    disturbance: {
      stage: (name) => {
        const random = stalls.get(name) as Prng;
        return random.below(STALL_ITEMS) === 0 ? random.below(STALL_NS) : 0;
      },
    },
  });
  return { source, failures: () => source.unreleased(), close: () => undefined };
}

let modelled: WebAssembly.Module | undefined;

function modelledBuild(): WebAssembly.Module {
  modelled ??= countedModule(readFileSync(`${ROOT}build/flextoe.modelled.wasm`));
  return modelled;
}

/** About `segments` data segments through an executor; the other end is one too, or batch. */
export async function stallRun(
  seed: number,
  segments: number,
  options: StallOptions = {},
): Promise<StallRun> {
  const random = new Prng(seed);
  const plan = randomPlan(random);
  const peerPlan = random.below(2) === 0 ? randomPlan(random) : undefined;
  const start = async (one: WorkersPlan): Promise<Tested> =>
    options.modelled === true ? onModel(seed, one, options) : onThreads(one, options);
  const tested = await start(plan);
  const peer = peerPlan === undefined ? undefined : await start(peerPlan);
  try {
    return run(random, seed, plan, segments, [tested, peer]);
  } finally {
    tested.close();
    peer?.close();
  }
}

/**
 * The modelled run that shows a failure of a run on threads: the same plan, streams and faults,
 * with stalls in virtual time. An order of items that threads had by chance is one of those that
 * the variants try; undefined when none of them fails.
 */
export async function recast(
  seed: number,
  segments: number,
  options: StallOptions = {},
): Promise<{ readonly variant: number; readonly run: StallRun } | undefined> {
  for (let variant = 0; variant < VARIANTS; variant += 1) {
    const run = await stallRun(seed, segments, { ...options, modelled: true, variant });
    if (run.failures.length > 0) return { variant, run };
  }
  return undefined;
}

function run(
  random: Prng,
  seed: number,
  plan: WorkersPlan,
  segments: number,
  tested: readonly [Tested, Tested | undefined],
): StallRun {
  const faults = { loss: 0.002, reorder: 0.01, duplicate: 0.002, corrupt: 0.001 };
  // Mostly bursts arrive whole, so that many items are in flight; at times each frame alone.
  const rate = random.below(16) === 0 ? 1e13 : Number.POSITIVE_INFINITY;
  // Room for all windows at once: without faults nothing is lost.
  const queue = { bytes: 1 << 24 };
  const link = { rate, delay: 5e4, queue, ...(random.below(2) === 0 ? {} : { faults }) };
  const sequences = [random.below(2 ** 32), 2 ** 32 - 1 - random.below(100000)] as const;
  const executors = [tested[0].source, tested[1]?.source] as const;
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
  for (const one of tested) failures.push(...(one?.failures() ?? []));
  if (!("faults" in link)) failures.push(...disorder(pair));
  return { seed, plan, connections, segments: segmentsOf(pair), failures };
}
