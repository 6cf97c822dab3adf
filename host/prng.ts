/**
 * Seeded randomness for link models, worlds and tests: sfc32 (Chris Doty-Humphrey, PractRand)
 * seeded by splitmix32. Invariant: only 32-bit integer operations, so every runtime draws the
 * same numbers. Not for secrets: those come from the platform's entropy.
 *
 * ```ts
 * const prng = new Prng(42);
 * const loss = prng.fork("loss"); // independent of what others draw
 * if (loss.float() < 0.01) drop();
 * ```
 */

const WARM_UP_DRAWS = 12;

/** One step of splitmix32: the state advances by the golden ratio, the output is a mix of it. */
function splitmix(state: number): number {
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** A deterministic stream of numbers. */
export class Prng {
  readonly #seedLow: number;
  readonly #seedHigh: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed a safe integer; throws RangeError otherwise */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) {
      throw new RangeError(`prng: expected a safe integer as seed, got ${seed}`);
    }
    this.#seedLow = seed >>> 0;
    this.#seedHigh = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.#a = splitmix((this.#seedLow + 0x9e3779b9) | 0) | 0;
    this.#b = splitmix((this.#seedHigh + 0x3c6ef372) ^ this.#a) | 0;
    this.#c = splitmix((this.#a + 0xdaa66d2b) ^ this.#b) | 0;
    for (let i = 0; i < WARM_UP_DRAWS; i += 1) this.uint32();
  }

  /** A number in 0 .. 2^32 - 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** A number in 0 .. n - 1, without bias; n in 1 .. 2^32, throws RangeError otherwise. */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000) {
      throw new RangeError(`prng.below: expected 1..4294967296, got ${n}`);
    }
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n);
    let drawn = this.uint32();
    // At most half of the range is refused, so the loop ends soon.
    while (drawn >= limit) drawn = this.uint32();
    return drawn % n;
  }

  /** Fills `bytes`: the entropy of a host whose run must repeat. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.uint32();
      for (let k = 0; k < 4 && i + k < bytes.length; k += 1) bytes[i + k] = word >>> (8 * k);
    }
  }

  /**
   * An independent stream named by `label`. It depends on this stream's seed and the label only,
   * not on how much has been drawn: adding a consumer leaves the others as they were.
   */
  fork(label: string): Prng {
    let low = this.#seedLow;
    let high = this.#seedHigh ^ 0x85ebca6b;
    for (let i = 0; i < label.length; i += 1) {
      low = splitmix((low ^ label.charCodeAt(i)) + 0x9e3779b9);
      high = splitmix((high + low + i) | 0);
    }
    low = splitmix((low ^ label.length) + 0x9e3779b9);
    return new Prng((high & 0x1f_ffff) * 0x1_0000_0000 + low);
  }
}
