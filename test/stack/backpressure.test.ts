/**
 * Goal: a carrier without credit delays and never drops (day-one decision 13). Method: a link that
 * takes its credit away when its short queue is full, streams both ways, no loss allowed.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { platform } from "../../bindings/node.ts";
import type { Connection } from "../../host/libtoe/web-streams.ts";
import { Stack } from "../../host/stack.ts";
import { World } from "../../host/world.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";

const BYTES = 500_000;
const PORT = 80;
/** 20 Mbit/s carry the stream in 0.2 s; the bound allows for headers and the handshake. */
const RATE = 2e7;
const LONGEST = 0.35e9;

async function drain(connection: Connection): Promise<number> {
  let bytes = 0;
  for await (const part of connection.readable) bytes += part.length;
  return bytes;
}

async function exchange(connection: Connection): Promise<number> {
  const writer = connection.writable.getWriter();
  const got = drain(connection);
  await writer.write(new Uint8Array(BYTES));
  await writer.close();
  return got;
}

test.each([2, 8, 64])("a queue of %i frames with backpressure loses nothing", async (frames) => {
  const world = new World({ seed: 1, turn: platform.turn });
  const queue = { frames };
  const link = world.addLink({ a: "a", b: "b", rate: RATE, delay: 1e5, queue, backpressure: true });
  const [a, b] = [0, 1].map((side) => {
    const name = side === 0 ? "a" : "b";
    const netif = link.ends[side as 0 | 1];
    const netifs = [{ netif, addresses: [`10.0.0.${side + 1}/24`] }];
    const entropy = world.entropy(name);
    const stack = new Stack({ module: loadModule(), name, entropy, netifs, layout: TEST_LAYOUT });
    return world.addHost(name, stack);
  }) as [Stack, Stack];
  await world.run(async () => {
    const accepted = b.listen({ port: PORT }).accept();
    const connection = await a.connect({ address: "10.0.0.2", port: PORT });
    const both = [exchange(connection), exchange((await accepted) as Connection)];
    expect(await Promise.all(both)).toEqual([BYTES, BYTES]);
  });
  for (const side of [0, 1] as const) expect(link.counters(side).dropped.queue).toBe(0);
  for (const { core } of [a, b]) {
    const counted = (counter: Counter): bigint => {
      return core.view.getBigUint64((core.map.base.counters as number) + 8 * counter, true);
    };
    // A round trip that grows by what the queue holds may have its tail probed (RFC 8985, 7.2).
    expect(counted(Counter.Retransmissions)).toBeLessThanOrEqual(counted(Counter.TailLossProbes));
    expect(counted(Counter.Timeouts)).toBe(0n);
    expect(counted(Counter.FastRetransmits)).toBe(0n);
  }
  expect(world.now).toBeLessThan(LONGEST);
});

test("time goes on while frames are held back and applications write", () => {
  const world = new World({ seed: 1 });
  const nic = { rate: 1e8, delay: 1e4, queue: { frames: 3 }, backpressure: true };
  const link = world.addLink({ a: "a", b: "b", ...nic });
  const [a, b] = ([0, 1] as const).map((side) => {
    const name = side === 0 ? "a" : "b";
    const netifs = [{ netif: link.ends[side], addresses: [`10.0.0.${side + 1}/24`] }];
    const entropy = world.entropy(name);
    const stack = new Stack({ module: loadModule(), name, entropy, netifs, layout: TEST_LAYOUT });
    return world.addHost(name, stack);
  }) as [Stack, Stack];
  const listener = b.toe.socket();
  b.toe.bind(listener, { address: "10.0.0.2", port: PORT });
  b.toe.listen(listener, 8);
  const buffer = new Uint8Array(65536);
  const got = new Map<number, number>();
  // Both ends write whenever they may, so that ACKs meet a full queue.
  const flood = ({ toe }: Stack, fd: number, key: number): void => {
    toe.setWatcher(fd, () => {
      const bytes = toe.recv(fd, buffer, 0, buffer.length);
      if (bytes > 0) got.set(key, (got.get(key) ?? 0) + bytes);
      toe.send(fd, buffer, 0, buffer.length);
    });
  };
  for (let i = 0; i < 8; i += 1) {
    const fd = a.toe.socket();
    a.toe.connect(fd, { address: "10.0.0.2", port: PORT });
    let peer = -1;
    world.run(() => {
      peer = b.toe.accept(listener);
      return peer >= 0;
    });
    flood(a, fd, i);
    flood(b, peer, 100 + i);
  }
  const [from, steps] = [world.now, world.steps];
  world.run(from + 100e6);
  expect(got.size).toBe(16);
  const bytes = [...got.values()].reduce((sum, each) => sum + each, 0);
  expect(bytes).toBeGreaterThan(1_000_000);
  // A step for each frame at each end, and some for timers and credit.
  const frames = link.counters(0).frames + link.counters(1).frames;
  expect(world.steps - steps).toBeLessThan(4 * frames);
});
