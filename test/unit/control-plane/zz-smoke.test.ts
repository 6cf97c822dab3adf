/** temporary */
import { test, expect } from "vitest";
import { Stack } from "../../../host/stack.ts";
import { World } from "../../../host/world.ts";
import { Random } from "../../support/random.ts";
import { loadModule, TEST_LAYOUT } from "../../support/load-core.ts";
import { address } from "../../../host/address.ts";

test("two stacks handshake", async () => {
  const world = new World({ seed: 1 });
  const link = world.addLink({ a: "client", b: "server", rate: 1e9, delay: 1e6 });
  const mk = (i: number) => {
    const prng = new Random(i);
    return new Stack({ module: loadModule(), netifs: [{ netif: link.ends[i] as never, addresses: [`10.0.0.${i + 1}/24`] }], entropy: (b) => { for (let k = 0; k < b.length; k++) b[k] = prng.u32() & 255; }, layout: TEST_LAYOUT });
  };
  const client = world.addHost("client", mk(0));
  const server = world.addHost("server", mk(1));
  const opts = { receiveBuffer: 65536, sendBuffer: 65536, noDelay: false, cork: false, quickAck: false, keepAlive: false, keepAliveIdle: 7200000, keepAliveInterval: 75000, keepAliveCount: 9, userTimeout: 0, maxSegment: 0, synRetries: 0, linger: -1, ttl: 64, tos: 0, congestion: "", pacingRate: 0, reuseAddress: false, reusePort: false, linger2: 60000 };
  const l = server.control.listen({ local: { address: new Uint8Array(16), port: 80 }, backlog: 8, options: opts, context: 1 });
  expect(l).toBeGreaterThan(0);
  const c = client.control.open({ remote: { address: address("10.0.0.2"), port: 80 }, options: opts, context: 1 });
  expect(c).toBeGreaterThan(0);
  for (let t = 0; t < 20; t++) {
    const now = t * 1e6 + 1;
    client.poll(now); server.poll(now);
    if (t === 10) console.log(client.control.info(c), server.control.connections());
  }
  expect(client.control.info(c).state).toBe("ESTABLISHED");
  expect(server.control.acceptable(l)).toBe(1);
});
