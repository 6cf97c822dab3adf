/**
 * Goal: one stack with several interfaces and addresses: routes by the longest prefix, each
 * connection leaves by its own interface, and a slow carrier does not stop the other one. Method: a
 * host in the middle of two links, streams on both at once.
 */
import { expect, test } from "vitest";
import { platform } from "../../bindings/node.ts";
import type { Connection } from "../../host/libtoe/web-streams.ts";
import type { Link } from "../../host/netif/link.ts";
import { Stack } from "../../host/stack.ts";
import type { StackNetif } from "../../host/stack-options.ts";
import { World } from "../../host/world.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";

const BYTES = 300_000;
const PORT = 80;

interface Three {
  readonly world: World;
  readonly left: Stack;
  readonly middle: Stack;
  readonly right: Stack;
  readonly links: readonly [Link, Link];
}

/** left 10.0.0.1 -- 10.0.0.2 middle 10.1.0.2 and 10.1.0.3 -- 10.1.0.1 right, the second slower. */
function threeHosts(seed: number): Three {
  const world = new World({ seed, turn: platform.turn });
  const faults = { loss: 0.01, reorder: 0.01 };
  const one = world.addLink({ a: "left", b: "middle", rate: 1e9, delay: 5e5, faults });
  const two = world.addLink({ a: "middle", b: "right", rate: 2e7, delay: 2e6, faults });
  const host = (name: string, netifs: StackNetif[]): Stack => {
    const entropy = world.entropy(name);
    const stack = new Stack({ module: loadModule(), name, entropy, netifs, layout: TEST_LAYOUT });
    return world.addHost(name, stack);
  };
  return {
    world,
    left: host("left", [{ netif: one.ends[0], addresses: ["10.0.0.1/24"], gateway: "10.0.0.2" }]),
    middle: host("middle", [
      { netif: one.ends[1], addresses: ["10.0.0.2/24"] },
      { netif: two.ends[0], addresses: ["10.1.0.2/24", "10.1.0.3/24"] },
    ]),
    right: host("right", [{ netif: two.ends[1], addresses: ["10.1.0.1/24"] }]),
    links: [one, two],
  };
}

async function count(connection: Connection): Promise<number> {
  let bytes = 0;
  for await (const part of connection.readable) bytes += part.length;
  return bytes;
}

async function serve(stack: Stack, sessions: number): Promise<number[]> {
  const listener = stack.listen({ port: PORT });
  const counts: Promise<number>[] = [];
  for (let i = 0; i < sessions; i += 1) {
    const connection = await listener.accept();
    if (connection === undefined) break;
    counts.push(count(connection));
  }
  return Promise.all(counts);
}

async function send(stack: Stack, address: string): Promise<string> {
  const connection = await stack.connect({ address, port: PORT });
  const writer = connection.writable.getWriter();
  await writer.write(new Uint8Array(BYTES));
  await writer.close();
  return connection.localAddress;
}

test.each([1, 2])("streams over both interfaces of one stack at once, seed %i", async (seed) => {
  const { world, left, middle, right, links } = threeHosts(seed);
  await world.run(async () => {
    const servers = [serve(middle, 2), serve(left, 1), serve(right, 1)];
    const locals = await Promise.all([
      send(left, "10.0.0.2"),
      send(right, "10.1.0.3"),
      send(middle, "10.0.0.1"),
      send(middle, "10.1.0.1"),
    ]);
    // The source address is the one of the interface that leads there.
    expect(locals).toEqual(["10.0.0.1", "10.1.0.1", "10.0.0.2", "10.1.0.2"]);
    expect(await Promise.all(servers)).toEqual([[BYTES, BYTES], [BYTES], [BYTES]]);
  });
  for (const link of links) {
    for (const side of [0, 1] as const) expect(link.counters(side).bytes).toBeGreaterThan(BYTES);
  }
});

test("a dead link on one interface leaves the other at work", async () => {
  const { world, left, middle, links } = threeHosts(3);
  links[1].down = true;
  await world.run(async () => {
    const served = serve(left, 1);
    const stuck = send(middle, "10.1.0.1");
    const outcome = expect(stuck).rejects.toMatchObject({ code: "EHOSTUNREACH" });
    await send(middle, "10.0.0.1");
    expect(await served).toEqual([BYTES]);
    await outcome;
  });
});

test("no route: ENETUNREACH at once", async () => {
  const { world, middle } = threeHosts(4);
  await world.run(async () => {
    await expect(send(middle, "192.168.7.7")).rejects.toMatchObject({ code: "ENETUNREACH" });
  });
  expect(world.now).toBeLessThan(1e9);
});
