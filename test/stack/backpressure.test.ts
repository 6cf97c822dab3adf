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
    const at = (core.map.base.counters as number) + 8 * Counter.Retransmissions;
    expect(core.view.getBigUint64(at, true)).toBe(0n);
  }
  expect(world.now).toBeLessThan(LONGEST);
});
