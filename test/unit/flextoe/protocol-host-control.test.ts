/**
 * Goal: what the control plane's own descriptors do to a live connection: Retransmit with and
 * without collapse, SetLink, and the floor of SetMss. Method: the bare core, descriptors on
 * context 0, frames out.
 */
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import { AtxOpcode, EventKind } from "../../../bindings/abi/descriptor.ts";
import { CongestionAlgorithm, FLOW_NODELAY } from "../../../bindings/abi/flow-state.ts";
import { FLOW_CORK, FLOW_QUICK_ACK, FLOW_RX_SHUT } from "../../../bindings/abi/flow-state.ts";
import { FLOW_RECOVERY, FLOW_TIMESTAMPS } from "../../../bindings/abi/flow-state.ts";
import { PROTOCOL_FLAGS, PROTOCOL_SIZE } from "../../../bindings/abi/flow-state.ts";
import { INFO_CWND, INFO_RTO, INFO_SSTHRESH } from "../../../bindings/abi/descriptor.ts";
import { CORE_INFO } from "../../../bindings/abi/memory-map.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import { buildFrame, streamBytes, timestampOption } from "../../support/frames.ts";
import type { FrameMedium } from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore, type FlowFields } from "../../support/raw-core.ts";

const MSS = 1000;
const SEGMENTS = 8;
const BYTES = MSS * SEGMENTS;
const CWND = 10 * MSS;
const RTO = 1e9;

interface Subject {
  readonly raw: RawCore;
  readonly flow: FlowFields;
}

/** A NewReno connection with eight segments in flight. */
function inFlight(txSeq = 1000): Subject {
  const raw = new RawCore(testCore());
  const algorithm = CongestionAlgorithm.NewReno;
  const flow = raw.establish({ txSeq, algorithm, mss: MSS, cwnd: CWND, flags: FLOW_NODELAY });
  raw.fill(flow, txSeq, streamBytes(txSeq, BYTES));
  raw.post(1, { txAppend: BYTES });
  expect(raw.step().frames).toHaveLength(SEGMENTS);
  return { raw, flow };
}

function info({ raw }: Subject): { cwnd: number; ssthresh: number; rto: number } {
  raw.inspect();
  const { view, address } = raw.core;
  const at = view.getUint32(address + CORE_INFO, true);
  return {
    cwnd: view.getUint32(at + INFO_CWND, true),
    ssthresh: view.getUint32(at + INFO_SSTHRESH, true),
    rto: view.getFloat64(at + INFO_RTO, true),
  };
}

/** Offsets and lengths of the data that the next crossings send. */
function sent({ raw, flow }: Subject): (readonly [number, number])[] {
  const frames = [...raw.step().frames, ...raw.step().frames].map((one) => judgeSegment(one));
  return frames.map(({ seq, payloadLength }) => [(seq - flow.txSeq) >>> 0, payloadLength]);
}

/** Time until the retransmission timer asks the control plane again, from now on. */
function untilTimer({ raw }: Subject): number {
  const from = raw.now;
  for (; raw.now - from < 60 * RTO; raw.now += RTO / 4) {
    const { events } = raw.step();
    const isTimer = ({ kind, a }: (typeof events)[number]): boolean =>
      kind === EventKind.Timer && a === TimerKind.Retransmit;
    if (events.some(isTimer)) return raw.now - from;
  }
  throw new Error("untilTimer: expected the retransmission timer to expire");
}

for (const txSeq of [1000, 0xfffff800]) {
  test(`Retransmit 1 is a timeout: one segment, ssthresh halved, backoff, from ${txSeq}`, () => {
    const subject = inFlight(txSeq);
    const { raw } = subject;
    expect(untilTimer(subject)).toBeLessThanOrEqual(1.25 * RTO);
    raw.post(0, { opcode: AtxOpcode.Retransmit, low: 1 });
    expect(sent(subject)).toEqual([[0, MSS]]);
    // RFC 5681, 3.1, equation 4; RFC 6298, 5.5.
    expect(info(subject)).toMatchObject({ cwnd: MSS, ssthresh: BYTES / 2 });
    expect(raw.counter(Counter.Timeouts)).toBe(1);
    expect(untilTimer(subject)).toBeGreaterThan(1.5 * RTO);
  });

  test(`Retransmit 0 only goes back to una: no cut, no backoff, from ${txSeq}`, () => {
    const subject = inFlight(txSeq);
    const { raw } = subject;
    const before = info(subject);
    raw.post(0, { opcode: AtxOpcode.SetMss, low: 500 });
    raw.post(0, { opcode: AtxOpcode.Retransmit, low: 0 });
    const window = CWND / MSS;
    const all = Array.from({ length: window }, (_, i) => [i * 500, 500]);
    expect(sent(subject)).toEqual(all);
    // As many segments as before (RFC 5681, 3.1; CC-28), of half the size.
    expect(info(subject)).toEqual({ ...before, cwnd: (before.cwnd * 500) / MSS });
    expect(raw.counter(Counter.Timeouts)).toBe(0);
    expect(raw.inspect()).toMatchObject({ txSent: 500 * window, retransmits: window });
    expect(untilTimer(subject)).toBeLessThanOrEqual(1.25 * RTO);
  });
}

test("RFC 6298 3 (Karn): no sample from what Retransmit sent again, with either argument", () => {
  for (const low of [0, 1]) {
    const { raw, flow } = inFlight();
    raw.post(0, { opcode: AtxOpcode.Retransmit, low });
    raw.step();
    raw.now += 5e6;
    raw.offer([buildFrame({ seq: flow.rxSeq, ack: flow.txSeq + MSS })]);
    expect(raw.inspect().srtt, `argument ${low}`).toBe(0);
  }
});

test("RFC 6582 3.2: duplicates of what Retransmit 0 sent again start no fast retransmit", () => {
  const subject = inFlight();
  const { raw, flow } = subject;
  raw.post(0, { opcode: AtxOpcode.Retransmit, low: 0 });
  raw.step();
  const before = info(subject);
  const duplicate = buildFrame({ seq: flow.rxSeq, ack: flow.txSeq });
  raw.offer([duplicate, duplicate, duplicate, duplicate]);
  expect(raw.inspect().flags & FLOW_RECOVERY).toBe(0);
  expect(info(subject)).toEqual(before);
});

test("Retransmit 0 in fast recovery ends it with the window that recovery had chosen", () => {
  const subject = inFlight();
  const { raw, flow } = subject;
  const duplicate = buildFrame({ seq: flow.rxSeq, ack: flow.txSeq });
  raw.offer([duplicate, duplicate, duplicate, duplicate, duplicate]);
  expect(raw.inspect().flags & FLOW_RECOVERY).toBe(FLOW_RECOVERY);
  const { ssthresh } = info(subject);
  raw.post(0, { opcode: AtxOpcode.Retransmit, low: 0 });
  raw.step(0);
  expect(raw.inspect().flags & FLOW_RECOVERY).toBe(0);
  expect(info(subject)).toMatchObject({ cwnd: ssthresh, ssthresh });
});

test("Retransmit with nothing in flight changes nothing", () => {
  for (const low of [0, 1]) {
    const raw = new RawCore(testCore());
    const algorithm = CongestionAlgorithm.NewReno;
    const subject = { raw, flow: raw.establish({ algorithm, cwnd: CWND }) };
    const before = info(subject);
    raw.post(0, { opcode: AtxOpcode.Retransmit, low });
    expect(raw.step().frames).toEqual([]);
    expect(info(subject)).toEqual(before);
    expect(raw.counter(Counter.Timeouts)).toBe(0);
  }
});

/** One data segment of a fresh connection after SetLink. */
function afterSetLink(medium: FrameMedium): readonly [before: Uint8Array, after: Uint8Array] {
  const raw = new RawCore(testCore(), medium);
  const flow = raw.establish({ flags: FLOW_NODELAY });
  const one = (at: number): Uint8Array => {
    raw.fill(flow, flow.txSeq + at, streamBytes(at, 10));
    raw.post(1, { txAppend: 10 });
    const { frames } = raw.step();
    expect(frames).toHaveLength(1);
    return frames[0] as Uint8Array;
  };
  const before = one(0);
  raw.post(0, { opcode: AtxOpcode.SetLink, low: 0x04030201, high: 0xffff0605 });
  expect([...raw.step().drops]).toEqual([]);
  return [before, one(10)];
}

test("SetLink changes the six bytes of the destination address and nothing else", () => {
  const [before, after] = afterSetLink("ethernet");
  expect([...after.subarray(0, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(after.subarray(6, 14)).toEqual(before.subarray(6, 14));
  expect(judgeSegment(after).payloadLength).toBe(10);
});

test("SetLink leaves a connection without link header alone", () => {
  const [before, after] = afterSetLink("ip");
  // Version to fragment, but for the identification; then TTL, protocol, addresses.
  expect(after.subarray(0, 4)).toEqual(before.subarray(0, 4));
  expect(after.subarray(6, 10)).toEqual(before.subarray(6, 10));
  expect(after.subarray(12, 20)).toEqual(before.subarray(12, 20));
  expect(judgeSegment(after, "ip").payloadLength).toBe(10);
});

const FLOORS: [name: string, flags: number, mss: number, payload: number][] = [
  ["48 without options", 0, 48, 48],
  ["36 beside timestamps: 48 with them", FLOW_TIMESTAMPS, 36, 36],
  ["1 is raised", 0, 1, 48],
  ["1 is raised, beside timestamps", FLOW_TIMESTAMPS, 1, 36],
];

test.each(FLOORS)("RFC 9293 MUST-16, threats O08: SetMss %s", (_name, flags, mss, payload) => {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ flags: FLOW_NODELAY | flags, tsRecent: 1 });
  raw.post(0, { opcode: AtxOpcode.SetMss, low: mss });
  raw.fill(flow, flow.txSeq, streamBytes(0, 400));
  raw.post(1, { txAppend: 400 });
  const lengths = sent({ raw, flow }).map(([, length]) => length);
  expect(Math.max(...lengths)).toBe(payload);
  const options = flags === 0 ? [] : timestampOption(2, 0);
  raw.offer([buildFrame({ seq: flow.rxSeq, ack: flow.txSeq + 400, options })]);
  expect(raw.inspect()).toMatchObject({ txSent: 0, txAvail: 0 });
});

test("SetFlags changes the flags of socket options and no other", () => {
  const raw = new RawCore(testCore());
  const { connection } = raw.establish({ flags: 0 });
  const { view, map } = raw.core;
  const flags = (map.base.protocol as number) + connection * PROTOCOL_SIZE + PROTOCOL_FLAGS;
  const options = FLOW_NODELAY | FLOW_CORK | FLOW_QUICK_ACK | FLOW_RX_SHUT;
  raw.post(0, { connection, opcode: AtxOpcode.SetFlags, low: 0xffff });
  raw.step();
  expect(view.getUint16(flags, true)).toBe(options);
  view.setUint16(flags, options | FLOW_TIMESTAMPS, true);
  raw.post(0, { connection, opcode: AtxOpcode.SetFlags, high: 0xffff });
  raw.step();
  expect(view.getUint16(flags, true)).toBe(FLOW_TIMESTAMPS);
});
