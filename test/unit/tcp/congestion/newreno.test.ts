/** NewReno's congestion avoidance. Method: round trips against +1 segment each (RFC 5681, 3.1). */
import { expect, test } from "vitest";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
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
  flow.ack(1, 5000);
  expect(flow.cwnd).toBeLessThanOrEqual(6000);
});

test("threats C01: ACK division earns one segment a window", () => {
  const flow = new CongestionFlow({ algorithm, mss: 1000, cwnd: 4000, ssthresh: 4000 });
  for (let i = 0; i < 3999; i += 1) flow.ack(1, 4000);
  expect(flow.cwnd).toBe(4000);
  flow.ack(1, 4000);
  expect(flow.cwnd).toBe(5000);
});
