/**
 * Timely (Mittal et al., SIGCOMM 2015, algorithm 1) as the paper's control plane runs it over round
 * trips that the data path averages (dissertation 5.5.3): far below the thresholds the rate grows,
 * far above it falls, and in between the slope of the round trips decides, so that queues are met
 * while they build up. One interval is one of the algorithm's completion events.
 *
 * Both ends choose it: a delayed ACK is a round trip beyond all thresholds, and the receiver that
 * has the policy delays none. The authors measure every segment; the data paths time one at a time,
 * so that an interval of two round trips is judged by the average of its last samples. The
 * extension `timely` of Laminar's program would keep one of every segment's.
 *
 * Differs from algorithm 1 in its bounds alone: the rate stays between RATE_MIN and RATE_MAX, where
 * a steep slope would make it negative.
 */
import type { IntervalStatistics, RatePolicy, RateState } from "./policy.ts";

/**
 * Of the paper: round trips below which the slope is noise and above which it no longer matters,
 * beta of the decrease, delta of 10 Mbit/s, and HAI, hyperactive increase: from so many intervals
 * in a row without a positive slope on, so many steps at a time.
 */
const LOW_NS = 50e3;
const HIGH_NS = 500e3;
const BETA = 0.8;
const STEP = 1.25e6;
const HAI_INTERVALS = 5;
const HAI_STEPS = 5;
/**
 * Weight of the newest difference, and the propagation that slopes are measured by, as Zhu et al.
 * give them for it (ECN or Delay, CoNEXT 2016). The authors' own code has a weight of 0.02 for
 * every segment's round trip; here an interval's is an average already.
 */
const ALPHA = 0.875;
const RTT_MIN_NS = 20e3;
/** 10 Mbit/s. */
const RATE_INITIAL = 1.25e6;
const RATE_MIN = 15e3;
/** 400 Gbit/s. */
const RATE_MAX = 50e9;

/** The rate behind a round trip whose slope, in units of RTT_MIN_NS an interval, is `gradient`. */
function nextRate(rate: number, rtt: number, gradient: number, falling: number): number {
  if (rtt < LOW_NS) return rate + STEP;
  if (rtt > HIGH_NS) return rate * (1 - BETA * (1 - HIGH_NS / rtt));
  if (gradient > 0) return rate * (1 - BETA * gradient);
  return rate + (falling >= HAI_INTERVALS ? HAI_STEPS : 1) * STEP;
}

export const TIMELY: RatePolicy = {
  name: "timely",
  keeps: ["previousRtt", "difference"],
  countsMarks: false,
  acknowledgesEach: true,

  start(state: RateState): void {
    state.rate = RATE_INITIAL;
    state.previousRtt = 0;
    state.difference = 0;
    state.falling = 0;
  },

  onInterval(state: RateState, { ackedBytes, rtt }: IntervalStatistics): void {
    if (ackedBytes === 0 || rtt === 0) return;
    const change = state.previousRtt === 0 ? 0 : rtt - state.previousRtt;
    state.previousRtt = rtt;
    state.difference += ALPHA * (change - state.difference);
    const gradient = state.difference / RTT_MIN_NS;
    const between = rtt >= LOW_NS && rtt <= HIGH_NS;
    const isFalling = between && gradient <= 0;
    state.falling = isFalling ? Math.min(state.falling + 1, HAI_INTERVALS) : 0;
    const rate = nextRate(state.rate, rtt, gradient, state.falling);
    state.rate = Math.min(RATE_MAX, Math.max(RATE_MIN, rate));
  },
};
