/**
 * Goal: after a timeout no segment is timed (Karn), so only an echoed timestamp can end the backoff
 * (RFC 6298, section 5; RFC 7323, section 4). Method: the bare core; a segment that timed out twice
 * is acknowledged with several echoes, and the estimate is read back.
 */
import { expect, test } from "vitest";
import { AtxOpcode, EventKind } from "../../../bindings/abi/descriptor.ts";
import { FLOW_NODELAY, FLOW_TIMESTAMPS } from "../../../bindings/abi/flow-state.ts";
import { buildFrame, streamBytes, timestampOption } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, RawCore } from "../../support/raw-core.ts";

const MSS = 500;
const SECOND = 1e9;
/** The timestamp clock: 1 ms a tick. */
const ticks = (ns: number): number => Math.floor(ns / 1e6);

/** One segment in flight that has timed out twice; TSval is the clock, its offset being 0. */
function timedOut(txSeq: number, flags: number): { raw: RawCore; flow: FlowFields } {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ txSeq, mss: MSS, flags: FLOW_NODELAY | flags });
  raw.fill(flow, txSeq, streamBytes(txSeq, MSS));
  raw.post(1, { txAppend: MSS });
  raw.step();
  for (let expiries = 0; expiries < 2; ) {
    raw.now += SECOND / 4;
    if (!raw.step().events.some(({ kind }) => kind === EventKind.Timer)) continue;
    expiries += 1;
    raw.post(0, { opcode: AtxOpcode.Retransmit, low: 1 });
    raw.step();
  }
  return { raw, flow };
}

/** Sends one more segment and waits: how long until its timer expires. */
function nextTimeout(raw: RawCore, flow: FlowFields): number {
  raw.fill(flow, flow.txSeq + MSS, streamBytes(flow.txSeq + MSS, MSS));
  raw.post(1, { txAppend: MSS });
  raw.step();
  const from = raw.now;
  for (; raw.now - from < 60 * SECOND; raw.now += SECOND / 20) {
    if (raw.step().events.some(({ kind }) => kind === EventKind.Timer)) break;
  }
  return raw.now - from;
}

//   what               echo, ms before now   sample taken
const ROWS = [
  ["30 ms ago", 30, true],
  ["this very tick", 0, true],
  ["a tick of the future", -50, false],
  ["never sent", 3_600_000, false],
] as const;

for (const txSeq of [1000, 0xfffffe00]) {
  test.each(ROWS)(`RFC 7323 4: TSecr of %s after a timeout, from ${txSeq}`, (_, ms, taken) => {
    const { raw, flow } = timedOut(txSeq, FLOW_TIMESTAMPS);
    raw.now += SECOND / 10;
    const echo = (ticks(raw.now - ms * 1e6) & 0xffffffff) >>> 0;
    const ack = (txSeq + MSS) >>> 0;
    raw.offer([buildFrame({ seq: flow.rxSeq, ack, options: timestampOption(1, echo) })]);
    expect(raw.inspect().srtt > 0).toBe(taken);
    // RTO 1 s, or the floor of 200 ms after the sample; without one two backoffs still hold.
    const wait = nextTimeout(raw, flow);
    if (taken) expect(wait).toBeLessThan(0.5 * SECOND);
    else expect(wait).toBeGreaterThan(3 * SECOND);
  });
}

test("RFC 6298 5: without timestamps the backoff stays until new data is timed", () => {
  const { raw, flow } = timedOut(1000, 0);
  raw.offer([buildFrame({ seq: flow.rxSeq, ack: 1000 + MSS })]);
  expect(raw.inspect().srtt).toBe(0);
  expect(nextTimeout(raw, flow)).toBeGreaterThan(3 * SECOND);
});
