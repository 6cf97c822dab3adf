/**
 * Round trips and the retransmission timeout as RFC 6298 says, in whole nanoseconds: a part of the
 * model of sender-model.ts. One segment at a time is timed (3), and a sample ends the backoff (5).
 */

/** G (RFC 6298, 2): the timers' step, 1,024 ns. */
const GRANULARITY = 1024;
/** A sample is at least 1 ns and at most 2^40. */
const SAMPLE_MAX = 2 ** 40;
/** The least round trip is that of a window of two halves of 2^17 times 2^20 ns. */
const HALF_TICKS = 2 ** 17;
const TICK = 2 ** 20;
const U32_MAX = 2 ** 32 - 1;

export interface RoundTripSettings {
  /** ns */
  readonly rtoMin: number;
  readonly rtoMax: number;
  readonly rtoInitial: number;
  /** The least variation is rtoMin, not G. */
  readonly minOnTop: boolean;
}

export class RoundTrips {
  readonly #settings: RoundTripSettings;
  /** 0 = no sample yet. */
  srtt = 0;
  variation = 0;
  rto: number;
  /** Of the window that moves on, and what it will be when it does. */
  least = 0;
  next = 0;
  since = 0;
  backoff = 0;
  /** A probe has left, and no sample has come since (RFC 8985, 7.3). */
  probed = false;
  /** The segment that is timed: its end, and when it left. */
  timed: { readonly end: number; readonly since: number } | undefined;

  constructor(settings: RoundTripSettings) {
    this.#settings = settings;
    this.rto = settings.rtoInitial;
  }

  /** A segment of new bytes up to `end` leaves. */
  start(end: number, now: number): void {
    this.timed ??= { end, since: now };
  }

  /** Everything before `una` has arrived; the round trip that this ends. */
  acknowledged(una: number, now: number): number | undefined {
    const { timed } = this;
    if (timed === undefined || una < timed.end) return undefined;
    this.timed = undefined;
    return now >= timed.since ? this.sample(now - timed.since, now) : undefined;
  }

  /** What counts of a round trip that was measured. */
  sample(measured: number, now: number): number {
    const { rtoMin, rtoMax, minOnTop } = this.#settings;
    const rtt = Math.max(1, Math.min(measured, SAMPLE_MAX));
    if (this.srtt === 0) {
      this.srtt = rtt;
      this.variation = Math.floor(rtt / 2);
      this.#beginHalf(rtt, rtt, now);
    } else {
      this.variation = Math.floor((3 * this.variation + Math.abs(this.srtt - rtt)) / 4);
      this.srtt = Math.max(1, Math.floor((7 * this.srtt + rtt) / 8));
      this.#noteLeast(rtt, now);
    }
    this.backoff = 0;
    this.probed = false;
    const spread = Math.max(minOnTop ? rtoMin : GRANULARITY, 4 * this.variation);
    this.rto = Math.min(Math.max(this.srtt + spread, rtoMin), rtoMax);
    return rtt;
  }

  #noteLeast(rtt: number, now: number): void {
    const next = Math.min(this.next, rtt);
    if (Math.floor(now / TICK) - this.since >= HALF_TICKS) {
      this.#beginHalf(next, rtt, now);
      return;
    }
    this.next = next;
    this.least = Math.min(this.least, rtt);
  }

  #beginHalf(least: number, next: number, now: number): void {
    this.least = least;
    this.next = Math.min(next, U32_MAX);
    this.since = Math.floor(now / TICK);
  }

  /** RFC 6298 5.5: doubled for each timeout, up to the longest. */
  get timeout(): number {
    return Math.min(this.rto * 2 ** this.backoff, this.#settings.rtoMax);
  }
}
