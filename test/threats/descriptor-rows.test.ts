/**
 * Threats D01 to D10 and D13: a hostile application context on the queues. Context 1 is honest
 * and owns connection 1; context 2 is hostile and owns connection 2. Whatever context 2 writes,
 * connection 1 must not feel it, and every refused descriptor must be counted in its context. In
 * the project `release` D09 rings 10^7 doorbells, and in the night D13 writes 10^8 descriptors,
 * which takes a minute; other builds and data paths do a hundredth.
 */
import { expect, test } from "vitest";
import { type Core, createCore } from "../../bindings/core.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { FLOW_NODELAY } from "../../bindings/abi/flow-state.ts";
import { ACK, buildFrame, PSH, streamBytes, toHex } from "../support/frames.ts";
import { hasFullCounts, isNight, seedOf } from "../support/env.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { countedModule, workOf } from "../support/counted-work.ts";
import { TEST_HASH_KEY, TEST_LAYOUT, testCore } from "../support/load-core.ts";
import { Random } from "../support/random.ts";
import { RawCore, type AtxFields, type FlowFields, type Outcome } from "../support/raw-core.ts";

const HONEST = 1;
const HOSTILE = 2;
const RING = 256;
const BUFFER = 16384;
const HONEST_PORT = 80;
const HOSTILE_PORT = 81;

interface Court {
  readonly raw: RawCore;
  readonly honest: FlowFields;
  readonly hostile: FlowFields;
}

const LAYOUT = { contexts: 2, connections: 8, queueDescriptors: RING, payloadBytes: 256 * 1024 };

function court(core: Core = testCore(LAYOUT)): Court {
  const raw = new RawCore(core);
  const flags = FLOW_NODELAY;
  const honest = raw.establish({ connection: HONEST, flags, localPort: HONEST_PORT });
  const theirs = { connection: HOSTILE, flags, localPort: HOSTILE_PORT, context: HOSTILE };
  const hostile = raw.establish(theirs);
  return { raw, honest, hostile };
}

/** The counter of each reason for refusing a descriptor. */
const REFUSALS = [
  DropReason.DescriptorConnection,
  DropReason.DescriptorGeneration,
  DropReason.DescriptorContext,
  DropReason.DescriptorCredit,
  DropReason.DescriptorAppend,
  DropReason.DescriptorOpcode,
];

function refusals(raw: RawCore): number {
  return REFUSALS.reduce((sum, reason) => sum + raw.drop(reason), 0);
}

/** One descriptor of the hostile context: refused for `reason`, and nothing else happens. */
function expectRefused(c: Court, fields: Partial<AtxFields>, reason: DropReason): void {
  const what = JSON.stringify(fields);
  const before = [c.raw.inspect(HONEST), c.raw.inspect(HOSTILE)];
  const errors = c.raw.contextWord(HOSTILE, D.CONTEXT_ERRORS);
  c.raw.post(HOSTILE, { connection: HOSTILE, ...fields });
  const outcome = c.raw.step();
  expect([...outcome.drops], what).toEqual([[reason, 1]]);
  expect(c.raw.contextWord(HOSTILE, D.CONTEXT_ERRORS), what).toBe(errors + 1);
  expect(outcome.frames, what).toEqual([]);
  expect(outcome.events, what).toEqual([]);
  expect([c.raw.inspect(HONEST), c.raw.inspect(HOSTILE)], what).toEqual(before);
  expect(c.raw.contextWord(1, D.CONTEXT_ERRORS), what).toBe(0);
  expect(c.raw.guards(), what).toEqual([]);
}

/** The honest connection receives 100 bytes, gives them back, and sends 100. */
function expectHonestWorks(c: Court): void {
  const { rxNextSeq, txUna } = c.raw.inspect(HONEST);
  const payload = streamBytes(rxNextSeq, 100);
  const flags = ACK | PSH;
  c.raw.offer([buildFrame({ seq: rxNextSeq, ack: txUna, payload, flags })]);
  expect(c.raw.received(c.honest, rxNextSeq, 100)).toEqual(payload);
  expect(c.raw.notifications(1).map(({ rxBump }) => rxBump)).toEqual([100]);
  c.raw.fill(c.honest, txUna, streamBytes(txUna, 100));
  c.raw.post(1, { connection: HONEST, rxCredit: 100, txAppend: 100 });
  const sent = honestFrames(c.raw.step());
  expect(sent.map((frame) => payloadOf(frame))).toContain(toHex(streamBytes(txUna, 100)));
  c.raw.offer([buildFrame({ seq: rxNextSeq + 100, ack: txUna + 100 })]);
  expect(c.raw.inspect(HONEST)).toMatchObject({ txUna: txUna + 100, txSent: 0, txAvail: 0 });
  c.raw.notifications(1);
}

function payloadOf(frame: Uint8Array): string {
  return toHex(judgeSegment(frame).payload);
}

/** Frames of the honest connection: from its port. */
function honestFrames(outcome: Outcome): Uint8Array[] {
  return outcome.frames.filter((frame) => frame[34] === 0 && frame[35] === HONEST_PORT);
}

test("threats/D01 descriptors hold no address: an address is only a wrong number", () => {
  const c = court();
  const map = c.raw.core.map;
  const addresses = [
    0,
    0xffffffff,
    map.core,
    map.base.arena as number,
    map.base.protocol as number,
    map.pages * 65536 - 1,
    map.pages * 65536,
  ];
  for (const address of addresses) {
    const connection = address === HOSTILE ? 0 : address;
    expectRefused(c, { connection }, DropReason.DescriptorConnection);
    if (address <= BUFFER) continue;
    expectRefused(c, { rxCredit: address }, DropReason.DescriptorCredit);
    expectRefused(c, { txAppend: address }, DropReason.DescriptorAppend);
  }
  expectHonestWorks(c);
});

test("threats/D02 lengths at the limits and sums that wrap are refused", () => {
  const c = court();
  for (const rxCredit of [1, 2, BUFFER, 0x7fffffff, 0x80000000, 0xffffffff]) {
    expectRefused(c, { rxCredit }, DropReason.DescriptorCredit);
  }
  for (const txAppend of [BUFFER + 1, 0x7fffffff, 0x80000000, 0xffffffff - BUFFER, 0xffffffff]) {
    expectRefused(c, { txAppend }, DropReason.DescriptorAppend);
  }
  c.raw.post(HOSTILE, { connection: HOSTILE });
  expect([...c.raw.step().drops], "both 0: allowed, nothing happens").toEqual([]);
  expectHonestWorks(c);
});

test("threats/D03 connections of others, of nobody, out of range or of an old generation", () => {
  const c = court();
  expectRefused(c, { connection: HONEST }, DropReason.DescriptorContext);
  expectRefused(c, { connection: HONEST, txAppend: 1 }, DropReason.DescriptorContext);
  for (const connection of [0, 3, 8, 9, 10, 0x00ffffff, 0x80000002, 0xffffffff]) {
    expectRefused(c, { connection }, DropReason.DescriptorConnection);
  }
  for (const generation of [0, 2, 0x80000001, 0xffffffff]) {
    expectRefused(c, { generation }, DropReason.DescriptorGeneration);
  }
  const { core } = c.raw;
  core.exports.uninstall(core.address, HOSTILE);
  core.exports.unbind(core.address, HOSTILE);
  c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: 1 });
  const freed = c.raw.step();
  expect(freed.frames).toEqual([]);
  expect(
    [...freed.drops].map(([, count]) => count),
    "freed",
  ).toEqual([1]);
  c.raw.establish({ connection: HOSTILE, context: 2, localPort: HOSTILE_PORT, generation: 2 });
  expectRefused(c, { generation: 1, txAppend: 1 }, DropReason.DescriptorGeneration);
  expectHonestWorks(c);
});

test("threats/D04 a descriptor changed after it was taken changes nothing", () => {
  const c = court();
  c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: 10 });
  const taken = c.raw.step();
  expect(taken.frames).toHaveLength(1);
  const base = c.raw.contextWord(HOSTILE, D.CONTEXT_ATX_BASE);
  const before = [c.raw.inspect(HONEST), c.raw.inspect(HOSTILE)];
  for (let at = 0; at < RING * D.ATX_SIZE; at += 4) {
    c.raw.core.view.setUint32(base + at, 0xffffffff, true);
  }
  expect(c.raw.step().frames).toEqual([]);
  expect([c.raw.inspect(HONEST), c.raw.inspect(HOSTILE)]).toEqual(before);
  expect(c.raw.contextWord(HOSTILE, D.CONTEXT_ERRORS)).toBe(0);
  expectHonestWorks(c);
});

test("threats/D05 a producer index that jumps fences the ring, and only that ring", () => {
  const jumps: [string, (index: number) => number][] = [
    ["one back", (index) => index - 1],
    ["a ring and one ahead", (index) => index + RING + 1],
    ["10^9", (index) => index + 1e9],
    ["half the space", (index) => index + 0x80000000],
  ];
  for (const [what, jump] of jumps) {
    const c = court();
    for (let i = 0; i < 3; i += 1) c.raw.post(HOSTILE, { connection: HOSTILE });
    c.raw.step();
    const index = c.raw.contextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER);
    c.raw.setContextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER, jump(index));
    const { drops } = c.raw.step();
    expect(drops.get(DropReason.DescriptorRing), what).toBe(1);
    expect(c.raw.contextWord(HOSTILE, D.CONTEXT_FENCED), what).toBe(1);
    // A fenced ring is never read again, not even when the index looks right once more.
    c.raw.setContextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER, index);
    c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: 10 });
    expect(c.raw.step().frames, what).toEqual([]);
    expect(c.raw.inspect(HOSTILE).txAvail, what).toBe(0);
    expect(c.raw.contextWord(1, D.CONTEXT_FENCED), what).toBe(0);
    expectHonestWorks(c);
  }
});

test("threats/D05 a ring that is exactly full is not fenced, also where the index wraps", () => {
  const c = court();
  for (const start of [0, 0xffffff80]) {
    c.raw.setContextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER, start);
    c.raw.setContextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER, start);
    for (let i = 0; i < RING; i += 1) c.raw.post(HOSTILE, { connection: HOSTILE });
    c.raw.step();
    c.raw.step();
    expect(c.raw.contextWord(HOSTILE, D.CONTEXT_FENCED)).toBe(0);
    expect(c.raw.contextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER)).toBe((start + RING) >>> 0);
  }
});

test("threats/D06 credit beyond what was delivered does not widen the window", () => {
  const c = court();
  const { rxNextSeq, txUna } = c.raw.inspect(HOSTILE);
  const to = { destinationPort: HOSTILE_PORT, flags: ACK | PSH };
  const payload = streamBytes(0, 1000);
  c.raw.offer([buildFrame({ ...to, seq: rxNextSeq, ack: txUna, payload })]);
  expectRefused(c, { rxCredit: 1001 }, DropReason.DescriptorCredit);
  expectRefused(c, { rxCredit: BUFFER }, DropReason.DescriptorCredit);
  c.raw.post(HOSTILE, { connection: HOSTILE, rxCredit: 1000 });
  expect([...c.raw.step().drops]).toEqual([]);
  expect(c.raw.inspect(HOSTILE).rxWindow).toBeLessThanOrEqual(BUFFER);
  expectRefused(c, { rxCredit: 1 }, DropReason.DescriptorCredit);
  // Data out of order is not delivered yet: it gives no credit either.
  c.raw.offer([buildFrame({ ...to, seq: rxNextSeq + 1500, ack: txUna, payload })]);
  expectRefused(c, { rxCredit: 1 }, DropReason.DescriptorCredit);
  expectHonestWorks(c);
});

test("threats/D07 appends beyond the buffer put no foreign byte on the wire", () => {
  const c = court();
  const { txUna } = c.raw.inspect(HOSTILE);
  const bytes = streamBytes(txUna, BUFFER);
  c.raw.fill(c.hostile, txUna, bytes);
  c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: BUFFER });
  c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: BUFFER });
  c.raw.post(HOSTILE, { connection: HOSTILE, txAppend: 1 });
  const outcomes = [c.raw.step(), c.raw.step(), c.raw.step()];
  const wire = outcomes.flatMap(({ frames }) => frames.map(payloadOf)).join("");
  expect(wire.length).toBe(2 * BUFFER);
  expect(wire === toHex(bytes), "only the bytes that were put there").toBe(true);
  expect(c.raw.drop(DropReason.DescriptorAppend)).toBe(2);
  expect(c.raw.contextWord(HOSTILE, D.CONTEXT_ERRORS)).toBe(2);
  expectHonestWorks(c);
});

test("threats/D08 an application may say Update and nothing else", () => {
  const c = court();
  for (let opcode = 0; opcode < 256; opcode += 1) {
    if (opcode === D.AtxOpcode.Update) continue;
    expectRefused(c, { opcode, low: 1, high: 1 }, DropReason.DescriptorOpcode);
  }
  for (const opcode of [0x80000001, 0x00010001, 0xffffffff]) {
    expectRefused(c, { opcode }, DropReason.DescriptorOpcode);
  }
  // The control plane has more words, but not all.
  for (const opcode of [0, D.AtxOpcode.SetLink + 1, 255, 0xffffffff]) {
    c.raw.post(0, { connection: HONEST, opcode });
    expect([...c.raw.step().drops], `${opcode}`).toEqual([[DropReason.DescriptorOpcode, 1]]);
  }
  expectHonestWorks(c);
});

let counted: WebAssembly.Module | undefined;
/** The build under test, made once for this file. */
function counting(): WebAssembly.Module {
  counted ??= countedModule();
  return counted;
}

/** Fills what is free of the hostile ring with descriptors that ask for nothing. */
function storm({ raw }: Pick<Court, "raw">, ring: number = RING): void {
  const producer = raw.contextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER);
  const consumer = raw.contextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER);
  for (let i = producer - consumer; i < ring; i += 1) raw.post(HOSTILE, { connection: HOSTILE });
}

/** Payload bytes that the honest connection sends in so many steps, one beside each full ring. */
function honestBytes(rounds: number, hostile: boolean, c: Court = court()): number {
  const { raw, honest } = c;
  // More of these segments than one step sends: the honest connection always has more to say.
  raw.post(0, { connection: HONEST, opcode: D.AtxOpcode.SetMss, low: 128 });
  let { txUna: next } = raw.inspect(HONEST);
  raw.fill(honest, next, new Uint8Array(BUFFER));
  raw.post(1, { connection: HONEST, txAppend: BUFFER });
  const { rxNextSeq: seq } = raw.inspect(HONEST);
  let sum = 0;
  for (let round = 0; round < rounds; round += 1) {
    if (hostile) storm(c);
    const frames = honestFrames(raw.offer([buildFrame({ seq, ack: next })]));
    const length = frames.reduce((total, frame) => total + frame.length - 54, 0);
    sum += length;
    next = (next + length) >>> 0;
    raw.post(1, { connection: HONEST, txAppend: length });
    raw.notifications(1);
  }
  const rung = raw.contextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER);
  expect(rung).toBeGreaterThanOrEqual(hostile ? (rounds - 1) * RING : 0);
  return sum;
}

test("threats/D09 10^7 doorbells leave an honest connection four fifths of what it had", () => {
  const rounds = Math.ceil((hasFullCounts() ? 1e7 : 1e5) / RING) + 1;
  const quiet = honestBytes(rounds, false);
  expect(quiet).toBeGreaterThan(rounds * 1000);
  expect(honestBytes(rounds, true)).toBeGreaterThanOrEqual(0.8 * quiet);
}, 120_000);

test("threats/D09 a doorbell that asks for nothing costs less than a small segment, each", () => {
  const ROUNDS = 200;
  const SEGMENT = 128;
  // In instructions: what time a machine has for them is its own.
  const measure = (hostile: boolean, rounds: number) => {
    const layout = { ...TEST_LAYOUT, ...LAYOUT };
    const core = createCore({ module: counting(), layout, hashKey: TEST_HASH_KEY });
    const c = court(core);
    let bytes = 0;
    const work = workOf(core, () => {
      bytes = honestBytes(rounds, hostile, c);
    });
    return { work, bytes };
  };
  const quiet = measure(false, ROUNDS);
  const loud = measure(true, ROUNDS);
  expect(loud.bytes).toBeGreaterThanOrEqual(0.8 * quiet.bytes);
  const each = (loud.work - quiet.work) / (ROUNDS * RING);
  expect(each).toBeGreaterThan(10);
  expect(each).toBeLessThan(quiet.work / (quiet.bytes / SEGMENT));
  // Nor does it cost more the longer it lasts.
  const longer = measure(true, 4 * ROUNDS);
  expect(longer.work).toBeLessThan(4.1 * loud.work);
});

const ROUNDS_FULL = 10;

/** Bytes that an honest connection of such segments sends for each instruction of the data path. */
function honestYield(mss: number, hostile: boolean): number {
  const layout = { ...TEST_LAYOUT, ...LAYOUT, queueDescriptors: 4 * RING, payloadBytes: 1 << 20 };
  const core = createCore({ module: counting(), layout, hashKey: TEST_HASH_KEY });
  const raw = new RawCore(core);
  const ours = { flags: FLOW_NODELAY, txShift: 17, cwnd: 1 << 20, peerScale: 4, mss };
  const honest = raw.establish({ connection: HONEST, ...ours });
  raw.establish({ connection: HOSTILE, context: HOSTILE, localPort: HOSTILE_PORT });
  let { txUna: ack, rxNextSeq: seq } = raw.inspect(HONEST);
  // More than one step sends, and more than one step takes of descriptors.
  for (let at = 0; at < 1 << 17; at += 1024) raw.fill(honest, ack + at, new Uint8Array(1));
  raw.post(1, { txAppend: 1 << 17 });
  let sum = 0;
  const work = workOf(core, () => {
    for (let round = 0; round < ROUNDS_FULL; round += 1) {
      if (hostile) storm({ raw }, 4 * RING);
      const frames = honestFrames(raw.offer([buildFrame({ seq, ack, window: 0xffff })]));
      const length = frames.reduce((total, frame) => total + frame.length - 54, 0);
      sum += length;
      ack = (ack + length) >>> 0;
      raw.post(1, { txAppend: length });
      raw.notifications(1);
    }
  });
  expect(sum).toBeGreaterThan(ROUNDS_FULL * 60 * mss);
  return sum / work;
}

/**
 * A half is the share of each of two contexts that both have something in every step. Of small
 * segments FlexTOE's are so cheap that the 256 descriptors of a step weigh more than its 64
 * segments: of 128 bytes 0.27 is left, where the bytes of each step stay what they were (above).
 */
test("threats/D09 in a storm full segments keep four fifths of half of all instructions", () => {
  const quiet = honestYield(1000, false);
  const loud = honestYield(1000, true);
  expect(loud / quiet).toBeGreaterThanOrEqual(0.8 / 2);
  // The storm is one: it takes something.
  expect(loud / quiet).toBeLessThan(0.9);
});

test("threats/D10 notifications that nobody takes block nothing, and none is lost", () => {
  const c = court();
  const { txUna } = c.raw.inspect(HOSTILE);
  const to = { destinationPort: HOSTILE_PORT, flags: ACK | PSH, ack: txUna };
  for (let i = 0; i < 2 * RING; i += 1) {
    const { rxNextSeq } = c.raw.inspect(HOSTILE);
    const payload = streamBytes(rxNextSeq, 10);
    c.raw.offer([buildFrame({ ...to, seq: rxNextSeq, payload })]);
  }
  const producer = c.raw.contextWord(HOSTILE, D.CONTEXT_ARX_PRODUCER);
  const consumer = c.raw.contextWord(HOSTILE, D.CONTEXT_ARX_CONSUMER);
  expect(producer - consumer).toBeLessThanOrEqual(RING);
  expectHonestWorks(c);
  let told = 0;
  for (let i = 0; i < 4; i += 1) {
    told += c.raw.notifications(HOSTILE).reduce((sum, { rxBump }) => sum + rxBump, 0);
    c.raw.step();
  }
  expect(told).toBe(2 * RING * 10);
});

/** A descriptor of eight random words, most of them near something that exists. */
function randomDescriptor(random: Random, words: Uint32Array, at: number): void {
  const number = (): number => {
    const kind = random.below(6);
    if (kind === 0) return random.u32();
    if (kind === 1) return random.below(BUFFER * 2);
    return kind === 2 ? random.below(64) : 0;
  };
  for (let i = 0; i < 8; i += 1) words[at + i] = number();
  if (!random.oneIn(4)) words[at] = random.pick([HONEST, HOSTILE, HOSTILE]);
  if (!random.oneIn(4)) words[at + 1] = 1;
  if (!random.oneIn(3)) words[at + 2] = D.AtxOpcode.Update;
  else words[at + 2] = random.oneIn(8) ? random.u32() : random.below(16);
  // The hostile connection may close, but mostly not at once.
  if (!random.oneIn(1000)) words[at + 5] = (words[at + 5] as number) & ~D.ATX_FIN;
}

/** What the honest connection shows to the world. */
function honestState({ raw, honest }: Court): unknown {
  const info = raw.inspect(HONEST);
  const from = raw.inspect(HONEST).rxNextSeq - 2000;
  return { info, received: toHex(raw.received(honest, from, 2000)) };
}

/** The same exchange on both cores: frames of the honest connection must be equal. */
function exchange(c: Court, round: number): string[] {
  const { rxNextSeq, txUna } = c.raw.inspect(HONEST);
  const frames: Uint8Array[] = [];
  const take = (outcome: Outcome): void => void frames.push(...honestFrames(outcome));
  const length = 1 + ((round * 37) % 1000);
  const payload = streamBytes(rxNextSeq, length);
  take(c.raw.offer([buildFrame({ seq: rxNextSeq, ack: txUna, payload, flags: ACK | PSH })]));
  c.raw.fill(c.honest, txUna, streamBytes(txUna, length));
  c.raw.post(1, { connection: HONEST, rxCredit: length, txAppend: length });
  for (let i = 0; i < 4; i += 1) take(c.raw.step());
  take(c.raw.offer([buildFrame({ seq: rxNextSeq + length, ack: txUna + length })]));
  frames.push(Uint8Array.from(c.raw.notifications(1).map(({ txBump }) => txBump & 255)));
  return frames.map(toHex);
}

// 10^8 in the night, as the row says; a tenth of them takes five seconds.
test("threats/D13, W4: random descriptors without end do not touch an honest connection", () => {
  const COUNT = hasFullCounts() ? (isNight() ? 1e8 : 1e7) : 1e6;
  const seed = seedOf(0xd13);
  const random = new Random(seed);
  const attacked = court();
  const quiet = court();
  const { raw } = attacked;
  const ring = raw.contextWord(HOSTILE, D.CONTEXT_ATX_BASE) / 4;
  let written = 0;
  for (let round = 0; written < COUNT; round += 1) {
    const producer = raw.contextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER);
    const room = RING - (producer - raw.contextWord(HOSTILE, D.CONTEXT_ATX_CONSUMER));
    for (let i = 0; i < room; i += 1) {
      randomDescriptor(random, raw.core.words, ring + ((producer + i) & (RING - 1)) * 8);
    }
    raw.setContextWord(HOSTILE, D.CONTEXT_ATX_PRODUCER, producer + room);
    written += room;
    raw.step();
    raw.notifications(HOSTILE);
    if (round % 64 !== 0) continue;
    const what = `seed ${seed}, after ${written} descriptors`;
    expect(exchange(attacked, round), what).toEqual(exchange(quiet, round));
    expect(honestState(attacked), what).toEqual(honestState(quiet));
    expect(raw.guards(), what).toEqual([]);
  }
  expect(written).toBeGreaterThanOrEqual(COUNT);
  expect(raw.contextWord(HOSTILE, D.CONTEXT_ERRORS)).toBe(refusals(raw));
  expect(refusals(raw), `seed ${seed}`).toBeGreaterThan(COUNT / 2);
  for (const reason of REFUSALS) expect(raw.drop(reason), `reason ${reason}`).toBeGreaterThan(0);
  expect(raw.contextWord(HOSTILE, D.CONTEXT_FENCED)).toBe(0);
  expect(raw.contextWord(1, D.CONTEXT_ERRORS)).toBe(0);
  expect(raw.sequenceFaults()).toBe(0);
}, 600_000);
