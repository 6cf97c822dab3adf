/**
 * CUBIC against the equations of RFC 8312 (C = 0.4, beta = 0.7) in floating point, in segments and
 * seconds. Tolerance: one segment or 1 %, for cwnd grows by whole segments at ACKs.
 */
import { expect, test } from "vitest";
import { CUBIC_TICK_BITS, CUBIC_W_MAX } from "../../../../bindings/abi/congestion.ts";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { seedOf } from "../../../support/env.ts";
import { Random } from "../../../support/random.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const C = 0.4;
const BETA = 0.7;
const TICK = 2 ** CUBIC_TICK_BITS / 1e9;
const algorithm = CongestionAlgorithm.Cubic;

const timeToPlateau = (wMax: number, cwnd: number): number => Math.cbrt((wMax - cwnd) / C);
const cubic = (wMax: number, k: number, t: number): number => C * (t - k) ** 3 + wMax;

/** In congestion avoidance right after a loss at `segments`. */
function afterLoss(mss: number, segments: number, rtt: number): CongestionFlow {
  const flow = new CongestionFlow({ algorithm, mss, cwnd: segments * mss });
  flow.srtt = BigInt(rtt * 1e9);
  flow.loss(segments * mss);
  flow.exit(segments * mss);
  expect(Math.abs(flow.cwnd - segments * BETA * mss)).toBeLessThanOrEqual(1);
  return flow;
}

function expectNear(segments: number, expected: number): void {
  expect(Math.abs(segments - expected)).toBeLessThanOrEqual(Math.max(1, expected / 100));
}

test("RFC 8312 4.3, 4.4: concave and convex region follow W_cubic(t)", () => {
  //  mss, W_max in segments, round trip in seconds
  for (const [mss, wMax, rtt] of [
    [1448, 500, 0.1],
    [1448, 500, 0.05],
    [536, 2000, 0.1],
    [8948, 1000, 0.08],
    [1448, 5000, 0.1],
  ] as const) {
    const flow = afterLoss(mss, wMax, rtt);
    const start = Number(flow.now) / 1e9;
    const k = timeToPlateau(wMax, wMax * BETA);
    while (Number(flow.now) / 1e9 - start < 1.8 * k) {
      flow.round(rtt * 1e9);
      expectNear(flow.cwnd / mss, cubic(wMax, k, Number(flow.now) / 1e9 - start));
    }
  }
});

test("RFC 8312 4.2: in the TCP-friendly region cwnd follows W_est", () => {
  const alpha = (3 * (1 - BETA)) / (1 + BETA);
  //  W_max in segments, round trip in seconds: too short for the cubic curve to matter
  for (const [wMax, rtt] of [
    [20, 0.01],
    [100, 0.002],
    [50, 0.0001],
  ] as const) {
    const flow = afterLoss(1448, wMax, rtt);
    let expected = wMax * BETA;
    for (let round = 1; round <= 80; round += 1) {
      flow.round(rtt * 1e9);
      // RFC 9438 4.3: one segment a round trip once the old window is reached.
      expected += expected >= wMax ? 1 : alpha;
      expect(flow.cwnd / 1448).toBeLessThanOrEqual(expected + 1);
      expect(flow.cwnd / 1448).toBeGreaterThanOrEqual(expected - 1.5);
    }
  }
});

test("RFC 8312 4.7: after a timeout K is 0 and W_max the window at which avoidance begins", () => {
  const flow = afterLoss(1448, 600, 0.1);
  flow.cwnd = 400 * 1448;
  flow.timeout(400 * 1448);
  expect(flow.ssthresh).toBe(280 * 1448);
  for (let i = 0; flow.cwnd < flow.ssthresh && i < 100; i += 1) flow.round(100e6);
  const start = Number(flow.now) / 1e9;
  const begin = flow.cwnd / 1448;
  for (let i = 0; i < 100; i += 1) {
    flow.round(100e6);
    const t = Number(flow.now) / 1e9 - start;
    expectNear(flow.cwnd / 1448, Math.max(cubic(begin, 0, t), begin + 0.53 * (i + 1)));
  }
});

test("RFC 8312 4.6: fast convergence gives room when W_max shrinks", () => {
  const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 100_000 });
  flow.loss(100_000);
  expect(flow.recovery(CUBIC_W_MAX)).toBe(100_000);
  flow.exit(100_000);
  expect(flow.cwnd).toBe(70_000);
  flow.loss(70_000);
  expect(flow.recovery(CUBIC_W_MAX)).toBe((70_000 * (1 + BETA)) / 2);
  expect(flow.ssthresh).toBe(49_000);
  // At or above the remembered value there is nothing to give away.
  flow.exit(100_000);
  flow.cwnd = 90_000;
  flow.loss(90_000);
  expect(flow.recovery(CUBIC_W_MAX)).toBe(90_000);
});

test("RFC 8312 5.8: time limited by the application is not part of t", () => {
  const busy = afterLoss(1448, 500, 0.1);
  const paused = afterLoss(1448, 500, 0.1);
  for (let i = 0; i < 20; i += 1) {
    busy.round(100e6);
    paused.round(100e6);
  }
  expect(paused.cwnd).toBe(busy.cwnd);
  // One minute of single segments, then ten seconds of silence after the last.
  for (let i = 0; i < 600; i += 1) {
    paused.now += 100_000_000n;
    paused.ack(1448, 1448);
  }
  expect(paused.cwnd).toBe(busy.cwnd);
  paused.now += 10_000_000_000n;
  for (let i = 0; i < 20; i += 1) {
    busy.round(100e6);
    paused.round(100e6);
    expectNear(paused.cwnd / 1448, busy.cwnd / 1448);
  }
});

test("RFC 8312 5.8: one round trip of silence between bursts is part of t", () => {
  const [mss, wMax, rtt] = [1448, 500, 0.1];
  const flow = afterLoss(mss, wMax, rtt);
  const k = timeToPlateau(wMax, wMax * BETA);
  const start = Number(flow.now) / 1e9;
  for (let i = 1; i < 100; i += 1) {
    // All ACKs of a window arrive at once, and the last leaves nothing in flight.
    flow.now += BigInt(rtt * 1e9);
    for (let left = flow.cwnd; left > 0; left -= 2 * mss) flow.ack(Math.min(left, 2 * mss), left);
    const t = Number(flow.now) / 1e9 - start;
    // Growth comes once a round trip, so that cwnd is between W_cubic(t) and W_cubic(t + RTT).
    const expected = cubic(wMax, k, Math.max(0, t - rtt));
    expect(flow.cwnd / mss).toBeGreaterThan(expected * 0.99 - 1);
    expect(flow.cwnd / mss).toBeLessThan(cubic(wMax, k, t + rtt) * 1.01 + 1);
  }
});

test("RFC 5681 4.1, RFC 8312 5.8: after idle time a new epoch aims at the same W_max", () => {
  const [mss, wMax, rtt] = [1448, 500, 0.1];
  const flow = afterLoss(mss, wMax, rtt);
  for (let i = 0; i < 20; i += 1) flow.round(rtt * 1e9);
  flow.now += 300_000_000_000n;
  flow.idle();
  expect(flow.cwnd).toBe(10 * mss);
  for (let i = 0; flow.cwnd < flow.ssthresh && i < 100; i += 1) flow.round(rtt * 1e9);
  const start = Number(flow.now) / 1e9;
  const k = timeToPlateau(wMax, flow.cwnd / mss);
  for (let i = 0; i < 100; i += 1) {
    flow.round(rtt * 1e9);
    expectNear(flow.cwnd / mss, cubic(wMax, k, Number(flow.now) / 1e9 - start));
  }
});

test("one ACK raises cwnd by at most half of the window's share that it acknowledges", () => {
  const flow = afterLoss(1448, 500, 0.1);
  flow.round(100e6);
  flow.now += 100_000_000_000n;
  const before = flow.cwnd;
  flow.ack(before, before);
  expect(flow.cwnd).toBeLessThanOrEqual(before * 1.5 + 1448);
});

test("W_cubic in integers is within one segment or 0.1 % of the equation", () => {
  const { cubicWindow } = afterLoss(1448, 10, 0.1).exports;
  for (const mss of [48, 536, 1448, 8948, 65535]) {
    for (const k of [0, 1, 100, 4000, 100_000]) {
      for (const t of [0, 1, 99, 4000, 8000, 150_000, 0xffffffff]) {
        const wMax = 20_000 * mss > 0x3fffffff ? 0x3fffffff : 20_000 * mss;
        const curve = wMax + mss * C * ((t - k) * TICK) ** 3;
        const expected = Math.min(0x3fffffff, Math.max(0, curve));
        const got = cubicWindow(wMax, k, t, mss) >>> 0;
        const tolerance = Math.max(mss, Math.abs(curve - wMax) / 1000);
        if (t !== 0xffffffff) expect(Math.abs(got - expected)).toBeLessThanOrEqual(tolerance);
        else expect(got).toBeGreaterThan(wMax - 1);
      }
    }
  }
});

test("the integer cube root is the floor of the real one", () => {
  const seed = seedOf(8312);
  const random = new Random(seed);
  const { cubeRoot } = afterLoss(1448, 10, 0.1).exports;
  const values = [0n, 1n, 7n, 8n, 26n, 27n, (1n << 60n) - 1n, 1n << 60n, (1n << 62n) - 1n];
  for (let i = 0; i < 2000; i += 1) {
    const wide = (BigInt(random.u32()) << 30n) | BigInt(random.below(2 ** 30));
    values.push(wide >> BigInt(random.below(61)));
  }
  for (const value of values) {
    const root = BigInt(cubeRoot(value) >>> 0);
    const holds = root ** 3n <= value && (root + 1n) ** 3n > value;
    expect(holds, `seed ${seed}: cube root of ${value} is not ${root}`).toBe(true);
  }
});
