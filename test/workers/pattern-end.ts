/** One end of a connection whose stream is a repeating pattern: sent and checked, never kept. */
import { ERRNO } from "../../host/errors.ts";
import { SHUT_WR } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";

/** A prime: no chunk, segment or buffer has the pattern's period. */
export const PERIOD = 65521;
const CHUNK = 16384;

/** Sends and checks one direction each of a connection, without keeping what was sent. */
export class PatternEnd {
  sent = 0;
  received = 0;
  failure: string | undefined;
  #ended = false;
  #shut = false;
  readonly #chunk = new Uint8Array(CHUNK);
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #bytes: number;
  readonly #pattern: Uint8Array;

  constructor(toe: LibToe, fd: number, bytes: number, pattern: Uint8Array) {
    this.#toe = toe;
    this.#fd = fd;
    this.#bytes = bytes;
    this.#pattern = pattern;
  }

  get finished(): boolean {
    return (this.#ended && this.#shut) || this.failure !== undefined;
  }

  run(): boolean {
    if (this.finished) return false;
    const sent = this.#send();
    return this.#receive() || sent;
  }

  #send(): boolean {
    if (this.#shut) return false;
    const left = this.#bytes - this.sent;
    if (left === 0) {
      this.#shut = true;
      return this.#toe.shutdown(this.#fd, SHUT_WR) === 0;
    }
    const from = this.sent % PERIOD;
    const length = Math.min(left, CHUNK, PERIOD - from);
    const count = this.#toe.send(this.#fd, this.#pattern, from, length);
    if (count < 0 && count !== -ERRNO.EAGAIN) this.failure = `send: ${count}`;
    if (count > 0) this.sent += count;
    return count > 0;
  }

  #receive(): boolean {
    if (this.#ended) return false;
    const count = this.#toe.recv(this.#fd, this.#chunk);
    if (count < 0 && count !== -ERRNO.EAGAIN) this.failure = `recv: ${count}`;
    if (count < 0) return false;
    if (count === 0) this.#ended = true;
    for (let i = 0; i < count; i += 1) {
      const at = this.received + i;
      if (this.#chunk[i] === this.#pattern[at % PERIOD]) continue;
      this.failure = `byte ${at}: ${this.#chunk[i]}`;
      return true;
    }
    this.received += count;
    if (count === 0 && this.received !== this.#bytes) {
      this.failure = `ended after ${this.received} of ${this.#bytes} bytes`;
    }
    return true;
  }
}
