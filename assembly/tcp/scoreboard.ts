/**
 * The sender's scoreboard (RFC 6675, section 3): what the peer has selectively acknowledged, as
 * ranges {start, end} of sequence numbers. Bounded (SK-10): a range for which there is no room is
 * taken as not acknowledged, which costs a retransmission and no byte. Functions take the addresses
 * of the connection's PROTOCOL and RECOVERY records.
 *
 * Invariant: ranges rise, are disjoint and do not touch, and lie in (una, una + txMax].
 */
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD, SACK_BLOCKS_MAX } from "../../bindings/abi/limits.ts";
import { SACKED_RANGES_MAX } from "../../bindings/abi/limits.ts";
import { seqAfter, seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";

const RANGE_SIZE: u32 = 8;

if (F.RECOVERY_BACKOFF != F.RECOVERY_SACKED_COUNT + 1) ERROR("RECOVERY: one look at both");

// @ts-ignore: decorator
@inline
function rangeAt(r: usize, index: u32): usize {
  return r + F.RECOVERY_SACKED + index * RANGE_SIZE;
}

// @ts-ignore: decorator
@inline
function startOf(range: usize): u32 {
  return load<u32>(range);
}

// @ts-ignore: decorator
@inline
function endOf(range: usize): u32 {
  return load<u32>(range, 4);
}

/** Ranges that the scoreboard has. */
// @ts-ignore: decorator
@inline
export function sackedCount(r: usize): u32 {
  return load<u8>(r, F.RECOVERY_SACKED_COUNT);
}

/** RFC 2018 5.1 (SK-7): a timeout forgets what was said, for a peer may take it back. */
export function forgetSacked(r: usize): void {
  store<u8>(r, 0, F.RECOVERY_SACKED_COUNT);
}

/** Bytes in ranges. */
export function sackedBytes(r: usize): u32 {
  const count = sackedCount(r);
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const range = rangeAt(r, i);
    bytes += seqDistance(startOf(range), endOf(range));
  }
  return bytes;
}

/** End of the highest range; `una` when there is none. */
export function highestSacked(r: usize, una: u32): u32 {
  const count = sackedCount(r);
  return count == 0 ? una : endOf(rangeAt(r, count - 1));
}

/** What una has passed leaves the scoreboard. */
export function pruneSacked(r: usize, una: u32): void {
  const count = sackedCount(r);
  let gone: u32 = 0;
  while (gone < count && seqAtOrBefore(endOf(rangeAt(r, gone)), una)) gone++;
  if (gone != 0) removeRanges(r, 0, gone);
  if (gone == count) return;
  // A range at una itself: the peer has taken the bytes before it back, or this ACK is older.
  if (seqBefore(startOf(rangeAt(r, 0)), una)) store<u32>(rangeAt(r, 0), una);
}

function removeRanges(r: usize, first: u32, removed: u32): void {
  const count = sackedCount(r);
  for (let i = first; i + removed < count; i++) {
    store<u64>(rangeAt(r, i), load<u64>(rangeAt(r, i + removed)));
  }
  store<u8>(r, <u8>(count - removed), F.RECOVERY_SACKED_COUNT);
}

/**
 * Takes the SACK blocks of a segment, una being up to date. Blocks of what was never sent, below
 * una (D-SACK, RFC 2883) or empty say nothing (SK-9).
 */
export function takeSackBlocks(work: usize, p: usize, r: usize): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const sent = load<u32>(p, F.PROTOCOL_TX_MAX);
  const blocks = min(load<u32>(work, W.WORK_SACK_COUNT), SACK_BLOCKS_MAX);
  for (let i: u32 = 0; i < blocks; i++) {
    const start = load<u32>(work + W.WORK_SACK + i * RANGE_SIZE);
    const end = load<u32>(work + W.WORK_SACK + i * RANGE_SIZE, 4);
    const span = seqDistance(start, end);
    if (seqAtOrBefore(start, una) || span == 0 || span > sent) continue;
    if (seqDistance(una, end) <= sent) insertRange(r, start, end);
  }
}

/** [start, end) joins the ranges that it touches. */
function insertRange(r: usize, start: u32, end: u32): void {
  const count = sackedCount(r);
  let first: u32 = 0;
  while (first < count && seqBefore(endOf(rangeAt(r, first)), start)) first++;
  let after = first;
  while (after < count && seqAtOrBefore(startOf(rangeAt(r, after)), end)) after++;
  if (after == first) return openRange(r, first, start, end);
  const low = startOf(rangeAt(r, first));
  const high = endOf(rangeAt(r, after - 1));
  const into = rangeAt(r, first);
  store<u32>(into, seqBefore(start, low) ? start : low);
  store<u32>(into, seqAfter(end, high) ? end : high, 4);
  if (after - first > 1) removeRanges(r, first + 1, after - first - 1);
}

function openRange(r: usize, index: u32, start: u32, end: u32): void {
  const count = sackedCount(r);
  if (count == SACKED_RANGES_MAX) return;
  for (let i = count; i > index; i--) store<u64>(rangeAt(r, i), load<u64>(rangeAt(r, i - 1)));
  store<u32>(rangeAt(r, index), start);
  store<u32>(rangeAt(r, index), end, 4);
  store<u8>(r, <u8>(count + 1), F.RECOVERY_SACKED_COUNT);
}

/**
 * Everything below that is not acknowledged is lost by IsLost() (RFC 6675 4, SK-11): as many ranges
 * as the threshold stand above, or more bytes than its segments less one. `una` when nothing is.
 */
export function lostEdge(p: usize, r: usize): u32 {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const most = (DUP_ACK_THRESHOLD - 1) * <u32>load<u16>(p, F.PROTOCOL_MSS);
  let bytes: u32 = 0;
  let above: u32 = 0;
  for (let i = sackedCount(r); i > 0; i--) {
    const range = rangeAt(r, i - 1);
    bytes += seqDistance(startOf(range), endOf(range));
    above++;
    if (above >= DUP_ACK_THRESHOLD || bytes > most) return startOf(range);
  }
  return una;
}

/** Bytes in [una, `edge`) that no range has. */
export function holesBelow(p: usize, r: usize, edge: u32): u32 {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  if (seqAtOrBefore(edge, una)) return 0;
  let bytes = seqDistance(una, edge);
  const count = sackedCount(r);
  for (let i: u32 = 0; i < count; i++) {
    const start = startOf(rangeAt(r, i));
    const end = endOf(rangeAt(r, i));
    if (!seqBefore(start, edge)) break;
    bytes -= seqDistance(start, seqBefore(end, edge) ? end : edge);
  }
  return bytes;
}

/** First byte from `from` on that no range has. */
export function holeFrom(r: usize, from: u32): u32 {
  const count = sackedCount(r);
  for (let i: u32 = 0; i < count; i++) {
    const range = rangeAt(r, i);
    if (seqBefore(from, startOf(range))) return from;
    if (seqBefore(from, endOf(range))) return endOf(range);
  }
  return from;
}

/** Where the hole at `from` ends: the next range's start, or `limit`. */
export function holeEnd(r: usize, from: u32, limit: u32): u32 {
  const count = sackedCount(r);
  for (let i: u32 = 0; i < count; i++) {
    const start = startOf(rangeAt(r, i));
    if (seqAfter(start, from)) return seqBefore(start, limit) ? start : limit;
  }
  return limit;
}
