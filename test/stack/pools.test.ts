/**
 * A million segments through two stacks leave every pool as it was: chunks, rows, the connection
 * database, timers, descriptors, sequence numbers of the reorder points, guard strips, and the
 * JavaScript heap.
 */
import { expect, test } from "vitest";
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { buildUnderTest, dataPathUnderTest, seedOf } from "../support/env.ts";
import { heapBytes } from "../support/heap-bytes.ts";
import { poolCounts, sequencesAssigned } from "../support/pool-counts.ts";
import { WorldPair } from "./world-pair.ts";

const PORT = 80;
const SEED = seedOf(4);
const SEGMENTS = buildUnderTest() === "debug" ? 100_000 : 1_000_000;
const BUFFER = 256 * 1024;
/** Growth of the heap over a run, garbage collected: 2 bytes a segment of release would show. */
const HEAP_BYTES_MAX = 2e6;

/** Sends whatever fits and reads whatever comes, until told to stop. */
class Pump {
  stopped = false;
  ended = false;
  received = 0;
  #shut = false;
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #out = new Uint8Array(BUFFER);
  readonly #in = new Uint8Array(BUFFER);

  constructor(toe: LibToe, fd: number) {
    this.#toe = toe;
    this.#fd = fd;
  }

  run(): boolean {
    if (this.ended) return false;
    const sent = this.#send();
    const count = this.#toe.recv(this.#fd, this.#in);
    if (count > 0) this.received += count;
    this.ended = count === 0;
    return sent || count >= 0;
  }

  #send(): boolean {
    if (!this.stopped) return this.#toe.send(this.#fd, this.#out) > 0;
    if (this.#shut) return false;
    this.#shut = true;
    return this.#toe.shutdown(this.#fd, 1) === 0;
  }
}

function segments({ link }: WorldPair): number {
  return link.counters(0).frames + link.counters(1).frames;
}

function sized(toe: LibToe): number {
  const fd = toe.socket();
  expect(toe.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, BUFFER)).toBe(0);
  expect(toe.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, BUFFER)).toBe(0);
  return fd;
}

/** Opens connections, keeps them full until `count` frames have left the hosts, closes all. */
function pump(pair: WorldPair, count: number): void {
  const start = segments(pair);
  const { clientToe, serverToe } = pair;
  const listener = pair.listen(PORT, 8, sized(serverToe));
  const pumps: Pump[] = [];
  const fds: [number, number][] = [];
  for (let i = 0; i < 4; i += 1) {
    const client = pair.connect(PORT, sized(clientToe));
    const server = pair.accept(listener);
    fds.push([client, server]);
    pumps.push(new Pump(clientToe, client), new Pump(serverToe, server));
  }
  pumps.forEach((each, i) => {
    (i % 2 === 0 ? pair.client : pair.server).applications.push(() => each.run());
  });
  pair.until(() => segments(pair) - start >= count, `${count} frames`, 60e9);
  for (const each of pumps) each.stopped = true;
  pair.until(() => pumps.every(({ ended }) => ended), "the end of all streams");
  for (const each of pumps) expect(each.received).toBeGreaterThan(0);
  for (const [client, server] of fds) {
    expect([clientToe.close(client), serverToe.close(server)]).toEqual([0, 0]);
  }
  expect(serverToe.close(listener)).toBe(0);
  pair.client.applications.length = 0;
  pair.server.applications.length = 0;
}

// 14 s of processor time: on a busy machine not within the limit of the others.
const TIMEOUT_MS = 240_000;

test(`${SEGMENTS} segments leave every pool as it was, seed ${SEED}`, {
  timeout: TIMEOUT_MS,
}, () => {
  const pair = new WorldPair({
    seed: SEED,
    layout: { payloadBytes: 8 * 1024 * 1024 },
    link: {
      rate: 10e9,
      delay: 50e3,
      faults: { loss: 0.001, reorder: 0.001, duplicate: 0.001, corrupt: 0.0005 },
    },
  });
  // The first round pays for compiled code and tables that grow once.
  pump(pair, SEGMENTS / 10);
  expect(pair.leftovers()).toEqual([]);
  const heap = heapBytes();
  pump(pair, SEGMENTS);
  expect(pair.leftovers()).toEqual([]);
  expect(heapBytes() - heap).toBeLessThan(HEAP_BYTES_MAX);
  for (const { stack } of [pair.client, pair.server]) {
    expect(poolCounts(stack)).toMatchObject({
      installed: 0,
      bound: 0,
      timers: 0,
      rows: 0,
      descriptors: 0,
      sequenceFaults: 0,
      unreleased: [],
      brokenGuards: [],
    });
    // Laminar has no reorder points: its pipeline is lock-step.
    const least = dataPathUnderTest() === "flextoe" ? SEGMENTS / 4 : -1;
    expect(sequencesAssigned(stack)).toBeGreaterThan(least);
  }
});
