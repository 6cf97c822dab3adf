/**
 * Figure 4.5 and 4.3.1.2, the TX pipeline sending 3 segments. Goal: Alloc and Head give each a
 * whole header, Seq gives consecutive sequence numbers, Pos finds the bytes in the socket's
 * transmit buffer (across its end, across chunks and across the wrap of the sequence space), and
 * the DMA stage puts exactly those bytes on the wire.
 */
import { expect, test } from "vitest";
import { FLOW_NODELAY, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { ACK, PSH, streamBytes, timestampOption, type FrameMedium } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore, type FlowFields } from "../support/raw-core.ts";

const MSS = 1000;
const SEGMENTS = 3;

interface Case {
  readonly name: string;
  readonly txSeq: number;
  readonly medium: FrameMedium;
  readonly flow?: Partial<FlowFields>;
}

const CASES: readonly Case[] = [
  { name: "at the start of the buffer", txSeq: 16384, medium: "ethernet" },
  { name: "raw IP", txSeq: 1000, medium: "ip" },
  {
    name: "across the end of the buffer",
    txSeq: 7000,
    medium: "ethernet",
    flow: { bufferStart: 16384 - 1500 },
  },
  { name: "across the wrap of the sequence space", txSeq: 0xffffffff - 1234, medium: "ethernet" },
  { name: "the wrap between segments", txSeq: (0x100000000 - MSS) >>> 0, medium: "ethernet" },
  {
    name: "across chunks, two to a buffer",
    txSeq: 7000,
    medium: "ethernet",
    flow: { txShift: 15, bufferStart: 16384 - 1500 },
  },
  {
    name: "with timestamps",
    txSeq: 5,
    medium: "ethernet",
    flow: { flags: FLOW_TIMESTAMPS, tsRecent: 77 },
  },
];

for (const { name, txSeq, medium, flow: choice } of CASES) {
  test(`Figure 4.5 three segments, ${name}`, () => {
    const raw = new RawCore(testCore(), medium);
    const flow = raw.establish({ txSeq, mss: MSS, ...choice });
    raw.fill(flow, txSeq, streamBytes(txSeq, SEGMENTS * MSS));
    raw.post(1, { txAppend: SEGMENTS * MSS });
    const { frames } = raw.step();
    const segments = frames.map((frame) => judgeSegment(frame, medium));
    expect(segments).toHaveLength(SEGMENTS);
    segments.forEach((segment, i) => {
      const seq = (txSeq + i * MSS) >>> 0;
      const last = i === SEGMENTS - 1;
      expect(segment.tuple).toEqual({
        source: 0x0a000001,
        destination: 0x0a000002,
        sourcePort: flow.localPort,
        destinationPort: flow.remotePort,
      });
      expect(segment.seq).toBe(seq);
      expect(segment.ack).toBe(flow.rxSeq);
      expect(segment.payload).toEqual(streamBytes(seq, MSS));
      // RFC 9293 MUST-61: the last queued segment has PSH.
      expect(segment.flags & ~PSH).toBe(ACK);
      if (last) expect(segment.flags & PSH).toBe(PSH);
      expect(segment.window).toBe(16384);
      if (choice?.flags === FLOW_TIMESTAMPS) expect(segment.timestamp?.echo).toBe(77);
      else expect(segment.timestamp).toBeUndefined();
    });
    expect(raw.inspect()).toMatchObject({ txUna: txSeq, txSent: SEGMENTS * MSS, txAvail: 0 });
    expect(raw.sequenceFaults()).toBe(0);
    expect(raw.guards()).toEqual([]);
  });
}

test("Figure 4.5 the template's link and IP header stand before each segment", () => {
  const raw = new RawCore(testCore());
  const flow = raw.establish();
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 2 * MSS));
  raw.post(1, { txAppend: 2 * MSS });
  const frames = [...raw.step().frames];
  expect(frames).toHaveLength(2);
  for (const frame of frames) {
    expect([...frame.subarray(0, 14)]).toEqual([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    expect([frame[14], frame[22], frame[23]]).toEqual([0x45, 64, 6]);
    expect(((frame[16] as number) << 8) | (frame[17] as number)).toBe(frame.length - 14);
  }
  // RFC 6864, or MAY-4 of RFC 9293: identifications of one connection differ.
  const identification = frames.map((frame) => `${frame[18]}.${frame[19]}`);
  expect(new Set(identification).size).toBe(2);
});

test("Figure 4.5 the peer's window and the carrier's credit bound what leaves", () => {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ peerWindow: 2500 });
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 3 * MSS));
  raw.post(1, { txAppend: 3 * MSS });
  expect(raw.step(1).frames.map((frame) => judgeSegment(frame).payloadLength)).toEqual([MSS]);
  const rest = [raw.step(), raw.step()].flatMap(({ frames }) => frames.map((f) => judgeSegment(f)));
  expect(rest.reduce((sum, { payloadLength }) => sum + payloadLength, 0)).toBeLessThanOrEqual(1500);
  expect(raw.inspect().txSent).toBeLessThanOrEqual(2500);
  expect(raw.inspect().txSent).toBeGreaterThanOrEqual(2000);
});

test("RFC 7323 3.2 TSval of later segments does not go back", () => {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ flags: FLOW_TIMESTAMPS | FLOW_NODELAY });
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 20));
  const values: number[] = [];
  for (let i = 0; i < 2; i += 1) {
    raw.post(1, { txAppend: 10 });
    for (const frame of raw.step().frames) values.push(judgeSegment(frame).timestamp?.value ?? -1);
    raw.now += 100e6;
  }
  expect(values).toHaveLength(2);
  // 100 ticks of 1 ms.
  expect(((values[1] as number) - (values[0] as number)) >>> 0).toBeGreaterThanOrEqual(99);
  expect(timestampOption(1, 2)).toHaveLength(12);
});
