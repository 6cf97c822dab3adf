/**
 * Threat U07: a callback that does not return for a long while. Nothing of its stack that is
 * JavaScript goes on meanwhile, and no runtime can end it from outside; the stages on threads go on
 * with what is handed to them. Their progress is read from the shared memory, in the callback
 * itself; a plan whose stages all stand on the host's thread shows none.
 */
import { afterEach, expect, test } from "vitest";
import * as F from "../../bindings/abi/flow-state.ts";
import { SLEEP_MS } from "../../bindings/worker-loop.ts";
import type { WorkersPlan } from "../../bindings/workers-layout.ts";
import type { WorkersExecutor } from "../../bindings/workers.ts";
import { POLLIN } from "../../host/libtoe/constants.ts";
import type { Stack } from "../../host/stack.ts";
import { seedOf } from "../support/env.ts";
import { LivePair } from "./live-pair.ts";
import { startWorkers } from "./start-workers.ts";

const SEED = seedOf(0x107);
const OTHERS = 4;
const BYTES = 20_000;
/** What each may send before anything is acknowledged: ten segments and a little less. */
const WINDOW = 10_000;
/** How long the callback stays away: at least, and until it sees progress. */
const SPIN_MS = 150;
/** A thread that sleeps looks up every SLEEP_MS; a busy machine may delay it. */
const PATIENCE_MS = 20 * SLEEP_MS;
const STAGES = ["netif", "context-queue", "pre.0", "protocol.0", "post.0", "dma.0"];
const PLANS: readonly (readonly [string, WorkersPlan, number])[] = [
  ["on threads go on", { threads: [STAGES.slice(0, 3), STAGES.slice(3)] }, PATIENCE_MS],
  ["on the host's thread stand still", { host: STAGES }, SPIN_MS],
];
const open: WorkersExecutor[] = [];

afterEach(() => {
  for (const executor of open.splice(0)) executor.close();
});

/** Bytes that each connection has in flight, as the protocol stage wrote them last. */
function inFlight({ core }: Stack, ids: readonly number[]): number[] {
  const base = core.map.base.protocol as number;
  const at = (id: number) => base + id * F.PROTOCOL_SIZE + F.PROTOCOL_TX_SENT;
  return ids.map((id) => Atomics.load(core.ints, at(id) >>> 2));
}

test.each(PLANS)(
  "threats/U07: a callback does not return: stages %s",
  async (_what, plan, most) => {
    const executor = await startWorkers(plan, {}, { overlap: true });
    open.push(executor);
    const pair = new LivePair(executor, undefined, SEED);
    const [own, ...others] = await pair.connect(80, 1 + OTHERS);
    const { toe } = pair.client;
    const rows = toe.connections();
    const ids = others.map(({ client }) => {
      const { port } = toe.getsockname(client) as { port: number };
      return rows.find(({ local }) => local.port === port)?.connection ?? 0;
    });
    const seen: number[][] = [];
    toe.setWatcher(own?.client ?? -1, (fd, events) => {
      if ((events & POLLIN) === 0) return;
      toe.recv(fd, new Uint8Array(1));
      for (const { client } of others) expect(toe.send(client, new Uint8Array(BYTES))).toBe(BYTES);
      toe.flush();
      seen.push(inFlight(pair.client, ids));
      const began = performance.now();
      const isOver = (ms: number): boolean => performance.now() - began > ms;
      const isDone = (): boolean => inFlight(pair.client, ids).every((bytes) => bytes >= WINDOW);
      while (!isOver(SPIN_MS) || (!isDone() && !isOver(most)));
      seen.push(inFlight(pair.client, ids));
    });
    pair.server.toe.send(own?.server ?? -1, new Uint8Array(1));
    await pair.until(() => seen.length === 2, "the callback");
    expect(seen[0]).toEqual(others.map(() => 0));
    // Fetched, cut, numbered and written while it span.
    const goes = most > SPIN_MS;
    expect(seen[1]?.map((bytes) => bytes >= WINDOW)).toEqual(others.map(() => goes));
    // When it has returned all of it arrives.
    const buffer = new Uint8Array(BYTES);
    const got = others.map(() => 0);
    const all = (): boolean => got.every((count) => count === BYTES);
    pair.applications.push(() => {
      others.forEach(({ server }, i) => {
        got[i] = (got[i] as number) + Math.max(0, pair.server.toe.recv(server, buffer));
      });
      return false;
    });
    await pair.until(all, "all bytes");
  },
);
