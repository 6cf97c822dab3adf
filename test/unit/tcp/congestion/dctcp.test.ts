/** DCTCP's alpha and cut. Method: RFC 8257, 3.3 in floating point, g = 1/16, window by window. */
import { expect, test } from "vitest";
import { DCTCP_ALPHA, DCTCP_ALPHA_BITS } from "../../../../bindings/abi/congestion.ts";
import { CongestionAlgorithm } from "../../../../bindings/abi/flow-state.ts";
import { CongestionFlow } from "../../../support/tcp-records.ts";

const MSS = 1000;
const ONE = 2 ** DCTCP_ALPHA_BITS;
const algorithm = CongestionAlgorithm.Dctcp;
const SEGMENTS = 40;

function dctcpFlow(): CongestionFlow {
  return new CongestionFlow({ algorithm, mss: MSS, cwnd: SEGMENTS * MSS, ssthresh: MSS });
}

/** One observation window of SEGMENTS ACKs; the last `marked` of them carry ECE. */
function observe(flow: CongestionFlow, marked: number): void {
  flow.cwnd = SEGMENTS * MSS;
  for (let i = 1; i <= SEGMENTS; i += 1) flow.ack(MSS, SEGMENTS * MSS, i > SEGMENTS - marked);
}

test("DC-2: alpha starts at 1 and follows alpha * (1 - g) + g * M", () => {
  for (const marked of [0, 1, 10, 20, 39, 40]) {
    const flow = dctcpFlow();
    expect(flow.recovery(DCTCP_ALPHA)).toBe(ONE);
    // RFC 8257 3.3: WindowEnd starts at SND.UNA, so that the first ACK ends a window of its own.
    flow.ack(MSS, SEGMENTS * MSS, true);
    let alpha = 1;
    for (let window = 0; window < 200; window += 1) {
      observe(flow, marked);
      alpha = (alpha * 15) / 16 + marked / SEGMENTS / 16;
      expect(Math.abs(flow.recovery(DCTCP_ALPHA) / ONE - alpha)).toBeLessThan(0.001);
    }
    expect(Math.abs(flow.recovery(DCTCP_ALPHA) / ONE - marked / SEGMENTS)).toBeLessThan(0.001);
  }
});

test("DC-6: alpha reaches 0 exactly without marks, and stays at 1 when all is marked", () => {
  const flow = dctcpFlow();
  for (let window = 0; window < 300; window += 1) observe(flow, 0);
  expect(flow.recovery(DCTCP_ALPHA)).toBe(0);
  const { dctcpAlpha } = flow.exports;
  const rows = [
    [ONE, 1, 1, ONE],
    [ONE, 5, 1, ONE],
    [15, 0, 1, 0],
    [16, 0, 1, 15],
    [0, 0, 1, 0],
    [0, 1, 1, ONE / 16],
    [12345, 0, 0, 12345],
    [ONE, 0xffffffff, 0xffffffff, ONE],
  ] as const;
  for (const [alpha, marked, total, expected] of rows) {
    expect([alpha, marked, total, dctcpAlpha(alpha, marked, total)]).toEqual([
      alpha,
      marked,
      total,
      expected,
    ]);
  }
});

test("DC-3, DC-4: the cut is cwnd * (1 - alpha / 2), once a window", () => {
  for (const share of [0, 0.01, 0.25, 0.5, 1]) {
    const flow = dctcpFlow();
    flow.setRecovery(DCTCP_ALPHA, Math.round(share * ONE));
    flow.cwnd = SEGMENTS * MSS;
    expect(flow.ecn(SEGMENTS * MSS)).toBe(true);
    const expected = SEGMENTS * MSS * (1 - share / 2);
    expect(Math.abs(flow.cwnd - expected)).toBeLessThanOrEqual(1);
    expect(flow.ssthresh).toBe(flow.cwnd);
    const cut = flow.cwnd;
    expect(flow.ecn(SEGMENTS * MSS)).toBe(false);
    expect(flow.cwnd).toBe(cut);
  }
});

test("RFC 8257 3.4: without marks cwnd grows by one segment a round trip", () => {
  const cwnd = 20 * MSS;
  const flow = new CongestionFlow({ algorithm, mss: MSS, cwnd, ssthresh: cwnd });
  for (let round = 1; round <= 50; round += 1) flow.round(1e6);
  expect(flow.cwnd / MSS).toBeGreaterThanOrEqual(69);
  expect(flow.cwnd / MSS).toBeLessThanOrEqual(70);
});
