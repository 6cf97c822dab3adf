/**
 * The internet checksum (RFC 1071) as partial sums, in SIMD, and fused with the payload copy.
 *
 * Convention: one's-complement addition does not care about byte order (RFC 1071, section 2 (B)),
 * so everything here adds words as they stand in memory: little-endian loads of network bytes,
 * nothing swapped. Partial sums are plain u64s: add them with `+`, add a 16- or 32-bit header
 * field by adding what `load<u16>` or `load<u32>` gave, `fold` once at the end, and put the
 * complement in place with a plain `store<u16>(field, ~fold(sum))`. A correct packet, its
 * checksum included, folds to 0xffff. An odd last byte is the low byte of a last word whose high
 * byte is zero (RFC 1071, section 4.1).
 *
 * A value known only as a number (a length, the protocol) must be swapped before it is added:
 * `bswap<u16>(<u16>length)`.
 *
 * Fragments: the sums of two pieces add up when the first piece has an even length. Behind an
 * odd-length piece the byte lanes are exchanged, so the sum of a piece that starts at an odd
 * offset of the packet goes through `swapSum` first.
 *
 * Invariant: a partial sum is congruent modulo 65,535 to the sum of the 16-bit words, and 0 only
 * when all bytes are 0, so the folded value is the same whichever routine made it.
 */

/** Bytes of one turn of the SIMD loops: four vectors in two accumulators. */
const STRIDE: u32 = 64;
/**
 * Largest length of one sum. Each vector adds at most 65,536 to the magnitude of a 32-bit lane, so
 * the lane stays below 2^29 up to here.
 */
const LENGTH_MAX: u32 = 65535;
/** What bias() takes off the eight words of a vector, all together. */
const BIAS: u64 = 8 * 32768;

/**
 * The words of a vector, 32,768 less each and so signed, added in pairs: the multiplying addition
 * is signed, and one instruction, where widening unsigned words takes four on x86.
 */
// @ts-ignore: decorator
@inline
function addWords(sum: v128, words: v128): v128 {
  const biased = v128.xor(words, i16x8.splat(i16.MIN_VALUE));
  return i32x4.add(sum, i32x4.dot_i16x8_s(biased, i16x8.splat(1)));
}

/** Sum of the four 32-bit lanes, signed, and what the bias of `bytes` whole vectors took off. */
// @ts-ignore: decorator
@inline
function sumLanes(lanes: v128, bytes: usize): u64 {
  const pairs = i64x2.add(
    i64x2.extend_low_i32x4_s(lanes),
    i64x2.extend_high_i32x4_s(lanes),
  );
  const sum = i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1);
  return <u64>sum + <u64>(bytes >>> 4) * BIAS;
}

/** Both 32-bit halves of a word of memory, added: congruent to the sum of its four u16s. */
// @ts-ignore: decorator
@inline
function sumHalves(word: u64): u64 {
  return (word & 0xffffffff) + (word >> 32);
}

/** Sum of 1..7 bytes at `address`, reading none outside them. */
function sumFew(address: usize, length: u32): u64 {
  let sum: u64 = 0;
  let at = address;
  if (length & 4) {
    sum += <u64>load<u32>(at);
    at += 4;
  }
  if (length & 2) {
    sum += <u64>load<u16>(at);
    at += 2;
  }
  if (length & 1) sum += <u64>load<u8>(at);
  return sum;
}

/** Copies 1..7 bytes and sums them, touching none outside them. */
function copyAndSumFew(destination: usize, source: usize, length: u32): u64 {
  let sum: u64 = 0;
  let from = source;
  let to = destination;
  if (length & 4) {
    const word = load<u32>(from);
    store<u32>(to, word);
    sum += <u64>word;
    from += 4;
    to += 4;
  }
  if (length & 2) {
    const word = load<u16>(from);
    store<u16>(to, word);
    sum += <u64>word;
    from += 2;
    to += 2;
  }
  if (length & 1) {
    const byte = load<u8>(from);
    store<u8>(to, byte);
    sum += <u64>byte;
  }
  return sum;
}

/**
 * Partial sum of `length` bytes (0..65,535) at any alignment, in memory order; see the head of
 * this file. Reads no byte outside them.
 */
export function sumWords(address: usize, length: usize): u64 {
  assert(length <= LENGTH_MAX, "sumWords: length");
  if (length < 8) return sumFew(address, <u32>length);
  let at = address;
  const end = address + length;
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  const strides = at + (length & ~(STRIDE - 1));
  for (; at < strides; at += STRIDE) {
    even = addWords(even, v128.load(at));
    odd = addWords(odd, v128.load(at, 16));
    even = addWords(even, v128.load(at, 32));
    odd = addWords(odd, v128.load(at, 48));
  }
  if (length & 32) {
    even = addWords(even, v128.load(at));
    odd = addWords(odd, v128.load(at, 16));
    at += 32;
  }
  if (length & 16) {
    even = addWords(even, v128.load(at));
    at += 16;
  }
  let sum = sumLanes(i32x4.add(even, odd), length);
  if (length & 8) {
    sum += sumHalves(load<u64>(at));
    at += 8;
  }
  // The last 1..7 bytes are read with the ones before them, which the shift then drops: `at` is
  // an even distance from the start, so the lanes stay in place.
  if (at < end) sum += sumHalves(load<u64>(end - 8) >> ((8 - <u64>(end - at)) << 3));
  return sum;
}

/**
 * Copies `length` bytes (0..65,535) from `source` to `destination` and returns their partial sum:
 * one pass where a copy and a sum would be two. The ranges must not overlap; no byte outside them
 * is read or written.
 */
export function copyAndSum(destination: usize, source: usize, length: usize): u64 {
  assert(length <= LENGTH_MAX, "copyAndSum: length");
  assert(destination + length <= source || source + length <= destination, "copyAndSum: overlap");
  if (length < 8) return copyAndSumFew(destination, source, <u32>length);
  let from = source;
  let to = destination;
  const end = source + length;
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  const strides = from + (length & ~(STRIDE - 1));
  for (; from < strides; from += STRIDE, to += STRIDE) {
    const first = v128.load(from);
    const second = v128.load(from, 16);
    const third = v128.load(from, 32);
    const fourth = v128.load(from, 48);
    v128.store(to, first);
    v128.store(to, second, 16);
    v128.store(to, third, 32);
    v128.store(to, fourth, 48);
    even = addWords(even, first);
    odd = addWords(odd, second);
    even = addWords(even, third);
    odd = addWords(odd, fourth);
  }
  if (length & 32) {
    const first = v128.load(from);
    const second = v128.load(from, 16);
    v128.store(to, first);
    v128.store(to, second, 16);
    even = addWords(even, first);
    odd = addWords(odd, second);
    from += 32;
    to += 32;
  }
  if (length & 16) {
    const last = v128.load(from);
    v128.store(to, last);
    even = addWords(even, last);
    from += 16;
    to += 16;
  }
  let sum = sumLanes(i32x4.add(even, odd), length);
  if (length & 8) {
    const word = load<u64>(from);
    store<u64>(to, word);
    sum += sumHalves(word);
    from += 8;
  }
  if (from < end) {
    // As in sumWords; the bytes before the tail are stored again with the value they have.
    const word = load<u64>(end - 8);
    store<u64>(destination + length - 8, word);
    sum += sumHalves(word >> ((8 - <u64>(end - from)) << 3));
  }
  return sum;
}

/** Partial sum of a header: `length` is 4..60 bytes and a multiple of 4, at any alignment. */
export function sumSmall(address: usize, length: usize): u64 {
  assert(length <= 60 && (length & 3) == 0, "sumSmall: length");
  let sum: u64 = (length & 4) != 0 ? <u64>load<u32>(address) : 0;
  const end = address + length;
  for (let at = address + (length & 4); at < end; at += 8) sum += sumHalves(load<u64>(at));
  return sum;
}

/** The same of exactly five words, or of eight: of a TCP header without options or with one. */
// @ts-ignore: decorator
@inline
export function sumFiveOrEight(address: usize, isEight: bool): u64 {
  const first = <u64>load<u32>(address) + load<u32>(address, 4) + load<u32>(address, 8);
  const sum = first + load<u32>(address, 12) + load<u32>(address, 16);
  if (!isEight) return sum;
  return sum + load<u32>(address, 20) + load<u32>(address, 24) + load<u32>(address, 28);
}

/** Folds a partial sum to 16 bits, not complemented: 0 only for a sum of 0. Any u64 is right. */
// @ts-ignore: decorator
@inline
export function fold(sum: u64): u32 {
  // Added to itself with its halves exchanged, the upper half is the sum of both, with the carry
  // that the lower half gave: 64 -> 32 -> 16 bits.
  const words = <u32>((sum + rotl<u64>(sum, 32)) >> 32);
  return (words + rotl<u32>(words, 16)) >>> 16;
}

/**
 * The partial sum as it counts when its bytes start at an odd offset of the packet: byte lanes
 * exchanged (RFC 1071, section 2 (B)). Folds; the result is below 65,536.
 */
export function swapSum(sum: u64): u64 {
  const folded = fold(sum);
  return <u64>(((folded << 8) | (folded >> 8)) & 0xffff);
}
