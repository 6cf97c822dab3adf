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
  /** True when a recovery by duplicate ACKs began or the timer expired in the interval. */
  readonly lost: boolean;
  /** True when the rate, not the application or the peer, held the connection back. */
  readonly limited: boolean;
  /** Average of the last round trips, ns; 0 = none was measured. */
  readonly rtt: number;
}

/** What policies keep of a connection; each uses its own part. Rates are bytes per second. */
export interface RateState {
  rate: number;
  /** dctcp-rate: EWMA of the marked share, 0..1. */
  marked: number;
  /** dctcp-rate: EWMA of the delivered rate. */
  actual: number;
  slowStart: boolean;
  /** Timely: the last round trip in ns; 0 before the first. */
  previousRtt: number;
  /** Timely: EWMA of differences of round trips, ns. */
  difference: number;
  /** Timely: intervals in a row without a positive slope, HAI_INTERVALS at most. */
  falling: number;
}

/** Numbers that a row has room for two of. */
type Kept = "marked" | "actual" | "previousRtt" | "difference";

export interface RatePolicy {
  readonly name: string;
  /** Its own beside `rate`, `slowStart` and `falling`; others are fresh in each interval. */
  readonly keeps: readonly [Kept, Kept];
  /** Marks are part of its input, so each is echoed by itself (RFC 8257, 3.2). */
  readonly countsMarks: boolean;
  /** Round trips are, so as a receiver it delays no ACK: both ends are to choose it. */
  readonly acknowledgesEach: boolean;
  start(state: RateState): void;
  /** Changes `state.rate`. */
  onInterval(state: RateState, statistics: IntervalStatistics): void;
}

/** A connection that no policy has looked at. */
export function freshRate(): RateState {
  return {
    rate: 0,
    marked: 0,
    actual: 0,
    slowStart: false,
    previousRtt: 0,
    difference: 0,
    falling: 0,
  };
}

/** A rate counts in steps of 2^-20 bytes per second. */
const RATE_BITS = 20;
/** A second in interval units, times the step of a rate. */
const SECOND = 1_000_000_000n << BigInt(INTERVAL_FRACTION_BITS + RATE_BITS);
/** Above it an interval would be less than one unit. */
const RATE_LARGEST = 1e9 * 2 ** INTERVAL_FRACTION_BITS;
/** Below it the interval is the longest one. */
const RATE_SMALLEST = 2 ** -RATE_BITS;
const INTERVAL_LARGEST = 1n << 63n;

/**
 * Nanoseconds per byte as 40.24 fixed point, the value of AtxOpcode.SetInterval: `low`, `high`
 * words. Integers throughout, rounded up: a connection never goes above its rate, and below
 * 50 GB/s (400 Gbit/s) it is less than 3 parts in a million under it. A rate of 0 is "not paced";
 * any other is cut to the shortest interval, 1, or the longest, 2^63 (threats T09).
 */
export function intervalWords(bytesPerSecond: number): { low: number; high: number } {
  if (!(bytesPerSecond > 0)) return { low: 0, high: 0 };
  if (bytesPerSecond >= RATE_LARGEST) return { low: 1, high: 0 };
  const steps = BigInt(Math.round(Math.max(RATE_SMALLEST, bytesPerSecond) * 2 ** RATE_BITS));
  const exact = (SECOND + steps - 1n) / steps;
  const interval = exact < INTERVAL_LARGEST ? exact : INTERVAL_LARGEST;
  return { low: Number(BigInt.asUintN(32, interval)), high: Number(interval >> 32n) };
}
