/**
 * Caches of the modelled machines: which keys are held, nothing of their contents. The two forms
 * of 4.4.1.1: fully associative with least-recently-used replacement (a CAM), and direct-mapped.
 */

export interface Cache {
  /** True when `key` was held; it is held afterwards. Keys are non-negative integers. */
  touch(key: number): boolean;
}

/** Fully associative, the key used longest ago leaves. */
export class LruCache implements Cache {
  readonly #entries: number;
  /** In order of last use, oldest first: a Map keeps the order of insertion. */
  readonly #held = new Map<number, true>();

  constructor(entries: number) {
    if (!(entries >= 1)) throw new RangeError(`LruCache: expected 1 entry or more, got ${entries}`);
    this.#entries = entries;
  }

  touch(key: number): boolean {
    const hit = this.#held.delete(key);
    if (!hit && this.#held.size >= this.#entries) {
      for (const oldest of this.#held.keys()) {
        this.#held.delete(oldest);
        break;
      }
    }
    this.#held.set(key, true);
    return hit;
  }
}

/** One place for each key: key modulo entries. */
export class DirectCache implements Cache {
  readonly #held: Float64Array;

  constructor(entries: number) {
    this.#held = new Float64Array(entries).fill(-1);
  }

  touch(key: number): boolean {
    const at = key % this.#held.length;
    const hit = this.#held[at] === key;
    this.#held[at] = key;
    return hit;
  }
}
