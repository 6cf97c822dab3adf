/**
 * The keyed tuple hash. Method: the two forms against each other; load of 2^16 buckets under the
 * tuples that real and hostile peers make, against what a random function would give; avalanche;
 * and differences that collide for one key must not collide for others.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { Random } from "../../support/random.ts";

interface HashExports {
  hashTuple(key0: bigint, key1: bigint, remote: number, local: number, ports: number): number;
  hashTupleIpv4(key0: bigint, key1: bigint, remote: number, local: number, ports: number): number;
}

const { exports: hash, memory } = loadTesting<HashExports>();
const bytes = new Uint8Array(memory.buffer);
const words = new Uint32Array(memory.buffer);
const SEED = seedOf(20260102);
const REMOTE = 4096;
const LOCAL = 4112;
const LOCAL_IPV4 = 0x0100000a; // 10.0.0.1 as it stands in memory
const BUCKETS = 65536;
const KEYS: readonly (readonly [bigint, bigint])[] = [
  [0x0123456789abcdefn, 0xfedcba9876543210n],
  [0n, 0n],
  [0xffffffffffffffffn, 0xffffffffffffffffn],
  [1n, 0n],
];

const key = (random: Random): bigint => (BigInt(random.u32()) << 32n) | BigInt(random.u32());

function tuple(pair: readonly [bigint, bigint], ports: number): number {
  return hash.hashTuple(pair[0], pair[1], REMOTE, LOCAL, ports) >>> 0;
}

function tupleIpv4(pair: readonly [bigint, bigint], remote: number, ports: number): number {
  return hash.hashTupleIpv4(pair[0], pair[1], remote, LOCAL_IPV4, ports) >>> 0;
}

function mapped(at: number, address: number): void {
  bytes.fill(0, at, at + 10);
  bytes.fill(0xff, at + 10, at + 12);
  words[(at + 12) / 4] = address;
}

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

/** Chi-squared over its degrees of freedom: about 1 for a random function. */
function spread(count: number, make: (i: number) => number, shift = 0): number {
  const load = new Uint32Array(BUCKETS);
  for (let i = 0; i < count; i += 1) {
    const bucket = (make(i) >>> shift) & (BUCKETS - 1);
    load[bucket] = (load[bucket] as number) + 1;
  }
  const mean = count / BUCKETS;
  return load.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0) / (BUCKETS - 1);
}

test(`the IPv4 form is the mapped form (seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let i = 0; i < 2000; i += 1) {
    const pair = i < KEYS.length ? (KEYS[i] as [bigint, bigint]) : [key(random), key(random)];
    const [remote, local, ports] = [random.u32(), random.u32(), random.u32()];
    mapped(REMOTE, remote);
    mapped(LOCAL, local);
    const [key0, key1] = pair as [bigint, bigint];
    const short = hash.hashTupleIpv4(key0, key1, remote, local, ports);
    expect(short).toBe(hash.hashTuple(key0, key1, REMOTE, LOCAL, ports));
  }
});

// What a random function gives at 4 a bucket: 1 +- 0.0055 (one sigma).
const PATTERNS: readonly (readonly [string, (i: number) => readonly [number, number]])[] = [
  ["sequential remote ports", (i) => [swap32(0x0a000002 + (i >>> 16)), i & 0xffff]],
  ["the other half of ports", (i) => [swap32(0x0a000002 + (i >>> 16)), (i & 0xffff) << 16]],
  ["sequential addresses", (i) => [swap32(0x0a000000 + i), 0x5000_01bb]],
  ["addresses in steps of 256", (i) => [swap32(((0x0a << 24) + i * 256) >>> 0), 0x5000_01bb]],
  ["address and port together", (i) => [swap32(0x0a000000 + i), swap32(i)]],
  ["high bits only", (i) => [(i << 14) >>> 0, 0]],
];
for (const [name, at] of PATTERNS) {
  test(`spread over 2^16 buckets: ${name}`, () => {
    for (const pair of KEYS.slice(0, 3)) {
      for (const shift of [0, 16]) {
        const chi = spread(4 * BUCKETS, (i) => tupleIpv4(pair, ...at(i)), shift);
        expect(chi, `${pair} shift ${shift}`).toBeLessThan(1.05);
      }
    }
  });
}

test("spread over 2^16 buckets: each of the nine words of an IPv6 tuple alone", () => {
  for (let word = 0; word < 9; word += 1) {
    bytes.fill(0, REMOTE, REMOTE + 32);
    const chi = spread(2 * BUCKETS, (i) => {
      if (word < 8) words[REMOTE / 4 + word] = swap32(i);
      return tuple(KEYS[0] as [bigint, bigint], word === 8 ? i : 0);
    });
    expect(chi, `word ${word}`).toBeLessThan(1.05);
  }
});

test(`every input bit changes every output bit about half the time (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const ROUNDS = 400;
  for (let bit = 0; bit < 288; bit += 1) {
    const flips = new Uint32Array(32);
    for (let round = 0; round < ROUNDS; round += 1) {
      const pair: [bigint, bigint] = [key(random), key(random)];
      const ports = random.u32();
      bytes.set(random.bytes(32), REMOTE);
      const before = tuple(pair, ports);
      const inPorts = bit >= 256;
      const at = REMOTE + (bit >>> 3);
      if (!inPorts) bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      const changed = before ^ tuple(pair, inPorts ? ports ^ (1 << (bit - 256)) : ports);
      for (let out = 0; out < 32; out += 1) {
        flips[out] = (flips[out] as number) + ((changed >>> out) & 1);
      }
    }
    // Sigma is 10 at 400 rounds; 9,216 samples stay within 6 sigma.
    for (const n of flips) expect(Math.abs(n - ROUNDS / 2), `bit ${bit}`).toBeLessThan(60);
  }
});

test("exchanging remote and local, or addresses and ports, changes the hash", () => {
  const pair = KEYS[0] as [bigint, bigint];
  const forward = hash.hashTupleIpv4(...pair, 0x0200000a, 0x0100000a, 0x12345678);
  expect(hash.hashTupleIpv4(...pair, 0x0100000a, 0x0200000a, 0x12345678)).not.toBe(forward);
  expect(hash.hashTupleIpv4(...pair, 0x0200000a, 0x0100000a, 0x56781234)).not.toBe(forward);
  expect(hash.hashTupleIpv4(...pair, 0x12345678, 0x0100000a, 0x0200000a)).not.toBe(forward);
});

test(`different keys give different results (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const seen = new Set<number>();
  const pair = KEYS[0] as [bigint, bigint];
  for (let bit = 0n; bit < 64n; bit += 1n) {
    seen.add(tupleIpv4([pair[0] ^ (1n << bit), pair[1]], 0x0200000a, 1));
    seen.add(tupleIpv4([pair[0], pair[1] ^ (1n << bit)], 0x0200000a, 1));
  }
  for (let i = 0; i < 1000; i += 1) seen.add(tupleIpv4([key(random), key(random)], 0x0200000a, 1));
  expect(seen.size).toBe(1128);
});

test(`threats: tuples that share a bucket for one key spread for another (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const known = KEYS[0] as [bigint, bigint];
  const flood: number[] = [];
  // 256 tuples in one of 1,024 buckets, found by an attacker who knows the key.
  for (let i = 0; flood.length < 256; i += 1) {
    if ((tupleIpv4(known, swap32(0x0a000000 + i), i) & 1023) === 0) flood.push(i);
  }
  for (let round = 0; round < 50; round += 1) {
    const pair: [bigint, bigint] = [key(random), key(random)];
    const load = new Uint32Array(1024);
    for (const i of flood) {
      const bucket = tupleIpv4(pair, swap32(0x0a000000 + i), i) & 1023;
      load[bucket] = (load[bucket] as number) + 1;
    }
    expect(Math.max(...load)).toBeLessThan(10);
  }
});

test(`threats: no chosen difference collides whatever the key (seed ${SEED})`, () => {
  const random = new Random(SEED);
  // Top bits of an address word against those of its neighbours and the ports.
  const deltas = [0x80000000, 0x00010000, 0xffff0000, 0x00000001, 0x80008000];
  let collisions = 0;
  for (let round = 0; round < 4000; round += 1) {
    const pair: [bigint, bigint] = [key(random), key(random)];
    const [remote, ports] = [random.u32(), random.u32()];
    for (const a of deltas) {
      for (const b of deltas) {
        const other = tupleIpv4(pair, (remote ^ a) >>> 0, (ports ^ b) >>> 0);
        const sum = tupleIpv4(pair, (remote + a) >>> 0, (ports - b) >>> 0);
        const base = tupleIpv4(pair, remote, ports);
        if (base === other || base === sum) collisions += 1;
      }
    }
  }
  // 200,000 pairs: a random function gives 0.00005.
  expect(collisions).toBe(0);
});
