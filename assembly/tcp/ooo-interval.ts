/**
 * Out-of-order intervals of the receive window (4.3.1.3, there one; here up to the limit that
 * RECOVERY_INTERVAL_LIMIT sets). Each is {start, end} in sequence numbers, most recently changed
 * first, which is the order that SACK blocks want (RFC 2018, section 4). More than
 * OOO_INTERVALS_OWN live in a record of the log pool, which goes back when there are fewer again.
 * Invariant: intervals are disjoint, do not touch, and lie after rxNextSeq within the window.
 */
import { giveLog, takeSpareLog } from "../flow/send-log-pool.ts";
import { RECOVERY_INTERVALS, RECOVERY_INTERVAL_COUNT } from "../../bindings/abi/flow-state.ts";
import { RECOVERY_INTERVAL_LIMIT } from "../../bindings/abi/flow-state.ts";
import { OOO_INTERVALS_MAX, OOO_INTERVALS_OWN, PLACEMENTS_MAX } from "../../bindings/abi/limits.ts";
import { LOG_SIZE } from "../../bindings/abi/send-log.ts";
import { seqAfter, seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { PLACEMENT_LENGTH, PLACEMENT_OFFSET, PLACEMENT_SEQ } from "../../bindings/abi/work.ts";
import { PLACEMENT_SIZE } from "../../bindings/abi/work.ts";

const INTERVAL_SIZE: u32 = 8;

if (OOO_INTERVALS_MAX * INTERVAL_SIZE > LOG_SIZE) ERROR("intervals must fit a log");

/** Where the intervals are. */
// @ts-ignore: decorator
@inline
export function intervalsOf(recovery: usize): usize {
  if (intervalCount(recovery) <= OOO_INTERVALS_OWN) return recovery + RECOVERY_INTERVALS;
  return <usize>load<u32>(recovery, RECOVERY_INTERVALS);
}

// @ts-ignore: decorator
@inline
function intervalAt(recovery: usize, index: u32): usize {
  return intervalsOf(recovery) + index * INTERVAL_SIZE;
}

/** The intervals move to where `count` of them fit; false when no log is to spare. */
function makeRoom(core: usize, recovery: usize, count: u32): bool {
  const before = intervalCount(recovery);
  if ((before > OOO_INTERVALS_OWN) == (count > OOO_INTERVALS_OWN)) return true;
  const own = recovery + RECOVERY_INTERVALS;
  if (before > OOO_INTERVALS_OWN) {
    const log = intervalsOf(recovery);
    memory.copy(own, log, OOO_INTERVALS_OWN * INTERVAL_SIZE);
    giveLog(core, log);
    return true;
  }
  const log = takeSpareLog(core);
  if (log == 0) return false;
  memory.copy(log, own, OOO_INTERVALS_OWN * INTERVAL_SIZE);
  store<u32>(own, <u32>log);
  return true;
}

/** Nothing out of order is kept any longer. */
export function forgetIntervals(core: usize, recovery: usize): void {
  if (intervalCount(recovery) == 0) return;
  makeRoom(core, recovery, 0);
  store<u8>(recovery, 0, RECOVERY_INTERVAL_COUNT);
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
export function addInterval(core: usize, recovery: usize, start: u32, end: u32): bool {
  const count = intervalCount(recovery);
  const before = intervalsOf(recovery);
  let low = start;
  let high = end;
  let touched: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const interval = before + i * INTERVAL_SIZE;
    if (isApart(interval, start, end)) continue;
    touched++;
    if (seqBefore(startOf(interval), low)) low = startOf(interval);
    if (seqAfter(endOf(interval), high)) high = endOf(interval);
  }
  let list = before;
  if (touched == 0) {
    if (count >= load<u8>(recovery, RECOVERY_INTERVAL_LIMIT)) return false;
    if (!makeRoom(core, recovery, count + 1)) return false;
    if (count == OOO_INTERVALS_OWN) list = <usize>load<u32>(recovery, RECOVERY_INTERVALS);
  }
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const interval = list + i * INTERVAL_SIZE;
    if (!isApart(interval, start, end)) continue;
    store<u64>(list + kept * INTERVAL_SIZE, load<u64>(interval));
    kept++;
  }
  memory.copy(list + INTERVAL_SIZE, list, kept * INTERVAL_SIZE);
  store<u32>(list, low);
  store<u32>(list, high, 4);
  if (touched != 0) makeRoom(core, recovery, kept + 1);
  store<u8>(recovery, <u8>(kept + 1), RECOVERY_INTERVAL_COUNT);
  return true;
}

/** Neither overlaps nor touches. */
// @ts-ignore: decorator
@inline
function isApart(interval: usize, start: u32, end: u32): bool {
  return seqAfter(startOf(interval), end) || seqBefore(endOf(interval), start);
}

/**
 * Absorbs the intervals that in-order data up to `next` has reached; returns the new rxNextSeq.
 */
export function absorbIntervals(core: usize, recovery: usize, next: u32): u32 {
  const list = intervalsOf(recovery);
  let count = intervalCount(recovery);
  let reached = next;
  // An absorbed interval may make another one reachable; there are at most OOO_INTERVALS_MAX.
  for (let turn: u32 = 0; turn < OOO_INTERVALS_MAX; turn++) {
    let index: u32 = 0;
    while (index < count && seqAfter(startOf(list + index * INTERVAL_SIZE), reached)) index++;
    if (index == count) break;
    const interval = list + index * INTERVAL_SIZE;
    const end = endOf(interval);
    if (seqAfter(end, reached)) reached = end;
    count--;
    memory.copy(interval, interval + INTERVAL_SIZE, (count - index) * INTERVAL_SIZE);
  }
  makeRoom(core, recovery, count);
  store<u8>(recovery, <u8>count, RECOVERY_INTERVAL_COUNT);
  return reached;
}
