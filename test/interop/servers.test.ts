/**
 * Goal: what interop runs against the kernel also works between two stacks, on every commit and
 * without root: HTTP both ways over a bad link, iperf3's conversation both ways, more connections
 * at once than one burst holds. Method: two stacks on virtual time; nothing may be left behind.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_DROPS } from "../../bindings/abi/memory-map.ts";
import { platform } from "../../bindings/node.ts";
import { HttpConnection, httpGet, HttpServer } from "../../examples/http.ts";
import { Iperf3Server } from "../../examples/interop/iperf3.ts";
import { MSG_WAITALL } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { Prng } from "../../host/prng.ts";
import { WorldPair } from "../stack/world-pair.ts";

const SERVER = { address: "10.0.0.2", port: 80 };
const { turn } = platform;

function randomBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new Prng(seed).fill(bytes);
  return bytes;
}

test("HTTP over 2 % loss and 5 % reordering: bytes arrive, keep-alive, 404, close", async () => {
  const faults = { loss: 0.02, reorder: 0.05, reorderDelay: 3e6 };
  const pair = new WorldPair({ seed: 7, turn, link: { faults } });
  const body = randomBytes(300_000, 7);
  const server = new HttpServer(pair.serverToe, (path) =>
    path === "/file" ? { status: 200, body } : { status: 404, body: new Uint8Array(0) },
  );
  server.start(80);
  await pair.world.run(async () => {
    const connection = await HttpConnection.connect(pair.clientToe, SERVER);
    expect(await connection.get("/file")).toEqual({ status: 200, body });
    expect((await connection.get("/none")).status).toBe(404);
    expect((await connection.get("/file", true)).status).toBe(200);
    await connection.ended();
    await connection.close();
    while (server.open > 0) await pair.world.sleep(1e6);
  });
  server.close();
  expect(server).toMatchObject({ served: 3, peak: 1, failures: [] });
  expect(pair.leftovers()).toEqual([]);
});

test("a handler that throws answers 500, and the next request is served", async () => {
  const pair = new WorldPair({ turn });
  const server = new HttpServer(pair.serverToe, (path) => {
    if (path === "/bad") throw new Error("no");
    return { status: 200, body: new Uint8Array(1) };
  });
  server.start(80);
  await pair.world.run(async () => {
    expect((await httpGet(pair.clientToe, SERVER, "/bad")).status).toBe(500);
    expect((await httpGet(pair.clientToe, SERVER, "/good")).status).toBe(200);
    while (server.open > 0) await pair.world.sleep(1e6);
  });
  server.close();
  expect(server.failures).toHaveLength(1);
  expect(pair.leftovers()).toEqual([]);
});

test("250 connects in one call turn: no SYN is lost to a full burst", async () => {
  const connections = 250;
  const layout = { connections: 512, payloadBytes: 64 * 1024 * 1024 };
  // As on a TUN device: no neighbour to be asked for first, where the queue is bounded.
  const pair = new WorldPair({ turn, layout, link: { medium: "ip", queue: { bytes: 1 << 20 } } });
  const server = new HttpServer(pair.serverToe, () => ({ status: 200, body: new Uint8Array(9) }));
  server.start(80, { buffer: 16384 });
  await pair.world.run(async () => {
    const start = pair.world.now;
    const open = (): Promise<HttpConnection> =>
      HttpConnection.connect(pair.clientToe, SERVER, { buffer: 16384 });
    const opened = await Promise.all(Array.from({ length: connections }, open));
    // One round trip and the frames' own time; a lost SYN would take a second.
    expect(pair.world.now - start).toBeLessThan(50e6);
    await Promise.all(opened.map((connection) => connection.get("/")));
    await Promise.all(opened.map((connection) => connection.close()));
    while (server.open > 0) await pair.world.sleep(1e6);
  });
  server.close();
  const { core } = pair.client.stack;
  const drops = core.words[(core.address + CORE_DROPS) >>> 2] as number;
  expect(core.words[(drops >>> 2) + DropReason.EgressFull]).toBe(0);
  expect(server).toMatchObject({ served: connections, failures: [] });
  expect(pair.leftovers()).toEqual([]);
});

/** iperf3's client, as far as the conversation goes; how many bytes its stream carried. */
async function iperf3Client(toe: LibToe, reverse: boolean, bytes: number): Promise<number> {
  const open = async (): Promise<number> => {
    const fd = toe.socket();
    await toe.connectAsync(fd, { address: "10.0.0.2", port: 5201 });
    await toe.sendAsync(fd, new Uint8Array(37).fill(65));
    return fd;
  };
  const control = await open();
  const receive = async (length: number): Promise<Uint8Array> => {
    const buffer = new Uint8Array(length);
    await toe.recvAsync(control, buffer, 0, length, { flags: MSG_WAITALL });
    return buffer;
  };
  const state = async (): Promise<number> => (await receive(1))[0] as number;
  const sendJson = async (value: unknown): Promise<void> => {
    const text = new TextEncoder().encode(JSON.stringify(value));
    await toe.sendAsync(control, Uint8Array.of(0, 0, 0, text.length, ...text));
  };
  expect(await state()).toBe(9);
  await sendJson({ tcp: true, parallel: 1, reverse });
  expect(await state()).toBe(10);
  const stream = await open();
  expect([await state(), await state()]).toEqual([1, 2]);
  const block = new Uint8Array(bytes);
  if (reverse) await toe.recvAsync(stream, block, 0, bytes, { flags: MSG_WAITALL });
  else await toe.sendAsync(stream, block);
  await toe.sendAsync(control, Uint8Array.of(4));
  while (reverse && (await toe.recvAsync(stream, block)) > 0);
  expect(await state()).toBe(13);
  await sendJson({ streams: [{ id: 1 }] });
  const length = new DataView((await receive(4)).buffer).getUint32(0);
  const results = JSON.parse(new TextDecoder().decode(await receive(length)));
  expect(await state()).toBe(14);
  await toe.sendAsync(control, Uint8Array.of(16));
  await toe.closeAsync(stream);
  await toe.closeAsync(control);
  return results.streams[0].bytes;
}

test.each([false, true])("iperf3's conversation, reverse %s", async (reverse) => {
  const pair = new WorldPair({ turn });
  const server = new Iperf3Server(pair.serverToe, new AbortController().signal);
  const bytes = 1_000_000;
  await pair.world.run(async () => {
    const [result] = await Promise.all([
      server.serveOne(),
      iperf3Client(pair.clientToe, reverse, bytes),
    ]);
    expect(result).toMatchObject({ reverse, streams: 1 });
    expect(result.bytes).toBeGreaterThanOrEqual(bytes);
    if (!reverse) expect(result.bytes).toBe(bytes);
  });
  server.close();
  expect(pair.leftovers()).toEqual([]);
});
