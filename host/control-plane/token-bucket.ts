/**
 * A token bucket for what strangers can make us send: resets, echo replies, ICMP errors
 * (threats R02, B11).
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;

  /** `perSecond` tokens a second, at most `burst` at once. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes a token at `now` (ns); false when there is none. */
  take(now: number): boolean {
    const elapsed = Math.max(0, now - this.#at);
    this.#at = Math.max(this.#at, now);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsed * this.#perSecond) / 1e9);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
