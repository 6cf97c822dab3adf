/**
 * Big-endian loads and stores for header fields.
 *
 * Wasm memory is little-endian and network order is big-endian (RFC 791 appendix B, RFC 9293
 * section 3.1), so every 16- and 32-bit header field goes through here. None of them needs an
 * aligned address. `offset` is added at run time (asc folds an offset into a load only where it is
 * written as a constant, not through a parameter); a constant one costs a single addition.
 */

/** Network-order 16-bit field at `address + offset`, as 0..65535. */
// @ts-ignore: decorator
@inline
export function load16be(address: usize, offset: usize = 0): u32 {
  return <u32>bswap<u16>(load<u16>(address + offset));
}

/** Network-order 32-bit field at `address + offset`. */
// @ts-ignore: decorator
@inline
export function load32be(address: usize, offset: usize = 0): u32 {
  return bswap<u32>(load<u32>(address + offset));
}

/** Stores the low 16 bits of `value` in network order at `address + offset`. */
// @ts-ignore: decorator
@inline
export function store16be(address: usize, value: u32, offset: usize = 0): void {
  store<u16>(address + offset, bswap<u16>(<u16>value));
}

/** Stores `value` in network order at `address + offset`. */
// @ts-ignore: decorator
@inline
export function store32be(address: usize, value: u32, offset: usize = 0): void {
  store<u32>(address + offset, bswap<u32>(value));
}

/** Longer copies are left to memory.copy, which V8 calls out for. */
const COPY_INLINE_MAX: u32 = 256;

// @ts-ignore: decorator
@inline
function copyTwoVectors(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/**
 * Copies `length` bytes between places that do not overlap; nothing beyond them is touched. Vectors
 * at the end may repeat bytes of those before them: that is cheaper than counting out the rest.
 */
export function copyBytes(to: usize, from: usize, length: u32): void {
  if (length > COPY_INLINE_MAX) {
    memory.copy(to, from, length);
    return;
  }
  if (length < 32) {
    copyFew(to, from, length);
    return;
  }
  const lastTo = to + length - 32;
  const lastFrom = from + length - 32;
  // The first and the last: of a small message no more is left for a loop.
  copyTwoVectors(to, from);
  for (let at: usize = 32; to + at < lastTo; at += 32) copyTwoVectors(to + at, from + at);
  copyTwoVectors(lastTo, lastFrom);
}

/**
 * Zeroes `length` bytes, a multiple of 32. By vectors: memory.fill() is a call outside of the
 * module.
 */
// @ts-ignore: decorator
@inline
export function clearVectors(at: usize, length: u32): void {
  const zero = i64x2.splat(0);
  for (let done: u32 = 0; done < length; done += 32) {
    v128.store(at + done, zero);
    v128.store(at + done, zero, 16);
  }
}

/** Fewer than 32 bytes. */
function copyFew(to: usize, from: usize, length: u32): void {
  if (length >= 16) {
    const rest = length - 16;
    const first = v128.load(from);
    v128.store(to + rest, v128.load(from + rest));
    v128.store(to, first);
    return;
  }
  let at: u32 = 0;
  if ((length & 8) != 0) {
    store<u64>(to, load<u64>(from));
    at = 8;
  }
  if ((length & 4) != 0) {
    store<u32>(to + at, load<u32>(from + at));
    at += 4;
  }
  for (; at < length; at++) store<u8>(to + at, load<u8>(from + at));
}
