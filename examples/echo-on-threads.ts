/**
 * A stack whose stages run on worker threads echoes what another one, on this thread, asks. Runs
 * without root, after a build:
 *
 *   node dist/examples/echo-on-threads.js
 */
import { platform } from "../bindings/node.ts";
import { Driver } from "../host/driver.ts";
import { directLink } from "../host/netif/direct-link.ts";
import { Stack } from "../host/stack.ts";

const { entropy } = platform;
const [left, right] = directLink();

// Two flow groups: connections are spread over them by a hash. Each stage stands on one thread.
const workers = await platform.startWorkers({
  plan: {
    groups: 2,
    threads: [
      ["netif", "context-queue", "pre.0"],
      ["protocol.0", "protocol.1", "post.0", "dma.0"],
    ],
  },
});
const server = new Stack({
  module: workers.module,
  entropy,
  netifs: [{ netif: left, addresses: ["10.0.0.1/24"] }],
});
const client = new Stack({
  module: await platform.loadCore(),
  entropy,
  netifs: [{ netif: right, addresses: ["10.0.0.2/24"] }],
});
for (const stack of [server, client]) new Driver(stack, platform).start();

async function echo(): Promise<void> {
  for await (const connection of server.listen({ port: 7 })) {
    void connection.readable.pipeTo(connection.writable);
  }
}

async function ask(question: string): Promise<string> {
  const { readable, writable } = await client.connect({ address: "10.0.0.1", port: 7 });
  const writer = writable.getWriter();
  await writer.write(new TextEncoder().encode(question));
  await writer.close();
  let answer = "";
  const decoder = new TextDecoder();
  for await (const bytes of readable) answer += decoder.decode(bytes, { stream: true });
  return answer;
}

void echo();
console.log(await ask("hello, threads"), workers.threads ? "on threads" : workers.message);
workers.close();
process.exit(0);
