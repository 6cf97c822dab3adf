/**
 * What the runtimes test runs in Node, Deno, Bun and Chromium over startWorkers(): bytes both ways
 * between a stack on threads and one without, then one thread is ended. Compiled into dist/.
 */
import * as X from "../../bindings/abi/workers.ts";
import type { Platform } from "../../bindings/platform.ts";
import { WorkersExecutor } from "../../bindings/workers.ts";
import { Driver } from "../../host/driver.ts";
import { SocketError } from "../../host/errors.ts";
import { directLink } from "../../host/netif/direct-link.ts";
import { Stack } from "../../host/stack.ts";

const BYTES = 1 << 20;
const PORT = 7;
const OUTSIDE = 0xffff0000;

export interface ThreadsOutcome {
  readonly runtime: string;
  readonly threads: boolean;
  readonly message: string | undefined;
  /** Bytes that came back as they were sent. */
  readonly echoed: number;
  /** What a read ends with after a thread has died; undefined without threads. */
  readonly afterKill: string | undefined;
  readonly fenced: string | undefined;
}

type Streams = Awaited<ReturnType<Stack["connect"]>>;

async function echo(stack: Stack): Promise<void> {
  for await (const { readable, writable } of stack.listen({ port: PORT })) {
    // The fence ends it with an error, which the other side's test does not look at.
    readable.pipeTo(writable).catch(() => undefined);
  }
}

/** Sends BYTES and counts those that come back right. */
async function ask({ readable, writable }: Streams): Promise<number> {
  const send = async (): Promise<void> => {
    const writer = writable.getWriter();
    const chunk = new Uint8Array(16384);
    for (let from = 0; from < BYTES; from += chunk.length) {
      for (let i = 0; i < chunk.length; i += 1) chunk[i] = (from + i) % 251;
      await writer.write(chunk);
    }
    writer.releaseLock();
  };
  const sent = send();
  const reader = readable.getReader();
  let [seen, right] = [0, 0];
  while (seen < BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const byte of value) {
      if (byte === seen % 251) right += 1;
      seen += 1;
    }
  }
  reader.releaseLock();
  await sent;
  return right;
}

/** The thread's next round leaves the memory, and traps. */
function crash({ memory, layout }: WorkersExecutor, thread: number): void {
  const at = layout.threads + thread * X.THREAD_SIZE + X.THREAD_STAGES;
  Atomics.store(new Uint32Array(memory.buffer), at >>> 2, OUTSIDE);
}

/** How a read of the stack on threads ends when one of them dies. */
async function endOne(
  runtime: string,
  executor: WorkersExecutor,
  { readable, writable }: Streams,
): Promise<string> {
  // Deno's terminate() waits for the worker's event loop, which a thread never comes back to.
  if (runtime === "deno") crash(executor, 2);
  else executor.kill(2);
  const writer = writable.getWriter();
  const reader = readable.getReader();
  try {
    // A web worker dies when the runtime gets to it, and is missed when there is something to do.
    for (;;) {
      writer.write(new Uint8Array(1000)).catch(() => undefined);
      const { done } = await reader.read();
      if (done) return "an end";
    }
  } catch (error) {
    return error instanceof SocketError ? error.code : String(error);
  }
}

/** Runs all of it. */
export async function runOnThreads(platform: Platform): Promise<ThreadsOutcome> {
  const { entropy } = platform;
  const [left, right] = directLink();
  const workers = await platform.startWorkers({ plan: { groups: 2, dma: 2 } });
  const stack = (module: ConstructorParameters<typeof Stack>[0]["module"], side: 0 | 1): Stack => {
    const netif = side === 0 ? left : right;
    const netifs = [{ netif, addresses: [`10.0.0.${side + 1}/24`] }];
    const made = new Stack({ module, entropy, netifs });
    new Driver(made, platform).start();
    return made;
  };
  const threaded = stack(workers.module, 0);
  void echo(stack(await platform.loadCore(), 1));
  const connection = await threaded.connect({ address: "10.0.0.2", port: PORT });
  const echoed = await ask(connection);
  const executor = workers.module instanceof WorkersExecutor ? workers.module : undefined;
  const afterKill = executor && (await endOne(platform.name, executor, connection));
  const fenced = executor?.fenced;
  workers.close();
  const { threads, message } = workers;
  return { runtime: platform.name, threads, message, echoed, afterKill, fenced };
}
