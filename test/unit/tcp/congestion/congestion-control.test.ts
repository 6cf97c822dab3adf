/**
 * What every algorithm does at loss, at the end of recovery, at a timeout, after idle time and at
 * an ECN echo. Method: tables with RFC 5681, 6582, 3168 and 8312 worked out by hand.
 */
import { expect, test } from "vitest";
import { CONGESTION_WINDOW_MAX } from "../../../../bindings/abi/congestion.ts";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const MSS = 1000;
const { None, NewReno, Cubic, Dctcp } = {
  None: CongestionAlgorithm.None,
  NewReno: CongestionAlgorithm.NewReno,
  Cubic: CongestionAlgorithm.Cubic,
  Dctcp: CongestionAlgorithm.Dctcp,
};
const WINDOWED = [NewReno, Cubic, Dctcp] as const;

function flowOf(algorithm: number, segments: number, ssthresh = 0x3fffffff): CongestionFlow {
  return new CongestionFlow({ algorithm, mss: MSS, cwnd: segments * MSS, ssthresh });
}

//  cwnd, in flight, ssthresh of Reno and DCTCP, of CUBIC; in segments
const REDUCTIONS = [
  [20, 20, 10, 14],
  [20, 8, 4, 14],
  [3, 3, 2, 2.1],
  [2, 2, 2, 2],
  [1, 1, 2, 2],
  [20, 0, 2, 14],
  [1_000_000, 1_000_000, 500_000, 700_000],
] as const;

test("RFC 5681 3.1 (4), RFC 8312 4.5: ssthresh after a loss (CC-6)", () => {
  for (const [cwnd, inFlight, reno, cubic] of REDUCTIONS) {
    for (const algorithm of WINDOWED) {
      const flow = flowOf(algorithm, cwnd);
      flow.loss(inFlight * MSS);
      const expected = algorithm === Cubic ? cubic : reno;
      expect([algorithm, cwnd, flow.ssthresh]).toEqual([algorithm, cwnd, expected * MSS]);
    }
  }
});

test("RFC 5681 3.1: a timeout leaves one segment, the first sets ssthresh (CC-7, CC-8)", () => {
  for (const [cwnd, inFlight, reno, cubic] of REDUCTIONS) {
    for (const algorithm of WINDOWED) {
      const flow = flowOf(algorithm, cwnd);
      flow.timeout(inFlight * MSS, true);
      const expected = (algorithm === Cubic ? cubic : reno) * MSS;
      expect([algorithm, flow.cwnd, flow.ssthresh]).toEqual([algorithm, MSS, expected]);
      flow.timeout(MSS, false);
      expect([algorithm, flow.cwnd, flow.ssthresh]).toEqual([algorithm, MSS, expected]);
    }
  }
});

test("CC-32: loss in two successive windows lowers ssthresh twice", () => {
  for (const algorithm of WINDOWED) {
    const flow = flowOf(algorithm, 100);
    const seen = [];
    for (let window = 0; window < 2; window += 1) {
      flow.loss(flow.cwnd);
      flow.cwnd = flow.ssthresh;
      flow.exit(flow.cwnd);
      seen.push(flow.ssthresh);
    }
    expect(seen).toEqual(algorithm === Cubic ? [70_000, 49_000] : [50_000, 25_000]);
  }
});

test("a timeout within fast recovery does not start from the inflated cwnd", () => {
  const flow = flowOf(Cubic, 100);
  flow.loss(100 * MSS);
  flow.cwnd = flow.ssthresh + 50 * MSS;
  flow.timeout(100 * MSS);
  expect(flow.ssthresh).toBe(49 * MSS);
});

//  ssthresh, in flight, cwnd; in segments
const EXITS = [
  [10, 20, 10],
  [10, 10, 10],
  [10, 9, 10],
  [10, 4, 5],
  [10, 1, 2],
  [10, 0, 2],
  [2, 0, 2],
] as const;

test("RFC 6582 3.2 step 3: cwnd at the end of recovery (CC-16)", () => {
  for (const algorithm of WINDOWED) {
    for (const [ssthresh, inFlight, cwnd] of EXITS) {
      const flow = flowOf(algorithm, 40, ssthresh * MSS);
      flow.exit(inFlight * MSS);
      expect([ssthresh, inFlight, flow.cwnd]).toEqual([ssthresh, inFlight, cwnd * MSS]);
    }
  }
});

test("RFC 5681 4.1: restart after idle with min(IW, cwnd) (CC-18)", () => {
  for (const algorithm of WINDOWED) {
    for (const [before, after] of [
      [40, 10],
      [10, 10],
      [9, 9],
      [1, 1],
    ] as const) {
      const flow = flowOf(algorithm, before, 30 * MSS);
      flow.idle();
      expect([before, flow.cwnd, flow.ssthresh]).toEqual([before, after * MSS, 30 * MSS]);
    }
  }
});

test("None keeps cwnd at the maximum through everything", () => {
  const flow = flowOf(None, 10);
  const steps = [
    () => flow.ack(MSS, 10 * MSS),
    () => flow.timeout(10 * MSS),
    () => flow.idle(),
    () => expect(flow.ecn(10 * MSS)).toBe(true),
    () => flow.loss(10 * MSS),
    () => flow.exit(0),
  ];
  expect(flow.cwnd).toBe(CONGESTION_WINDOW_MAX);
  for (const step of steps) {
    step();
    expect([flow.cwnd, flow.ssthresh]).toEqual([CONGESTION_WINDOW_MAX, CONGESTION_WINDOW_MAX]);
  }
  // What a caller makes of ssthresh in recovery is undone.
  flow.cwnd = flow.ssthresh + 100 * MSS;
  flow.exit(0);
  expect(flow.cwnd).toBe(CONGESTION_WINDOW_MAX);
});

test("a change of algorithm from None starts with the initial window", () => {
  const flow = flowOf(None, 10);
  flow.initialize(NewReno);
  expect(flow.cwnd).toBe(10 * MSS);
});

test("cwnd stops at its bound and never wraps (CC-20)", () => {
  for (const algorithm of WINDOWED) {
    for (const ssthresh of [1000, 0xffffffff]) {
      const cwnd = CONGESTION_WINDOW_MAX - 1;
      const flow = new CongestionFlow({ algorithm, mss: 65535, cwnd, ssthresh });
      for (let i = 0; i < 100; i += 1) flow.ack(0x3fffffff, 0x3fffffff);
      expect(flow.cwnd).toBe(CONGESTION_WINDOW_MAX);
    }
  }
});

test("RFC 3168 6.1.2: one reduction a window, CWR with each (ECN-4)", () => {
  for (const algorithm of WINDOWED) {
    const flow = flowOf(algorithm, 20);
    const share = algorithm === Cubic ? 0.7 : 0.5;
    // 20 segments are in flight; the first ACK of them carries ECE, and so do all that follow.
    flow.ack(MSS, 20 * MSS, true);
    expect(flow.ecn(19 * MSS)).toBe(true);
    expect([flow.cwnd, flow.ssthresh]).toEqual([20 * share * MSS, 20 * share * MSS]);
    for (let left = 19; left > 0; left -= 1) {
      flow.ack(MSS, left * MSS, true);
      expect(flow.ecn((left - 1) * MSS)).toBe(false);
    }
    expect(flow.cwnd).toBe(20 * share * MSS);
    flow.ack(MSS, 10 * MSS, true);
    expect(flow.ecn(9 * MSS)).toBe(true);
    expect(flow.cwnd).toBeLessThan(20 * share * MSS);
  }
});

test("RFC 3168 6.1.2: a loss in the window of an ECN reduction is answered already", () => {
  //  ssthresh in segments after ECE and then loss within one window, from 20
  for (const [algorithm, expected] of [
    [NewReno, 10],
    [Cubic, 14],
    [Dctcp, 6],
  ] as const) {
    const flow = flowOf(algorithm, 20);
    flow.ack(MSS, 20 * MSS, true);
    flow.ecn(19 * MSS);
    // RFC 8257 3.5 (DC-5): DCTCP reacts to loss in the usual way all the same.
    flow.loss(12 * MSS);
    expect([algorithm, flow.ssthresh]).toEqual([algorithm, expected * MSS]);
    expect(flow.ecn(12 * MSS)).toBe(false);
    flow.exit(6 * MSS);
    expect(flow.ecn(6 * MSS)).toBe(true);
  }
});

test("threats C04: ECE on every ACK leaves at least one segment", () => {
  for (const algorithm of WINDOWED) {
    const flow = flowOf(algorithm, 100);
    let least = flow.cwnd;
    for (let i = 0; i < 10_000; i += 1) {
      flow.ack(MSS, flow.cwnd, true);
      flow.ecn(Math.max(0, flow.cwnd - MSS));
      least = Math.min(least, flow.cwnd);
    }
    expect(least).toBe(MSS);
    expect(flow.cwnd).toBe(MSS);
    expect(flow.ssthresh).toBe(2 * MSS);
  }
});
