/**
 * HyStart++ (RFC 9406) in CUBIC's initial slow start: when the least round trip of a round is above
 * that of the round before by an eighth (4 ms at least, 16 ms at most), growth slows down to a
 * quarter (Conservative Slow Start); after five rounds of that slow start is over. Not NewReno's:
 * RFC 9438, 4.10, asks it of CUBIC, and RFC 5681 is what NewReno is measured by.
 *
 * A round is an observation window. It needs 8 samples, and one segment at a time is timed: each
 * ACK's echoed timestamp is a sample too, in ticks of 1 ms, against thresholds of 4 ms. Without
 * timestamps there is one sample a round, no round is judged, and slow start ends as it used to.
 * Rounds that do not use the window go on as one, whose least round trip is as good a base as any.
 * L is 8 segments also for a connection with SO_MAX_PACING_RATE, where RFC 9406 would have none.
 */
import {
  CONGESTION_CSS, CONGESTION_FLAGS, CONGESTION_HYSTART, HYSTART_BASELINE, HYSTART_CSS_ROUNDS,
  HYSTART_DIVISOR_SHIFT, HYSTART_LAST, HYSTART_LEAST, HYSTART_ROUNDS, HYSTART_RTT_MAX,
  HYSTART_SAMPLES, HYSTART_SAMPLES_LEAST, HYSTART_THRESHOLD_MAX, HYSTART_THRESHOLD_MIN,
} from "../../../bindings/abi/congestion.ts";
import { PROTOCOL_CWND, RECOVERY_SSTHRESH } from "../../../bindings/abi/flow-state.ts";

/** No round trip was measured: above every one that was. */
const NONE: u32 = HYSTART_RTT_MAX + 1;

/** Slow start begins: nothing is known of round trips. */
export function hystartBegin(recovery: usize): void {
  const flags = load<u32>(recovery, CONGESTION_FLAGS) & ~CONGESTION_CSS;
  store<u32>(recovery, flags | CONGESTION_HYSTART, CONGESTION_FLAGS);
  store<u32>(recovery, NONE, HYSTART_LAST);
  beginRound(recovery);
}

function beginRound(recovery: usize): void {
  store<u32>(recovery, NONE, HYSTART_LEAST);
  store<u32>(recovery, 0, HYSTART_SAMPLES);
}

/** One round trip, ns, in a connection with CONGESTION_HYSTART. */
export function hystartSample(recovery: usize, rtt: u64): void {
  const sample = <u32>min<u64>(rtt, HYSTART_RTT_MAX);
  store<u32>(recovery, min<u32>(sample, load<u32>(recovery, HYSTART_LEAST)), HYSTART_LEAST);
  store<u32>(recovery, load<u32>(recovery, HYSTART_SAMPLES) + 1, HYSTART_SAMPLES);
}

/** After the growth for an ACK, in a connection with CONGESTION_HYSTART; `ended`: its round did. */
export function hystartOnAck(protocol: usize, recovery: usize, ended: bool): void {
  if (load<u32>(recovery, HYSTART_SAMPLES) >= HYSTART_SAMPLES_LEAST) judge(recovery);
  if (ended) endRound(protocol, recovery);
}

/** RFC 9406 4.2: a rise begins CSS; in CSS, a fall below where it began takes that back. */
function judge(recovery: usize): void {
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  const least = load<u32>(recovery, HYSTART_LEAST);
  if ((flags & CONGESTION_CSS) != 0) {
    if (least >= load<u32>(recovery, HYSTART_BASELINE)) return;
    store<u32>(recovery, flags & ~CONGESTION_CSS, CONGESTION_FLAGS);
    return;
  }
  const last = load<u32>(recovery, HYSTART_LAST);
  if (last == NONE || least == NONE) return;
  const eighth = last >> HYSTART_DIVISOR_SHIFT;
  const threshold = max<u32>(HYSTART_THRESHOLD_MIN, min<u32>(eighth, HYSTART_THRESHOLD_MAX));
  if (<u64>least < <u64>last + threshold) return;
  store<u32>(recovery, least, HYSTART_BASELINE);
  store<u32>(recovery, 0, HYSTART_ROUNDS);
  store<u32>(recovery, flags | CONGESTION_CSS, CONGESTION_FLAGS);
}

/** The round in which CSS began counts as one (RFC 9406, 4.2). */
function endRound(protocol: usize, recovery: usize): void {
  store<u32>(recovery, load<u32>(recovery, HYSTART_LEAST), HYSTART_LAST);
  beginRound(recovery);
  const flags = load<u32>(recovery, CONGESTION_FLAGS);
  if ((flags & CONGESTION_CSS) == 0) return;
  const rounds = load<u32>(recovery, HYSTART_ROUNDS) + 1;
  store<u32>(recovery, rounds, HYSTART_ROUNDS);
  if (rounds < HYSTART_CSS_ROUNDS) return;
  store<u32>(recovery, load<u32>(protocol, PROTOCOL_CWND), RECOVERY_SSTHRESH);
  store<u32>(recovery, flags & ~(CONGESTION_HYSTART | CONGESTION_CSS), CONGESTION_FLAGS);
}
