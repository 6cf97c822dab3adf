/**
 * What the applications write: bytes that their place in the stream and the connection's ends
 * decide, so that whoever sees some of them knows whether they are right. The period is a prime:
 * neither a buffer's size nor a window's is a multiple of it.
 */
import { Prng } from "../../host/prng.ts";

const PERIOD = 65521;
const PIECE = 65536;

const TABLE = new Uint8Array(PERIOD + PIECE);
new Prng(0x7e57).fill(TABLE.subarray(0, PERIOD));
// One by one: a copy at once would take what has not come round yet.
for (let at = PERIOD; at < TABLE.length; at += 1) TABLE[at] = TABLE[at - PERIOD] as number;

/** Where in the table a stream begins: from its ends' addresses and ports. */
export function patternOf(source: number, sourcePort: number, to: number, toPort: number): number {
  const mixed =
    Math.imul(source ^ (sourcePort << 8), 0x9e3779b1) + Math.imul(to ^ toPort, 0x85ebca6b);
  return ((mixed ^ (mixed >>> 15)) >>> 0) % PERIOD;
}

/** Up to 65,536 bytes of a stream from `at` on; valid for reading only. */
export function patternBytes(pattern: number, at: number, length: number): Uint8Array {
  const from = (pattern + at) % PERIOD;
  return TABLE.subarray(from, from + length);
}

/** Place of the first byte that differs from the stream's, or -1. */
export function patternDiffers(
  pattern: number,
  at: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
): number {
  const from = (pattern + at) % PERIOD;
  for (let i = 0; i < length; i += 1) {
    if (bytes[offset + i] !== TABLE[from + i]) return at + i;
  }
  return -1;
}
