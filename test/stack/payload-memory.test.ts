/**
 * Payload memory (day-one decision 4): buffers drawn on demand, windows that the arena can keep,
 * autotuning over a long fat link and its limits, and what happens when there is no more.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import {
  CORE_CHUNK_FREE_COUNT,
  CORE_CHUNK_RESERVED,
  CORE_CHUNKS,
} from "../../bindings/abi/memory-map.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Stack } from "../../host/stack.ts";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { WorldPair } from "./world-pair.ts";

const PORT = 80;
const SEED = seedOf(55);
const RATE = 200e6;
const DELAY = 40e6;
/** 200 Mbit/s for 80 ms: 2 MB, thirty times the first window. */
const PRODUCT = (RATE / 8) * ((2 * DELAY) / 1e9);
const SECOND = 1e9;

function word({ core }: Stack, offset: number): number {
  return core.words[(core.address + offset) >>> 2] as number;
}

function counter({ core }: Stack, which: Counter): number {
  return Number(core.view.getBigUint64((core.map.base.counters as number) + 8 * which, true));
}

function option(toe: LibToe, fd: number, name: number): number {
  return toe.getsockopt(fd, C.SOL_SOCKET, name) as number;
}

interface Flow {
  readonly pair: WorldPair;
  readonly sender: LibToe;
  readonly receiver: LibToe;
  readonly from: number;
  readonly to: number;
  received: number;
}

/** A sender with more than enough room, and a receiver that reads all at once, either way. */
function flow(down: boolean, layout: object, setup: (toe: LibToe, fd: number) => void): Flow {
  const queue = { bytes: 8 << 20 };
  const link = { rate: RATE, delay: DELAY, queue };
  const pair = new WorldPair({ seed: SEED, layout: { payloadBytes: 64 << 20, ...layout }, link });
  const sized = (toe: LibToe, sends: boolean): number => {
    const fd = toe.socket();
    if (sends) expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 8 << 20)).toBe(0);
    else setup(toe, fd);
    return fd;
  };
  const listener = pair.listen(PORT, 8, sized(pair.serverToe, down));
  const client = pair.connect(PORT, sized(pair.clientToe, !down));
  const server = pair.accept(listener);
  const [sender, receiver] = down
    ? [pair.serverToe, pair.clientToe]
    : [pair.clientToe, pair.serverToe];
  const [from, to] = down ? [server, client] : [client, server];
  const made = { pair, sender, receiver, from, to, received: 0 };
  const bytes = new Uint8Array(1 << 20);
  const buffer = new Uint8Array(1 << 20);
  const [source, sink] = down ? [pair.server, pair.client] : [pair.client, pair.server];
  source.applications.push(() => sender.send(from, bytes) > 0);
  sink.applications.push(() => {
    const count = receiver.recv(to, buffer);
    if (count > 0) made.received += count;
    return count > 0;
  });
  return made;
}

/** Share of the link's rate that arrives as payload after `warm` seconds. */
function goodput(run: Flow, warm = 3, seconds = 2): number {
  run.pair.pass(warm * SECOND);
  const before = run.received;
  run.pair.pass(seconds * SECOND);
  return ((run.received - before) * 8) / seconds / RATE;
}

for (const down of [false, true]) {
  const way = down ? "from server to client" : "from client to server";
  test(`autotuning fills a link of ${PRODUCT / 1e6} MB bandwidth times delay, ${way}`, () => {
    const run = flow(down, {}, () => undefined);
    expect(option(run.receiver, run.to, C.SO_RCVBUF)).toBe(65536);
    expect(goodput(run)).toBeGreaterThan(0.9);
    const size = option(run.receiver, run.to, C.SO_RCVBUF);
    expect(size).toBeGreaterThan(PRODUCT);
    expect(size).toBeLessThanOrEqual(4 << 20);
    expect(run.pair.windows.segments).toBeGreaterThan(1000);
    expect(run.pair.windows.shrunk).toEqual([]);
  });

  test(`SO_RCVBUF switches autotuning off: a window each round trip, ${way}`, () => {
    const run = flow(down, {}, (toe, fd) => {
      expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, 65536)).toBe(0);
    });
    // 64 KiB every 80 ms of 2 MB.
    expect(goodput(run)).toBeLessThan(0.05);
    expect(option(run.receiver, run.to, C.SO_RCVBUF)).toBe(65536);
  });
}

test("an arena that is too small limits the window, and takes none of it back", () => {
  const run = flow(false, { payloadBytes: 1 << 20, connections: 4 }, () => undefined);
  expect(goodput(run)).toBeLessThan(0.5);
  const { stack } = run.pair.server;
  expect(counter(stack, Counter.WindowsLimited)).toBeGreaterThan(0);
  expect(option(run.receiver, run.to, C.SO_RCVBUF)).toBeGreaterThan(65536);
  expect(run.pair.windows.shrunk).toEqual([]);
  // A quarter of the arena stays for others.
  expect(word(stack, CORE_CHUNK_RESERVED)).toBeLessThanOrEqual(word(stack, CORE_CHUNKS) * 0.75);
});

test("an arena with a chunk for each row refuses nobody, and its first windows are larger", () => {
  // Of 64 chunks four are for sending.
  const layout = { connections: 44, chunkBytes: 1024, payloadBytes: 64 * 1024 };
  const pair = new WorldPair({ seed: SEED, layout });
  const listener = pair.listen(PORT, 64);
  const pairs = Array.from({ length: 44 }, () => pair.establish(listener, PORT));
  const windows = pairs.map(({ client }) => option(pair.clientToe, client, C.SO_RCVBUF));
  expect(windows[0]).toBeGreaterThan(1024);
  expect(windows.at(-1)).toBe(1024);
  // Each of them receives.
  for (const { client, server } of pairs) {
    expect(pair.clientToe.send(client, Uint8Array.of(1))).toBe(1);
    pair.until(() => pair.serverToe.recv(server, new Uint8Array(9)) === 1, "a byte");
    // Acknowledged, so that the next sender finds a chunk.
    pair.pass(SECOND);
  }
});

test("a slow reader is not given a larger buffer", () => {
  const pair = new WorldPair({ seed: SEED, link: { rate: RATE, delay: DELAY } });
  const listener = pair.listen(PORT, 8);
  const client = pair.connect(PORT);
  const server = pair.accept(listener);
  const buffer = new Uint8Array(4096);
  for (let i = 0; i < 200; i += 1) {
    pair.clientToe.send(client, new Uint8Array(65536));
    pair.pass(50e6);
    pair.serverToe.recv(server, buffer);
  }
  expect(option(pair.serverToe, server, C.SO_RCVBUF)).toBe(65536);
});

test("an idle connection holds no chunk; one that has drained all, those it began", () => {
  const pair = new WorldPair({ seed: SEED });
  const { stack } = pair.server;
  const all = word(stack, CORE_CHUNKS);
  const listener = pair.listen(PORT, 8);
  const client = pair.connect(PORT);
  const server = pair.accept(listener);
  expect(word(stack, CORE_CHUNK_FREE_COUNT)).toBe(all);
  pair.clientToe.send(client, new Uint8Array(50_000));
  pair.pass(SECOND);
  // Seven chunks of 8 KiB and their list.
  expect(word(stack, CORE_CHUNK_FREE_COUNT)).toBe(all - 8);
  expect(pair.serverToe.recv(server, new Uint8Array(50_000))).toBe(50_000);
  pair.serverToe.send(server, new Uint8Array(1));
  pair.pass(SECOND);
  // The started chunk of each direction, and the lists.
  expect(word(stack, CORE_CHUNK_FREE_COUNT)).toBeGreaterThanOrEqual(all - 4);
  expect(pair.clientToe.recv(client, new Uint8Array(10))).toBe(1);
  expect([pair.clientToe.close(client), pair.serverToe.close(server)]).toEqual([0, 0]);
  expect(pair.serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

test("without a chunk send() answers EAGAIN, and the socket is writable when there is one", () => {
  const layout = { connections: 8, chunkBytes: 1024, payloadBytes: 40 * 1024 };
  const pair = new WorldPair({ seed: SEED, layout });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 8);
  const pairs = Array.from({ length: 6 }, () => pair.establish(listener, PORT));
  pair.link.down = true;
  // Until the arena is empty: what is not acknowledged keeps its chunks.
  const sent = pairs.map(({ client }) => {
    let total = 0;
    for (let got = 1; got > 0; total += Math.max(0, got)) {
      got = clientToe.send(client, new Uint8Array(5000).fill(total & 255));
    }
    return total;
  });
  const { stack } = pair.client;
  expect(counter(stack, Counter.SendsStarved)).toBeGreaterThan(0);
  expect(word(stack, CORE_CHUNK_FREE_COUNT)).toBe(word(stack, CORE_CHUNK_RESERVED));
  const starved = pairs.find((_, i) => sent[i] === 0) as { client: number };
  expect(clientToe.send(starved.client, new Uint8Array(1))).toBe(-ERRNO.EAGAIN);
  const entries = [{ fd: starved.client, events: C.POLLOUT, revents: 0 }];
  expect(clientToe.pollFds(entries)).toBe(0);
  pair.link.down = false;
  const buffer = new Uint8Array(65536);
  const writable = (): boolean => {
    for (const { server } of pairs) serverToe.recv(server, buffer);
    return clientToe.pollFds(entries) === 1;
  };
  pair.until(writable, "room to send");
  expect(clientToe.send(starved.client, new Uint8Array(1))).toBe(1);
  for (const { client, server } of pairs) {
    expect([clientToe.abort(client), serverToe.abort(server)]).toEqual([0, 0]);
  }
  expect(serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});

test("an idle connection's transmit chunks are taken back for one that sends", () => {
  const layout = { connections: 8, chunkBytes: 1024, payloadBytes: 40 * 1024 };
  const pair = new WorldPair({ seed: SEED, layout });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 8);
  const pairs = Array.from({ length: 7 }, () => pair.establish(listener, PORT));
  const byte = new Uint8Array(1);
  // Each one in its turn leaves a list and a started chunk behind.
  for (let round = 0; round < 10; round += 1) {
    for (const { client, server } of pairs) {
      expect(clientToe.send(client, byte)).toBe(1);
      pair.pass(SECOND);
      expect(serverToe.recv(server, byte)).toBe(1);
    }
  }
  expect(counter(pair.client.stack, Counter.BuffersReclaimed)).toBeGreaterThan(0);
  // From the first time on those that become empty go back by themselves: nobody looks for them.
  expect(counter(pair.client.stack, Counter.BuffersReclaimed)).toBeLessThan(20);
  expect(counter(pair.client.stack, Counter.SendsStarved)).toBe(0);
});

test(`windows are kept in an arena where every chunk is fought for, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const layout = { connections: 16, chunkBytes: 256, payloadBytes: 64 * 256 };
  const link = { faults: { loss: 0.02, reorder: 0.1 } };
  const pair = new WorldPair({ seed: SEED, layout, link });
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 16);
  const pairs = Array.from({ length: 12 }, () => pair.establish(listener, PORT));
  const flows = pairs.flatMap(({ client, server }) => [
    { from: clientToe, out: client, to: serverToe, into: server, sent: 0, received: 0 },
    { from: serverToe, out: server, to: clientToe, into: client, sent: 0, received: 0 },
  ]);
  const check = (run: (typeof flows)[number], most: number): void => {
    const bytes = new Uint8Array(most);
    const got = Math.max(0, run.to.recv(run.into, bytes));
    const expected = bytes.map((_, at) => (run.received + at) % 251);
    expect(Buffer.compare(bytes.subarray(0, got), expected.subarray(0, got))).toBe(0);
    run.received += got;
  };
  for (let i = 0; i < 3000; i += 1) {
    const run = random.pick(flows);
    const length = random.pick([1, 100, 700, 3000]);
    const bytes = Uint8Array.from({ length }, (_, at) => (run.sent + at) % 251);
    const count = run.from.send(run.out, bytes);
    if (count < 0) expect(count).toBe(-ERRNO.EAGAIN);
    run.sent += Math.max(0, count);
    if (random.oneIn(3)) pair.pass(random.pick([1e5, 1e6, 1e8]));
    for (let reads = 0; reads < 4; reads += 1) check(random.pick(flows), 2000);
  }
  const drained = (): boolean => {
    for (const run of flows) check(run, 4000);
    return flows.every(({ sent, received }) => sent === received);
  };
  pair.until(drained, "all bytes");
  expect(flows.reduce((sum, { sent }) => sum + sent, 0)).toBeGreaterThan(100_000);
  expect(pair.windows.segments).toBeGreaterThan(1000);
  for (const { client, server } of pairs) {
    expect([clientToe.close(client), serverToe.close(server)]).toEqual([0, 0]);
  }
  expect(serverToe.close(listener)).toBe(0);
  expect(pair.leftovers()).toEqual([]);
});
