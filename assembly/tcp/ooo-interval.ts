/**
 * Out-of-order intervals of the receive window (4.3.1.3, there one; here up to the limit that
 * RECOVERY_INTERVAL_LIMIT sets). Each is {start, end} in sequence numbers, most recently changed
 * first, which is the order that SACK blocks want (RFC 2018, section 4).
 * Invariant: intervals are disjoint, do not touch, and lie after rxNextSeq within the window.
 */
import { RECOVERY_INTERVALS, RECOVERY_INTERVAL_COUNT } from "../../bindings/abi/flow-state.ts";
import { RECOVERY_INTERVAL_LIMIT } from "../../bindings/abi/flow-state.ts";
import { OOO_INTERVALS_MAX, PLACEMENTS_MAX } from "../../bindings/abi/limits.ts";
import { seqAfter, seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { PLACEMENT_LENGTH, PLACEMENT_OFFSET, PLACEMENT_SEQ } from "../../bindings/abi/work.ts";
import { PLACEMENT_SIZE } from "../../bindings/abi/work.ts";

const INTERVAL_SIZE: u32 = 8;

// @ts-ignore: decorator
@inline
function intervalAt(recovery: usize, index: u32): usize {
  return recovery + RECOVERY_INTERVALS + index * INTERVAL_SIZE;
}

// @ts-ignore: decorator
@inline
function startOf(interval: usize): u32 {
  return load<u32>(interval);
}

// @ts-ignore: decorator
@inline
function endOf(interval: usize): u32 {
  return load<u32>(interval, 4);
}

// @ts-ignore: decorator
@inline
export function intervalCount(recovery: usize): u32 {
  return load<u8>(recovery, RECOVERY_INTERVAL_COUNT);
}

/**
 * Writes the parts of [start, end) that no interval holds as placements: bytes once accepted
 * never change (day-one decision 19). `seq` is the sequence number of the payload's first byte.
 * Returns the end of what fits PLACEMENTS_MAX parts; their count is stored at `countAt`.
 */
export function placeOutside(
  recovery: usize,
  seq: u32,
  start: u32,
  end: u32,
  placements: usize,
  countAt: usize,
): u32 {
  let cursor = start;
  let count: u32 = 0;
  // Each turn passes an interval or writes a placement.
  for (let turn: u32 = 0; turn < OOO_INTERVALS_MAX + PLACEMENTS_MAX + 1; turn++) {
    if (!seqBefore(cursor, end)) break;
    const covered = endOfCover(recovery, cursor);
    if (covered != cursor) {
      cursor = covered;
      continue;
    }
    if (count == PLACEMENTS_MAX) break;
    const stop = nextStart(recovery, cursor, end);
    const placement = placements + count * PLACEMENT_SIZE;
    store<u32>(placement, cursor, PLACEMENT_SEQ);
    store<u32>(placement, seqDistance(seq, cursor), PLACEMENT_OFFSET);
    store<u32>(placement, seqDistance(cursor, stop), PLACEMENT_LENGTH);
    count++;
    cursor = stop;
  }
  store<u32>(countAt, count);
  return seqBefore(cursor, end) ? cursor : end;
}

/** The end of the interval that holds `seq`, or `seq` itself when none does. */
export function endOfCover(recovery: usize, seq: u32): u32 {
  const count = intervalCount(recovery);
  for (let i: u32 = 0; i < count; i++) {
    const interval = intervalAt(recovery, i);
    if (seqAtOrBefore(startOf(interval), seq) && seqBefore(seq, endOf(interval))) {
      return endOf(interval);
    }
  }
  return seq;
}

/** The nearest interval start after `seq` and before `end`, or `end`. */
export function nextStart(recovery: usize, seq: u32, end: u32): u32 {
  const count = intervalCount(recovery);
  let nearest = end;
  for (let i: u32 = 0; i < count; i++) {
    const start = startOf(intervalAt(recovery, i));
    if (seqAfter(start, seq) && seqBefore(start, nearest)) nearest = start;
  }
  return nearest;
}

/**
 * Adds [start, end), merging what it overlaps or touches; the result is the most recent interval.
 * False, and nothing changed, when it would be one interval too many.
 */
export function addInterval(recovery: usize, start: u32, end: u32): bool {
  const count = intervalCount(recovery);
  let low = start;
  let high = end;
  let kept: u32 = 0;
  let touched: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const interval = intervalAt(recovery, i);
    if (seqAfter(startOf(interval), end) || seqBefore(endOf(interval), start)) continue;
    touched++;
    if (seqBefore(startOf(interval), low)) low = startOf(interval);
    if (seqAfter(endOf(interval), high)) high = endOf(interval);
  }
  if (touched == 0 && count >= load<u8>(recovery, RECOVERY_INTERVAL_LIMIT)) return false;
  for (let i: u32 = 0; i < count; i++) {
    const interval = intervalAt(recovery, i);
    if (!seqAfter(startOf(interval), end) && !seqBefore(endOf(interval), start)) continue;
    store<u64>(intervalAt(recovery, kept), load<u64>(interval));
    kept++;
  }
  for (let i = kept; i > 0; i--) {
    store<u64>(intervalAt(recovery, i), load<u64>(intervalAt(recovery, i - 1)));
  }
  store<u32>(intervalAt(recovery, 0), low);
  store<u32>(intervalAt(recovery, 0), high, 4);
  store<u8>(recovery, <u8>(kept + 1), RECOVERY_INTERVAL_COUNT);
  return true;
}

/**
 * Absorbs the intervals that in-order data up to `next` has reached; returns the new rxNextSeq.
 */
export function absorbIntervals(recovery: usize, next: u32): u32 {
  let reached = next;
  // An absorbed interval may make another one reachable; there are at most OOO_INTERVALS_MAX.
  for (let turn: u32 = 0; turn < OOO_INTERVALS_MAX; turn++) {
    const count = intervalCount(recovery);
    let index: u32 = 0;
    while (index < count && seqAfter(startOf(intervalAt(recovery, index)), reached)) index++;
    if (index == count) break;
    const end = endOf(intervalAt(recovery, index));
    if (seqAfter(end, reached)) reached = end;
    for (let i = index + 1; i < count; i++) {
      store<u64>(intervalAt(recovery, i - 1), load<u64>(intervalAt(recovery, i)));
    }
    store<u8>(recovery, <u8>(count - 1), RECOVERY_INTERVAL_COUNT);
  }
  return reached;
}
