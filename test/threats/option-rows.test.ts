/**
 * Threats O01 to O13: TCP options (RFC 9293 3.1-3.2 MUST-4 to MUST-7 and MUST-64, RFC 7323,
 * RFC 2018). Documented choices: an illegal length ends the walk, is counted, and the segment is
 * kept with the options read so far; of several timestamps the first counts.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { AtxOpcode, InstallStatus } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { FLOW_NODELAY, FLOW_SACK, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { LAYOUT_DEFAULTS } from "../../bindings/layout.ts";
import { parseFrame } from "../model/reference-parser.ts";
import { RawConnection, STARTS } from "../rfc/raw-connection.ts";
import { type Block, Sender } from "../rfc/sender.ts";
import {
  ACK,
  buildFrame,
  sackOption,
  streamBytes,
  toHex,
  timestampOption,
} from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { Random } from "../support/random.ts";
import { RawCore, type FlowFields, type Outcome } from "../support/raw-core.ts";
import {
  bench,
  dataSegment,
  expectSound,
  expectTaken,
  segment,
  type Bench,
} from "./threat-bench.ts";

const OPTION_SPACE = 40;
/** Of the profile "rfc", ms. */
const RTO_LEAST = 1000;
const RTO_MOST = 120_000;
/** Option kinds that end or skip without a length. */
const SINGLE = new Set([0, 1]);

/** Which part of a row a test asks: that the segment is kept, or also which timestamp counted. */
const STAMPED = [
  ["the segment is kept", false],
  ["the timestamp counts", true],
] as const;

/** Options that make the header exactly 60 bytes. */
function full(options: readonly number[], fill = 1): number[] {
  return [...options, ...Array<number>(OPTION_SPACE - options.length).fill(fill)];
}

function illegalLength(length: number, what: string): void {
  const b = bench({ flags: FLOW_TIMESTAMPS });
  const stamp = timestampOption(7, 0);
  for (let kind = 0; kind < 256; kind += 1) {
    if (SINGLE.has(kind)) continue;
    const options = full([...stamp, kind, length]);
    const outcome = expectTaken(b, dataSegment(b, 4, { options }), 4, `${what}, kind ${kind}`);
    expect([...outcome.drops], `kind ${kind}`).toEqual([[DropReason.TcpOptionLength, 1]]);
  }
}

test("threats/O01 option length 0 does not loop (RFC 9293 MUST-7)", () => {
  illegalLength(0, "length 0");
});

test("threats/O02 option length 1 does not loop (RFC 9293 MUST-7)", () => {
  illegalLength(1, "length 1");
});

// A data path without timestamps keeps all but the last line of these rows, in tests of their own.
test.each(STAMPED)("threats/O03 a length past the header ends the walk: %s", (_what, counts) => {
  const b = bench({ flags: FLOW_TIMESTAMPS, tsRecent: 0 });
  let value = 1;
  for (const length of [29, 30, 40, 41, 128, 255]) {
    value += 10;
    const options = full([...timestampOption(value, 0), 30, length]);
    const outcome = expectTaken(b, dataSegment(b, 4, { options }), 4, `length ${length}`);
    expect([...outcome.drops]).toEqual([[DropReason.TcpOptionLength, 1]]);
    if (counts) expect(b.raw.inspect().tsRecent, "the timestamp before it").toBe(value);
  }
  // The whole header is one option that says it is longer; the kind alone fits at the end.
  for (const options of [full([8, 41]), full([8, 255]), full(Array<number>(39).fill(1), 8)]) {
    const plain = bench();
    const outcome = expectTaken(plain, dataSegment(plain, 4, { options }), 4);
    expect([...outcome.drops]).toEqual([[DropReason.TcpOptionLength, 1]]);
  }
});

test.each(STAMPED)("threats/O04 a known kind of a wrong length is ignored: %s", (_what, counts) => {
  const b = bench({ flags: FLOW_TIMESTAMPS, tsRecent: 0 });
  const rows: [string, number[]][] = [
    ["MSS 3", [2, 3, 1]],
    ["WS 2", [3, 2]],
    ["WS 4", [3, 4, 1, 1]],
    ["TS 9", [8, 9, 0x7f, 0, 0, 0, 0, 0, 0]],
    ["TS 11", [8, 11, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["SACK-permitted 3", [4, 3, 0]],
    ["SACK 2", [5, 2]],
    ["SACK 9", [5, 9, 0, 0, 0, 1, 0, 0, 0]],
    ["SACK 17", [5, 17, ...Array<number>(15).fill(9)]],
  ];
  let value = 0;
  for (const [what, bytes] of rows) {
    value += 1;
    const options = [...bytes, 8, 10, 0, 0, 0, value, 0, 0, 0, 0];
    const outcome = expectTaken(b, dataSegment(b, 4, { options }), 4, what);
    expect([...outcome.drops], what).toEqual([]);
    if (counts) expect(b.raw.inspect().tsRecent, `${what}: the option behind it`).toBe(value);
    expect(b.raw.inspect().peerWindow, what).toBe(0xffff);
  }
});

const SACK_LENGTHS = [3, 6, 9, 11, 14, 17, 19, 25, 33];

/** Five segments in flight, then SACK options of these lengths: none is sent again. */
function wrongLengths(lengths: readonly number[]): { b: Bench; una: number; blocks: number[] } {
  const una = 0xfffffe00;
  const b = bench({ flags: FLOW_SACK | FLOW_NODELAY, txSeq: una, mss: 1000 });
  b.raw.fill(b.flow, una, streamBytes(una, 5000));
  b.raw.post(1, { txAppend: 5000 });
  expect(b.raw.step().frames).toHaveLength(5);
  // Four of the five, were the option one.
  const blocks = sackOption([[(una + 1000) >>> 0, (una + 5000) >>> 0]]).slice(-8);
  for (const length of lengths) {
    const rest = Array<number>(Math.max(0, length - 10)).fill(0);
    const option = [5, length, ...blocks, ...rest].slice(0, length);
    // Another window each time: no duplicate ACK.
    const outcome = b.raw.offer([segment(b, { options: full(option), window: 60000 + length })]);
    expect(outcome.frames.length, `SACK ${length}`).toBe(0);
    expect([...outcome.drops], `SACK ${length}`).toEqual([]);
    expect(b.raw.inspect(), `SACK ${length}`).toMatchObject({ txUna: una, retransmits: 0 });
  }
  return { b, una, blocks };
}

test("threats/O04 SACK options of a wrong length say nothing of what has arrived", () => {
  // One each: Laminar as the paper has it counts an ACK that opens the window as a duplicate.
  for (const length of SACK_LENGTHS) {
    const { b, una } = wrongLengths([length]);
    b.raw.offer([segment(b, { ack: (una + 5000) >>> 0 })]);
    expect(b.raw.inspect(), "the connection lives").toMatchObject({ txSent: 0, retransmits: 0 });
  }
});

test("threats/O04 SACK options of a wrong length: that of the right one counts", () => {
  const { b, una, blocks } = wrongLengths(SACK_LENGTHS);
  const right = b.raw.offer([segment(b, { options: full([5, 10, ...blocks]) })]);
  const sent = right.frames.map((frame) => judgeSegment(frame).seq);
  // Laminar as the paper has it knows no blocks: a declared difference.
  expect(sent, "as a block it counts").toEqual([una]);
});

test.each(STAMPED)("threats/O05 40 NOPs; what follows the end of the list: %s", (_what, counts) => {
  const b = bench({ tsRecent: 0 });
  expectTaken(b, dataSegment(b, 4, { options: full([]) }), 4, "40 NOPs");
  const stamped = bench({ flags: FLOW_TIMESTAMPS, tsRecent: 5 });
  const first = [...timestampOption(6, 0), 0];
  for (const garbage of [
    [8, 10, 0, 0, 0, 99, 0, 0, 0, 0],
    [2, 0],
    [77, 255],
    [8, 1],
  ]) {
    const options = full([...first, ...garbage]);
    const outcome = expectTaken(stamped, dataSegment(stamped, 4, { options }), 4);
    expect([...outcome.drops], `${garbage}`).toEqual([]);
    if (counts) expect(stamped.raw.inspect().tsRecent).toBe(6);
  }
});

interface OptionCase {
  readonly kind: number;
  readonly length: number;
  readonly lead: number;
}

function optionCases(): OptionCase[] {
  const cases: OptionCase[] = [];
  for (let kind = 0; kind < 256; kind += 1) {
    for (let length = 0; length <= 40; length += 1) {
      for (let lead = 0; lead < 4; lead += 1) cases.push({ kind, length, lead });
    }
  }
  return cases;
}

/** One byte of data; `front`: options before those of the case. */
function caseFrame(b: Bench, one: OptionCase, seq: number, front: number[], random: Random) {
  const { kind, length, lead } = one;
  const options = [...front, ...Array<number>(lead).fill(1), kind, length];
  options.push(...random.bytes(OPTION_SPACE - options.length));
  const { remotePort: sourcePort, txSeq: ack } = b.flow;
  return buildFrame({ sourcePort, seq, ack, options, payload: streamBytes(seq, 1) });
}

/** "1 6000": an ACK of 6000 and nothing else, by the connection to this port from 40000 on. */
function plainAck(frame: Uint8Array): string {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const isPlain = view.getUint8(47) === ACK && frame.length === 34 + 4 * (view.getUint8(46) >>> 4);
  return isPlain ? `${view.getUint16(36) - 40000} ${view.getUint32(42)}` : toHex(frame);
}

test("threats/O06 every kind, every length 0 to 40, at every alignment", () => {
  const seed = 0x0006;
  const random = new Random(seed);
  const plain = bench();
  const { raw } = plain;
  const flags = FLOW_SACK | FLOW_TIMESTAMPS;
  const choice = { connection: 2, remotePort: 40001, flags, tsRecent: 7 };
  const benches = [plain, { raw, flow: raw.establish(choice) }] as const;
  // Kinds and lengths come to both connections; the timestamps of one are always right.
  const fronts = [[], timestampOption(7, 0)];
  const next = benches.map(({ flow }) => flow.rxSeq);
  const owner = () => ({ connection: 1, installed: true });
  const cases = optionCases();
  expect(cases).toHaveLength(41984);
  for (let first = 0; first < cases.length; first += 64) {
    const acks: string[] = [];
    const frames = cases.slice(first, first + 64).map((one) => {
      const to = (one.lead + one.length) & 1;
      const seq = next[to] as number;
      next[to] = seq + 1;
      acks.push(`${to} ${seq + 1}`);
      return caseFrame(benches[to] as Bench, one, seq, fronts[to] as number[], random);
    });
    const parsed = frames.map((one) => parseFrame(one, { medium: "ethernet", vlan: 0, owner }));
    const errors = parsed.filter(({ optionError }) => optionError).length;
    const outcome = raw.offer(frames);
    const what = `cases from ${JSON.stringify(cases[first])}, seed ${seed}`;
    const drops = errors === 0 ? [] : [[DropReason.TcpOptionLength, errors]];
    expect([[...outcome.drops], outcome.events], what).toEqual([drops, []]);
    // Each is data that is taken, and acknowledged, by nothing else than ACKs.
    const { flow } = benches[0];
    const taken = benches.map(({ flow: { connection } }) => raw.inspect(connection).rxNextSeq);
    expect(taken, what).toEqual(next);
    const sent = outcome.frames.map(plainAck);
    const kept = new Set([...sent, `0 ${next[0]}`, `1 ${next[1]}`]);
    expect(sent, what).toEqual(acks.filter((ack) => kept.has(ack)));
    for (const { connection } of [benches[0].flow, benches[1].flow]) {
      raw.post(flow.context, { connection, rxCredit: 32 });
    }
    expect(raw.notifications(flow.context).reduce((sum, { rxBump }) => sum + rxBump, 0)).toBe(64);
  }
  expectSound(raw);
  for (const one of benches) expectTaken(one, dataSegment(one, 8), 8, "the connection lives");
});

test.each(STAMPED)("threats/O07 of several timestamps the first counts: %s", (_what, counts) => {
  const b = bench({ flags: FLOW_TIMESTAMPS, tsRecent: 1 });
  const options = [...timestampOption(5, 0), ...timestampOption(9, 0)];
  expectTaken(b, dataSegment(b, 4, { options }), 4);
  if (counts) expect(b.raw.inspect().tsRecent).toBe(5);
});

/** Payload sizes of what the core sends when `bytes` wait and the window is wide open. */
function sizesSent(raw: RawCore, flow: FlowFields, bytes: number): number[] {
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, bytes));
  raw.post(flow.context, { txAppend: bytes });
  const frames = [...raw.step().frames, ...raw.step().frames];
  return frames.map((frame) => judgeSegment(frame).payloadLength).filter((length) => length > 0);
}

test("threats/O08 an MSS of any size leaves segments per byte bounded, and whole", () => {
  for (const mss of [0, 1, 47, 48, 1000, 65535]) {
    const { raw, flow } = bench({ flags: FLOW_NODELAY });
    raw.post(0, { opcode: AtxOpcode.SetMss, low: mss });
    const sizes = sizesSent(raw, flow, 3000);
    const sum = sizes.reduce((total, size) => total + size, 0);
    // One crossing sends at most TRANSMIT_MAX segments.
    expect(sum, `mss ${mss}`).toBe(3000);
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThanOrEqual(MSS_MIN);
    for (const size of sizes) expect(size + 54).toBeLessThanOrEqual(LAYOUT_DEFAULTS.frameBytes);
  }
});

test("threats/O08 install() refuses an MSS that no frame holds, or lowers it", () => {
  for (const mss of [0, 1483, 2000, 65535]) {
    const raw = new RawCore(testCore());
    const flow = raw.bind({ mss, flags: FLOW_NODELAY });
    const status = raw.core.exports.install(raw.core.address);
    if (status === InstallStatus.Invalid) continue;
    for (const size of sizesSent(raw, flow, 3000)) {
      expect(size + 54, `mss ${mss}`).toBeLessThanOrEqual(LAYOUT_DEFAULTS.frameBytes);
    }
  }
});

test("threats/O09 window shifts above 14 act as 14, or are refused (RFC 7323, 2.3)", () => {
  for (const peerScale of [14, 15, 31, 32, 255]) {
    const raw = new RawCore(testCore());
    const flow = raw.bind({ peerScale });
    const status = raw.core.exports.install(raw.core.address);
    if (status === InstallStatus.Invalid && peerScale > 14) continue;
    expect(status).toBe(InstallStatus.Ok);
    const b: Bench = { raw, flow };
    expectTaken(b, dataSegment(b, 4, { window: 3 }), 4);
    expect(raw.inspect().peerWindow, `shift ${peerScale}`).toBe(3 << 14);
  }
});

test("threats/O10 SYN options on other segments are ignored (RFC 9293 MUST-65)", () => {
  const b = bench();
  const options = [2, 4, 0, 1, 3, 3, 7, 4, 2, 0];
  expectTaken(b, dataSegment(b, 4, { options, window: 50000 }), 4);
  expect(b.raw.inspect().peerWindow).toBe(50000);
  expect(b.raw.inspect().flags & (FLOW_SACK | FLOW_TIMESTAMPS)).toBe(0);
  expect(sizesSent(b.raw, b.flow, 600)).toEqual([600]);
});

test("threats/O11 an echo that we never sent gives no RTT sample", () => {
  // Our clock is between 1,000 and 1,030 ms: later echoes are of the future.
  for (const echo of [0, 1, 1031, 1032, 2000, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const b = bench({ flags: FLOW_TIMESTAMPS, tsRecent: 1 });
    b.raw.fill(b.flow, b.flow.txSeq, streamBytes(0, 500));
    b.raw.post(1, { txAppend: 500 });
    expect(b.raw.step().frames).toHaveLength(1);
    const elapsed = 30e6;
    b.raw.now += elapsed;
    b.raw.offer([segment(b, { ack: b.flow.txSeq + 500, options: timestampOption(2, echo) })]);
    const { srtt, txUna } = b.raw.inspect();
    expect(txUna).toBe(b.flow.txSeq + 500);
    // What the data path measured itself stands.
    expect(srtt, `echo ${echo}`).toBe(elapsed);
  }
});

/** Ticks of 1 ms that an echo lies back, where any tick of the past counts up to two minutes. */
const ECHOES: readonly (readonly [what: string, age: number, isTaken: boolean])[] = [
  ["of this tick", 0, true],
  ["of a second ago", 1000, true],
  ["of 119 s ago", 119_000, true],
  ["of the limit, 120 s ago", 120_000, true],
  ["of one tick more", 120_001, false],
  ["of 121 s ago", 121_000, false],
  ["of the next tick", -1, false],
  ["of a second to come", -1000, false],
  ["of half of the clock away", 2 ** 31, false],
];

/** RFC 7323, 4: after timeouts the echo is what says which of the segments has arrived. */
test.each(ECHOES)("threats/O11, C08: after two timeouts an echo %s", (_what, age, isTaken) => {
  for (const start of STARTS) {
    const stamped = timestampOption(1, 0);
    const c = new RawConnection(start, { syn: [2, 4, 3, 232, ...stamped], later: stamped });
    const first = c.synAck.timestamp?.value;
    if (first === undefined) throw new Error("SYN-ACK: expected a timestamp");
    const opened = c.peer.now;
    c.pass(200e9, 1e10);
    expect(c.write(500)).toHaveLength(1);
    // A second, and two: nothing else of ours bears a tick of these.
    expect(c.pass(4e9)).toHaveLength(2);
    const before = c.toe.connections()[0];
    expect(before).toMatchObject({ backoff: 2 });
    const echo = (first + (c.peer.now - opened) / 1e6 - age) >>> 0;
    c.send({ ack: c.ack + 500, options: timestampOption(1, echo) });
    const after = c.toe.connections()[0];
    const { srtt = 0, rttvar = 0, rto = 0 } = before ?? {};
    const sample = Math.max(age, 1);
    const expected = isTaken ? (7 * srtt + sample) / 8 : srtt;
    expect(after?.srtt).toBeCloseTo(expected, 5);
    expect(after).toMatchObject(isTaken ? { backoff: 0 } : { rttvar, rto, backoff: 2 });
    expect(after?.rto).toBeGreaterThanOrEqual(RTO_LEAST);
    expect(after?.rto).toBeLessThanOrEqual(RTO_MOST);
    // The next expiry is what all of that is about; a wheel's step is about 1 ms.
    const due = Math.min((after?.rto ?? 0) * 2 ** (after?.backoff ?? 0), RTO_MOST);
    c.ack = (c.ack + 500) >>> 0;
    expect(c.write(500)).toHaveLength(1);
    expect(c.pass((due - 3) * 1e6, 1e9)).toEqual([]);
    expect(c.pass(6e6, 1e6)).toHaveLength(1);
  }
});

test("threats/O12 options that nobody asked for leave no state", () => {
  const b = bench();
  const rows: [string, number[]][] = [
    ["MD5", [19, 18, ...Array<number>(16).fill(5)]],
    ["AO", [29, 16, ...Array<number>(14).fill(5)]],
    ["TFO cookie", [34, 10, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["MPTCP", [30, 12, ...Array<number>(10).fill(0x81)]],
    ["UTO", [28, 4, 0x80, 1]],
    ["experimental", [253, 8, 0xf9, 0x89, 1, 2, 3, 4]],
  ];
  const before = b.raw.inspect().flags;
  for (const [what, options] of rows) {
    const outcome = expectTaken(b, dataSegment(b, 4, { options }), 4, what);
    expect([...outcome.drops], what).toEqual([]);
    for (const frame of outcome.frames) {
      expect(judgeSegment(frame).payloadOffset, `${what}: the answer carries no option`).toBe(54);
    }
  }
  expect(b.raw.inspect().flags).toBe(before);
});

const ORIGIN = 0xfffffe00;

/** "2:3 5:7" as blocks. */
function blocksOf(text: string): Block[] {
  return text.split(" ").map((one) => {
    const [from = 0, to = 0] = one.split(":").map(Number);
    return [from, to];
  });
}

/** Bytes from the first one in flight on, where 1000 are. */
const LIES: readonly (readonly [what: string, blocks: string])[] = [
  ["inverted", "500:100"],
  ["empty", "100:100"],
  ["huge", "1:2147483647"],
  ["half of the space", "100:2147483748"],
  ["whole space", "1:0"],
  ["below una", "-1000:-500"],
  ["below una, and of half of what is in flight", "-1000:500"],
  ["all of it, from una on", "0:1000"],
  ["above next", "2000:3000"],
  ["one byte beyond next", "100:1001"],
  ["four lies", "500:100 100:1001 1:0 2000:3000"],
];

/** Ten segments of 100 bytes in flight. */
function tenInFlight(): Bench {
  const b = bench({ flags: FLOW_SACK | FLOW_NODELAY, txSeq: ORIGIN, mss: 100 });
  b.raw.fill(b.flow, ORIGIN, streamBytes(ORIGIN, 1000));
  b.raw.post(1, { txAppend: 1000 });
  expect(b.raw.step().frames).toHaveLength(10);
  return b;
}

/** Another window each time: without its blocks such an ACK is no duplicate. */
function lie(b: Bench, blocks: string, window: number): Outcome {
  const at = (offset: number): number => (ORIGIN + offset) >>> 0;
  const options = sackOption(blocksOf(blocks).map(([from, to]) => [at(from), at(to)] as const));
  const outcome = b.raw.offer([segment(b, { options, window })]);
  expect([[...outcome.drops], outcome.events], blocks).toEqual([[], []]);
  expectSound(b.raw, blocks);
  return outcome;
}

/** RFC 2018, 8: a sender keeps the data until the cumulative acknowledgment covers it. */
test("threats/O13 data is kept whatever SACK blocks say", () => {
  const b = tenInFlight();
  LIES.forEach(([what, blocks], i) => {
    lie(b, blocks, 50_000 + i);
    expect(b.raw.inspect().txUna, what).toBe(ORIGIN);
  });
  b.raw.post(0, { opcode: AtxOpcode.Retransmit });
  const again = Array.from({ length: 4 }, () => b.raw.step().frames).flat();
  const offsets = new Set<number>();
  for (const { seq, payload } of again.map((frame) => judgeSegment(frame))) {
    offsets.add((seq - ORIGIN) >>> 0);
    expect(payload).toEqual(streamBytes(seq, 100));
  }
  expect([...offsets].sort((one, two) => one - two)).toEqual(
    Array.from({ length: 10 }, (_, i) => i * 100),
  );
  b.raw.offer([segment(b, { ack: (ORIGIN + 1000) >>> 0 })]);
  expect(b.raw.inspect()).toMatchObject({ txUna: 488, txSent: 0, txAvail: 0 });
});

test("threats/O13: SACK blocks that lie send nothing again, though told four times", () => {
  const b = tenInFlight();
  const { retransmits, cwnd, ssthresh, dupAcks } = b.raw.inspect();
  const kept = { txUna: ORIGIN, txSent: 1000, retransmits, cwnd, ssthresh, dupAcks };
  LIES.forEach(([what, blocks], i) => {
    for (let time = 0; time < 4; time += 1) {
      expect(lie(b, blocks, 50_000 + 4 * i + time).frames.length, what).toBe(0);
      expect(b.raw.inspect(), what).toMatchObject(kept);
    }
  });
  expect(b.raw.counter(Counter.FastRetransmits)).toBe(0);
  // As much told in earnest counts.
  const sent = lie(b, "300:400 500:600 700:800", 50_000).frames.map((one) => judgeSegment(one));
  expect(sent[0]?.seq).toBe(ORIGIN);
});

/** Segments: two of ten at most, which are not enough to make the first one lost. */
const REPEATED: readonly (readonly [what: string, blocks: string])[] = [
  ["twice the same", "2:3 2:3"],
  ["four times the same", "2:3 2:3 2:3 2:3"],
  ["two, twice each", "2:3 5:6 2:3 5:6"],
  ["one within another", "3:4 2:4"],
  ["overlapping, three and their sum", "2:4 2:3 3:4 2:4"],
  ["overlapping by halves", "2:3.5 2.5:4 3:4 2:3"],
  ["touching", "2:2.5 2.5:3 3:3.5 3.5:4"],
];

test.each(REPEATED)("threats/O13: blocks %s make no more runs or bytes lost", (_what, text) => {
  const blocks = blocksOf(text);
  for (const origin of [5000, ORIGIN]) {
    const one = new Sender(origin);
    expect(one.first).toHaveLength(10);
    // RFC 6675, 4: nothing is lost yet; RFC 3042: one new segment for the duplicate.
    expect(one.ack(0, ...blocks)).toEqual([10]);
    for (let i = 0; i < 5; i += 1) expect(one.ack(0, ...blocks)).toEqual([]);
    expect(one.raw.inspect()).toMatchObject({ txUna: origin, retransmits: 0 });
    expect(one.raw.counter(Counter.FastRetransmits)).toBe(0);
    // Three runs are: two more are told.
    expect(one.ack(0, [8, 9], [6, 7], ...blocks.slice(0, 2))).toContain(0);
    expectSound(one.raw);
  }
});
