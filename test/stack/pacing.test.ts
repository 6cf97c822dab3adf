/**
 * Goal: SO_MAX_PACING_RATE (Linux's; bytes per second of IP packets) holds end to end: between two
 * whole stacks the goodput of a paced connection is its rate, less headers, within 1 %; a change
 * takes effect at once; a paced connection does not hold up another one.
 */
import { expect, test } from "vitest";
import { GOODPUT, HEADERS, PACKET, PacedTransfer, PORT } from "./paced-transfer.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const MILLISECOND = 1e6;
function transfer(rate: number): PacedTransfer {
  const pair = new WorldPair({ link: { rate: 10e9, delay: 20_000 } });
  return new PacedTransfer(pair, pair.listen(PORT), rate);
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

test("two paced connections and an unpaced one: rates are kept, the rest is used", () => {
  const pair = new WorldPair({ link: { rate: 100e6, delay: 20_000 } });
  const listener = pair.listen(PORT);
  const rates = [1_000_000, 2_000_000, 0];
  const transfers = rates.map((rate) => new PacedTransfer(pair, listener, rate));
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
