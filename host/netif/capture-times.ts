/**
 * Times of a capture. A file's stamps are 64-bit counts of any unit, may go backwards (several
 * processors, a clock that was set) and may be absurd. Invariant: time() never falls, and stays
 * where a number is exact to the nanosecond.
 */

const NS_PER_SECOND = 1_000_000_000n;
/** Further ahead or behind it is no order of events, but another clock: time goes on from there. */
const JUMP_NS_MAX = 86_400e9;
/** 52 days: beyond it all frames have this time. */
const TIME_NS_MAX = 2 ** 52;

/** if_tsresol of pcapng when there is none: microseconds. */
export const RESOLUTION_DEFAULT = 6;
const POWER_OF_TWO = 0x80;

/** Units of a stamp: 10^-n s, or 2^-n s with the top bit set (if_tsresol), after an offset. */
export class CaptureUnits {
  readonly #factor: bigint;
  readonly #divisor: bigint;
  readonly #offset: bigint;

  /** `offset`: seconds that are added (if_tsoffset). */
  constructor(resolution: number = RESOLUTION_DEFAULT, offset = 0n) {
    const exponent = BigInt(resolution & ~POWER_OF_TWO);
    const isDecimal = (resolution & POWER_OF_TWO) === 0;
    const isExact = isDecimal && exponent <= 9n;
    this.#factor = isExact ? 10n ** (9n - exponent) : NS_PER_SECOND;
    this.#divisor = isExact ? 1n : (isDecimal ? 10n : 2n) ** exponent;
    this.#offset = offset * NS_PER_SECOND;
  }

  /** ns since 1970. */
  ns(high: number, low: number): bigint {
    const count = (BigInt(high) << 32n) | BigInt(low);
    return (count * this.#factor) / this.#divisor + this.#offset;
  }
}

/** Stamps as ns since the first of them, in order. */
export class CaptureClock {
  /** Frames whose time is not their stamp's. */
  adjusted = 0;
  #start: bigint | undefined;
  #last = 0;

  /**
   * The time of the next frame: its stamp less the first one; that of the frame before when the
   * stamp is earlier; after a jump of more than a day it counts on from the frame before.
   */
  time(timestamp: bigint): number {
    this.#start ??= timestamp;
    const time = Number(timestamp - this.#start);
    const last = this.#last;
    if (Math.abs(time - last) > JUMP_NS_MAX) {
      this.#start = timestamp - BigInt(last);
    } else if (time >= last && time <= TIME_NS_MAX) {
      this.#last = time;
      return time;
    }
    this.adjusted += 1;
    return last;
  }
}
