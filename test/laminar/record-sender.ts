/**
 * A client of a shared log: segments of whole records, sent again from the oldest one that is not
 * acknowledged, in other segments than before. Positions count from the beginning of the stream.
 */
import type { Random } from "../support/random.ts";

const RTO_TICKS = 40;
const DUPLICATE_ACKS = 3;

/** Bytes [from, to) of the stream. */
export interface RecordSegment {
  readonly from: number;
  readonly to: number;
}

export class RecordSender {
  /** Where each record begins; the last is the end of the stream. */
  readonly #bounds: readonly number[];
  readonly #random: Random;
  #una = 0;
  #next = 0;
  #max = 0;
  #edge: number;
  readonly #overrun: number;
  #duplicates = 0;
  #deadline = RTO_TICKS;

  /** `overrun`: share of segments that may go beyond the window, 0 to 1. */
  constructor(bounds: readonly number[], window: number, overrun: number, random: Random) {
    this.#bounds = bounds;
    this.#edge = window;
    this.#overrun = overrun;
    this.#random = random;
  }

  get acknowledged(): number {
    return this.#una;
  }

  /** The segment of this tick, or undefined. */
  segment(tick: number): RecordSegment | undefined {
    let probe = this.#random.below(1000) < this.#overrun * 1000;
    if (tick >= this.#deadline) {
      this.#deadline = tick + RTO_TICKS;
      this.#next = this.#una;
      probe = true;
    }
    const first = this.#bounds.indexOf(this.#next);
    let last = first;
    for (let count = this.#random.between(1, 5); count > 0; count -= 1) {
      const end = this.#bounds[last + 1];
      if (end === undefined || (end > this.#edge && !probe)) break;
      if (end > this.#edge) probe = false;
      last += 1;
    }
    if (last === first) return undefined;
    const to = this.#bounds[last] as number;
    const segment = { from: this.#next, to };
    this.#next = to;
    this.#max = Math.max(this.#max, to);
    return segment;
  }

  /** Returns false for an acknowledgment of bytes that were never sent. */
  acknowledge(ack: number, window: number, tick: number): boolean {
    if (ack > this.#max || !this.#bounds.includes(ack)) return false;
    if (ack < this.#una) return true;
    if (ack > this.#una) {
      this.#una = ack;
      this.#next = Math.max(this.#next, ack);
      this.#duplicates = 0;
      this.#deadline = tick + RTO_TICKS;
    } else if (this.#max > this.#una) {
      this.#duplicates += 1;
      if (this.#duplicates === DUPLICATE_ACKS) this.#next = this.#una;
    }
    this.#edge = ack + window;
    return true;
  }
}
