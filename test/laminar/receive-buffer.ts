/**
 * The host's side of a robustness run: the payload buffer as a ring that really stores bytes, the
 * application that reads what it was notified of, and which bytes have ever been placed. Positions
 * are stream offsets; byte n of the stream is always patternByte(n).
 */

/** Byte `offset` of every stream: a hash, so that no ring's length is a period of it. */
export function patternByte(offset: number): number {
  return Math.imul(offset + 1, 0x9e3779b1) >>> 24;
}

export class ReceiveBuffer {
  readonly bytes: number;
  readonly #ring: Uint8Array;
  /** 1 for each byte of the stream that was placed at least once. */
  readonly #present: Uint8Array;
  #contiguous = 0;
  #consumed = 0;
  #notified = 0;
  #corruptAt: number | undefined;

  constructor(bytes: number, streamBytes: number) {
    this.bytes = bytes;
    this.#ring = new Uint8Array(bytes);
    this.#present = new Uint8Array(streamBytes);
  }

  /** All bytes before this one have been placed. */
  get contiguous(): number {
    return this.#contiguous;
  }

  /** What the application has read. */
  get consumed(): number {
    return this.#consumed;
  }

  /** Up to where the application was told to read. */
  get notified(): number {
    return this.#notified;
  }

  /** The first byte that the application read and that was not the stream's. */
  get corruptAt(): number | undefined {
    return this.#corruptAt;
  }

  place(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += 1) {
      this.#ring[at % this.bytes] = patternByte(at);
      this.#present[at] = 1;
    }
    const gap = this.#present.indexOf(0, this.#contiguous);
    this.#contiguous = gap < 0 ? this.#present.length : gap;
  }

  /** True when all bytes of [from, to) were placed at least once. */
  holds(from: number, to: number): boolean {
    if (to > this.#present.length) return false;
    const gap = this.#present.indexOf(0, from);
    return gap < 0 || gap >= to;
  }

  notify(offset: number): void {
    this.#notified = Math.max(this.#notified, offset);
  }

  /** The application reads at most `most` bytes, and none at or beyond `limit`. */
  read(most: number, limit: number): void {
    const end = Math.min(this.#consumed + most, limit, this.#notified);
    for (; this.#consumed < end; this.#consumed += 1) {
      if (this.#ring[this.#consumed % this.bytes] === patternByte(this.#consumed)) continue;
      this.#corruptAt ??= this.#consumed;
    }
  }
}
