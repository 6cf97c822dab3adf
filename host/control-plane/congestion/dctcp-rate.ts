/**
 * Rate-based DCTCP as the paper's control plane runs it (dissertation 4.2, after TAS): slow start
 * doubles; marks cut by half of their average share (RFC 8257, 3.3); loss halves; else additive
 * increase. Invariant: the rate stays between RATE_MIN and RATE_MAX and within 1.2 times of what
 * is delivered, so that an idle connection does not save up a burst; an application that sends
 * little keeps the rate that it began with, or short answers would wait for their own pacing.
 */
import type { IntervalStatistics, RatePolicy, RateState } from "./policy.ts";

/** 10 Mbit/s: where a connection starts, and its step. */
const RATE_INITIAL = 1.25e6;
const RATE_STEP = 1.25e6;
/** Below one segment per 100 ms nothing is gained by going lower. */
const RATE_MIN = 15e3;
/** 400 Gbit/s. */
const RATE_MAX = 50e9;
/** Gain of the marked share (RFC 8257, 4.2 suggests 1/16) and of the delivered rate. */
const MARKED_GAIN = 1 / 16;
const ACTUAL_GAIN = 1 / 8;
/** An application that sends less than its rate keeps this headroom. */
const HEADROOM = 1.2;

function measure(state: RateState, statistics: IntervalStatistics): void {
  const { ackedBytes, ecnBytes, elapsed } = statistics;
  const delivered = elapsed > 0 ? (ackedBytes * 1e9) / elapsed : 0;
  const before = state.actual;
  state.actual = before === 0 ? delivered : before + (delivered - before) * ACTUAL_GAIN;
  if (ackedBytes > 0) {
    const share = Math.min(1, ecnBytes / ackedBytes);
    state.marked += (share - state.marked) * MARKED_GAIN;
  }
  if (!statistics.limited && state.actual > 0) {
    const used = Math.max(delivered, state.actual) * HEADROOM;
    state.rate = Math.min(state.rate, Math.max(used, RATE_INITIAL));
  }
}

export const DCTCP_RATE: RatePolicy = {
  name: "dctcp-rate",
  keeps: ["marked", "actual"],
  countsMarks: true,
  acknowledgesEach: false,

  start(state: RateState): void {
    state.rate = RATE_INITIAL;
    state.marked = 0;
    state.actual = 0;
    state.slowStart = true;
  },

  onInterval(state: RateState, statistics: IntervalStatistics): void {
    if (statistics.ackedBytes === 0 && !statistics.lost) return;
    measure(state, statistics);
    if (statistics.lost) {
      state.rate /= 2;
      state.slowStart = false;
    } else if (statistics.ecnBytes > 0) {
      if (state.slowStart) state.marked = 1;
      state.rate *= 1 - state.marked / 2;
      state.slowStart = false;
    } else if (state.slowStart) {
      state.rate *= 2;
    } else {
      state.rate += RATE_STEP;
    }
    state.rate = Math.min(RATE_MAX, Math.max(RATE_MIN, state.rate));
  },
};
