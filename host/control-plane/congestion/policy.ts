/**
 * Congestion policies that the control plane runs once an interval (dissertation 4.2; day-one
 * decision 6): they read what an interval brought and answer with a rate, which the flow scheduler
 * enforces as a pacing interval.
 */
import { INTERVAL_FRACTION_BITS } from "../../../bindings/abi/flow-state.ts";

/** What one interval of one connection brought. Bytes, ns. */
export interface IntervalStatistics {
  readonly elapsed: number;
  readonly ackedBytes: number;
  /** Of them, acknowledged with ECN-echo. */
  readonly ecnBytes: number;
  /** True when something was retransmitted or timed out in the interval. */
  readonly lost: boolean;
  /** True when the rate, not the application or the peer, held the connection back. */
  readonly limited: boolean;
  readonly srtt: number;
}

/** What a policy keeps of a connection. Rates are bytes per second. */
export interface RateState {
  rate: number;
  /** EWMA of the marked share, 0..1. */
  marked: number;
  /** EWMA of the delivered rate. */
  actual: number;
  slowStart: boolean;
}

export interface RatePolicy {
  readonly name: string;
  start(state: RateState): void;
  /** Changes `state.rate`. */
  onInterval(state: RateState, statistics: IntervalStatistics): void;
}

const SCALE = 2 ** INTERVAL_FRACTION_BITS;
const WORD = 2 ** 32;
const LARGEST = 2 ** 63;

/**
 * Nanoseconds per byte as 40.24 fixed point, the value of AtxOpcode.SetInterval: `low`, `high`
 * words. A rate of 0 is "not paced"; no other rate becomes 0 (threats T09).
 */
export function intervalWords(bytesPerSecond: number): { low: number; high: number } {
  if (!(bytesPerSecond > 0)) return { low: 0, high: 0 };
  const value = Math.min(LARGEST, Math.max(1, Math.round((1e9 / bytesPerSecond) * SCALE)));
  const high = Math.floor(value / WORD);
  return { low: value - high * WORD, high };
}
