/**
 * Internet checksum. Method: a byte-at-a-time sum in TypeScript as the reference, compared after
 * folding, over lengths, alignments and extreme bytes; packets in pieces; the RFC's own example.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { Random } from "../../support/random.ts";

interface ChecksumExports {
  sumWords(address: number, length: number): bigint;
  sumSmall(address: number, length: number): bigint;
  copyAndSum(destination: number, source: number, length: number): bigint;
  fold(sum: bigint): number;
  swapSum(sum: bigint): bigint;
}

const { exports: checksum, memory, view } = loadTesting<ChecksumExports>();
const bytes = new Uint8Array(memory.buffer);
const SEED = seedOf(20260101);
const SOURCE = 65536;
const DESTINATION = 262144;
const CANARY = 0xa5;
const LENGTHS = [...Array.from({ length: 301 }, (_, i) => i), 1448, 1460, 65534, 65535];

/** RFC 1071, section 4.1, over little-endian words; exact, not folded. */
function reference(data: Uint8Array): number {
  let sum = 0;
  for (const [at, byte] of data.entries()) sum += at % 2 === 0 ? byte : byte * 256;
  return sum;
}

/** One's-complement reduction: 0 only for 0. */
function folded(sum: number): number {
  return sum === 0 ? 0 : ((sum - 1) % 65535) + 1;
}

/** Exact sums and partial sums that only the last bits agree on fold to the same value. */
const foldOf = (sum: bigint): number => checksum.fold(BigInt.asUintN(64, sum)) >>> 0;

/** Data at `at` with `around` the byte on both sides: one read outside changes the sum. */
function put(at: number, data: Uint8Array, around: number): void {
  bytes.fill(around, at - 32, at + data.length + 32);
  bytes.set(data, at);
}

/** Failing rows: [alignment, length]. */
function mismatches(lengths: readonly number[], make: (length: number) => Uint8Array): number[][] {
  return lengths.flatMap((length) => {
    const data = make(length);
    const want = folded(reference(data));
    const wrong: number[][] = [];
    for (let alignment = 0; alignment < 16; alignment += 1) {
      put(SOURCE + alignment, data, 0xff);
      const got = foldOf(checksum.sumWords(SOURCE + alignment, length));
      if (got !== want) wrong.push([alignment, length]);
    }
    return wrong;
  });
}

test(`sumWords is the reference at all lengths and alignments (seed ${SEED})`, () => {
  const random = new Random(SEED);
  expect(mismatches(LENGTHS, (length) => random.bytes(length))).toEqual([]);
});

test.each([0x00, 0x01, 0x80, 0xff])("sumWords of all bytes %i", (byte) => {
  expect(mismatches(LENGTHS, (length) => new Uint8Array(length).fill(byte))).toEqual([]);
});

test(`copyAndSum copies exactly and sums as sumWords does (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const wrong: number[][] = [];
  for (const length of LENGTHS) {
    const data = random.bytes(length);
    const want = folded(reference(data));
    for (let alignment = 0; alignment < 16; alignment += 1) {
      const to = DESTINATION + ((alignment * 7) & 15);
      put(SOURCE + alignment, data, 0xff);
      bytes.fill(CANARY, to - 64, to + length + 64);
      const got = foldOf(checksum.copyAndSum(to, SOURCE + alignment, length));
      const copied = Buffer.compare(bytes.subarray(to, to + length), data) === 0;
      const before = bytes.subarray(to - 64, to).every((byte) => byte === CANARY);
      const after = bytes.subarray(to + length, to + length + 64).every((byte) => byte === CANARY);
      if (got !== want || !copied || !before || !after) wrong.push([alignment, length]);
    }
  }
  expect(wrong).toEqual([]);
});

test("copyAndSum between neighbours that touch", () => {
  for (const length of [1, 7, 8, 31, 32, 33, 1460]) {
    const data = new Random(SEED + length).bytes(length);
    bytes.set(data, SOURCE);
    checksum.copyAndSum(SOURCE + length, SOURCE, length);
    checksum.copyAndSum(SOURCE - length, SOURCE, length);
    expect(bytes.slice(SOURCE - length, SOURCE)).toEqual(data);
    expect(bytes.slice(SOURCE + length, SOURCE + 2 * length)).toEqual(data);
  }
});

test(`sumSmall is the reference for headers of 4..60 bytes (seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let length = 4; length <= 60; length += 4) {
    for (let alignment = 0; alignment < 16; alignment += 1) {
      const data = random.oneIn(4) ? new Uint8Array(length).fill(0xff) : random.bytes(length);
      put(SOURCE + alignment, data, 0xff);
      const got = foldOf(checksum.sumSmall(SOURCE + alignment, length));
      expect(got).toBe(folded(reference(data)));
    }
  }
});

test("RFC 1071, section 3: the example, in memory order", () => {
  bytes.set([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], SOURCE);
  // The RFC's big-endian sum is ddf2; ours is its byte-swapped form and is stored as it is.
  const sum = foldOf(checksum.sumWords(SOURCE, 8));
  expect(sum).toBe(0xf2dd);
  view.setUint16(SOURCE + 8, ~sum & 0xffff, true);
  expect(view.getUint16(SOURCE + 8)).toBe(~0xddf2 & 0xffff);
  expect(foldOf(checksum.sumWords(SOURCE, 10))).toBe(0xffff);
});

test("RFC 791: the checksum of a known IPv4 header", () => {
  // 172.16.10.99 -> 172.16.10.12, TCP, 60 bytes; checksum b1e6.
  const header = [
    0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00, 0xac, 0x10, 0x0a, 0x63,
    0xac, 0x10, 0x0a, 0x0c,
  ];
  bytes.set(header, SOURCE);
  view.setUint16(SOURCE + 10, ~foldOf(checksum.sumSmall(SOURCE, 20)) & 0xffff, true);
  expect(view.getUint16(SOURCE + 10)).toBe(0xb1e6);
  expect(foldOf(checksum.sumSmall(SOURCE, 20))).toBe(0xffff);
});

const FOLDS: readonly (readonly [bigint, number])[] = [
  [0n, 0],
  [1n, 1],
  [0xfffen, 0xfffe],
  [0xffffn, 0xffff],
  [0x10000n, 1],
  [0x1fffen, 0xffff],
  [0xffff0000n, 0xffff],
  [0xffffffffn, 0xffff],
  [0x100000000n, 1],
  [0x1fffeffffn, 0xffff],
  // A carry in each of the three steps.
  [0xffff0001ffffffffn, 1],
  [0xfffffffffffffffen, 0xfffe],
  [0xffffffffffffffffn, 0xffff],
];
test.each(FOLDS)("fold(%s) is %i", (sum, want) => {
  expect(foldOf(sum)).toBe(want);
  expect(checksum.swapSum(sum)).toBe(BigInt(((want << 8) | (want >> 8)) & 0xffff));
});

test(`fold is the sum modulo 65,535 for any u64 (seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let i = 0; i < 10_000; i += 1) {
    const sum = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
    expect(BigInt(foldOf(sum)) % 65535n).toBe(sum % 65535n);
  }
});

test(`a packet in up to three pieces, odd lengths included (seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let i = 0; i < 2000; i += 1) {
    const data = random.bytes(random.between(3, 1460));
    const first = random.below(data.length);
    const cuts = [0, first, random.between(first, data.length), data.length];
    bytes.set(data, SOURCE + 3);
    let sum = 0n;
    for (let piece = 0; piece < 3; piece += 1) {
      const from = cuts[piece] as number;
      const part = checksum.sumWords(SOURCE + 3 + from, (cuts[piece + 1] as number) - from);
      sum += from % 2 === 0 ? part : checksum.swapSum(part);
    }
    expect(foldOf(sum)).toBe(folded(reference(data)));
  }
});
