/**
 * ABE against RFC 8511, 3: beta_ecn 0.8 of FlightSize for NewReno and 0.85 of cwnd for CUBIC (3.1),
 * in congestion avoidance (4); a loss is answered as before.
 */
import { expect, test } from "vitest";
import { ALGORITHM_ABE, CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { PROFILES } from "../../../../host/control-plane/profile.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const MSS = 1000;
const { NewReno, Cubic, Dctcp } = {
  NewReno: CongestionAlgorithm.NewReno,
  Cubic: CongestionAlgorithm.Cubic,
  Dctcp: CongestionAlgorithm.Dctcp,
};

function flowOf(algorithm: number, segments: number, ssthresh: number): CongestionFlow {
  const start = { algorithm, mss: MSS, cwnd: segments * MSS, ssthresh: ssthresh * MSS };
  return new CongestionFlow(start);
}

/** An ACK with ECE while `inFlight` segments are out; cwnd and ssthresh in segments. */
function echo(flow: CongestionFlow, inFlight: number): [cwnd: number, ssthresh: number] {
  flow.ack(MSS, inFlight * MSS, true);
  expect(flow.ecn((inFlight - 1) * MSS)).toBe(true);
  return [flow.cwnd / MSS, flow.ssthresh / MSS];
}

//  algorithm, cwnd, FlightSize, ssthresh before, expected cwnd and ssthresh
const ROWS = [
  [NewReno, 100, 100, 100, 80, 80],
  [NewReno, 100, 60, 100, 48, 48],
  [NewReno, 40, 50, 20, 32, 32],
  [NewReno, 2, 2, 2, 2, 2],
  [Cubic, 100, 100, 100, 85, 85],
  [Cubic, 100, 60, 100, 85, 85],
  [Cubic, 1000, 1000, 2, 850, 850],
] as const;

test("RFC 8511 3, 3.1: with ABE a mark leaves 0.8 and 0.85", () => {
  for (const [algorithm, cwnd, flight, before, left, ssthresh] of ROWS) {
    const flow = flowOf(algorithm | ALGORITHM_ABE, cwnd, before);
    expect([algorithm, cwnd, ...echo(flow, flight)]).toEqual([algorithm, cwnd, left, ssthresh]);
  }
});

test("RFC 8511 3: a loss leaves what it did without ABE, and so does a timeout", () => {
  for (const algorithm of [NewReno, Cubic, Dctcp]) {
    for (const reduce of ["loss", "timeout"] as const) {
      const [plain, mild] = [0, ALGORITHM_ABE].map((abe) => {
        const flow = flowOf(algorithm | abe, 100, 50);
        flow[reduce](100 * MSS);
        return flow.ssthresh;
      });
      expect([algorithm, reduce, mild]).toEqual([algorithm, reduce, plain]);
    }
  }
});

test("RFC 8511 4: in slow start a mark is answered as RFC 3168 and RFC 9438 have it", () => {
  expect(echo(flowOf(NewReno | ALGORITHM_ABE, 100, 101), 100)).toEqual([50, 50]);
  expect(echo(flowOf(Cubic | ALGORITHM_ABE, 100, 101), 100)).toEqual([70, 70]);
});

test("RFC 3168 6.1.2: without ABE a mark halves (ECN-4); DCTCP has its own answer", () => {
  expect(echo(flowOf(NewReno, 100, 100), 100)).toEqual([50, 50]);
  expect(echo(flowOf(Cubic, 100, 100), 100)).toEqual([70, 70]);
  const both = [0, ALGORITHM_ABE].map((abe) => echo(flowOf(Dctcp | abe, 100, 100), 100));
  expect(both[0]).toEqual(both[1]);
});

test("RFC 8511 is Experimental: only profile `internet` has it", () => {
  const having = Object.values(PROFILES).filter(({ abe }) => abe);
  expect(having.map(({ name }) => name)).toEqual(["internet"]);
});
