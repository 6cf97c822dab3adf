/**
 * Slow start with appropriate byte counting (RFC 5681, 3.1; RFC 3465), shared by all algorithms.
 * Invariant: cwnd grows by no more than was acknowledged, and stays within the contract's bound.
 */
import {
  CONGESTION_AFTER_TIMEOUT, CONGESTION_CSS, CONGESTION_FLAGS, CONGESTION_HYSTART,
  CONGESTION_UNBOUNDED,
  CONGESTION_WINDOW_MAX, HYSTART_GROWTH_SHIFT, HYSTART_SEGMENTS, SLOW_START_SEGMENTS,
} from "../../../bindings/abi/congestion.ts";
import {
  PROTOCOL_CWND, PROTOCOL_MSS, RECOVERY_SSTHRESH,
} from "../../../bindings/abi/flow-state.ts";

/** More than any window, and its bytes fit 32 bits. */
const UNBOUNDED_SEGMENTS: u32 = 65535;

/** Adds `bytes` to cwnd. */
export function growWindow(protocol: usize, bytes: u32): void {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const room = cwnd < CONGESTION_WINDOW_MAX ? CONGESTION_WINDOW_MAX - cwnd : 0;
  store<u32>(protocol, cwnd + min<u32>(bytes, room), PROTOCOL_CWND);
}

/** ssthresh and the lower bound that every reduction has: two segments (RFC 5681, 3.1). */
export function setThreshold(protocol: usize, recovery: usize, bytes: u32): void {
  const floor = 2 * <u32>load<u16>(protocol, PROTOCOL_MSS);
  store<u32>(recovery, max<u32>(bytes, floor), RECOVERY_SSTHRESH);
}

/**
 * Grows cwnd up to ssthresh by at most L for one ACK of `acked` new bytes. Returns the bytes left
 * for congestion avoidance: all of them when cwnd already is at ssthresh.
 */
export function slowStart(protocol: usize, recovery: usize, acked: u32): u32 {
  const cwnd = load<u32>(protocol, PROTOCOL_CWND);
  const threshold = load<u32>(recovery, RECOVERY_SSTHRESH);
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if (cwnd >= threshold) {
    store<u32>(recovery, flags & ~CONGESTION_AFTER_TIMEOUT, CONGESTION_FLAGS);
    return acked;
  }
  const limit = segmentsOf(flags) * <u32>load<u16>(protocol, PROTOCOL_MSS);
  const slow: u32 = (flags & CONGESTION_CSS) != 0 ? HYSTART_GROWTH_SHIFT : 0;
  const growth = min<u32>(acked, limit) >> slow;
  const room = threshold - cwnd;
  growWindow(protocol, min<u32>(growth, room));
  return growth > room ? growth - room : 0;
}

/** L, in segments. */
// @ts-ignore: decorator
@inline
function segmentsOf(flags: u32): u32 {
  // RFC 3465 2.3: L is one segment in the slow start that follows a timeout, since an ACK there
  // may cover data that left the network long ago.
  if ((flags & CONGESTION_AFTER_TIMEOUT) != 0) return 1;
  // Linux has no L: an ACK of a burst, which it paces, counts whole (RFC 9406 4.2: no bound then).
  if ((flags & CONGESTION_UNBOUNDED) != 0) return UNBOUNDED_SEGMENTS;
  return (flags & CONGESTION_HYSTART) != 0 ? HYSTART_SEGMENTS : SLOW_START_SEGMENTS;
}
