/**
 * Figure 4.6 and 4.3.1.3, the RX pipeline receiving 3 segments, of which #3 arrives out of order;
 * then the gap fills. Goal: acknowledgment numbers, the place of each byte in the socket's receive
 * buffer, and when the application is told. RFC 9293 SHLD-31, RFC 5681 4.2.
 */
import { expect, test } from "vitest";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, PSH, streamBytes, type FrameMedium } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore, type FlowFields } from "../support/raw-core.ts";

const LENGTH = 1000;

interface Case {
  readonly name: string;
  readonly rxSeq: number;
  readonly medium: FrameMedium;
  readonly flow?: Partial<FlowFields>;
}

const CASES: readonly Case[] = [
  { name: "at the start of the buffer", rxSeq: 16384, medium: "ethernet" },
  { name: "raw IP", rxSeq: 5000, medium: "ip" },
  {
    name: "across the end of the buffer",
    rxSeq: 7000,
    medium: "ethernet",
    flow: { bufferStart: 16384 - 1500 },
  },
  {
    name: "the end of the buffer in #3",
    rxSeq: 7000,
    medium: "ethernet",
    flow: { bufferStart: 16384 - 2500 },
  },
  { name: "across the wrap of the sequence space", rxSeq: 0xffffffff - 1234, medium: "ethernet" },
  { name: "the wrap between #2 and #3", rxSeq: 0x100000000 - 2000, medium: "ethernet" },
  {
    name: "across chunks",
    rxSeq: 7000,
    medium: "ethernet",
    flow: { rxShift: 15, bufferStart: 16384 - 1500 },
  },
  {
    name: "one interval, as in the paper",
    rxSeq: 5000,
    medium: "ethernet",
    flow: { intervals: 1 },
  },
];

class Receiver {
  readonly raw: RawCore;
  readonly flow: FlowFields;

  constructor({ rxSeq, medium, flow }: Case) {
    this.raw = new RawCore(testCore(), medium);
    this.flow = this.raw.establish({ rxSeq, ...flow });
  }

  /** Segment #number, from 1. */
  frame(number: number): Uint8Array {
    const seq = this.at(number - 1);
    const payload = streamBytes(seq, LENGTH);
    const { medium } = this.raw;
    return buildFrame({ medium, seq, ack: this.flow.txSeq, payload, flags: ACK | PSH });
  }

  at(segments: number): number {
    return (this.flow.rxSeq + segments * LENGTH) >>> 0;
  }

  /** Acknowledgment numbers that left, and bytes announced to the application. */
  receive(...numbers: number[]): { acks: number[]; announced: number } {
    const { frames, drops } = this.raw.offer(numbers.map((number) => this.frame(number)));
    expect([...drops]).toEqual([]);
    const acks = frames.map((frame) => judgeSegment(frame, this.raw.medium).ack);
    const notes = this.raw.notifications(1);
    for (const note of notes) {
      expect(note).toMatchObject({ connection: 1, generation: 1, opaque: this.flow.opaque });
    }
    return { acks, announced: notes.reduce((sum, { rxBump }) => sum + rxBump, 0) };
  }

  expectPlaced(number: number): void {
    const seq = this.at(number - 1);
    expect(this.raw.received(this.flow, seq, LENGTH)).toEqual(streamBytes(seq, LENGTH));
  }
}

for (const row of CASES) {
  test(`Figure 4.6 #1, #3, then #2, ${row.name}`, () => {
    const receiver = new Receiver(row);
    const { raw } = receiver;
    expect(receiver.receive(1)).toEqual({ acks: [receiver.at(1)], announced: LENGTH });
    receiver.expectPlaced(1);

    // Out of order: placed where it belongs, not announced, the expected number acknowledged.
    expect(receiver.receive(3)).toEqual({ acks: [receiver.at(1)], announced: 0 });
    receiver.expectPlaced(3);
    expect(raw.inspect()).toMatchObject({
      rxNextSeq: receiver.at(1),
      intervalCount: 1,
      outOfOrder: 1,
    });

    // The gap fills: everything is acknowledged and announced at once.
    expect(receiver.receive(2)).toEqual({ acks: [receiver.at(3)], announced: 2 * LENGTH });
    for (const number of [1, 2, 3]) receiver.expectPlaced(number);
    expect(raw.inspect()).toMatchObject({ rxNextSeq: receiver.at(3), intervalCount: 0 });
    expect(raw.sequenceFaults()).toBe(0);
    expect(raw.guards()).toEqual([]);
  });

  test(`Figure 4.6 the same three in one burst, ${row.name}`, () => {
    const receiver = new Receiver(row);
    const { acks, announced } = receiver.receive(1, 3, 2);
    expect(announced).toBe(3 * LENGTH);
    expect(acks.at(-1)).toBe(receiver.at(3));
    for (const ack of acks) expect([1, 3].map((n) => receiver.at(n))).toContain(ack);
    for (const number of [1, 2, 3]) receiver.expectPlaced(number);
  });
}

test("Figure 4.6 Stats and Notify: the ACK of a burst in order, and one entry or more", () => {
  const receiver = new Receiver(CASES[0] as Case);
  const { acks, announced } = receiver.receive(1, 2, 3);
  expect(announced).toBe(3 * LENGTH);
  expect(acks.at(-1)).toBe(receiver.at(3));
  expect(acks).toEqual([...acks].sort((a, b) => a - b));
});

test("4.3.1.3 one interval: a segment outside it is dropped and answered", () => {
  const row = { ...(CASES[0] as Case), flow: { intervals: 1 } };
  const receiver = new Receiver(row);
  receiver.receive(1);
  receiver.receive(3);
  const { frames } = receiver.raw.offer([receiver.frame(5)]);
  expect(frames.map((frame) => judgeSegment(frame).ack)).toEqual([receiver.at(1)]);
  expect(receiver.raw.inspect().intervalCount).toBe(1);
  expect(receiver.receive(2)).toEqual({ acks: [receiver.at(3)], announced: 2 * LENGTH });
  // #5 was not kept: it must come again.
  expect(receiver.receive(4)).toEqual({ acks: [receiver.at(4)], announced: LENGTH });
  expect(receiver.receive(5)).toEqual({ acks: [receiver.at(5)], announced: LENGTH });
});

test("no interval: all out of order is dropped and answered; in order goes on", () => {
  for (const row of CASES) {
    const receiver = new Receiver({ ...row, flow: { ...row.flow, intervals: 0 } });
    expect(receiver.receive(1)).toEqual({ acks: [receiver.at(1)], announced: LENGTH });
    const { frames, drops } = receiver.raw.offer([receiver.frame(3)]);
    expect(frames.map((frame) => judgeSegment(frame, row.medium).ack)).toEqual([receiver.at(1)]);
    expect(drops).toEqual(new Map([[DropReason.IntervalLimit, 1]]));
    expect(receiver.raw.inspect()).toMatchObject({ intervalCount: 0, outOfOrder: 0 });
    expect(receiver.receive(2)).toEqual({ acks: [receiver.at(2)], announced: LENGTH });
    expect(receiver.receive(3)).toEqual({ acks: [receiver.at(3)], announced: LENGTH });
    for (const number of [1, 2, 3]) receiver.expectPlaced(number);
  }
});
