/**
 * Goal: Carousel over the whole data path (4.3.4): rates from 8 Kbit/s to 400 Gbit/s within 1 %
 * however the host polls; a work conserving scheduler in which nobody starves; frames that are
 * made when they leave. Method: bare cores, time moved by hand, credit given by the frame.
 */
import { expect, test } from "vitest";
import { flextoeError, RATES, runRate } from "../../../bench/carousel-rates.ts";
import { AtxOpcode } from "../../../bindings/abi/descriptor.ts";
import {
  FLOW_NODELAY,
  FLOW_TIMESTAMPS,
  INTERVAL_FRACTION_BITS,
  PRE_NETIF,
  PRE_SIZE,
} from "../../../bindings/abi/flow-state.ts";
import { BATCH_MAX, DESCRIPTORS_PER_STEP, TURNS_PER_STEP } from "../../../bindings/abi/limits.ts";
import { STEP_MORE } from "../../../bindings/abi/memory-map.ts";
import { buildFrame } from "../../support/frames.ts";
import { loadModule, testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const MSS = 1000;
/** The IP packet of a full segment without options. */
const PACKET = MSS + 40;
const TX_SHIFT = 16;
const MILLISECOND = 1e6;
const FROM_PORT = 40000;

const POLLINGS = [
  { name: "polled exactly", late: 0, random: false },
  { name: "50 us late", late: 50_000, random: false },
  { name: "up to 50 us late", late: 50_000, random: true },
];

for (const polling of POLLINGS) {
  test.each(RATES)(`%d bit/s within 1 %, ${polling.name}`, (rate) => {
    // Long enough that one slot, or one poll at random, is a small part of it.
    const elapsed = (polling.random ? 6 : 1) * MILLISECOND;
    const run = runRate(loadModule(), rate, polling, { elapsed, segments: 60 });
    expect(Math.abs(run.error)).toBeLessThan(0.01);
  });
}

test("FlexTOE's wheel paces nothing below 70 Mbit/s, and its product wraps below 2.2", () => {
  expect(Math.abs(flextoeError(80e6))).toBeLessThan(0.01);
  expect(flextoeError(10e6)).toBeGreaterThan(6);
  expect(flextoeError(2.2e6)).toBeGreaterThan(30);
});

interface Setup {
  readonly flows: number;
  /** ns per byte by flow, counted from 1; 0 = not paced. */
  readonly interval: (flow: number) => number;
  readonly flags?: number;
}

/** Connections 1 to `flows`, each with a full send buffer. */
function sending({ flows, interval, flags = FLOW_NODELAY }: Setup): RawCore {
  const layout = { connections: flows, payloadBytes: (flows + 1) * 2 ** (TX_SHIFT + 1) };
  const raw = new RawCore(testCore({ ...layout, queueDescriptors: 1024 }));
  for (let connection = 1; connection <= flows; connection += 1) {
    const buffers = { mss: MSS, txShift: TX_SHIFT, peerScale: 4 };
    raw.establish({ connection, flags, ...buffers, remotePort: FROM_PORT + connection });
    setInterval(raw, connection, interval(connection));
  }
  raw.step(0);
  for (let connection = 1; connection <= flows; connection += 1) {
    raw.post(1, { connection, txAppend: 2 ** TX_SHIFT });
  }
  // All of them park, in order; a step takes so many descriptors only.
  for (let taken = 0; taken < 2 * flows; taken += DESCRIPTORS_PER_STEP) raw.step(0);
  return raw;
}

function setInterval(raw: RawCore, connection: number, nsPerByte: number): void {
  const fixed = BigInt(Math.round(nsPerByte * 2 ** INTERVAL_FRACTION_BITS));
  const low = Number(fixed & 0xffffffffn);
  const high = Number(fixed >> 32n);
  raw.post(0, { connection, opcode: AtxOpcode.SetInterval, low, high });
}

const IP = 14;
const TCP = IP + 20;

function word(frame: Uint8Array, at: number): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(at);
}

/** The flow that a frame belongs to: its peer's port. */
function flowOf(frame: Uint8Array): number {
  return (word(frame, TCP) & 0xffff) - FROM_PORT;
}

/** Everything that leaves in a time is acknowledged at once and made up for. */
class Sender {
  readonly raw: RawCore;
  readonly flows: number;
  /** Frames by flow. */
  readonly frames: number[];

  constructor(raw: RawCore, flows: number) {
    this.raw = raw;
    this.flows = flows;
    this.frames = new Array<number>(flows + 1).fill(0);
  }

  /** One step with room for `credit` frames; the frames' flows in order. */
  step(credit: number): number[] {
    const { frames } = this.raw.step(credit);
    const order = frames.map(flowOf);
    const acks = order.map((flow) => {
      this.frames[flow] = (this.frames[flow] as number) + 1;
      const ack = 1000 + (this.frames[flow] as number) * MSS;
      return buildFrame({ sourcePort: FROM_PORT + flow, seq: 5000, ack, window: 0xffff });
    });
    for (const flow of order) this.raw.post(1, { connection: flow, txAppend: MSS });
    const { otherCredit } = this.raw;
    this.raw.otherCredit = 0;
    expect(this.raw.offer(acks, 0).frames).toEqual([]);
    this.raw.otherCredit = otherCredit;
    this.raw.notifications(1);
    return order;
  }

  share(first: number, last: number): number[] {
    return this.frames.slice(first, last + 1);
  }
}

/** Jain's index of fairness: 1 = all alike, 1 / n = one has everything. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}

/** 8 unpaced flows, then 8 at 20 us a packet: 0.4 frames a us of a carrier that takes 1. */
const PACED_NS = 20_000;
const mixed = (flow: number): number => (flow <= 8 ? 0 : PACED_NS / PACKET);

test("paced and unpaced flows share a busy carrier: rates are kept, the rest is fair", () => {
  const sender = new Sender(sending({ flows: 16, interval: mixed }), 16);
  const from = sender.raw.now;
  for (let us = 0; us < 20_000; us += 8) {
    sender.raw.now = from + us * 1000;
    expect(sender.step(8)).toHaveLength(8);
  }
  const paced = sender.share(9, 16);
  const unpaced = sender.share(1, 8);
  for (const frames of paced) expect(frames / (20e6 / PACED_NS)).toBeCloseTo(1, 1);
  for (const frames of paced) expect(Math.abs(frames - 20e6 / PACED_NS)).toBeLessThan(10);
  expect(jain(paced)).toBeGreaterThan(0.999);
  expect(jain(unpaced)).toBeGreaterThan(0.999);
});

test("a carrier too slow for the paced flows alone: all 16 get turns alike", () => {
  const sender = new Sender(sending({ flows: 16, interval: mixed }), 16);
  const from = sender.raw.now;
  // 0.1 frames a us, where the paced flows alone ask for 0.4.
  for (let step = 0; step < 1000; step += 1) {
    sender.raw.now = from + step * 80_000;
    expect(sender.step(8)).toHaveLength(8);
  }
  expect(jain(sender.share(1, 8))).toBeGreaterThan(0.99);
  expect(jain(sender.share(9, 16))).toBeGreaterThan(0.99);
  // A paced flow's turn ends when it has caught up, an unpaced one's after 8 segments.
  expect(Math.min(...sender.share(1, 16))).toBeGreaterThan(200);
});

test("work conserving: as long as anybody may send, every frame of credit is used", () => {
  const interval = (flow: number): number => (flow === 1 ? 0 : 1e6);
  const sender = new Sender(sending({ flows: 12, interval }), 12);
  const first = sender.step(64);
  // 11 paced flows have one segment each; all the rest is the unpaced one's.
  expect([...new Set(first)].length).toBe(12);
  let sent = first.length;
  for (let step = 0; step < 50; step += 1) sent += sender.step(64).length;
  expect(sender.share(2, 12)).toEqual(new Array(11).fill(1));
  expect(sent).toBe(sender.frames.reduce((a, b) => a + b, 0));
  expect(sender.frames[1]).toBeGreaterThan(50 * 60);
});

test("flows of a carrier without credit wait aside, and go on when it has some", () => {
  const flows = 300;
  const raw = sending({ flows, interval: () => 0 });
  // All but the last are on netif 1, which takes nothing.
  for (let flow = 1; flow < flows; flow += 1) {
    const pre = (raw.core.map.base.pre as number) + flow * PRE_SIZE;
    raw.core.bytes[pre + PRE_NETIF] = 1;
  }
  const sender = new Sender(raw, flows);
  // More flows than a step has turns: one is all for those that may not send.
  expect(flows).toBeGreaterThan(TURNS_PER_STEP);
  let steps = 0;
  while (sender.step(BATCH_MAX).length === 0) steps += 1;
  expect(steps).toBe(1);
  expect(sender.step(BATCH_MAX)).toEqual(new Array(BATCH_MAX).fill(flows));
  setInterval(raw, flows, 1e6);
  sender.step(BATCH_MAX);
  expect(sender.step(BATCH_MAX)).toEqual([]);
  expect(raw.step().status & STEP_MORE).toBe(0);
  raw.otherCredit = BATCH_MAX;
  expect(new Set(sender.step(BATCH_MAX)).size).toBe(BATCH_MAX / 8);
  for (let i = 0; i < flows; i += 1) sender.step(BATCH_MAX);
  expect(jain(sender.share(1, flows - 1))).toBeGreaterThan(0.9);
});

/** A paced connection that has sent one segment and waits 1 ms for its next. */
function waitingFlow(flags = FLOW_NODELAY): RawCore {
  const raw = sending({ flows: 1, interval: () => MILLISECOND / PACKET, flags });
  expect(raw.step().frames).toHaveLength(1);
  expect(raw.step().frames).toHaveLength(0);
  return raw;
}

/** Steps exactly when asked to until a frame leaves; ns from now on. */
function untilNext(raw: RawCore): number {
  const from = raw.now;
  for (let i = 0; i < 50; i += 1) {
    raw.now = Math.max(raw.now, raw.core.exports.nextDeadline(raw.core.address));
    if (raw.step().frames.length > 0) return raw.now - from;
  }
  throw new Error("no frame left");
}

test("a new rate reaches a flow that waits: sooner, later, and at once without a rate", () => {
  const rows: readonly [nsPerPacket: number, expected: number][] = [
    [MILLISECOND, MILLISECOND],
    [MILLISECOND / 2, MILLISECOND / 2],
    [MILLISECOND * 7, MILLISECOND * 7],
    [0, 0],
  ];
  for (const [nsPerPacket, expected] of rows) {
    const raw = waitingFlow();
    raw.now += 100_000;
    setInterval(raw, 1, nsPerPacket / PACKET);
    const sent = raw.step().frames.length;
    if (expected === 0) {
      expect(sent).toBe(64);
      continue;
    }
    const took = 100_000 + untilNext(raw);
    expect(took).toBeGreaterThanOrEqual(expected - 1);
    expect(took).toBeLessThanOrEqual(expected + 1024);
  }
});

test("a row that is handed out anew has nothing of the last connection's pacing", () => {
  const raw = waitingFlow();
  raw.core.exports.unbind(raw.core.address, 1);
  raw.establish({ mss: MSS, flags: FLOW_NODELAY, txShift: TX_SHIFT, generation: 2 });
  raw.post(1, { generation: 2, txAppend: 4 * MSS });
  expect(raw.step().frames).toHaveLength(4);
});

test("just in time: a paced frame carries the ACK, window and clock of its departure", () => {
  const raw = waitingFlow(FLOW_NODELAY | FLOW_TIMESTAMPS);
  const clock = (ticks: number): number[] => {
    const bytes = [ticks >>> 24, (ticks >>> 16) & 255, (ticks >>> 8) & 255, ticks & 255];
    return [1, 1, 8, 10, ...bytes, 0, 0, 0, 0];
  };
  const at = { sourcePort: FROM_PORT + 1, ack: 1000, flags: 0x10 };
  // 600 bytes and a newer timestamp arrive while the next segment waits for its time.
  const waited = 900_000;
  raw.now += waited;
  const data = buildFrame({ ...at, seq: 5000, payload: new Uint8Array(600), options: clock(7) });
  for (const frame of raw.offer([data]).frames) expect(frame.length).toBeLessThan(100);
  raw.now += 10 * MILLISECOND;
  const { frames } = raw.step();
  const frame = frames[0] as Uint8Array;
  expect(frame.length).toBe(IP + PACKET + 12);
  expect(word(frame, TCP + 8)).toBe(5600);
  expect(new DataView(frame.buffer).getUint16(TCP + 14)).toBe(2 ** 14 - 600);
  expect(word(frame, TCP + 24)).toBe(Math.floor(raw.now / 1e6));
  expect(word(frame, TCP + 28)).toBe(7);
});
