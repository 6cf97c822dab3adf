/**
 * A run whose host works while its stages do (overlap), in wall time: what is told too early shows,
 * which in virtual time it cannot, because a turn there ends with the pipeline at rest. Every
 * stage with replicas has one on each thread, and all stall.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import type { WorkersExecutor } from "../../bindings/workers.ts";
import { Prng } from "../../host/prng.ts";
import { LivePair } from "./live-pair.ts";
import { PatternEnd, PERIOD } from "./pattern-end.ts";
import { startWorkers } from "./start-workers.ts";

const PORT = 80;

export function overlapPlan(stallSeed: number): WorkersPlan {
  return {
    pre: 2,
    groups: 2,
    post: 2,
    dma: 3,
    threads: [
      ["netif", "pre.0", "protocol.0", "post.0", "dma.0"],
      ["context-queue", "pre.1", "protocol.1", "post.1", "dma.1"],
      ["dma.2"],
    ],
    stallSeed,
  };
}

interface OverlapRun {
  readonly executor: WorkersExecutor;
  readonly pair: LivePair;
  readonly ends: readonly PatternEnd[];
}

async function begin(
  seed: number,
  connections: number,
  bytes: number,
  module: WebAssembly.Module | undefined,
): Promise<OverlapRun> {
  const options = { overlap: true, spins: 4, ...(module === undefined ? {} : { module }) };
  const executor = await startWorkers(overlapPlan(seed), {}, options);
  const pair = new LivePair(executor, undefined, seed);
  const pattern = new Uint8Array(PERIOD);
  new Prng(seed).fill(pattern);
  const fds = await pair.connect(PORT, connections);
  const ends = fds.flatMap(({ client, server }) => [
    new PatternEnd(pair.client.toe, client, bytes, pattern),
    new PatternEnd(pair.server.toe, server, bytes, pattern),
  ]);
  for (const end of ends) pair.applications.push(() => end.run());
  return { executor, pair, ends };
}

/** What replicas have counted for one connection against what they have counted in all. */
export async function statisticsRun(
  seed: number,
  bytes: number,
  module?: WebAssembly.Module,
): Promise<string[]> {
  const { executor, pair, ends } = await begin(seed, 1, Number.POSITIVE_INFINITY, module);
  try {
    await pair.until(() => ends.every(({ received }) => received >= bytes), "the bytes");
    executor.fold();
    const { core } = pair.client;
    const of = (counter: Counter): number =>
      Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true));
    const expected = of(Counter.DataSegmentsIn) + of(Counter.AcksIn);
    const got = pair.client.connections()[0]?.segmentsIn;
    return got === expected ? [] : [`segments in: expected ${expected}, got ${got}`];
  } finally {
    executor.close();
  }
}

/** Bytes both ways on each connection; what was wrong, in words. */
export async function overlapRun(
  seed: number,
  connections: number,
  bytes: number,
  module?: WebAssembly.Module,
): Promise<string[]> {
  const { executor, pair, ends } = await begin(seed, connections, bytes, module);
  try {
    const over = (): boolean =>
      ends.every(({ finished }) => finished) || ends.some(({ failure }) => failure !== undefined);
    await pair.until(over, "the end of all streams");
    const failures = ends.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    if (failures.length > 0) return failures;
    await pair.until(() => executor.unreleased().length === 0, "rest");
    return executor.fenced === undefined ? [] : [`fenced: ${executor.fenced}`];
  } finally {
    executor.close();
  }
}
