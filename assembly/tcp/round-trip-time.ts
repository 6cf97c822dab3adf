/**
 * Round-trip time and retransmission timeout (RFC 6298), in nanoseconds, on the RECOVERY record.
 * One segment at a time is timed; a caller with timestamps may also feed samples directly.
 * Invariant: RTO lies within RECOVERY_RTO_MIN and RECOVERY_RTO_MAX, whatever the peer does.
 */
import { RTT_GRANULARITY, RTT_SAMPLE_BITS } from "../../bindings/abi/congestion.ts";
import {
  RECOVERY_BACKOFF, RECOVERY_PROBED, RECOVERY_RACK, RECOVERY_RTO, RECOVERY_RTO_MAX,
  RECOVERY_RTO_MIN, RECOVERY_RTT_MIN, RECOVERY_RTT_NEXT, RECOVERY_RTT_SEQ, RECOVERY_RTT_SINCE,
  RECOVERY_RTT_START, RECOVERY_RTT_TIMING, RECOVERY_RTTVAR, RECOVERY_SRTT, RTO_MIN_ON_TOP,
} from "../../bindings/abi/flow-state.ts";
import { congestionOnRttSample } from "./congestion/rtt-sample.ts";
import { seqBefore } from "../../bindings/abi/seq.ts";

/** Units of 2^20 ns after which the least round trip is that of what came since: 137 s. */
const HALF_WINDOW: u32 = 1 << 17;
const TIME_SHIFT: u64 = 20;

/**
 * Takes one measurement, at `now`, of a segment that was never retransmitted (Karn; RFC 6298, 3).
 * SRTT 0 means that there was none before, so a sample is at least 1 ns.
 */
// @ts-ignore: decorator
@inline
export function rttSample(recovery: usize, sample: u64, now: u64): void {
  const rtt = max<u64>(1, min<u64>(sample, <u64>1 << RTT_SAMPLE_BITS));
  const srtt = load<u64>(recovery, RECOVERY_SRTT);
  if (srtt == 0) {
    // RFC 6298 2.2 (RTO-2).
    store<u64>(recovery, rtt, RECOVERY_SRTT);
    store<u64>(recovery, rtt >> 1, RECOVERY_RTTVAR);
    restartLeast(recovery, rtt, rtt, now);
  } else {
    // RFC 6298 2.3 (RTO-3): RTTVAR first, with the old SRTT; gains 1/4 and 1/8.
    const variation = srtt > rtt ? srtt - rtt : rtt - srtt;
    const rttvar = load<u64>(recovery, RECOVERY_RTTVAR);
    store<u64>(recovery, (3 * rttvar + variation) >> 2, RECOVERY_RTTVAR);
    store<u64>(recovery, max<u64>(1, (7 * srtt + rtt) >> 3), RECOVERY_SRTT);
    noteLeast(recovery, rtt, now);
  }
  congestionOnRttSample(recovery, rtt);
  // RFC 6298 5 (RTO-19): a sample of new data ends the backoff. RFC 8985 7.3 (TLP-2): and the next
  // tail may be probed; one store for both.
  store<u16>(recovery, 0, RECOVERY_PROBED);
  updateRto(recovery);
}

/**
 * RFC 8985 6.2, step 1 (RACK-5): the least round trip of a window that moves on, so that a path
 * which has become longer is known as such: of two halves of it at most, one of them whole.
 */
// @ts-ignore: decorator
@inline
function noteLeast(recovery: usize, rtt: u64, now: u64): void {
  const next = min<u64>(load<u32>(recovery, RECOVERY_RTT_NEXT), rtt);
  if (<u32>(now >> TIME_SHIFT) - load<u32>(recovery, RECOVERY_RTT_SINCE) >= HALF_WINDOW) {
    return restartLeast(recovery, next, rtt, now);
  }
  store<u32>(recovery, <u32>next, RECOVERY_RTT_NEXT);
  const least = load<u64>(recovery, RECOVERY_RTT_MIN);
  store<u64>(recovery, min<u64>(least, rtt), RECOVERY_RTT_MIN);
}

/** A half begins, with `next`; the window's least is `least`. */
function restartLeast(recovery: usize, least: u64, next: u64, now: u64): void {
  store<u64>(recovery, least, RECOVERY_RTT_MIN);
  store<u32>(recovery, <u32>min<u64>(next, 0xffffffff), RECOVERY_RTT_NEXT);
  store<u32>(recovery, <u32>(now >> TIME_SHIFT), RECOVERY_RTT_SINCE);
}

/** RFC 6298 2.3 to 2.5 (RTO-4, RTO-5, RTO-18): G keeps RTO above SRTT. */
// @ts-ignore: decorator
@inline
function updateRto(recovery: usize): void {
  const least = load<u64>(recovery, RECOVERY_RTO_MIN);
  const onTop = (load<u8>(recovery, RECOVERY_RACK) & <u8>RTO_MIN_ON_TOP) != 0;
  const granularity: u64 = onTop ? least : RTT_GRANULARITY;
  const variance = max<u64>(granularity, 4 * load<u64>(recovery, RECOVERY_RTTVAR));
  const computed = load<u64>(recovery, RECOVERY_SRTT) + variance;
  const raised = max<u64>(computed, least);
  store<u64>(recovery, min<u64>(raised, load<u64>(recovery, RECOVERY_RTO_MAX)), RECOVERY_RTO);
}

/**
 * A segment of new data leaves now. `end` is the sequence number after its last byte. Does nothing
 * while another segment is timed.
 */
// @ts-ignore: decorator
@inline
export function rttStartTiming(recovery: usize, end: u32, now: u64): void {
  if (load<u8>(recovery, RECOVERY_RTT_TIMING) != 0) return;
  store<u8>(recovery, 1, RECOVERY_RTT_TIMING);
  store<u32>(recovery, end, RECOVERY_RTT_SEQ);
  store<u64>(recovery, now, RECOVERY_RTT_START);
}

/** Everything below `una` is acknowledged. Returns true when that ended the timed sample. */
// @ts-ignore: decorator
@inline
export function rttOnAck(recovery: usize, una: u32, now: u64): bool {
  if (load<u8>(recovery, RECOVERY_RTT_TIMING) == 0) return false;
  if (seqBefore(una, load<u32>(recovery, RECOVERY_RTT_SEQ))) return false;
  store<u8>(recovery, 0, RECOVERY_RTT_TIMING);
  const start = load<u64>(recovery, RECOVERY_RTT_START);
  // A clock that was set back measures nothing (threats T01).
  if (now < start) return false;
  rttSample(recovery, now - start, now);
  return true;
}

/** The timed segment is sent again, so its ACK would be ambiguous (Karn; RFC 6298, 3; RTO-6). */
export function rttAbandon(recovery: usize): void {
  store<u8>(recovery, 0, RECOVERY_RTT_TIMING);
}

/** RTO after RECOVERY_BACKOFF timeouts in a row, at most RECOVERY_RTO_MAX (RTO-12; threats T07). */
// @ts-ignore: decorator
@inline
export function rtoWithBackoff(recovery: usize): u64 {
  const limit = load<u64>(recovery, RECOVERY_RTO_MAX);
  const shift: u64 = load<u8>(recovery, RECOVERY_BACKOFF);
  const rto = load<u64>(recovery, RECOVERY_RTO);
  if (shift == 0) return min(rto, limit);
  // At most 63 (host-control.ts).
  return rto > limit >> shift ? limit : rto << shift;
}
