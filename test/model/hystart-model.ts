/**
 * RFC 9406, 4.2, as its text has it, in sequence numbers and plain arithmetic: what the data path's
 * HyStart++ is held against. Bytes and nanoseconds.
 */

const MIN_RTT_THRESH = 4e6;
const MAX_RTT_THRESH = 16e6;
const MIN_RTT_DIVISOR = 8;
const N_RTT_SAMPLE = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;
const L = 8;

export type HystartPhase = "slow start" | "CSS" | "avoidance";

export class HystartModel {
  cwnd: number;
  ssthresh = Number.POSITIVE_INFINITY;
  phase: HystartPhase = "slow start";
  readonly #mss: number;
  #windowEnd = 0;
  #lastRoundMinRtt = Number.POSITIVE_INFINITY;
  #currentRoundMinRtt = Number.POSITIVE_INFINITY;
  #rttSampleCount = 0;
  #cssBaselineMinRtt = Number.POSITIVE_INFINITY;
  #cssRounds = 0;

  constructor(mss: number, cwnd: number) {
    this.#mss = mss;
    this.cwnd = cwnd;
  }

  /** `una` after the ACK of `acked` bytes, `next` at its arrival; `rtt`: its sample, if any. */
  ack(una: number, next: number, acked: number, rtt: number | undefined): void {
    if (this.phase === "avoidance") return;
    const growth = Math.min(acked, L * this.#mss);
    this.cwnd += this.phase === "CSS" ? Math.floor(growth / CSS_GROWTH_DIVISOR) : growth;
    if (rtt !== undefined) {
      this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, rtt);
      this.#rttSampleCount += 1;
    }
    if (this.#rttSampleCount >= N_RTT_SAMPLE) this.#judge();
    if (una > this.#windowEnd) this.#endRound(next);
  }

  #judge(): void {
    const [current, last] = [this.#currentRoundMinRtt, this.#lastRoundMinRtt];
    if (this.phase === "CSS") {
      if (current < this.#cssBaselineMinRtt) {
        this.#cssBaselineMinRtt = Number.POSITIVE_INFINITY;
        this.phase = "slow start";
      }
    } else if (Number.isFinite(current) && Number.isFinite(last)) {
      const eighth = Math.floor(last / MIN_RTT_DIVISOR);
      const threshold = Math.max(MIN_RTT_THRESH, Math.min(eighth, MAX_RTT_THRESH));
      if (current >= last + threshold) {
        this.#cssBaselineMinRtt = current;
        this.#cssRounds = 0;
        this.phase = "CSS";
      }
    }
  }

  #endRound(next: number): void {
    this.#windowEnd = next;
    this.#lastRoundMinRtt = this.#currentRoundMinRtt;
    this.#currentRoundMinRtt = Number.POSITIVE_INFINITY;
    this.#rttSampleCount = 0;
    if (this.phase !== "CSS") return;
    this.#cssRounds += 1;
    if (this.#cssRounds < CSS_ROUNDS) return;
    this.ssthresh = this.cwnd;
    this.phase = "avoidance";
  }
}
