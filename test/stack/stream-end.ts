/**
 * One end of a stream test: sends seeded bytes, checks every byte that arrives against the other
 * end's seed, closes its half when all is sent. It may stop reading for a while.
 */
import { Prng } from "../../host/prng.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { SHUT_WR } from "../../host/libtoe/constants.ts";
import { ERRNO } from "../../host/errors.ts";

export interface StreamOptions {
  /** Bytes to send, and to expect. */
  readonly bytes: number;
  readonly expect: number;
  readonly seed: number;
  readonly expectSeed: number;
  /** Stops reading after this many bytes, for `pauseNs`. */
  readonly pauseAt?: number;
  readonly pauseNs?: number;
}

const CHUNK = 16384;

/** The bytes of a seed. */
export function streamBytes(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new Prng(seed).fill(bytes);
  return bytes;
}

export class StreamEnd {
  sent = 0;
  received = 0;
  /** First position at which a byte differed; -1 = none. */
  wrongAt = -1;
  /** The peer's end of stream was read, and so was ours acknowledged to the application. */
  ended = false;
  /** Errno of a call that failed. */
  error = 0;
  /** Until when nothing is read; ns. */
  pausedUntil = 0;
  readonly #toe: LibToe;
  readonly #fd: number;
  readonly #options: StreamOptions;
  readonly #out: Uint8Array;
  readonly #expected: Uint8Array;
  readonly #chunk = new Uint8Array(CHUNK);
  #shut = false;
  #paused = false;

  constructor(toe: LibToe, fd: number, options: StreamOptions) {
    this.#toe = toe;
    this.#fd = fd;
    this.#options = options;
    this.#out = streamBytes(options.seed, options.bytes);
    this.#expected = streamBytes(options.expectSeed, options.expect);
  }

  get finished(): boolean {
    return (this.ended && this.#shut) || this.error !== 0;
  }

  /** Does what it can; true when it did anything. */
  run(now: number): boolean {
    if (this.finished) return false;
    const sent = this.#send();
    const received = this.#receive(now);
    return sent || received;
  }

  #send(): boolean {
    let worked = false;
    while (!this.#shut) {
      const left = this.#out.length - this.sent;
      if (left === 0) {
        this.#shut = true;
        return this.#toe.shutdown(this.#fd, SHUT_WR) === 0;
      }
      const count = this.#toe.send(this.#fd, this.#out, this.sent, Math.min(left, CHUNK));
      if (count < 0 && count !== -ERRNO.EAGAIN) this.error = -count;
      if (count <= 0) return worked;
      this.sent += count;
      worked = true;
    }
    return worked;
  }

  #receive(now: number): boolean {
    const { pauseAt, pauseNs } = this.#options;
    if (pauseAt !== undefined && !this.#paused && this.received >= pauseAt) {
      this.#paused = true;
      this.pausedUntil = now + (pauseNs ?? 0);
    }
    let worked = false;
    while (now >= this.pausedUntil && !this.ended) {
      const count = this.#toe.recv(this.#fd, this.#chunk);
      if (count < 0 && count !== -ERRNO.EAGAIN) this.error = -count;
      if (count < 0) return worked;
      if (count === 0) this.ended = true;
      this.#check(count);
      worked = true;
      if (pauseAt !== undefined && !this.#paused && this.received >= pauseAt) return true;
    }
    return worked;
  }

  #check(count: number): void {
    for (let i = 0; i < count && this.wrongAt < 0; i += 1) {
      if (this.#chunk[i] !== this.#expected[this.received + i]) this.wrongAt = this.received + i;
    }
    this.received += count;
  }
}
