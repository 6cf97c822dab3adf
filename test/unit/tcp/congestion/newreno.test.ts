/** NewReno's congestion avoidance. Method: round trips against +1 segment each (RFC 5681, 3.1). */
import { expect, test } from "vitest";
import { CongestionAlgorithm, RECOVERY_SSTHRESH } from "../../../../bindings/abi/flow-state.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const algorithm = CongestionAlgorithm.NewReno;

//  mss, start in segments, bytes per ACK in segments
const ROWS = [
  [1448, 10, 1],
  [1448, 10, 2],
  [1448, 100, 2],
  [536, 4, 1],
  [9000, 50, 0.25],
] as const;

test("RFC 5681 3.1: congestion avoidance adds one segment a round trip (CC-5)", () => {
  for (const [mss, segments, perAck] of ROWS) {
    const cwnd = segments * mss;
    const flow = new CongestionFlow({ algorithm, mss, cwnd, ssthresh: cwnd });
    for (let round = 1; round <= 100; round += 1) {
      flow.round(50e6, perAck * mss);
      const expected = segments + round;
      // Never more than one segment a round trip; the byte count may lag by one.
      expect(flow.cwnd / mss).toBeLessThanOrEqual(expected);
      expect(flow.cwnd / mss).toBeGreaterThanOrEqual(expected - 1);
    }
  }
});

test("an ACK of many windows grows cwnd by one segment", () => {
  const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 4000, ssthresh: 4000 });
  flow.ack(1_000_000, 1_000_000);
  expect(flow.cwnd).toBe(5000);
  // Nor does it leave a debt that the next ACKs collect.
  for (let i = 0; i < 10; i += 1) flow.ack(1, 5000);
  expect(flow.cwnd).toBe(5000);
});

test("bytes beyond a window count towards the next segment", () => {
  const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 4000, ssthresh: 4000 });
  //  acked, cwnd after it; 3000 + 3000 = 4000 + 2000, 2000 + 3000 = 5000, 0 + 5999 + 1 = 6000
  for (const [acked, cwnd] of [
    [3000, 4000],
    [3000, 5000],
    [3000, 6000],
    [5999, 6000],
    [1, 7000],
  ]) {
    flow.ack(acked as number, flow.cwnd);
    expect([acked, flow.cwnd]).toEqual([acked, cwnd]);
  }
});

test("a reduction forgets the bytes counted so far", () => {
  for (const reduce of ["ecn", "timeout", "loss"] as const) {
    const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 8000, ssthresh: 8000 });
    flow.ack(7999, 8000);
    flow[reduce](8000);
    flow.cwnd = 4000;
    flow.setRecovery(RECOVERY_SSTHRESH, 4000);
    flow.ack(3999, 4000);
    expect([reduce, flow.cwnd]).toEqual([reduce, 4000]);
    flow.ack(1, 4000);
    expect([reduce, flow.cwnd]).toEqual([reduce, 5000]);
  }
});

test("threats C01: ACK division earns one segment a window", () => {
  const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 4000, ssthresh: 4000 });
  for (let i = 0; i < 3999; i += 1) flow.ack(1, 4000);
  expect(flow.cwnd).toBe(4000);
  flow.ack(1, 4000);
  expect(flow.cwnd).toBe(5000);
});

test("RFC 5681 3.1: losses at W make a sawtooth from W / 2, one a round trip (CC-6)", () => {
  const mss = 1448;
  for (const top of [20, 64, 500]) {
    const flow = new CongestionFlow({ algorithm, mss, cwnd: top * mss, ssthresh: mss });
    for (let tooth = 0; tooth < 3; tooth += 1) {
      flow.loss(flow.cwnd);
      flow.cwnd = flow.ssthresh;
      flow.exit(flow.cwnd);
      let rounds = 0;
      let sum = 0;
      while (flow.cwnd < top * mss) {
        sum += flow.cwnd / mss;
        rounds += 1;
        flow.round(10e6);
      }
      // top / 2 round trips from top / 2 on; the byte count is at most a round trip behind.
      expect(Math.abs(rounds - top / 2)).toBeLessThanOrEqual(1);
      const mean = (top / 2 + top - 1) / 2;
      expect(Math.abs(sum / rounds - mean)).toBeLessThan(1);
    }
  }
});

test("RFC 3465 2.2: slow start is W * 2^n, avoidance from ssthresh on W + n (CC-4, CC-26)", () => {
  const mss = 1000;
  const flow = new CongestionFlow({ algorithm, mss, cwnd: 10 * mss, ssthresh: 160 * mss });
  const expected = [20, 40, 80, 160, 161, 162, 163, 164];
  const got = expected.map(() => {
    flow.round(10e6);
    return flow.cwnd / mss;
  });
  for (const [i, each] of expected.entries()) {
    expect(Math.abs((got[i] as number) - each)).toBeLessThanOrEqual(1);
  }
});
