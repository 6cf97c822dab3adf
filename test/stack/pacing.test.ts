/**
 * Goal: SO_MAX_PACING_RATE (Linux's; bytes per second of IP packets) holds end to end: between two
 * whole stacks the goodput of a paced connection is its rate, less headers, within 1 %; a change
 * takes effect at once; a paced connection does not hold up another one.
 */
import { expect, test } from "vitest";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const PORT = 80;
const MILLISECOND = 1e6;
/** IPv4 and TCP with timestamps; a full packet is 1,500 bytes. */
const HEADERS = 52;
const PACKET = 1500;
const GOODPUT = (PACKET - HEADERS) / PACKET;

/** A client that sends without end, and a server that counts what arrives. */
class Transfer {
  readonly pair: WorldPair;
  readonly client: number;
  readonly server: number;
  bytes = 0;
  /** Times of arrivals, ns, and the bytes of each. */
  readonly arrivals: [at: number, bytes: number][] = [];

  constructor(pair: WorldPair, listener: number, rate: number) {
    this.pair = pair;
    const toe = pair.clientToe;
    const fd = toe.socket();
    this.limit(fd, rate);
    toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 1 << 18);
    this.client = pair.connect(PORT, fd);
    this.server = pair.accept(listener);
    const data = new Uint8Array(65536);
    pair.client.applications.push(() => toe.send(this.client, data) > 0);
    pair.server.applications.push(() => this.#read(pair.serverToe, data));
    pair.client.wakeAt = pair.world.now;
  }

  limit(fd: number, rate: number): void {
    const toe = this.pair.clientToe;
    expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_MAX_PACING_RATE, rate)).toBe(0);
    expect(toe.getsockopt(fd, C.SOL_SOCKET, C.SO_MAX_PACING_RATE)).toBe(rate);
  }

  #read(toe: LibToe, into: Uint8Array): boolean {
    const count = toe.recv(this.server, into);
    if (count <= 0) return false;
    this.bytes += count;
    this.arrivals.push([this.pair.world.now, count]);
    return true;
  }

  /** Goodput from the second arrival on, bytes per second, over `segments` more. */
  goodput(segments: number): number {
    this.arrivals.length = 0;
    this.pair.until(() => this.arrivals.length > segments, "the segments");
    const [from] = this.arrivals[0] as [number, number];
    const [to] = this.arrivals.at(-1) as [number, number];
    const bytes = this.arrivals.slice(1).reduce((sum, [, count]) => sum + count, 0);
    return (bytes * SECOND) / (to - from);
  }
}

function transfer(rate: number): Transfer {
  const pair = new WorldPair({ link: { rate: 10e9, delay: 20_000 } });
  return new Transfer(pair, pair.listen(PORT), rate);
}

//  bytes per second: 8 Kbit/s to 800 Mbit/s
test.each([
  [1000, 20],
  [125_000, 100],
  [1_250_000, 300],
  [12_500_000, 600],
  [100_000_000, 1500],
])("%d bytes per second: goodput within 1 %", (rate, segments) => {
  const paced = transfer(rate);
  expect(paced.goodput(segments) / (rate * GOODPUT)).toBeCloseTo(1, 2);
});

test("without a limit it is the link's", () => {
  const open = transfer(0);
  open.pair.pass(10 * MILLISECOND);
  expect(open.bytes).toBeGreaterThan(1e6);
});

test("a change takes effect while the connection waits for its next segment", () => {
  const paced = transfer(1000);
  paced.goodput(3);
  // A segment each 1.5 s; now 1.2 ms.
  paced.limit(paced.client, 1_250_000);
  const before = paced.bytes;
  paced.pair.pass(100 * MILLISECOND);
  const expected = 1_250_000 * GOODPUT * 0.1;
  expect(Math.abs(paced.bytes - before - expected)).toBeLessThan(3 * PACKET);
  paced.limit(paced.client, 12_500);
  expect(paced.goodput(10) / (12_500 * GOODPUT)).toBeCloseTo(1, 2);
  paced.limit(paced.client, 0);
  paced.pair.pass(10 * MILLISECOND);
  expect(paced.bytes).toBeGreaterThan(1e6);
});

test("two paced connections and an unpaced one: rates are kept, the rest of the link is used", () => {
  const pair = new WorldPair({ link: { rate: 100e6, delay: 20_000 } });
  const listener = pair.listen(PORT);
  const rates = [1_000_000, 2_000_000, 0];
  const transfers = rates.map((rate) => new Transfer(pair, listener, rate));
  pair.pass(500 * MILLISECOND);
  const before = transfers.map(({ bytes }) => bytes);
  pair.pass(2 * SECOND);
  const goodput = transfers.map(({ bytes }, i) => (bytes - (before[i] as number)) / 2);
  expect((goodput[0] as number) / (1_000_000 * GOODPUT)).toBeCloseTo(1, 2);
  expect((goodput[1] as number) / (2_000_000 * GOODPUT)).toBeCloseTo(1, 2);
  const all = goodput.reduce((sum, bytes) => sum + bytes, 0);
  // 100 Mbit/s of Ethernet frames: 14 bytes more a packet.
  expect(all).toBeGreaterThan(0.95 * 12.5e6 * ((PACKET - HEADERS) / (PACKET + 14)));
});
