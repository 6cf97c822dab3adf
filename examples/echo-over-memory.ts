/**
 * Two stacks in one process over a link in memory: one echoes, the other asks. Runs without root,
 * after a build:
 *
 *   node dist/examples/echo-over-memory.js
 */
import { platform } from "../bindings/node.ts";
import { Driver } from "../host/driver.ts";
import { directLink } from "../host/netif/direct-link.ts";
import { Stack } from "../host/stack.ts";

const module = await platform.loadCore();
const { entropy } = platform;
const [server, client] = directLink().map((netif, i) => {
  const netifs = [{ netif, addresses: [`10.0.0.${i + 1}/24`] }];
  const stack = new Stack({ module, entropy, netifs });
  new Driver(stack, platform).start();
  return stack.toe;
}) as [Stack["toe"], Stack["toe"]];

const listener = server.socket();
server.bind(listener, { address: "10.0.0.1", port: 7 });
server.listen(listener);

async function echo(): Promise<void> {
  const fd = await server.acceptAsync(listener);
  const bytes = new Uint8Array(1024);
  await server.sendAsync(fd, bytes, 0, await server.recvAsync(fd, bytes));
  server.close(fd);
}

async function ask(): Promise<string> {
  const fd = client.socket();
  await client.connectAsync(fd, { address: "10.0.0.1", port: 7 });
  await client.sendAsync(fd, new TextEncoder().encode("hello, toeloop"));
  const bytes = new Uint8Array(1024);
  const count = await client.recvAsync(fd, bytes);
  client.close(fd);
  return new TextDecoder().decode(bytes.subarray(0, count));
}

const [answer] = await Promise.all([ask(), echo()]);
console.log(answer);
process.exit(0);
