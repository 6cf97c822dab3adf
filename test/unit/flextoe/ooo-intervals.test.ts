/**
 * Goal: more out-of-order intervals than a connection's own record holds live in a record of the
 * log pool, which goes back when they are fewer again, and a peer that opens holes takes half of
 * the pool at most. Method: the bare core, every second segment first, the rest in several orders.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { OOO_INTERVALS_MAX, OOO_INTERVALS_OWN } from "../../../bindings/abi/limits.ts";
import { CORE_LOG_FREE_COUNT, CORE_LOGS } from "../../../bindings/abi/memory-map.ts";
import { ALGORITHM_EXACT, CongestionAlgorithm } from "../../../bindings/abi/flow-state.ts";
import { FLOW_ECN, FLOW_SACK } from "../../../bindings/abi/flow-state.ts";
import { ACK, buildFrame, PSH, streamBytes } from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, RawCore } from "../../support/raw-core.ts";

const LENGTH = 100;
const ORIGINS = [5000, 0xfffffe00];

class HoleyReceiver {
  readonly raw = new RawCore(testCore());
  readonly flow: FlowFields;

  constructor(rxSeq: number, intervals: number) {
    this.flow = this.raw.establish({ rxSeq, intervals, flags: FLOW_SACK });
  }

  at(segment: number): number {
    return (this.flow.rxSeq + segment * LENGTH) >>> 0;
  }

  /** Segment `number` arrives, from 0; the ACK number and the first block of the answer. */
  take(number: number): { readonly ack: number; readonly block: number | undefined } {
    const payload = streamBytes(this.at(number), LENGTH);
    const fields = { seq: this.at(number), ack: this.flow.txSeq, payload, flags: ACK | PSH };
    const { frames } = this.raw.offer([buildFrame(fields)]);
    const judged = judgeSegment(frames[0] as Uint8Array);
    return { ack: judged.ack, block: judged.sack[0]?.[0] };
  }

  word(offset: number): number {
    return this.raw.core.view.getUint32(this.raw.core.address + offset, true);
  }

  get logs(): number {
    return this.word(CORE_LOG_FREE_COUNT);
  }
}

const upward = (n: number): number => n;

test.each(ORIGINS)("from %d: intervals move to a log and back, and nothing is lost", (origin) => {
  const most = 12;
  for (const turn of [upward, (n: number) => most - 1 - n, (n: number) => (n * 5) % most]) {
    const one = new HoleyReceiver(origin, OOO_INTERVALS_MAX);
    const all = one.logs;
    for (let n = 0; n < most; n += 1) {
      // Odd ones: each is an interval of its own, told of first (RFC 2018, 4).
      const odd = 2 * turn(n) + 1;
      expect(one.take(odd)).toEqual({ ack: one.at(0), block: one.at(odd) });
      expect(one.raw.inspect().intervalCount).toBe(n + 1);
      expect(one.logs).toBe(n + 1 > OOO_INTERVALS_OWN ? all - 1 : all);
    }
    for (let n = most - 1; n >= 0; n -= 1) one.take(2 * turn(n));
    expect(one.raw.inspect()).toMatchObject({ intervalCount: 0, rxNextSeq: one.at(2 * most) });
    expect(one.logs).toBe(all);
    const bytes = 2 * most * LENGTH;
    expect(one.raw.received(one.flow, origin, bytes)).toEqual(streamBytes(origin, bytes));
    expect(one.raw.guards()).toEqual([]);
  }
});

test("the limit holds in a log as well, and a profile's below it", () => {
  for (const limit of [OOO_INTERVALS_OWN, OOO_INTERVALS_OWN + 1, OOO_INTERVALS_MAX]) {
    const one = new HoleyReceiver(7000, limit);
    for (let n = 0; n <= limit; n += 1) one.take(2 * n + 1);
    expect(one.raw.inspect().intervalCount).toBe(limit);
    expect(one.raw.drop(DropReason.IntervalLimit)).toBe(1);
  }
});

test.each(ORIGINS)("from %d: an ACK that a mark sends ahead keeps its blocks", (rxSeq) => {
  const raw = new RawCore(testCore());
  const algorithm = CongestionAlgorithm.NewReno | ALGORITHM_EXACT;
  const flow = raw.establish({ rxSeq, ackThreshold: 2, algorithm, flags: FLOW_SACK | FLOW_ECN });
  const take = (at: number, tos: number) => {
    const seq = (rxSeq + at) >>> 0;
    const payload = streamBytes(seq, LENGTH);
    const { frames } = raw.offer([buildFrame({ seq, ack: flow.txSeq, payload, tos, flags: ACK })]);
    return frames.map((frame) => judgeSegment(frame)).map(({ ack, sack }) => ({ ack, sack }));
  };
  const edge = (at: number): number => (rxSeq + at) >>> 0;
  expect(take(0, 0)).toEqual([]);
  // RFC 8257, 3.2: what waited is acknowledged with the state before.
  expect(take(LENGTH + 1, 3)).toEqual([{ ack: edge(LENGTH), sack: [] }]);
  const held = [edge(LENGTH + 1), edge(2 * LENGTH + 1)];
  expect(take(LENGTH, 0)).toEqual([{ ack: edge(LENGTH), sack: [held] }]);
});

test("half of the pool is for senders: then a fifth interval is dropped as without a log", () => {
  const one = new HoleyReceiver(7000, OOO_INTERVALS_MAX);
  const { view, address } = one.raw.core;
  const half = one.word(CORE_LOGS) >>> 1;
  view.setUint32(address + CORE_LOG_FREE_COUNT, half, true);
  for (let n = 0; n < 6; n += 1) one.take(2 * n + 1);
  expect(one.raw.inspect().intervalCount).toBe(OOO_INTERVALS_OWN);
  expect(one.raw.drop(DropReason.IntervalLimit)).toBe(2);
  expect(one.logs).toBe(half);
});
