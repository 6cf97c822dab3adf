/**
 * The vectors that the ancestors were tested with, restated over the whole core: where a segment
 * stands against the receive window (valid, trimmed, future, far future; for windows and segments
 * that wrap), and what host descriptors do (bumps within and beyond the buffers, window reopening,
 * retransmission). Expected results follow RFC 9293 3.4, 3.8.6 and 3.10.7.4.
 */
import { expect, test } from "vitest";
import { AtxOpcode } from "../../../bindings/abi/descriptor.ts";
import { DropReason } from "../../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, PSH, streamBytes } from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore, type FlowFields, type Outcome } from "../../support/raw-core.ts";

const PACKET = 1400;
const CHUNK = 1024;

interface Subject {
  readonly raw: RawCore;
  readonly flow: FlowFields;
}

/** A connection that expects `seq` next and has `avail` bytes of receive buffer left. */
function window(seq: number, avail: number): Subject {
  const raw = new RawCore(testCore({ chunkBytes: CHUNK, payloadBytes: 64 * CHUNK }));
  const buffer = 8192;
  const flow = raw.establish({ rxSeq: (seq - (buffer - avail)) >>> 0, rxShift: 13, txShift: 13 });
  for (let left = buffer - avail; left > 0; ) {
    const length = Math.min(left, PACKET);
    arrive({ raw, flow }, (seq - left) >>> 0, length);
    left -= length;
  }
  raw.notifications(1);
  expect(raw.inspect()).toMatchObject({ rxNextSeq: seq, rxWindow: avail });
  return { raw, flow };
}

function arrive({ raw, flow }: Subject, seq: number, length: number): Outcome {
  const payload = streamBytes(seq, length);
  return raw.offer([buildFrame({ seq, ack: flow.txSeq, payload, flags: ACK | PSH })]);
}

/** Window start and room: no wrap, the window wraps, the segment wraps, both. */
const PLACES: readonly (readonly [string, number, number])[] = [
  ["no wrap", 2048, 8192],
  ["no wrap, small window", 2048, 1000],
  ["the window wraps", 4294965248 - 2048, 8192],
  ["the window ends at the wrap", 4294967296 - 8192, 8192],
  ["the segment wraps", 4294966784, 8192],
  ["the segment wraps, small window", 4294966784, 1000],
  ["window and segment wrap", 4294965996, 4096],
];

/** Offset of the segment from the window's start; how much of it counts now; how much is kept. */
interface Vector {
  readonly name: string;
  readonly offset: (avail: number) => number;
  readonly taken: (avail: number) => number;
  readonly kept?: (avail: number) => number;
  readonly reason?: DropReason;
}

const VECTORS: readonly Vector[] = [
  { name: "valid", offset: () => 0, taken: (avail) => Math.min(avail, PACKET) },
  { name: "trim start", offset: () => -400, taken: (avail) => Math.min(avail, PACKET - 400) },
  { name: "trim all but the last byte", offset: () => 1 - PACKET, taken: () => 1 },
  {
    name: "wholly old",
    offset: () => -PACKET,
    taken: () => 0,
    reason: DropReason.Duplicate,
  },
  {
    name: "future",
    offset: () => 100,
    taken: () => 0,
    kept: (avail) => Math.min(avail - 100, PACKET),
  },
  { name: "last byte of the window", offset: (avail) => avail - 1, taken: () => 0, kept: () => 1 },
  {
    name: "at the right edge",
    offset: (avail) => avail,
    taken: () => 0,
    reason: DropReason.OutOfWindow,
  },
  {
    name: "one past the right edge",
    offset: (avail) => avail + 1,
    taken: () => 0,
    reason: DropReason.OutOfWindow,
  },
  {
    name: "far future",
    offset: () => 0x7fffff00,
    taken: () => 0,
    reason: DropReason.OutOfWindow,
  },
];

for (const [place, seq, avail] of PLACES) {
  for (const vector of VECTORS) {
    test(`TAS tcp_common: ${vector.name}, ${place}`, () => {
      const subject = window(seq, avail);
      const { raw, flow } = subject;
      const at = (seq + vector.offset(avail)) >>> 0;
      const taken = vector.taken(avail);
      const outcome = arrive(subject, at, PACKET);
      expect(raw.inspect()).toMatchObject({
        rxNextSeq: (seq + taken) >>> 0,
        rxWindow: avail - taken,
        intervalCount: vector.kept === undefined ? 0 : 1,
      });
      expect([...outcome.drops.keys()]).toEqual(vector.reason === undefined ? [] : [vector.reason]);
      expect(raw.notifications(1).reduce((sum, { rxBump }) => sum + rxBump, 0)).toBe(taken);
      expect(raw.received(flow, seq, taken)).toEqual(streamBytes(seq, taken));
      if (vector.kept !== undefined) {
        expect(raw.received(flow, at, vector.kept(avail))).toEqual(
          streamBytes(at, vector.kept(avail)),
        );
      }
      // Acceptable or not, the segment is answered with what is expected next.
      const acks = outcome.frames.map((frame) => judgeSegment(frame).ack);
      expect(acks).toEqual([(seq + taken) >>> 0]);
      expect(raw.guards()).toEqual([]);
    });
  }
}

/** A connection whose transmit buffer holds `bytes` that are announced. */
function sender(choice: Partial<FlowFields> = {}): Subject {
  const raw = new RawCore(testCore());
  return { raw, flow: raw.establish(choice) };
}

const BUFFER = 16384;

test("TAS fastpath: a small transmit bump is sent", () => {
  const { raw, flow } = sender();
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 32));
  raw.post(1, { txAppend: 32 });
  const { frames } = raw.step();
  expect(frames.map((frame) => judgeSegment(frame).payload)).toEqual([streamBytes(flow.txSeq, 32)]);
  expect(raw.inspect()).toMatchObject({ txSent: 32, txAvail: 0 });
});

test("TAS fastpath: a transmit bump of the whole buffer is accepted", () => {
  const { raw, flow } = sender();
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, BUFFER));
  raw.post(1, { txAppend: BUFFER });
  expect([...raw.step(0).drops]).toEqual([]);
  expect(raw.inspect()).toMatchObject({ txSent: 0, txAvail: BUFFER });
});

test("TAS fastpath: a transmit bump that is too long is refused and nothing is scheduled", () => {
  for (const first of [0, 1, 5000]) {
    const { raw } = sender();
    if (first > 0) raw.post(1, { txAppend: first });
    raw.step(0);
    raw.post(1, { txAppend: BUFFER - first + 1 });
    expect([...raw.step(0).drops]).toEqual([[DropReason.DescriptorAppend, 1]]);
    expect(raw.inspect()).toMatchObject({ txSent: 0, txAvail: first });
    if (first === 0) expect(raw.step().frames).toEqual([]);
  }
});

test("TAS fastpath: a receive bump that is too long is refused", () => {
  const subject = sender();
  const { raw, flow } = subject;
  raw.post(1, { rxCredit: 1 });
  expect([...raw.step().drops]).toEqual([[DropReason.DescriptorCredit, 1]]);
  arrive(subject, flow.rxSeq, 100);
  raw.post(1, { rxCredit: 101 });
  expect([...raw.step().drops]).toEqual([[DropReason.DescriptorCredit, 1]]);
  expect(raw.inspect().rxWindow).toBe(BUFFER - 100);
  raw.post(1, { rxCredit: 100 });
  expect([...raw.step().drops]).toEqual([]);
  expect(raw.inspect().rxWindow).toBe(BUFFER);
});

/** Fills the receive buffer, so that the window announced is 0. */
function closeWindow(subject: Subject): void {
  const { raw, flow } = subject;
  let last = -1;
  for (let seq = flow.rxSeq; seq < flow.rxSeq + BUFFER; seq += 1024) {
    for (const frame of arrive(subject, seq, 1024).frames) last = judgeSegment(frame).window;
  }
  expect(last).toBe(0);
  expect(raw.inspect().rxWindow).toBe(0);
  raw.notifications(1);
}

/** Frames of the crossings after all of the buffer was read; data may be waiting or not. */
function reopen({ raw }: Subject): ReturnType<typeof judgeSegment>[] {
  raw.post(1, { rxCredit: BUFFER });
  return [raw.step(), raw.step()].flatMap(({ frames }) => frames.map((f) => judgeSegment(f)));
}

test("TAS fastpath: the window reopens and there is nothing to send: an ACK says so", () => {
  const subject = sender();
  closeWindow(subject);
  const frames = reopen(subject);
  expect(frames.map(({ window: w, payloadLength }) => [w, payloadLength])).toEqual([[BUFFER, 0]]);
});

test("TAS fastpath: the window reopens and data goes out: it carries the update, no ACK", () => {
  const subject = sender();
  const { raw, flow } = subject;
  closeWindow(subject);
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 100));
  raw.post(1, { txAppend: 100 });
  expect(raw.step(0).frames).toEqual([]);
  const frames = reopen(subject);
  expect(frames.map(({ window: w, payloadLength }) => [w, payloadLength])).toEqual([[BUFFER, 100]]);
});

test("TAS fastpath: the window reopens, data waits, the peer's window is 0: an ACK is sent", () => {
  const subject = sender({ peerWindow: 0 });
  const { raw, flow } = subject;
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 100));
  raw.post(1, { txAppend: 100 });
  // The data segments keep the window at 0: both sides wait for the other.
  const { rxSeq, txSeq } = flow;
  for (let seq = rxSeq; seq < rxSeq + BUFFER; seq += 1024) {
    const payload = streamBytes(seq, 1024);
    raw.offer([buildFrame({ seq, ack: txSeq, payload, window: 0, flags: ACK | PSH })]);
  }
  raw.notifications(1);
  const frames = reopen(subject);
  expect(frames.map(({ window: w, payloadLength }) => [w, payloadLength])).toEqual([[BUFFER, 0]]);
  expect(raw.inspect()).toMatchObject({ txSent: 0, txAvail: 100 });
});

for (const txSeq of [1000, 0xfffffff0]) {
  test(`TAS fastpath: a retransmission rolls everything back, from ${txSeq}`, () => {
    const { raw, flow } = sender({ txSeq });
    raw.fill(flow, txSeq, streamBytes(txSeq, 300));
    raw.post(1, { txAppend: 200 });
    expect(raw.step().frames).toHaveLength(1);
    raw.post(1, { txAppend: 100 });
    raw.post(0, { opcode: AtxOpcode.Retransmit });
    raw.step(0);
    expect(raw.inspect()).toMatchObject({ txUna: txSeq, txSent: 0, txAvail: 300 });
    const again = [raw.step(), raw.step()].flatMap(({ frames }) => frames);
    const bytes = again.flatMap((frame) => [...judgeSegment(frame).payload]);
    expect(Uint8Array.from(bytes)).toEqual(streamBytes(txSeq, 300));
  });
}
