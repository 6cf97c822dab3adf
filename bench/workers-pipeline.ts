/**
 * One connection whose stages are spread over threads, for `bench workers`: placements, what they
 * cost a segment, and how much is handed from thread to thread.
 */
import { ReorderPoint } from "../bindings/abi/stage.ts";
import * as X from "../bindings/abi/workers.ts";
import type { WorkersPlan } from "../bindings/workers-layout.ts";
import type { WorkersExecutor } from "../bindings/workers.ts";
import { spentBetween, threadTimes, useCores } from "./cores.ts";
import type { BenchScale } from "./harness.ts";
import { BulkJob, type JobPlan } from "./workers-job.ts";

const BYTES = 64 << 20;
const WARM_BYTES = 4 << 20;

const ALL = ["netif", "context-queue", "pre.0", "protocol.0", "post.0", "dma.0"] as const;
const HERE: WorkersPlan = { host: ALL };
const THERE: WorkersPlan = { threads: [ALL] };
/** The copies on a thread, the rest beside the application. */
const COPIES: WorkersPlan = {
  host: ["netif", "context-queue", "pre.0", "protocol.0"],
  threads: [["post.0", "dma.0"]],
};

export interface Pipeline {
  readonly name: string;
  readonly plan: JobPlan;
  readonly overlap: boolean;
}

/** The first is what the others are compared with. */
export const PIPELINES: readonly Pipeline[] = [
  { name: "batch", plan: "batch", overlap: false },
  { name: "one thread", plan: { client: HERE, server: HERE }, overlap: false },
  { name: "sender's stages apart", plan: { client: THERE, server: HERE }, overlap: true },
  { name: "receiver's stages apart", plan: { client: HERE, server: THERE }, overlap: true },
  { name: "receiver's copies apart", plan: { client: HERE, server: COPIES }, overlap: true },
];

export interface PipelineFigures {
  readonly name: string;
  /** Wall and processor ns a segment on two cores, a round each. */
  readonly ns: readonly number[];
  readonly cpuNs: readonly number[];
  /** Wall ns a segment with all threads on one core; empty for what has one thread. */
  readonly oneCore: readonly number[];
  /** Items handed to another thread, and sleeping threads woken, a segment. */
  readonly handoffs: number;
  readonly wakes: number;
}

interface Handed {
  readonly items: number;
  readonly wakes: number;
}

/** Items that have gone from one thread to another so far, and wake-ups. */
function handedOver({ memory, layout }: WorkersExecutor): Handed {
  const words = new Int32Array(memory.buffer);
  const at = (address: number): number => Atomics.load(words, address >>> 2) >>> 0;
  const { threads, placement, replicas, shared } = layout;
  const host = threads;
  const crossed = (ring: number, from: number): number =>
    at(ring + X.RING_WAKES) === from ? 0 : at(ring + X.RING_NEXT);
  let items = crossed(at(shared + X.SHARED_SPAN_RING), host);
  const netif = replicas[0]?.address as number;
  const queue = replicas[1]?.address as number;
  items += crossed(at(shared + X.SHARED_EGRESS_RING), at(netif + X.STAGE_THREAD));
  for (const { name, address } of replicas) {
    const from = at(address + X.STAGE_THREAD);
    for (let i = 0; i < at(address + X.STAGE_OUTPUTS); i += 1) {
      items += crossed(at(address + X.STAGE_OUTPUT + i * 4), from);
    }
    if (!/^(netif|context-queue|protocol)/.test(name)) continue;
    items += crossed(at(address + X.STAGE_FREE_RINGS), at(queue + X.STAGE_THREAD));
    items += crossed(at(address + X.STAGE_FREE_RINGS + 4), host);
  }
  items += reordered(at, layout.replicas, netif, queue);
  let wakes = 0;
  for (let i = 0; i <= placement.length; i += 1) {
    wakes += at(threads + i * X.THREAD_SIZE + X.THREAD_WAKES);
  }
  return { items, wakes };
}

/** Reorder points whose producers are on another thread than their consumer; one replica each. */
function reordered(
  at: (address: number) => number,
  replicas: WorkersExecutor["layout"]["replicas"],
  netif: number,
  queue: number,
): number {
  const threadOf = (name: string): number =>
    at((replicas.find((replica) => replica.name === name)?.address as number) + X.STAGE_THREAD);
  const protocol = replicas.find(({ name }) => name === "protocol.0")?.address as number;
  const points: readonly (readonly [number, number, string])[] = [
    [ReorderPoint.Protocol, protocol, "pre.0"],
    [ReorderPoint.HostControl, protocol, "pre.0"],
    [ReorderPoint.Netif, netif, "dma.0"],
    [ReorderPoint.Notification, queue, "dma.0"],
  ];
  let items = 0;
  for (const [which, consumer, producer] of points) {
    if (threadOf(producer) === at(consumer + X.STAGE_THREAD)) continue;
    items += at(at(consumer + X.STAGE_REORDER + which * X.REPLICAS_MAX * 4) + X.REORDER_NEXT);
  }
  return items;
}

function handedByAll(job: BulkJob): Handed {
  const each = job.executors.map(handedOver);
  return {
    items: each.reduce((sum, { items }) => sum + items, 0),
    wakes: each.reduce((sum, { wakes }) => sum + wakes, 0),
  };
}

/** Rounds on two cores, each beside one on one core. */
export async function runPipeline(
  { name, plan, overlap }: Pipeline,
  cores: readonly number[],
  scale: BenchScale,
): Promise<PipelineFigures> {
  const bytes = Math.max(1 << 16, Math.round(BYTES * scale.work));
  const job = await BulkJob.start({ plan, connections: 1, overlap });
  const [ns, cpuNs, oneCore]: [number[], number[], number[]] = [[], [], []];
  const once = (wall: number[], processor: number[]): number => {
    const sent = job.segments;
    const before = threadTimes();
    const began = performance.now();
    job.transfer(bytes);
    const elapsed = (performance.now() - began) * 1e6;
    const { ran } = spentBetween(before, threadTimes());
    const segments = job.segments - sent;
    wall.push(elapsed / segments);
    processor.push(ran / segments);
    return segments;
  };
  try {
    job.transfer(Math.min(WARM_BYTES, bytes));
    let [segments, items, wakes] = [0, 0, 0];
    for (let round = 0; round < scale.rounds; round += 1) {
      scale.say(`workers: ${name}, round ${round + 1} of ${scale.rounds}`);
      const before = handedByAll(job);
      segments += once(ns, cpuNs);
      const after = handedByAll(job);
      items += (after.items - before.items) >>> 0;
      wakes += (after.wakes - before.wakes) >>> 0;
      if (!overlap) continue;
      useCores(cores.slice(0, 1));
      once(oneCore, []);
      useCores(cores);
    }
    return { name, ns, cpuNs, oneCore, handoffs: items / segments, wakes: wakes / segments };
  } finally {
    job.close();
  }
}
