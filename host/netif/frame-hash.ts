/**
 * A running hash over every frame put on a set of links: two runs are the same exactly when it
 * is. Two 32-bit lanes of multiply-and-mix, not for secrets. Invariant: only 32-bit integer
 * operations over (time, direction, length, the first 128 bytes), so all runtimes agree.
 */
import type { FrameTap } from "./frame-tap.ts";

const HASHED_BYTES = 128;

export class FrameHash {
  #low = 0x243f6a88 | 0;
  #high = 0x85a308d3 | 0;

  /** A tap for one link; `link` tells links apart. */
  tap(link: number): FrameTap {
    let view: DataView = new DataView(new ArrayBuffer(0));
    let viewed: Uint8Array | undefined;
    return {
      frame: (now, side, bytes, offset, length) => {
        if (viewed !== bytes) {
          view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          viewed = bytes;
        }
        this.#word(now | 0);
        this.#word(Math.floor(now / 0x1_0000_0000));
        this.#word((link << 1) | side);
        this.#word(length);
        this.#bytes(view, offset, Math.min(length, HASHED_BYTES));
      },
    };
  }

  /** 16 hex digits of what has been hashed so far. */
  digest(): string {
    const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, "0");
    return hex(finish(this.#high ^ this.#low)) + hex(finish(this.#low + 0x9e3779b9));
  }

  #word(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x9e3779b1);
    this.#low = (this.#low << 13) | (this.#low >>> 19);
    this.#high = Math.imul(this.#high + word, 0x85ebca77);
    this.#high = (this.#high << 17) | (this.#high >>> 15);
  }

  #bytes(view: DataView, offset: number, length: number): void {
    let low = this.#low;
    let high = this.#high;
    const whole = length & ~3;
    for (let i = 0; i < length; i += 4) {
      let word = 0;
      if (i < whole) {
        word = view.getInt32(offset + i, true);
      } else {
        for (let k = i; k < length; k += 1) word = (word << 8) | view.getUint8(offset + k);
      }
      low = Math.imul(low ^ word, 0x9e3779b1);
      low = (low << 13) | (low >>> 19);
      high = Math.imul(high + word, 0x85ebca77);
      high = (high << 17) | (high >>> 15);
    }
    this.#low = low;
    this.#high = high;
  }
}

function finish(lane: number): number {
  const mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  const again = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return again ^ (again >>> 16);
}
