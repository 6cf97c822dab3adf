/**
 * Streams through the workers executor (4.3.2): stages on threads, replicated, with reorder points
 * for real. What is delivered equals what was sent, every number is released, and nothing is left.
 */
import { afterEach, expect, test } from "vitest";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import type { WorkersExecutor } from "../../bindings/workers.ts";
import type { FaultOptions } from "../../host/netif/fault-injector.ts";
import { seedOf } from "../support/env.ts";
import { expectWhole, transfer, transfers } from "../stack/transfer.ts";
import { StreamEnd } from "../stack/stream-end.ts";
import { WorldPair } from "../stack/world-pair.ts";
import { LivePair } from "./live-pair.ts";
import { startWorkers } from "./start-workers.ts";

const KIB = 1024;
const SEED = seedOf(41);
const FAULTS: FaultOptions = { loss: 0.01, reorder: 0.03, duplicate: 0.01, corrupt: 0.005 };
const open: WorkersExecutor[] = [];

afterEach(() => {
  for (const executor of open.splice(0)) executor.close();
});

async function start(plan: WorkersPlan, overlap = false): Promise<WorkersExecutor> {
  const executor = await startWorkers(plan, {}, { overlap });
  open.push(executor);
  return executor;
}

const ONE: WorkersPlan = {
  threads: [["netif", "context-queue", "pre.0", "protocol.0", "post.0", "dma.0"]],
};
const REPLICATED: WorkersPlan = { pre: 2, groups: 2, post: 2, dma: 2 };
const SPREAD: WorkersPlan = {
  pre: 3,
  groups: 4,
  post: 4,
  dma: 3,
  threads: [
    ["netif", "pre.0", "protocol.3", "post.1", "dma.2"],
    ["context-queue", "pre.1", "protocol.0", "protocol.2", "post.0", "post.3", "dma.0"],
    ["pre.2", "protocol.1", "post.2", "dma.1"],
  ],
};
const APART: WorkersPlan = {
  threads: [["netif"], ["context-queue"], ["pre.0"], ["protocol.0"], ["post.0"], ["dma.0"]],
};
const HOSTED: WorkersPlan = {
  groups: 2,
  host: ["netif", "context-queue", "pre.0", "protocol.0", "protocol.1", "post.0", "dma.0"],
};
const HALF_HOSTED: WorkersPlan = {
  dma: 2,
  host: ["netif", "pre.0", "dma.1"],
  threads: [
    ["protocol.0", "post.0"],
    ["dma.0", "context-queue"],
  ],
};

const PLANS: readonly (readonly [string, WorkersPlan])[] = [
  ["two threads", {}],
  ["all stages on one thread", ONE],
  ["every stage on a thread of its own", APART],
  ["all stages on the host's thread", HOSTED],
  ["some stages on the host's thread", HALF_HOSTED],
  ["two of each", REPLICATED],
  ["as many as there can be, mixed over three threads", SPREAD],
];

for (const [name, plan] of PLANS) {
  test(`${name}: eight connections both ways over a bad link`, async () => {
    const executors = [await start(plan), await start(plan)] as const;
    const pair = new WorldPair({ seed: SEED, executors, link: { faults: FAULTS } });
    transfers(pair, 8, { up: 48 * KIB, down: 32 * KIB });
    for (const executor of executors) expect([SEED, executor.unreleased()]).toEqual([SEED, []]);
  });

  test(`${name}: against the batch executor, both streams across 2^32`, async () => {
    const sequences = [2 ** 32 - 30000, 2 ** 32 - 1] as const;
    const executors = [await start(plan), undefined] as const;
    const pair = new WorldPair({ seed: SEED, executors, sequences });
    const ends = transfer(pair, { up: 256 * KIB, down: 128 * KIB });
    expectWhole(pair, ends, 256 * KIB, 128 * KIB);
    expect(executors[0].unreleased()).toEqual([]);
  });
}

for (const [name, plan] of PLANS) {
  test(`${name}: overlapped, four connections both ways in wall time`, async () => {
    const executors = [await start(plan, true), await start(plan, true)] as const;
    const pair = new LivePair(executors[0], executors[1], SEED);
    const fds = await pair.connect(80, 4);
    const bytes = 128 * KIB;
    const ends = fds.flatMap(({ client, server }) => [
      new StreamEnd(pair.client.toe, client, { bytes, expect: bytes, seed: 1, expectSeed: 2 }),
      new StreamEnd(pair.server.toe, server, { bytes, expect: bytes, seed: 2, expectSeed: 1 }),
    ]);
    for (const end of ends) pair.applications.push(() => end.run(pair.now));
    await pair.until(() => ends.every(({ finished }) => finished), "the end of all streams");
    const whole = { sent: bytes, received: bytes, wrongAt: -1, error: 0 };
    const seen = ends.map(({ sent, received, wrongAt, error }) => ({
      sent,
      received,
      wrongAt,
      error,
    }));
    expect(seen).toEqual(ends.map(() => whole));
    // At rest, with frames taken, every number is released.
    await pair.until(() => executors.every((one) => one.unreleased().length === 0), "rest");
  });
}
