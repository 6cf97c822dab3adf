/**
 * threats.md U01-U06, U09, U12-U14 over two whole stacks: the cases of
 * test/unit/libtoe/misuse-cases.ts, and what only a real data path can show.
 */
import { expect, test } from "vitest";
import { CORE_HASH_KEY } from "../../bindings/abi/memory-map.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import { buildUnderTest, dataPathUnderTest, isNight, seedOf } from "../support/env.ts";
import { MISUSE_CASES } from "../unit/libtoe/misuse-cases.ts";
import type { MisuseStack } from "../unit/libtoe/misuse-ends.ts";
import { StreamEnd } from "./stream-end.ts";
import { poolCounts } from "../support/pool-counts.ts";
import { MINUTE, SECOND, WorldPair } from "./world-pair.ts";

const PORT = 80;
const SEED = seedOf(9);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function misuseStack(pair: WorldPair): MisuseStack {
  const { world, clientToe, serverToe } = pair;
  return {
    client: clientToe,
    server: serverToe,
    address: "10.0.0.2",
    // Past TIME-WAIT, so that a case may listen on its port again; not to the end of timeouts of
    // days, which cost nothing once they are cancelled.
    settle: () => pair.until(() => world.nextDeadline() > world.now + 60 * MINUTE, "rest"),
    run: (promise) => world.run(() => promise),
    advance: (ms) => {
      if (ms === 0) world.step();
      else pair.pass(ms * 1e6);
    },
    counts: () =>
      [pair.client, pair.server].map(({ stack }) => ({
        ...poolCounts(stack),
        deadlines: stack.toe.internals.deadlines.count,
      })),
  };
}

for (const { id, what, run } of MISUSE_CASES) {
  test(`threats/${id}: ${what}`, async () => {
    const stack = misuseStack(new WorldPair({ seed: SEED, turn }));
    const before = stack.counts();
    await run(stack);
    stack.settle();
    expect(stack.counts()).toEqual(before);
  });
}

/**
 * Steps of a transfer after which one side aborts, and who. In the night each of 120; by day every
 * third, from where the seed says: builds, data paths and losses take another third each.
 */
function aborts(lossy: boolean): (readonly [steps: number, byClient: boolean])[] {
  const all = Array.from({ length: 120 }, (_, i) => [i, Math.floor(i / 3) % 2 === 0] as const);
  const turn = ["flextoe", "laminar", "laminar-relaxed"].indexOf(dataPathUnderTest());
  const third = SEED + turn + (lossy ? 1 : 0) + (buildUnderTest() === "debug" ? 2 : 0);
  return isNight() ? all : all.filter(([steps]) => steps % 3 === third % 3);
}

for (const loss of [0, 0.05]) {
  test(`threats/U09: abort after each of N world steps, loss ${loss}, seed ${SEED}`, () => {
    for (const [steps, byClient] of aborts(loss > 0)) {
      const faults = { loss, reorder: loss, duplicate: loss / 2 };
      const pair = new WorldPair({ seed: SEED + steps, link: { medium: "ip", faults } });
      const listener = pair.listen(PORT);
      const { client, server } = pair.establish(listener, PORT);
      const common = { bytes: 300_000, expect: 300_000 };
      const ends = [
        new StreamEnd(pair.clientToe, client, { ...common, seed: 1, expectSeed: 2 }),
        new StreamEnd(pair.serverToe, server, { ...common, seed: 2, expectSeed: 1 }),
      ] as const;
      [pair.client, pair.server].forEach((host, side) => {
        host.applications.push(() => (ends[side] as StreamEnd).run(pair.world.now));
        host.wakeAt = pair.world.now;
      });
      for (let i = 0; i < steps; i += 1) pair.world.step();
      const [toe, fd] = byClient
        ? ([pair.clientToe, client] as const)
        : ([pair.serverToe, server] as const);
      (byClient ? pair.client : pair.server).applications.length = 0;
      expect(toe.abort(fd)).toBe(0);
      expect(toe.abort(fd)).toBe(-ERRNO.EBADF);
      const other = ends[byClient ? 1 : 0] as StreamEnd;
      pair.until(() => other.error !== 0, `the reset after ${steps} steps`, 5 * MINUTE);
      expect([steps, other.error, other.wrongAt]).toEqual([steps, ERRNO.ECONNRESET, -1]);
      pair.clientToe.close(client);
      pair.serverToe.close(server);
      pair.serverToe.close(listener);
      expect(pair.leftovers()).toEqual([]);
    }
  });
}

test("threats/U04, D12: a chunk given back is not readable through another connection", () => {
  // D12's shape: what the first connection left in the arena is never delivered by the second.
  const pair = new WorldPair({ layout: { connections: 2, payloadBytes: 8 * 16384 } });
  const listener = pair.listen(PORT);
  const secret = new Uint8Array(60_000).fill(0xa5);
  const first = pair.establish(listener, PORT);
  expect(pair.clientToe.send(first.client, secret)).toBe(secret.length);
  pair.pass(SECOND);
  expect(pair.clientToe.abort(first.client)).toBe(0);
  pair.pass(SECOND);
  expect(pair.serverToe.abort(first.server)).toBe(0);
  const second = pair.establish(listener, PORT);
  expect(pair.clientToe.send(second.client, Uint8Array.of(1, 2, 3))).toBe(3);
  pair.pass(SECOND);
  const got = new Uint8Array(65536);
  expect(pair.serverToe.recv(second.server, got, 0, 65536, C.MSG_PEEK)).toBe(3);
  expect(pair.serverToe.recv(second.server, got)).toBe(3);
  expect(got.includes(0xa5)).toBe(false);
  pair.clientToe.close(second.client);
  pair.serverToe.close(second.server);
  pair.serverToe.close(listener);
  expect(pair.leftovers()).toEqual([]);
});

/** The frames of a short transfer, run alone or while another world runs in between. */
function traceOf(seed: number, between: (step: number) => void): string {
  const pair = new WorldPair({ seed, link: { faults: { loss: 0.02 } } });
  const listener = pair.listen(PORT);
  const { client, server } = pair.establish(listener, PORT);
  const common = { bytes: 50_000, expect: 50_000 };
  const ends = [
    new StreamEnd(pair.clientToe, client, { ...common, seed: 1, expectSeed: 2 }),
    new StreamEnd(pair.serverToe, server, { ...common, seed: 2, expectSeed: 1 }),
  ];
  [pair.client, pair.server].forEach((host, side) => {
    host.applications.push(() => (ends[side] as StreamEnd).run(pair.world.now));
    host.wakeAt = pair.world.now;
  });
  for (let i = 0; ends.some(({ finished }) => !finished); i += 1) {
    expect(pair.world.step()).toBe(true);
    between(i);
  }
  for (const { wrongAt, error } of ends) expect([wrongAt, error]).toEqual([-1, 0]);
  return pair.world.traceHash();
}

test("threats/U13: instances in one process share nothing, and have keys of their own", () => {
  const alone = traceOf(SEED, () => undefined);
  const busy = new WorldPair({ seed: SEED + 1 });
  const listener = busy.listen(PORT);
  const fds = busy.establish(listener, PORT);
  const together = traceOf(SEED, (step) => {
    busy.clientToe.send(fds.client, new Uint8Array(100 + (step % 1000)));
    busy.serverToe.recv(fds.server, new Uint8Array(2000));
    busy.world.step();
  });
  expect(together).toBe(alone);

  const [one, two] = [new WorldPair({ seed: 1 }), new WorldPair({ seed: 2 })];
  const stacks = [one.client, one.server, two.client, two.server].map(({ stack }) => stack);
  expect(new Set(stacks.map(({ core }) => core.memory)).size).toBe(4);
  const keys = stacks.map(({ core }) => core.view.getBigUint64(core.address + CORE_HASH_KEY, true));
  expect(new Set(keys).size).toBe(4);
  const fd = one.clientToe.socket();
  expect(two.clientToe.fcntl(fd, C.F_GETFL)).toBe(-ERRNO.EBADF);
  expect(one.serverToe.fcntl(fd, C.F_GETFL)).toBe(-ERRNO.EBADF);
});
