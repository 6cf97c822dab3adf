/**
 * Chunks of a file in, pieces of a wanted length out, in order. Invariant: what is held over from
 * one chunk to the next is at most `most` bytes, however long the file is; no buffer's size comes
 * from the file.
 */
import { CaptureError } from "./capture-format.ts";

/** What most frames and headers fit into. */
const SHORT_BYTES = 4096;
const EMPTY = new Uint8Array(0);

export class CaptureChunks {
  /** Bytes of the file in front of the next piece. */
  offset = 0;
  readonly #most: number;
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  /** Holds a piece that chunks cut; made when the first one is, in one of two sizes. */
  #pending: Uint8Array = EMPTY;
  #held = 0;
  #toSkip = 0;

  /** `most`: bytes of the longest piece. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes that are kept beside the chunk: of a piece whose end has not come. */
  get held(): number {
    return this.#held;
  }

  /** The next bytes of the file. Throws RangeError while a chunk is not used up. */
  push(chunk: Uint8Array): void {
    const left = this.#chunk.length - this.#at;
    if (left > 0) {
      throw new RangeError(
        `capture push: expected next() to have used all, got ${left} bytes left`,
      );
    }
    // Not as Node's Buffer, whose slice() copies nothing.
    this.#chunk = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** Passes over so many bytes, of this chunk and of those to come, and keeps none. */
  skip(bytes: number): void {
    this.#toSkip += bytes;
    this.#passOver();
  }

  /** The next `bytes`, valid until the next call; undefined when they have not come. */
  take(bytes: number): Uint8Array | undefined {
    this.#passOver();
    if (this.#toSkip > 0) return undefined;
    const chunk = this.#chunk;
    const left = chunk.length - this.#at;
    if (this.#held === 0 && left >= bytes) {
      this.#at += bytes;
      this.offset += bytes;
      return chunk.subarray(this.#at - bytes, this.#at);
    }
    // Nothing of this piece is held yet when it is the first that is so long.
    if (this.#pending.length < bytes) {
      this.#pending = new Uint8Array(bytes > SHORT_BYTES ? this.#most : SHORT_BYTES);
    }
    const moved = Math.min(left, bytes - this.#held);
    this.#pending.set(chunk.subarray(this.#at, this.#at + moved), this.#held);
    this.#at += moved;
    this.#held += moved;
    if (this.#held < bytes) return undefined;
    this.#held = 0;
    this.offset += bytes;
    return this.#pending.subarray(0, bytes);
  }

  /** The file ends here: throws CaptureError when more of it was announced. `wanted`: a piece. */
  end(wanted: number): void {
    const got = this.#held;
    if (this.#toSkip > 0) {
      throw new CaptureError(this.offset, `${this.#toSkip} bytes more`, "the end of the file");
    }
    if (got < wanted) throw new CaptureError(this.offset, `${wanted} bytes`, `${got} and the end`);
  }

  #passOver(): void {
    if (this.#toSkip === 0) return;
    const passed = Math.min(this.#toSkip, this.#chunk.length - this.#at);
    this.#at += passed;
    this.#toSkip -= passed;
    this.offset += passed;
  }
}
