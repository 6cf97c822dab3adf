/**
 * A thread that dies at any moment: the executor is fenced, every socket reports ECONNRESET, new
 * connections are refused, and nothing hangs. The peer keeps its half until its own timers pass.
 */
import { afterEach, expect, test } from "vitest";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import { nodeSpawner } from "../../bindings/node-workers.ts";
import { SLEEP_MS } from "../../bindings/worker-loop.ts";
import type { SpawnWorker, WorkersExecutor } from "../../bindings/workers.ts";
import { ERRNO } from "../../host/errors.ts";
import { Prng } from "../../host/prng.ts";
import type { Stack } from "../../host/stack.ts";
import { StreamEnd } from "../stack/stream-end.ts";
import { MINUTE, WorldPair } from "../stack/world-pair.ts";
import { seedOf } from "../support/env.ts";
import { LivePair } from "./live-pair.ts";
import { ENTRY, startWorkers } from "./start-workers.ts";

const PORT = 80;
const SEED = seedOf(77);
const PLAN: WorkersPlan = {
  groups: 2,
  threads: [
    ["netif", "pre.0"],
    ["protocol.0", "protocol.1"],
    ["post.0", "dma.0", "context-queue"],
  ],
};
const CONNECTIONS = 6;
const STREAMS = { bytes: 1 << 20, expect: 1 << 20 };
const OURS = { ...STREAMS, seed: 1, expectSeed: 2 };
const THEIRS = { ...STREAMS, seed: 2, expectSeed: 1 };
const open: WorkersExecutor[] = [];

afterEach(() => {
  for (const executor of open.splice(0)) executor.close();
});

async function start(overlap: boolean): Promise<WorkersExecutor> {
  const executor = await startWorkers(PLAN, {}, { overlap });
  open.push(executor);
  return executor;
}

const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failed = (ends: readonly StreamEnd[]): boolean => ends.every(({ error }) => error !== 0);

/** Not one byte that has arrived is another than was sent. */
function expectWhole(...sides: readonly (readonly StreamEnd[])[]): void {
  for (const side of sides) {
    expect([SEED, side.map(({ wrongAt }) => wrongAt)]).toEqual([SEED, side.map(() => -1)]);
  }
}

const hasCome = (...sides: readonly (readonly StreamEnd[])[]): boolean =>
  sides.every((side) => side.some(({ received }) => received > 0));

/** Every socket was told, what it had read was whole, and nothing new can begin. */
function expectDown(
  stack: Stack,
  executor: WorkersExecutor,
  thread: number,
  ends: readonly StreamEnd[],
  peers: readonly StreamEnd[],
): void {
  expectWhole(ends, peers);
  const errors = ends.map(({ error }) => error);
  expect([SEED, errors]).toEqual([SEED, ends.map(() => ERRNO.ECONNRESET)]);
  expect(executor.fenced).toBe(`thread ${thread} was terminated`);
  const fd = stack.toe.socket();
  expect(stack.toe.connect(fd, { address: "10.0.0.2", port: PORT })).toBe(-ERRNO.ENETDOWN);
  stack.toe.closeAll(false);
}

for (const thread of [1, 2, 3]) {
  const moment = 20 + new Prng(SEED + thread).below(200);

  test(`threats/U08, W7: thread ${thread} dies after ${moment} steps, turn by turn`, async () => {
    const executor = await start(false);
    const pair = new WorldPair({ seed: SEED, executors: [executor, undefined] });
    const listener = pair.listen(PORT);
    const peers: StreamEnd[] = [];
    const ends = Array.from({ length: CONNECTIONS }, () => {
      const { client, server } = pair.establish(listener, PORT);
      const ours = new StreamEnd(pair.clientToe, client, OURS);
      const theirs = new StreamEnd(pair.serverToe, server, THEIRS);
      peers.push(theirs);
      pair.client.applications.push(() => ours.run(pair.world.now));
      pair.server.applications.push(() => theirs.run(pair.world.now));
      return ours;
    });
    for (let step = 0; step < moment || !hasCome(ends, peers); step += 1) pair.world.step();
    expect(executor.fenced).toBeUndefined();
    executor.kill(thread);
    for (let i = 0; i < 1000 && !failed(ends); i += 1) {
      await macrotask();
      pair.world.step();
    }
    expectDown(pair.client.stack, executor, thread, ends, peers);
    pair.pass(10 * MINUTE);
    expect(pair.clientToe.connections()).toEqual([]);
    expect(pair.client.stack.control.counters.connections).toBe(0);
  });

  test(`thread ${thread} dies after ${moment} polls, overlapped`, async () => {
    const executor = await start(true);
    const pair = new LivePair(executor, undefined, SEED);
    const fds = await pair.connect(PORT, CONNECTIONS);
    const ends = fds.map(({ client }) => new StreamEnd(pair.client.toe, client, OURS));
    const peers = fds.map(({ server }) => new StreamEnd(pair.server.toe, server, THEIRS));
    for (const end of [...ends, ...peers]) pair.applications.push(() => end.run(pair.now));
    for (let i = 0; i < moment; i += 1) pair.poll();
    expect(executor.fenced).toBeUndefined();
    executor.kill(thread);
    await pair.until(() => failed(ends), "the fence");
    expectDown(pair.client, executor, thread, ends, peers);
    await pair.until(() => pair.client.control.counters.connections === 0, "the last row");
  });
}

test("a thread that dies without a word is missed while there is work", async () => {
  const spawn = nodeSpawner(ENTRY);
  const silent: SpawnWorker = (begin) => spawn(begin, () => undefined);
  const options = { overlap: true, spawn: silent, silenceMs: 600 };
  const executor = await startWorkers(PLAN, {}, options);
  open.push(executor);
  const pair = new LivePair(executor, undefined, SEED);
  const fds = await pair.connect(PORT, CONNECTIONS);
  const ends = fds.map(({ client }) => new StreamEnd(pair.client.toe, client, OURS));
  const peers = fds.map(({ server }) => new StreamEnd(pair.server.toe, server, THEIRS));
  for (const end of [...ends, ...peers]) pair.applications.push(() => end.run(pair.now));
  await pair.until(() => hasCome(ends, peers), "bytes at both sides");
  executor.kill(2);
  const before = performance.now();
  await pair.until(() => failed(ends), "the fence");
  // Counted from its last heartbeat, which a busy machine may have delayed.
  expect(performance.now() - before).toBeGreaterThan(100);
  expect(executor.fenced).toBe("thread 2 does not answer");
  expect(ends.map(({ error }) => error)).toEqual(ends.map(() => ERRNO.ECONNRESET));
  expectWhole(ends, peers);
});

test("a silence shorter than a thread's sleep is refused", async () => {
  const message = `workers: expected silenceMs above ${SLEEP_MS}, got ${SLEEP_MS}`;
  const refused = startWorkers(PLAN, {}, { silenceMs: SLEEP_MS });
  await expect(refused).rejects.toThrow(new RangeError(message));
});
