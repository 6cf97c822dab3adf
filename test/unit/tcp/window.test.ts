/**
 * Windows. Method: the trimming and acceptability points that flextoe.md 4.1 lists (no wrap, the
 * window wraps, the packet wraps, both wrap), then a set of sequence numbers as the model; the
 * announced window in a random walk of a receiver; the sender's rules as a table.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { Random } from "../../support/random.ts";
import type { TcpExports } from "../../support/tcp-records.ts";

const tcp = loadTesting<TcpExports>().exports;
const u32 = (value: number): number => value >>> 0;

const PACKET = 1400;
const WINDOW_WRAPS = 4294965248; // 2^32 - 2048
const BOTH_WRAP = 4294966784; // 2^32 - 512

//  next, window, seq, acceptable, trimmed at the start, at the end, first byte is next
const POINTS = [
  // No wrap.
  [2048, 8192, 2048, true, 0, 0, true],
  [2048, 8192, 2000, true, 48, 0, true],
  [2048, 1000, 2000, true, 48, 352, true],
  [2048, 1000, 2048, true, 0, 400, true],
  [2048, 8192, 2049, true, 0, 0, false],
  [2048, 8192, 9000, true, 0, 160, false],
  [2048, 8192, 10239, true, 0, 1399, false],
  [2048, 8192, 10240, false, 0, 1400, false],
  [2048, 8192, 16384, false, 0, 1400, false],
  [2048, 8192, 649, true, 1399, 0, true],
  [2048, 8192, 648, false, 1400, 0, true],
  [2048, 8192, 0, false, 1400, 0, true],
  // The window wraps.
  [WINDOW_WRAPS, 8192, WINDOW_WRAPS, true, 0, 0, true],
  [WINDOW_WRAPS, 8192, WINDOW_WRAPS - 48, true, 48, 0, true],
  [WINDOW_WRAPS, 8192, WINDOW_WRAPS + 1, true, 0, 0, false],
  [WINDOW_WRAPS, 8192, 0, true, 0, 0, false],
  [WINDOW_WRAPS, 8192, 6143, true, 0, 1399, false],
  [WINDOW_WRAPS, 8192, 6144, false, 0, 1400, false],
  [WINDOW_WRAPS, 8192, 6145, false, 0, 1400, false],
  [WINDOW_WRAPS, 8192, WINDOW_WRAPS - 1400, false, 1400, 0, true],
  // Window and packet wrap.
  [BOTH_WRAP, 8192, BOTH_WRAP, true, 0, 0, true],
  [BOTH_WRAP, 8192, BOTH_WRAP - 84, true, 84, 0, true],
  [BOTH_WRAP, 1000, BOTH_WRAP - 84, true, 84, 316, true],
  [BOTH_WRAP, 8192, BOTH_WRAP + 1, true, 0, 0, false],
  [BOTH_WRAP, 8192, 7680, false, 0, 1400, false],
  // The packet wraps and the window does not.
  [512, 8192, 4294966784, true, 1024, 0, true],
  [512, 300, 4294966784, true, 1024, 76, true],
  [1000, 8192, 4294966784, false, 1400, 0, true],
  [4294960000, 1000, 4294966784, false, 0, 1400, false],
] as const;

test("RFC 9293 3.10.7.4: acceptable, trimmed at both ends, or out of the window", () => {
  expect(POINTS.length).toBe(29);
  for (const [next, window, seq, acceptable, start, end, first] of POINTS) {
    const row = [next, window, seq];
    const got = tcp.sequenceAcceptable(seq, PACKET, next, window) !== 0;
    expect([...row, got]).toEqual([...row, acceptable]);
    expect([...row, u32(tcp.trimStart(seq, PACKET, next))]).toEqual([...row, start]);
    expect([...row, u32(tcp.trimEnd(seq, PACKET, next, window))]).toEqual([...row, end]);
    if (acceptable) expect([...row, u32(seq + start) === next]).toEqual([...row, first]);
  }
});

/** Which rows of (next, window, length, shift) the functions get wrong, by a set of offsets. */
function trimmingErrors(next: number, window: number, length: number): number[][] {
  const errors = [];
  for (let shift = -20; shift <= 20; shift += 1) {
    const seq = u32(next + shift);
    // The model: offsets of the bytes, those from 0 to window - 1 being inside.
    const offsets = Array.from({ length }, (_, index) => shift + index);
    const before = offsets.filter((offset) => offset < 0).length;
    const after = offsets.filter((offset) => offset >= window).length;
    const acceptable = before + after < length ? 1 : 0;
    const right =
      tcp.sequenceAcceptable(seq, length, next, window) === acceptable &&
      tcp.trimStart(seq, length, next) === before &&
      tcp.trimEnd(seq, length, next, window) === after;
    if (!right) errors.push([next, window, length, shift]);
  }
  return errors;
}

test("trimming keeps exactly the bytes that lie in the window", () => {
  for (const next of [0, 1, 100, 0x7ffffffc, 0x80000002, 0xfffffffc, 0xffffffff]) {
    for (let window = 0; window <= 9; window += 1) {
      for (let length = 1; length <= 9; length += 1) {
        expect(trimmingErrors(next, window, length)).toEqual([]);
      }
    }
  }
});

test("RFC 9293 3.10.7.4: a segment without bytes has a place", () => {
  //  seq, next, window, acceptable
  const rows = [
    [100, 100, 0, true],
    [101, 100, 0, false],
    [99, 100, 0, false],
    [100, 100, 1, true],
    [101, 100, 1, false],
    [99, 100, 65535, false],
    [65634, 100, 65535, true],
    [65635, 100, 65535, false],
    [3, 0xfffffff0, 20, true],
    [4, 0xfffffff0, 20, false],
    [0xffffffef, 0xfffffff0, 20, false],
  ] as const;
  for (const [seq, next, window, acceptable] of rows) {
    const got = tcp.sequenceAcceptable(seq, 0, next, window) !== 0;
    expect([seq, next, window, got]).toEqual([seq, next, window, acceptable]);
  }
});

test("RFC 9293 3.8.6.2.2: the edge advances by min(half the buffer, mss)", () => {
  for (const [shift, mss, step] of [
    [16, 1460, 1460],
    [11, 1460, 1024],
    [12, 1460, 1460],
    [10, 536, 512],
    [30, 65535, 65535],
  ] as const) {
    expect(tcp.windowStep(shift, mss)).toBe(step);
  }
});

test("RFC 9293 3.8.6.2.2: reading is told at a quarter, or while a segment is still free", () => {
  for (const [shift, mss, threshold] of [
    [16, 1460, 16384],
    // Two segments are more than the rest of the buffer.
    [12, 1460, 1024],
    [12, 1800, 496],
    [11, 1460, 0],
    [10, 536, 0],
  ] as const) {
    expect(tcp.creditThreshold(shift, mss)).toBe(threshold);
  }
});

//  avail, announced beyond rxNext, scale, step, field
const FIELDS = [
  [65535, 0, 0, 1460, 65535],
  [65536, 0, 0, 1460, 65535],
  [0, 0, 0, 1460, 0],
  // MUST-39: less than one step more is not announced, one step is.
  [1459, 0, 0, 1460, 0],
  [1460, 0, 0, 1460, 1460],
  [6459, 5000, 0, 1460, 5000],
  [6460, 5000, 0, 1460, 6460],
  // SHLD-14: what was announced stays announced.
  [5000, 5000, 0, 1460, 5000],
  [5000, 1, 0, 5000, 1],
  // Scaled by 128: rounded down when it advances, up when it is kept and the buffer has the bytes.
  [1048576, 0, 7, 1460, 8192],
  [10000, 1000, 7, 1460, 78],
  [1100, 1000, 7, 1460, 8],
  [1024, 1000, 7, 1460, 8],
  [1023, 1000, 7, 1460, 7],
  [1000, 1000, 7, 1460, 7],
  [127, 127, 7, 1460, 0],
  // A step below the scale's unit.
  [1023, 1000, 7, 10, 7],
  [1024, 1000, 7, 10, 8],
  [1151, 1025, 7, 10, 8],
  [16384 * 65535, 0, 14, 1460, 65535],
  [16384 * 65535 + 16383, 0, 14, 1460, 65535],
] as const;

test("MUST-39, SHLD-14: the window field", () => {
  for (const rxNext of [0, 1, 0x7fffffff, 0x80000000, 0xffffff00, 0xffffffff]) {
    for (const [avail, kept, scale, step, expected] of FIELDS) {
      const edge = u32(rxNext + kept);
      const field = tcp.receiveWindowField(avail, rxNext, edge, scale, step);
      expect([rxNext, avail, kept, scale, field]).toEqual([rxNext, avail, kept, scale, expected]);
    }
  }
});

test("an edge that rxNext has passed (a window probe was taken) counts as a closed window", () => {
  expect(tcp.receiveWindowField(1459, 1000, 999, 0, 1460)).toBe(0);
  expect(tcp.receiveWindowField(1460, 1000, 999, 0, 1460)).toBe(1460);
});

/** What a receiver announces at one moment of the walk. */
interface Announcement {
  readonly avail: number;
  readonly kept: number;
  readonly unit: number;
  readonly step: number;
  readonly wire: number;
}

/** The rule that an announcement breaks, or nothing. */
function brokenRule({ avail, kept, unit, step, wire }: Announcement): string | undefined {
  if (wire > avail) return "beyond the buffer";
  if (wire > 65535 * unit) return "beyond the field";
  if (wire <= kept - unit) return "the edge moved left by a unit";
  // Only a window that the buffer cannot round up is announced smaller.
  if (wire < kept && Math.ceil(kept / unit) * unit <= avail) return "the edge moved left";
  const best = Math.min(Math.floor(avail / unit), 65535) * unit;
  if (avail - kept < step) return wire < kept + unit ? undefined : "advanced by less than a step";
  return wire === best ? undefined : "did not advance";
}

function walk(random: Random, scale: number, where: string): void {
  const unit = 2 ** scale;
  const shift = 15 + scale;
  const step = tcp.windowStep(shift, 1460);
  let [rxNext, avail] = [u32(0xffffff00 - random.below(2 ** (shift + 2))), 2 ** shift];
  let edge = rxNext;
  for (let i = 0; i < 5000; i += 1) {
    const kept = u32(edge - rxNext);
    const field = tcp.receiveWindowField(avail, rxNext, edge, scale, step);
    const broken = brokenRule({ avail, kept, unit, step, wire: field * unit });
    if (broken !== undefined) throw new Error(`${where}, step ${i}: ${broken}`);
    const next = u32(tcp.announcedEdge(rxNext, field, scale, edge));
    if (u32(next - edge) >= 2 ** 31) throw new Error(`${where}, step ${i}: kept edge moved left`);
    edge = next;
    // The peer sends within the announced edge, the application reads what it likes.
    const received = random.below(Math.min(4000, u32(edge - rxNext)) + 1);
    rxNext = u32(rxNext + received);
    avail -= received;
    if (random.oneIn(3)) avail += random.below(Math.min(6000, 2 ** shift - avail) + 1);
  }
}

test("SHLD-14: over a random walk the edge never moves left by a scale unit", () => {
  const seed = seedOf(9293);
  const random = new Random(seed);
  for (const scale of [0, 1, 4, 7, 14]) walk(random, scale, `seed ${seed}, scale ${scale}`);
});

const MSS = 1460;
const BIG = 1_000_000;

//  avail, sent, cwnd, edge, nodelay, cork, windowMax, finPending, bytes
const SENDS = [
  // Nothing to send, nothing allowed.
  [0, 0, BIG, BIG, 0, 0, BIG, 0, 0],
  [BIG, 0, 0, BIG, 0, 0, BIG, 0, 0],
  [BIG, 0, BIG, 0, 0, 0, BIG, 0, 0],
  [BIG, 5000, 5000, BIG, 1, 0, BIG, 0, 0],
  [BIG, 5000, BIG, 5000, 1, 0, BIG, 0, 0],
  // The window shrank below what is in flight.
  [BIG, 5000, BIG, 4000, 1, 0, BIG, 0, 0],
  [BIG, 5000, 4000, BIG, 1, 0, BIG, 0, 0],
  // Rule 1: a full segment always.
  [BIG, 0, BIG, BIG, 0, 0, BIG, 0, MSS],
  [BIG, 5000, BIG, BIG, 0, 0, BIG, 0, MSS],
  [MSS, 5000, BIG, BIG, 0, 1, BIG, 0, MSS],
  [MSS, 0, MSS, MSS, 0, 1, BIG, 0, MSS],
  // Rule 2 and Nagle: the rest leaves when nothing is in flight, at once with TCP_NODELAY.
  [100, 0, BIG, BIG, 0, 0, BIG, 0, 100],
  [100, 1, BIG, BIG, 0, 0, BIG, 0, 0],
  [100, 1, BIG, BIG, 1, 0, BIG, 0, 100],
  [MSS - 1, 1, BIG, BIG, 0, 0, BIG, 0, 0],
  [100, 1, BIG, 101, 1, 0, BIG, 0, 100],
  // TCP_CORK holds the rest; no byte follows a FIN.
  [100, 0, BIG, BIG, 0, 1, BIG, 0, 0],
  [100, 0, BIG, BIG, 1, 1, BIG, 0, 0],
  [100, 1, BIG, BIG, 0, 0, BIG, 1, 100],
  [100, 0, BIG, BIG, 0, 1, BIG, 1, 100],
  [100, 1, BIG, BIG, 0, 1, BIG, 1, 100],
  // Rule 3: part of the data into a window that opened a little.
  [BIG, 0, BIG, 1000, 0, 0, BIG, 0, 0],
  [BIG, 0, BIG, 1000, 0, 0, 2000, 0, 1000],
  [BIG, 0, BIG, 999, 0, 0, 2000, 0, 0],
  [BIG, 0, BIG, 1000, 0, 0, 1000, 0, 1000],
  [BIG, 1, BIG, 1001, 0, 0, 2000, 0, 0],
  [BIG, 1, BIG, 1001, 1, 0, 2000, 0, 1000],
  [BIG, 0, BIG, 1, 1, 0, BIG, 0, 0],
  [BIG, 0, BIG, 1, 0, 0, 1, 0, 1],
  // What cwnd leaves free is no small window of the peer.
  [BIG, 0, 1000, BIG, 1, 0, 1000, 0, 0],
] as const;

test("MUST-38, MUST-17, SHLD-7: bytes of the next segment", () => {
  for (const row of SENDS) {
    const [avail, sent, cwnd, edge, nodelay, cork, windowMax, fin, expected] = row;
    const got = tcp.sendableBytes(avail, sent, cwnd, edge, MSS, nodelay, cork, windowMax, fin);
    expect([...row.slice(0, 8), got]).toEqual([...row.slice(0, 8), expected]);
  }
});

test("a segment that leaves whole is one that sendableBytes() lets go whole", () => {
  const edges = [0, 1, 99, 100, 101, MSS - 1, MSS, MSS + 1, MSS + 100, 2 * MSS];
  for (const append of [1, 100, MSS - 1, MSS, MSS + 1]) {
    for (const sent of [0, 1, 100, MSS]) {
      for (const nodelay of [0, 1]) {
        for (const [cwnd, edge] of edges.flatMap((one) => edges.map((other) => [one, other]))) {
          const [window, room] = [cwnd as number, edge as number];
          const bytes = tcp.sendableBytes(append, sent, window, room, MSS, nodelay, 0, 50, 0);
          const whole = tcp.mayLeaveWhole(append, sent, window, room, MSS, nodelay) !== 0;
          const row = [append, sent, nodelay, window, room];
          expect([row, whole]).toEqual([row, bytes === append]);
        }
      }
    }
  }
});

test("threats C06: a window that opens byte by byte draws no silly segments", () => {
  let [sent, edge, segments] = [0, 0, 0];
  for (let i = 0; i < 10 * MSS; i += 1) {
    edge += 1;
    const bytes = tcp.sendableBytes(BIG, sent, BIG, edge, MSS, 1, 0, 65535, 0);
    if (bytes > 0) segments += 1;
    sent += bytes;
  }
  expect([segments, sent]).toEqual([10, 10 * MSS]);
});
