/**
 * The convenience API: echo through web streams, backpressure in both directions, half close,
 * cancel, abort and close({ drain }).
 */
import { expect, test } from "vitest";
import { type Connection, connect, listen } from "../../../host/libtoe/web-streams.ts";
import { Random } from "../../support/random.ts";
import { LoopbackStack } from "./loopback-stack.ts";

const ADDRESS = "10.0.0.2";

async function pair(stack = new LoopbackStack(), bytes = false) {
  const listener = listen(stack.toe, { port: 80, bytes });
  const both = Promise.all([
    listener.accept(),
    connect(stack.toe, { address: ADDRESS, port: listener.port, bytes }),
  ]);
  const [server, client] = await stack.run(both);
  return { stack, listener, client, server: server as Connection };
}

async function readAll(connection: Connection): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = connection.readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
  }
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

async function writeAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  const writer = connection.writable.getWriter();
  for (let at = 0; at < bytes.length; at += 7000) await writer.write(bytes.subarray(at, at + 7000));
  await writer.close();
}

test("an echo server in five lines", async () => {
  const stack = new LoopbackStack();
  const listener = listen(stack.toe, { port: 80 });
  const serve = async (): Promise<void> => {
    for await (const connection of listener) {
      void connection.readable.pipeTo(connection.writable);
    }
  };
  const serving = serve();
  const client = await stack.run(connect(stack.toe, { address: ADDRESS, port: 80 }));
  expect(client).toMatchObject({ remoteAddress: ADDRESS, remotePort: 80 });
  expect(client.localPort).toBeGreaterThan(0);
  const sent = new Random(9).bytes(100000);
  const [got] = await stack.run(Promise.all([readAll(client), writeAll(client, sent)]));
  expect(got).toEqual(sent);
  listener.close();
  await stack.run(serving);
  stack.settle();
  // Both streams of both connections have ended: nothing is left.
  expect([stack.flows.size, stack.toe.internals.table.count]).toEqual([0, 0]);
  expect(stack.toe.connections()).toEqual([]);
});

test("a reader that does not read holds the writer back", async () => {
  const { stack, client, server } = await pair();
  const writer = client.writable.getWriter();
  let written = 0;
  const write = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) {
      await writer.write(new Uint8Array(1000));
      written += 1000;
    }
  };
  const writing = write();
  for (let i = 0; i < 30; i += 1) {
    stack.settle();
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Two buffers of 4,096 B and no more.
  expect(written).toBeLessThanOrEqual(8192);
  const reader = server.readable.getReader();
  let read = 0;
  while (read < 20000) read += (await stack.run(reader.read())).value?.length ?? 0;
  await stack.run(writing);
  expect(read).toBe(20000);
});

test("cancel drops what comes later; the other direction goes on", async () => {
  const { stack, client, server } = await pair();
  await stack.run(server.readable.cancel());
  await stack.run(writeAll(client, new Uint8Array(50000)));
  const answer = Uint8Array.of(1, 2, 3);
  const [got] = await stack.run(Promise.all([readAll(client), writeAll(server, answer)]));
  expect(got).toEqual(answer);
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("abort resets: both ends' streams fail", async () => {
  const { stack, client, server } = await pair();
  const reading = server.readable.getReader().read();
  await stack.run(client.writable.abort("enough"));
  await expect(stack.run(reading)).rejects.toMatchObject({ code: "ECONNRESET" });
  await expect(stack.run(client.readable.getReader().read())).rejects.toMatchObject({
    code: "EBADF",
  });
  expect([client.fd, server.fd]).toEqual([-1, -1]);
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("byte streams fill the reader's own buffer, and end with it empty", async () => {
  const { stack, client, server } = await pair(new LoopbackStack(), true);
  const sent = new Random(10).bytes(30000);
  const writing = writeAll(client, sent);
  const reader = server.readable.getReader({ mode: "byob" });
  const got: number[] = [];
  let buffer = new Uint8Array(777);
  for (;;) {
    const { done, value } = await stack.run(reader.read(buffer));
    if (done) {
      expect(value?.length).toBe(0);
      break;
    }
    // A buffer that was lent comes back over the same memory, filled from its start.
    expect([value.byteOffset, value.buffer.byteLength]).toEqual([0, 777]);
    expect(value.length).toBeGreaterThan(0);
    got.push(...value);
    buffer = new Uint8Array(value.buffer);
  }
  await stack.run(writing);
  expect(Uint8Array.from(got)).toEqual(sent);
  const [echoed] = await stack.run(Promise.all([readAll(client), writeAll(server, sent)]));
  expect(echoed).toEqual(sent);
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("byte streams fail as the others do: a lent buffer is not kept", async () => {
  const { stack, client, server } = await pair(new LoopbackStack(), true);
  const reading = server.readable.getReader({ mode: "byob" }).read(new Uint8Array(10));
  await stack.run(client.writable.abort("enough"));
  await expect(stack.run(reading)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(server.fd).toBe(-1);
});

test("close({ drain }) resolves when the peer has everything", async () => {
  const { stack, client, server } = await pair();
  await stack.run(client.writable.getWriter().write(new Uint8Array(4000)));
  await stack.run(client.close({ drain: true }));
  await client.close();
  expect((await stack.run(readAll(server))).length).toBe(4000);
  await stack.run(server.close());
  stack.settle();
  expect(stack.flows.size).toBe(0);
});

test("errors of set-up are SocketErrors and leave no descriptor", async () => {
  const { stack, client, server } = await pair();
  const { toe } = stack;
  await client.close();
  await server.close();
  const before = toe.internals.table.count;
  expect(() => listen(toe, { port: 80 })).toThrow("listen EADDRINUSE");
  expect(() => listen(toe, { port: 70000 })).toThrow("bind EINVAL");
  const refused = connect(toe, { address: ADDRESS, port: 99 });
  await expect(stack.run(refused)).rejects.toThrow("connect ECONNREFUSED");
  await expect(connect(toe, { address: "nowhere", port: 99 })).rejects.toThrow("connect EINVAL");
  expect(toe.internals.table.count).toBe(before);
});
