/**
 * Congestion control: the 64 bytes at RECOVERY_CONGESTION, private to the algorithm of the
 * connection, and the constants of RFC 3465, 5681, 8257, 8312, 8511, 9406 and 9438 as the data path
 * uses them.
 * Offsets are those within the RECOVERY record.
 *
 *   offset  bytes  field                                          used by
 *        0      4  flags: CONGESTION_*                             all
 *        4      4  acknowledged bytes not yet turned into growth   all
 *        8      4  bytes until the observation window ends         all
 *       12      4  most bytes in flight in the observation window  all
 *       16      4  bytes until a reduction may follow the last     all
 *       20      .  of DCTCP or of CUBIC; without a window, of the round trip
 */
import { RECOVERY_CONGESTION } from "./flow-state.ts";
import { WHEEL_GRANULARITY_BITS } from "./timer.ts";

export const CONGESTION_FLAGS: u32 = RECOVERY_CONGESTION; // u32
/** Bytes acknowledged in congestion avoidance since cwnd last grew (RFC 3465, 2.1). */
export const CONGESTION_ACKED: u32 = CONGESTION_FLAGS + 4; // u32
/** An observation window is about one round trip: what was in flight when it began. */
export const CONGESTION_WINDOW_LEFT: u32 = CONGESTION_ACKED + 4; // u32
export const CONGESTION_WINDOW_PEAK: u32 = CONGESTION_WINDOW_LEFT + 4; // u32
export const CONGESTION_REDUCED_LEFT: u32 = CONGESTION_WINDOW_PEAK + 4; // u32

// DCTCP (RFC 8257, 3.3).
export const DCTCP_ALPHA: u32 = CONGESTION_REDUCED_LEFT + 4; // u32: 2^20 is 1
export const DCTCP_BYTES_ACKED: u32 = DCTCP_ALPHA + 4; // u32: in the observation window
export const DCTCP_BYTES_MARKED: u32 = DCTCP_BYTES_ACKED + 4; // u32: of those, with ECE

// CUBIC (RFC 8312, 9438); windows in bytes, CUBIC_K in ticks of 2^CUBIC_TICK_BITS ns.
export const CUBIC_W_MAX: u32 = CONGESTION_REDUCED_LEFT + 4; // u32: 0 = unknown
export const CUBIC_PRIOR: u32 = CUBIC_W_MAX + 4; // u32: cwnd before the last reduction
export const CUBIC_PLATEAU: u32 = CUBIC_PRIOR + 4; // u32: W_max of the running epoch
export const CUBIC_K: u32 = CUBIC_PLATEAU + 4; // u32
export const CUBIC_ESTIMATE: u32 = CUBIC_K + 4; // u32: W_est, what Reno would have
export const CUBIC_EPOCH: u32 = CUBIC_ESTIMATE + 4; // u64: ns, 0 = no congestion avoidance yet
export const CUBIC_LAST_ACK: u32 = CUBIC_EPOCH + 8; // u64: ns
export const CUBIC_CREDIT: u32 = CUBIC_LAST_ACK + 8; // u64: growth earned, in bytes x bytes
// HyStart++ (RFC 9406, 4.2), in the initial slow start: fields that the first epoch writes anew.
// Round trips in ns; above HYSTART_RTT_MAX there was none in the round.
export const HYSTART_LAST: u32 = CUBIC_PLATEAU; // u32: least of the round before
export const HYSTART_LEAST: u32 = CUBIC_K; // u32: least of this round
export const HYSTART_BASELINE: u32 = CUBIC_ESTIMATE; // u32: least when CSS began
export const HYSTART_SAMPLES: u32 = CUBIC_CREDIT; // u32: in this round
export const HYSTART_ROUNDS: u32 = CUBIC_CREDIT + 4; // u32: of CSS that are over

/** Without a window: average of round trips, gain 1/2, ns; 0 = none. For rate policies. */
export const WINDOWLESS_RTT: u32 = CUBIC_EPOCH; // u64

/** End of the private part; equals RECOVERY_LOG. */
export const CONGESTION_END: u32 = CUBIC_CREDIT + 8;

/** Slow start follows a timeout: it may add one segment an ACK (RFC 3465, 2.3). */
export const CONGESTION_AFTER_TIMEOUT: u32 = 1;
/** cwnd was reduced, and data sent before that is still unacknowledged. */
export const CONGESTION_REDUCED: u32 = 2;
/** ... because of an ECN echo. */
export const CONGESTION_REDUCED_BY_ECN: u32 = 4;
/** Fast recovery: cwnd may be inflated by duplicate ACKs. */
export const CONGESTION_IN_RECOVERY: u32 = 8;
/** The last ACK left nothing in flight, so the time that follows may be idle. */
export const CONGESTION_QUIET: u32 = 16;

/** The initial slow start is HyStart++'s (RFC 9406, 4.3). */
export const CONGESTION_HYSTART: u32 = 32;
/** ... and in its second half, Conservative Slow Start. */
export const CONGESTION_CSS: u32 = 64;
/** CongestionAlgorithm.None: round trips are averaged. */
export const CONGESTION_WINDOWLESS: u32 = 128;
/** ALGORITHM_ABE was chosen. */
export const CONGESTION_ABE: u32 = 256;
/** Each mark is echoed by itself: ALGORITHM_EXACT, or DCTCP. */
export const CONGESTION_EXACT: u32 = 512;
/** The initial window, or a restart window, is in flight: CONGESTION_REDUCED_LEFT bytes of it. */
export const CONGESTION_STARTING: u32 = 1024;
/** ALGORITHM_UNBOUNDED was chosen. */
export const CONGESTION_UNBOUNDED: u32 = 2048;

/** Bound of cwnd, and cwnd of CongestionAlgorithm.None: the next power of two cannot wrap. */
export const CONGESTION_WINDOW_MAX: u32 = 0x3fffffff;
/** L of appropriate byte counting, in segments (RFC 3465, 2.3). */
export const SLOW_START_SEGMENTS: u32 = 2;
/** RFC 3390's window, for segments that are neither small nor large; RFC 6928, 2: above 4 KB. */
export const SMALL_WINDOW_BYTES: u32 = 4380;
export const LARGE_WINDOW_BYTES: u32 = 4096;

/** HyStart++ (RFC 9406, 4.3): MIN_RTT_THRESH, MAX_RTT_THRESH in ns, 1 / MIN_RTT_DIVISOR ... */
export const HYSTART_THRESHOLD_MIN: u32 = 4000000;
export const HYSTART_THRESHOLD_MAX: u32 = 16000000;
export const HYSTART_DIVISOR_SHIFT: u32 = 3;
/** ... N_RTT_SAMPLE, 1 / CSS_GROWTH_DIVISOR, CSS_ROUNDS ... */
export const HYSTART_SAMPLES_LEAST: u32 = 8;
export const HYSTART_GROWTH_SHIFT: u32 = 2;
export const HYSTART_CSS_ROUNDS: u32 = 5;
/** ... and L, in segments: that of senders without pacing, whom we do not tell from others. */
export const HYSTART_SEGMENTS: u32 = 8;
export const HYSTART_RTT_MAX: u32 = 0xfffffffe;

/** RFC 8511, 3.1: beta_ecn of NewReno and of CUBIC. */
export const ABE_RENO_TWENTIETHS: u32 = 16;
export const ABE_CUBIC_TWENTIETHS: u32 = 17;

/** Fixed point of DCTCP.Alpha: 2^20 is 1; and g = 2^-4 (RFC 8257, 4.2). */
export const DCTCP_ALPHA_BITS: u32 = 20;
export const DCTCP_GAIN_SHIFT: u32 = 4;

/** One tick is 2^20 ns, 1.048576 ms, so that a shift turns nanoseconds into ticks. */
export const CUBIC_TICK_BITS: u32 = 20;
/** C = 0.4 segments/s^3 (RFC 8312, 5.1): 0.4 * (2^20 / 10^9)^3 * 2^44 for ticks. */
export const CUBIC_C: u32 = 8113;
export const CUBIC_C_BITS: u32 = 44;
/** Its inverse, 1 / (0.4 * (2^20 / 10^9)^3), for K. */
export const CUBIC_C_INVERSE: u32 = 2168404345;
/** Ticks beyond which W_cubic has left any window: the cube still fits 60 bits. */
export const CUBIC_TICKS_MAX: u32 = 1048575;
/** beta = 0.7 (4.5); fast convergence keeps (1 + beta) / 2 = 17/20 of W_max (4.6). */
export const CUBIC_BETA_TWENTIETHS: u32 = 14;
export const CUBIC_CONVERGENCE_TWENTIETHS: u32 = 17;
/** alpha = 3 * (1 - beta) / (1 + beta) = 9/17 (4.2, Eq. 4). */
export const CUBIC_ALPHA_NUMERATOR: u32 = 9;
export const CUBIC_ALPHA_DENOMINATOR: u32 = 17;

/** G, the clock granularity of RFC 6298, 2, in nanoseconds: one slot of the timer wheel. */
export const RTT_GRANULARITY: u32 = 1 << WHEEL_GRANULARITY_BITS;
/** Samples are clamped to 2^RTT_SAMPLE_BITS ns, 18 minutes (threats T06, C08). */
export const RTT_SAMPLE_BITS: u32 = 40;
