/**
 * The convenience API of a stack: listen() as an async iterable, connect(), web streams, close with
 * and without drain, connections(). Method: an echo over a lossy link in virtual time, then what is
 * left of it.
 */
import { expect, test } from "vitest";
import { platform } from "../../bindings/node.ts";
import type { Connection } from "../../host/libtoe/web-streams.ts";
import { Stack } from "../../host/stack.ts";
import { World } from "../../host/world.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";

const BYTES = 200_000;
const PORT = 7000;

function makePair(seed: number): { world: World; client: Stack; server: Stack } {
  const world = new World({ seed, turn: platform.turn });
  const link = world.addLink({
    a: "client",
    b: "server",
    rate: 1e9,
    delay: 1e6,
    faults: { loss: 0.02, reorder: 0.02 },
  });
  const [client, server] = [0, 1].map((side) => {
    const name = side === 0 ? "client" : "server";
    const netif = link.ends[side as 0 | 1];
    const netifs = [{ netif, addresses: [`10.0.0.${side + 1}/24`] }];
    const entropy = world.entropy(name);
    const stack = new Stack({ module: loadModule(), name, entropy, netifs, layout: TEST_LAYOUT });
    return world.addHost(name, stack);
  }) as [Stack, Stack];
  return { world, client, server };
}

async function readAll(connection: Connection): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of connection.readable) parts.push(part);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function serveOne(server: Stack): Promise<void> {
  const listener = server.listen({ port: PORT });
  for await (const connection of listener) {
    await connection.readable.pipeTo(connection.writable);
    listener.close();
  }
}

test.each([1, 2, 3])("an echo through web streams, seed %i, drained", async (seed) => {
  const { world, client, server } = makePair(seed);
  const sent = new Uint8Array(BYTES).map((_, i) => (i * 31) & 255);
  await world.run(async () => {
    const served = serveOne(server);
    const connection = await client.connect({ address: "10.0.0.2", port: PORT });
    expect(connection.remotePort).toBe(PORT);
    const states = client.connections().map(({ state }) => state);
    expect(states).toEqual(["ESTABLISHED"]);
    const writer = connection.writable.getWriter();
    const received = readAll(connection);
    await writer.write(sent);
    await writer.close();
    expect(Buffer.compare(await received, sent)).toBe(0);
    await served;
    await Promise.all([client.close({ drain: true }), server.close({ drain: true })]);
  });
  const left = [...client.connections(), ...server.connections()].map(({ state }) => state);
  expect(left.every((state) => state === "TIME-WAIT")).toBe(true);
  expect(world.now).toBeLessThan(30e9);
});

test("close() without drain resets: the peer's reader fails with ECONNRESET", async () => {
  const { world, client, server } = makePair(4);
  await world.run(async () => {
    const accepted = server.listen({ port: PORT }).accept();
    const connection = await client.connect({ address: "10.0.0.2", port: PORT });
    const peer = (await accepted) as Connection;
    const reading = peer.readable.getReader().read();
    await connection.writable.getWriter().write(new Uint8Array([1]));
    expect((await reading).value).toEqual(new Uint8Array([1]));
    await client.close();
    await expect(readAll(peer)).rejects.toThrow();
  });
  world.run(world.now + 10e6);
  expect(client.connections()).toEqual([]);
});

test("connect() to a closed port rejects with code ECONNREFUSED", async () => {
  const { world, client } = makePair(5);
  await world.run(async () => {
    const refused = client.connect({ address: "10.0.0.2", port: 9 });
    await expect(refused).rejects.toMatchObject({ code: "ECONNREFUSED", syscall: "connect" });
  });
});
