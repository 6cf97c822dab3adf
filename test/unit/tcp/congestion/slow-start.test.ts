/**
 * Slow start and the use of the window, common to all algorithms.
 * Method: single ACKs against RFC 5681 3.1 with L of RFC 3465, then bursts and idle windows.
 */
import { expect, test } from "vitest";
import { CONGESTION_ACKED } from "../../../../bindings/abi/congestion.ts";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const MSS = 1000;
const ALGORITHMS = [
  ["NewReno", CongestionAlgorithm.NewReno],
  ["CUBIC", CongestionAlgorithm.Cubic],
  ["DCTCP", CongestionAlgorithm.Dctcp],
] as const;

/** RFC 9406 4.3: L of CUBIC's initial slow start, which is HyStart++'s; RFC 3465 2.3: of others. */
const segmentsOf = (algorithm: number): number => (algorithm === CongestionAlgorithm.Cubic ? 8 : 2);

//  acked, growth but for L, growth in the slow start after a timeout
const GROWTH = [
  [0, 0, 0],
  [1, 1, 1],
  [999, 999, 999],
  [1000, 1000, 1000],
  [1001, 1001, 1000],
  [2000, 2000, 1000],
  [2001, 2001, 1000],
  [7999, 7999, 1000],
  [8000, 8000, 1000],
  [8001, 8001, 1000],
  [10000, 10000, 1000],
] as const;

for (const [name, algorithm] of ALGORITHMS) {
  test(`${name}: RFC 3465 2.2 slow start adds min(acked, L) (CC-4)`, () => {
    for (const [acked, growth, afterTimeout] of GROWTH) {
      const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS });
      flow.ack(acked, 10 * MSS);
      const most = Math.min(growth, segmentsOf(algorithm) * MSS);
      expect([acked, flow.cwnd]).toEqual([acked, 10 * MSS + most]);
      // RFC 3465 2.3: L = 1 SMSS after a timeout (CC-33).
      flow.timeout(20 * MSS);
      expect(flow.cwnd).toBe(MSS);
      flow.ack(acked, 10 * MSS);
      expect([acked, flow.cwnd]).toEqual([acked, MSS + afterTimeout]);
    }
  });

  test(`${name}: slow start doubles cwnd in a round trip, and stops at ssthresh`, () => {
    const start = { algorithm, mss: MSS, cwnd: 10 * MSS, ssthresh: 65 * MSS };
    const flow = new CongestionFlow(start);
    for (const segments of [20, 40, 65]) {
      flow.round(100e6);
      expect(flow.cwnd).toBeGreaterThanOrEqual(segments * MSS);
      expect(flow.cwnd).toBeLessThanOrEqual((segments + 1) * MSS);
    }
  });

  test(`${name}: what slow start leaves of an ACK counts in congestion avoidance`, () => {
    const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 9500, ssthresh: 10_000 });
    flow.ack(2 * MSS, 9500);
    expect(flow.cwnd).toBe(10_000);
    expect(flow.recovery(CONGESTION_ACKED)).toBe(1500);
  });

  test(`${name}: L is two segments again once a timeout is overcome`, () => {
    const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 40 * MSS });
    flow.timeout(40 * MSS);
    for (let i = 0; i < 200; i += 1) flow.ack(MSS, flow.cwnd);
    expect(flow.cwnd).toBeGreaterThan(flow.ssthresh);
    flow.idle();
    expect(flow.cwnd).toBe(10 * MSS);
    flow.ack(2 * MSS, 10 * MSS);
    expect(flow.cwnd).toBe(12 * MSS);
  });

  test(`${name}: threats C01, ACK division earns no more than whole ACKs`, () => {
    const divided = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS });
    const whole = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS });
    for (let i = 0; i < 2 * MSS; i += 1) divided.ack(1, divided.cwnd);
    whole.ack(2 * MSS, 10 * MSS);
    expect(divided.cwnd).toBe(whole.cwnd);
  });

  // Beyond slow start, over 30 round trips: CUBIC's curve looks at time, W_est at bytes.
  test.each([
    ["after a loss", 100e6],
    ["in the TCP-friendly region", 1e6],
  ])(`${name}: threats C01, ACK division in congestion avoidance, %s`, (_what, rtt) => {
    const windows = [1, MSS].map((size) => {
      const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 20 * MSS });
      flow.srtt = BigInt(rtt);
      flow.loss(20 * MSS);
      flow.exit(20 * MSS);
      return Array.from({ length: 30 }, () => {
        // As many bytes in each round for both, however they are divided.
        const window = 8 * MSS;
        const before = flow.now;
        for (let acked = 0; acked < window; acked += size) {
          flow.now = before + BigInt(Math.floor((acked * rtt) / window));
          flow.ack(size, flow.cwnd);
        }
        flow.now = before + BigInt(rtt);
        return flow.cwnd;
      });
    });
    const [divided = [], whole = []] = windows;
    expect(Math.max(...whole)).toBeGreaterThan(whole[0] as number);
    divided.forEach((cwnd, round) => {
      expect([round, cwnd <= (whole[round] as number) + MSS]).toEqual([round, true]);
    });
  });

  test(`${name}: RFC 7661 4.3 a window used by less than half does not grow (CC-21)`, () => {
    for (const ssthresh of [5 * MSS, 100 * MSS]) {
      const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS, ssthresh });
      for (let i = 0; i < 1000; i += 1) flow.ack(MSS, 5 * MSS - 1);
      expect(flow.cwnd).toBe(10 * MSS);
      for (let i = 0; i < 1000; i += 1) flow.ack(MSS, flow.cwnd);
      expect(flow.cwnd).toBeGreaterThan(10 * MSS);
    }
  });

  test(`${name}: ACKs handled in one burst count like ACKs spread in time`, () => {
    const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS });
    for (let round = 0; round < 3; round += 1) {
      const window = flow.cwnd;
      for (let left = window; left > 0; left -= 2 * MSS) flow.ack(2 * MSS, left);
      expect(flow.cwnd).toBe(2 * window);
    }
  });

  test(`${name}: RFC 3168 6.1.2 an ACK with ECE does not grow cwnd (ECN-15)`, () => {
    for (const ssthresh of [5 * MSS, 100 * MSS]) {
      const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd: 10 * MSS, ssthresh });
      for (let i = 0; i < 1000; i += 1) flow.ack(MSS, 10 * MSS, true);
      expect(flow.cwnd).toBe(10 * MSS);
    }
  });
}
