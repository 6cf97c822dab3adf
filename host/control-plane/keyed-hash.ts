/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) over 32-bit words, the keyed function behind initial
 * sequence numbers (RFC 6528), ephemeral ports (RFC 6056) and timestamp offsets (RFC 7323, 7.1).
 * Invariant: the key stays in this object; it is never written to the core's memory (decision 16).
 */

/** One key and one running state; a call of hash() leaves its 64-bit result in `low`, `high`. */
export class KeyedHash {
  /** Words of the last result. */
  low = 0;
  high = 0;
  readonly #key = new Uint32Array(4);
  /** v0 to v3, low word first. */
  readonly #state = new Int32Array(8);

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
    const v = this.#state;
    this.#start();
    let i = 0;
    for (; i + 1 < count; i += 2) this.#block(words[i] as number, words[i + 1] as number);
    const length = (count * 4) << 24;
    if (i < count) this.#block(words[i] as number, length);
    else this.#block(0, length);
    v[4] = (v[4] as number) ^ 0xff;
    for (let round = 0; round < 4; round += 1) this.#round();
    this.low = ((v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number)) >>> 0;
    this.high = ((v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number)) >>> 0;
  }

  // "somepseudorandomlygeneratedbytes", the constants of the definition.
  #start(): void {
    const v = this.#state;
    const k0 = this.#key[0] as number;
    const k1 = this.#key[1] as number;
    const k2 = this.#key[2] as number;
    const k3 = this.#key[3] as number;
    v[0] = k0 ^ 0x70736575;
    v[1] = k1 ^ 0x736f6d65;
    v[2] = k2 ^ 0x6e646f6d;
    v[3] = k3 ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k1 ^ 0x6c796765;
    v[6] = k2 ^ 0x79746573;
    v[7] = k3 ^ 0x74656462;
  }

  #block(low: number, high: number): void {
    const v = this.#state;
    v[6] = (v[6] as number) ^ low;
    v[7] = (v[7] as number) ^ high;
    this.#round();
    this.#round();
    v[0] = (v[0] as number) ^ low;
    v[1] = (v[1] as number) ^ high;
  }

  // One SipRound on 64-bit words as pairs of 32; the carry of an addition is an unsigned compare.
  #round(): void {
    const v = this.#state;
    let a = v[0] as number;
    let A = v[1] as number;
    let b = v[2] as number;
    let B = v[3] as number;
    let c = v[4] as number;
    let C = v[5] as number;
    let d = v[6] as number;
    let D = v[7] as number;
    let t = 0;
    a = (a + b) | 0;
    A = (A + B + (a >>> 0 < b >>> 0 ? 1 : 0)) | 0;
    t = ((b << 13) | (B >>> 19)) ^ a;
    B = ((B << 13) | (b >>> 19)) ^ A;
    b = t;
    t = a;
    a = A;
    A = t;
    c = (c + d) | 0;
    C = (C + D + (c >>> 0 < d >>> 0 ? 1 : 0)) | 0;
    t = ((d << 16) | (D >>> 16)) ^ c;
    D = ((D << 16) | (d >>> 16)) ^ C;
    d = t;
    a = (a + d) | 0;
    A = (A + D + (a >>> 0 < d >>> 0 ? 1 : 0)) | 0;
    t = ((d << 21) | (D >>> 11)) ^ a;
    D = ((D << 21) | (d >>> 11)) ^ A;
    d = t;
    c = (c + b) | 0;
    C = (C + B + (c >>> 0 < b >>> 0 ? 1 : 0)) | 0;
    t = ((b << 17) | (B >>> 15)) ^ c;
    B = ((B << 17) | (b >>> 15)) ^ C;
    b = t;
    v[0] = a;
    v[1] = A;
    v[2] = b;
    v[3] = B;
    v[4] = C;
    v[5] = c;
    v[6] = d;
    v[7] = D;
  }
}
