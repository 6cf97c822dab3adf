/**
 * CUBIC (RFC 8312 with the corrections of RFC 9438): C = 0.4, beta = 0.7, integers throughout.
 * Windows are bytes, time is in ticks of 2^20 ns (1.05 ms).
 * Invariant: an epoch (CUBIC_EPOCH) exists in congestion avoidance only, and its clock stands
 * still while the application and not cwnd limits the flow (RFC 8312, 5.8).
 */
import {
  CONGESTION_ACKED, CONGESTION_FLAGS, CONGESTION_IN_RECOVERY, CONGESTION_QUIET,
  CONGESTION_WINDOW_MAX, CUBIC_ALPHA_DENOMINATOR, CUBIC_ALPHA_NUMERATOR, CUBIC_BETA_TWENTIETHS,
  CUBIC_C, CUBIC_C_BITS, CUBIC_C_INVERSE, CUBIC_CONVERGENCE_TWENTIETHS, CUBIC_CREDIT, CUBIC_EPOCH,
  CUBIC_ESTIMATE, CUBIC_K, CUBIC_LAST_ACK, CUBIC_PLATEAU, CUBIC_PRIOR, CUBIC_TICK_BITS,
  CUBIC_TICKS_MAX, CUBIC_W_MAX,
} from "../../../bindings/abi/congestion.ts";
import {
  PROTOCOL_CWND, PROTOCOL_MSS, RECOVERY_SRTT, RECOVERY_SSTHRESH,
} from "../../../bindings/abi/flow-state.ts";
import { growWindow, setThreshold } from "./slow-start.ts";

/** Bits of the cube that are dropped before C is multiplied in, and of the result's fraction. */
const CUBE_SHIFT: u32 = 10;
const SEGMENT_FRACTION_BITS: u32 = 10;
/** Highest bit of a cube root whose cube fits 63 bits. */
const CUBE_ROOT_BITS: u32 = 21;
/** Bound of the bytes in one ACK, so that nine times as much fits 32 bits. */
const ACKED_MAX: u32 = 1 << 28;

/** No reduction has been seen: W_max is unknown. */
export function cubicInitialize(recovery: usize, now: u64): void {
  store<u32>(recovery, 0, CUBIC_W_MAX);
  store<u32>(recovery, 0, CUBIC_PRIOR);
  store<u64>(recovery, now, CUBIC_LAST_ACK);
  cubicEndEpoch(recovery);
}

/** The next ACK in congestion avoidance begins a new epoch. */
export function cubicEndEpoch(recovery: usize): void {
  store<u64>(recovery, 0, CUBIC_EPOCH);
}

/**
 * Keeps the epoch's clock, for every ACK. `used`: cwnd limited the flow. `quiet`: this ACK leaves
 * nothing in flight. Time that passed without use of cwnd is taken out of t (RFC 8312, 5.8).
 */
export function cubicClock(recovery: usize, used: bool, quiet: bool, now: u64): void {
  const last = load<u64>(recovery, CUBIC_LAST_ACK);
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  const gap: u64 = now > last ? now - last : 0;
  const wasQuiet = (flags & CONGESTION_QUIET) != 0;
  const epoch = load<u64>(recovery, CUBIC_EPOCH);
  if (epoch != 0 && (wasQuiet || !used)) {
    const busy: u64 = used ? load<u64>(recovery, RECOVERY_SRTT) : 0;
    store<u64>(recovery, epoch + (gap > busy ? gap - busy : 0), CUBIC_EPOCH);
  }
  const mark: u32 = quiet ? CONGESTION_QUIET : 0;
  store<u32>(recovery, (flags & ~CONGESTION_QUIET) | mark, CONGESTION_FLAGS);
  store<u64>(recovery, now, CUBIC_LAST_ACK);
}

/** Congestion avoidance for one ACK of `acked` new bytes (RFC 8312, 4.1 to 4.4). */
export function cubicAvoid(protocol: usize, recovery: usize, acked: u32, now: u64): void {
  if (load<u64>(recovery, CUBIC_EPOCH) == 0) cubicBeginEpoch(protocol, recovery, now);
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const estimate = cubicEstimate(protocol, recovery, min<u32>(acked, ACKED_MAX));
  const epoch = load<u64>(recovery, CUBIC_EPOCH);
  const elapsed: u64 = now > epoch ? now - epoch : 0;
  // RFC 8312 4.2: the TCP-friendly region.
  if (cubicAt(protocol, recovery, elapsed) < estimate) {
    if (estimate > cwnd) growWindow(protocol, estimate - cwnd);
    return;
  }
  // RFC 8312 4.3, 4.4; RFC 9438 4.2: the target is at most half above cwnd.
  const ahead = elapsed + load<u64>(recovery, RECOVERY_SRTT);
  const target = min<u32>(cubicAt(protocol, recovery, ahead), cwnd + (cwnd >>> 1));
  if (target > cwnd) cubicGrow(protocol, recovery, acked, target - cwnd);
}

/**
 * Adds acked * distance / cwnd to cwnd, in whole segments. The remainder is kept as credit, so
 * that a division is needed only when cwnd grows.
 */
function cubicGrow(protocol: usize, recovery: usize, acked: u32, distance: u32): void {
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  const price = <u64>load<u32>(protocol, PROTOCOL_CWND) * mss;
  const credit = load<u64>(recovery, CUBIC_CREDIT) + <u64>acked * distance;
  if (credit < price) {
    store<u64>(recovery, credit, CUBIC_CREDIT);
    return;
  }
  const segments = credit / price;
  store<u64>(recovery, credit - segments * price, CUBIC_CREDIT);
  growWindow(protocol, min<u32>(<u32>min<u64>(segments * mss, distance), distance));
}

/**
 * W_est after `acked` more bytes (RFC 9438, 4.3): alpha segments for each cwnd acknowledged, and
 * one segment once W_est is where the last reduction began.
 */
function cubicEstimate(protocol: usize, recovery: usize, acked: u32): u32 {
  const estimate = load<u32>(recovery, CUBIC_ESTIMATE);
  const reached = estimate >= load<u32>(recovery, CUBIC_PRIOR);
  const counted: u32 = reached ? acked : acked * CUBIC_ALPHA_NUMERATOR / CUBIC_ALPHA_DENOMINATOR;
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const total = load<u32>(recovery, CONGESTION_ACKED) + counted;
  if (total < cwnd) {
    store<u32>(recovery, total, CONGESTION_ACKED);
    return estimate;
  }
  const grown = min<u32>(estimate + load<u16>(protocol, PROTOCOL_MSS), CONGESTION_WINDOW_MAX);
  store<u32>(recovery, min<u32>(total - cwnd, cwnd), CONGESTION_ACKED);
  store<u32>(recovery, grown, CUBIC_ESTIMATE);
  return grown;
}

/** K and the plateau of a new epoch (RFC 8312, Eq. 2); above W_max both start from cwnd (4.7). */
function cubicBeginEpoch(protocol: usize, recovery: usize, now: u64): void {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const wMax = load<u32>(recovery, CUBIC_W_MAX);
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  const below: u32 = wMax > cwnd ? wMax - cwnd : 0;
  store<u32>(recovery, max<u32>(wMax, cwnd), CUBIC_PLATEAU);
  store<u32>(recovery, cubeRoot(<u64>below * CUBIC_C_INVERSE / mss), CUBIC_K);
  store<u32>(recovery, cwnd, CUBIC_ESTIMATE);
  store<u32>(recovery, 0, CONGESTION_ACKED);
  store<u64>(recovery, 0, CUBIC_CREDIT);
  store<u64>(recovery, max<u64>(now, 1), CUBIC_EPOCH);
}

/** W_cubic of the running epoch, `elapsed` nanoseconds after it began. */
function cubicAt(protocol: usize, recovery: usize, elapsed: u64): u32 {
  const ticks = <u32>min<u64>(elapsed >> CUBIC_TICK_BITS, CUBIC_TICKS_MAX);
  const mss: u32 = load<u16>(protocol, PROTOCOL_MSS);
  const plateau = load<u32>(recovery, CUBIC_PLATEAU);
  return cubicWindow(plateau, load<u32>(recovery, CUBIC_K), ticks, mss);
}

/** W_cubic(t) = C * (t - K)^3 + W_max (RFC 8312, Eq. 1), in bytes; `ticks` and `k` in ticks. */
export function cubicWindow(wMax: u32, k: u32, ticks: u32, mss: u32): u32 {
  const distance: u64 = min<u32>(ticks > k ? ticks - k : k - ticks, CUBIC_TICKS_MAX);
  const cube = (distance * distance * distance) >> CUBE_SHIFT;
  const segments = (cube * CUBIC_C) >> (CUBIC_C_BITS - CUBE_SHIFT - SEGMENT_FRACTION_BITS);
  const bytes = (segments * mss) >> SEGMENT_FRACTION_BITS;
  if (ticks > k) return <u32>min<u64>(bytes + wMax, CONGESTION_WINDOW_MAX);
  return bytes < wMax ? wMax - <u32>bytes : 0;
}

/** The largest integer whose cube is at most `value`, which is below 2^63. */
export function cubeRoot(value: u64): u32 {
  let root: u64 = 0;
  for (let bit: u64 = 1 << (CUBE_ROOT_BITS - 1); bit != 0; bit >>= 1) {
    const candidate = root | bit;
    if (candidate * candidate * candidate <= value) root = candidate;
  }
  return <u32>root;
}

/** The window that a reduction starts from: in fast recovery cwnd is inflated. */
function reducibleWindow(protocol: usize, recovery: usize): u32 {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if ((flags & CONGESTION_IN_RECOVERY) == 0) return cwnd;
  return min<u32>(cwnd, load<u32>(recovery, RECOVERY_SSTHRESH));
}

/**
 * Multiplicative decrease with fast convergence (RFC 8312, 4.5, 4.6), by `twentieths`: beta, or
 * beta_ecn of RFC 8511. Returns the share of cwnd that is left.
 */
export function cubicReduce(protocol: usize, recovery: usize, twentieths: u32): u32 {
  const cwnd = reducibleWindow(protocol, recovery);
  const shrinking = cwnd < load<u32>(recovery, CUBIC_W_MAX);
  const converged = <u32>(<u64>cwnd * CUBIC_CONVERGENCE_TWENTIETHS / 20);
  store<u32>(recovery, shrinking ? converged : cwnd, CUBIC_W_MAX);
  return cubicDecrease(protocol, recovery, cwnd, twentieths);
}

/** RFC 8312 4.7: ssthresh by beta; W_max is then the window at which avoidance begins, K = 0. */
export function cubicTimeout(protocol: usize, recovery: usize): void {
  const cwnd = reducibleWindow(protocol, recovery);
  store<u32>(recovery, 0, CUBIC_W_MAX);
  cubicDecrease(protocol, recovery, cwnd, CUBIC_BETA_TWENTIETHS);
}

function cubicDecrease(protocol: usize, recovery: usize, cwnd: u32, twentieths: u32): u32 {
  const reduced = <u32>(<u64>cwnd * twentieths / 20);
  store<u32>(recovery, cwnd, CUBIC_PRIOR);
  setThreshold(protocol, recovery, reduced);
  cubicEndEpoch(recovery);
  return reduced;
}
