/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) over 32-bit words, the keyed function behind initial
 * sequence numbers (RFC 6528), ephemeral ports (RFC 6056) and timestamp offsets (RFC 7323, 7.1).
 * Invariant: the key stays in this object; it is never written to the core's memory (decision 16).
 */
import type { IpAddress } from "../address.ts";

/** One key and one running state; a call of hash() leaves its 64-bit result in `low`, `high`. */
export class KeyedHash {
  /** Words of the last result. */
  low = 0;
  high = 0;
  readonly #key = new Uint32Array(4);
  /** `key` is 16 bytes, read as little-endian words. Throws RangeError on another length. */
  constructor(key: Uint8Array) {
    if (key.length !== 16) {
      throw new RangeError(`KeyedHash: expected a key of 16 bytes, got ${key.length}`);
    }
    const view = new DataView(key.buffer, key.byteOffset, 16);
    for (let i = 0; i < 4; i += 1) this.#key[i] = view.getUint32(i * 4, true);
  }

  /** Hashes the first `count` words of `words`, each as four little-endian bytes. */
  hash(words: Uint32Array, count: number): void {
    const key = this.#key;
    // v0 to v3 of the definition as pairs of words, low ones in small letters.
    // "somepseudorandomlygeneratedbytes", its constants.
    let a = (key[0] as number) ^ 0x70736575;
    let A = (key[1] as number) ^ 0x736f6d65;
    let b = (key[2] as number) ^ 0x6e646f6d;
    let B = (key[3] as number) ^ 0x646f7261;
    let c = (key[0] as number) ^ 0x6e657261;
    let C = (key[1] as number) ^ 0x6c796765;
    let d = (key[2] as number) ^ 0x79746573;
    let D = (key[3] as number) ^ 0x74656462;
    // Blocks of two words, the last one with the length; then four rounds more.
    const blocks = (count >>> 1) + 1;
    let low = 0;
    let high = 0;
    for (let round = 0; round < blocks * 2 + 4; round += 1) {
      const block = round >>> 1;
      if ((round & 1) === 0) {
        // What a block was begun with ends it.
        a ^= low;
        A ^= high;
        const isLast = block === blocks - 1;
        low = block < blocks && block * 2 < count ? (words[block * 2] as number) | 0 : 0;
        high = block < blocks && !isLast ? (words[block * 2 + 1] as number) | 0 : 0;
        if (isLast) high = (count * 4) << 24;
        d ^= low;
        D ^= high;
        if (block === blocks) c ^= 0xff;
      }
      // One SipRound. The carry of an addition out of its top bits: a comparison would be a branch
      // that is taken every other time.
      let s = (a + b) | 0;
      A = (A + B + (((a & b) | ((a | b) & ~s)) >>> 31)) | 0;
      a = s;
      let t = ((b << 13) | (B >>> 19)) ^ a;
      B = ((B << 13) | (b >>> 19)) ^ A;
      b = t;
      t = a;
      a = A;
      A = t;
      s = (c + d) | 0;
      C = (C + D + (((c & d) | ((c | d) & ~s)) >>> 31)) | 0;
      c = s;
      t = ((d << 16) | (D >>> 16)) ^ c;
      D = ((D << 16) | (d >>> 16)) ^ C;
      d = t;
      s = (a + d) | 0;
      A = (A + D + (((a & d) | ((a | d) & ~s)) >>> 31)) | 0;
      a = s;
      t = ((d << 21) | (D >>> 11)) ^ a;
      D = ((D << 21) | (d >>> 11)) ^ A;
      d = t;
      s = (c + b) | 0;
      C = (C + B + (((c & b) | ((c | b) & ~s)) >>> 31)) | 0;
      c = s;
      t = ((b << 17) | (B >>> 15)) ^ c;
      B = ((B << 17) | (b >>> 15)) ^ C;
      b = t;
      t = c;
      c = C;
      C = t;
    }
    this.low = (a ^ b ^ c ^ d) >>> 0;
    this.high = (A ^ B ^ C ^ D) >>> 0;
  }
}

/** Puts an address into the words to be hashed; returns where the next one goes. */
export function putAddress(words: Uint32Array, at: number, address: IpAddress): number {
  if (typeof address === "number") {
    words[at] = address;
    return at + 1;
  }
  for (let i = 0; i < 4; i += 1) {
    words[at + i] = Number((address >> BigInt(96 - 32 * i)) & 0xffffffffn);
  }
  return at + 4;
}
