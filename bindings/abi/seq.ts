/**
 * Sequence arithmetic modulo 2^32 (RFC 9293, 3.4), one text for AssemblyScript and TypeScript.
 * `>>>` forces both compilers to the same unsigned 32-bit answer; casts such as `<i32>` would not.
 */

/** True when `a` comes before `b`. */
export function seqBefore(a: u32, b: u32): bool {
  return (a - b) >>> 31 != 0;
}

/** True when `a` comes after `b`. */
export function seqAfter(a: u32, b: u32): bool {
  return (b - a) >>> 31 != 0;
}

/** True when `a` is `b` or comes before it. */
export function seqAtOrBefore(a: u32, b: u32): bool {
  return (b - a) >>> 31 == 0;
}

/** The number of bytes from `from` up to `to`. */
export function seqDistance(from: u32, to: u32): u32 {
  return (to - from) >>> 0;
}
