/**
 * What an acknowledgment says of the send log: bytes that una has passed, blocks of SACK (RFC
 * 2018), a range that arrived twice (RFC 2883), and by the rules of RFC 6675 what is lost. Time is
 * rack.ts's.
 */
import * as F from "../../bindings/abi/flow-state.ts";
import { SACK_BLOCKS_MAX } from "../../bindings/abi/limits.ts";
import * as S from "../../bindings/abi/send-log.ts";
import { seqAfter, seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import { duplicateThreshold, rackDelivered } from "./rack.ts";
import { hasRoom, joinSacked, logOf, passBy, recount, removeRuns, restate } from "./send-log.ts";
import { runAt, runCount, runEnd, runFlags, runStart, runTime, splitAt } from "./send-log.ts";

const BLOCK_SIZE: u32 = 8;

// @ts-ignore: decorator
@inline
function blockStart(work: usize, index: u32): u32 {
  return load<u32>(work + W.WORK_SACK + index * BLOCK_SIZE);
}

// @ts-ignore: decorator
@inline
function blockEnd(work: usize, index: u32): u32 {
  return load<u32>(work + W.WORK_SACK + index * BLOCK_SIZE, 4);
}

// @ts-ignore: decorator
@inline
function blockCount(work: usize): u32 {
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_SACK) == 0) return 0;
  return min(load<u32>(work, W.WORK_SACK_COUNT), SACK_BLOCKS_MAX);
}

/**
 * An ACK that has moved una by `acked`: how many bytes more are selectively acknowledged than
 * before it; those that una has passed count as fewer (modulo 2^32). The log is not 0.
 */
export function updateScoreboard(core: usize, work: usize, p: usize, r: usize, acked: u32): u32 {
  const log = logOf(r);
  const before = load<u32>(log, S.LOG_SACKED);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  passBy(log, una - acked);
  if (acked != 0) deliverBelow(core, work, r, log, una);
  takeSackBlocks(core, work, p, r);
  return load<u32>(log, S.LOG_SACKED) - before;
}

/** Everything before `una` has arrived. */
function deliverBelow(core: usize, work: usize, r: usize, log: usize, una: u32): void {
  const count = runCount(log);
  let gone: u32 = 0;
  let start = load<u32>(log, S.LOG_START);
  for (; gone < count; gone++) {
    const run = runAt(log, gone);
    const flags = runFlags(run);
    const whole = seqAtOrBefore(runEnd(run), una);
    const end = whole ? runEnd(run) : una;
    if (seqAfter(end, start)) {
      if ((flags & S.RUN_SACKED) == 0) {
        rackDelivered(core, work, r, log, flags, runTime(run), end);
      }
      recount(log, flags, 0, seqDistance(start, end));
      start = end;
    }
    if (!whole) break;
  }
  store<u32>(log, start, S.LOG_START);
  removeRuns(log, 0, gone);
}

/**
 * Blocks of what was never sent, not above una or empty say nothing (SK-9). Memory and work are
 * bounded (SK-10).
 */
export function takeSackBlocks(core: usize, work: usize, p: usize, r: usize): void {
  const log = logOf(r);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const sent = seqDistance(una, runStart(log, runCount(log)));
  const blocks = blockCount(work);
  // A block that has found no room has changed nothing: nor would the next one find any.
  let room = true;
  for (let i: u32 = 0; room && i < blocks; i++) {
    const start = blockStart(work, i);
    const end = blockEnd(work, i);
    const span = seqDistance(start, end);
    if (seqAtOrBefore(start, una) || span == 0 || span > sent) continue;
    if (seqDistance(una, end) <= sent) room = noteSacked(core, work, r, log, start, end);
  }
  if (blocks != 0) joinSacked(log);
}

/** The peer has [start, end); false when the log had no room to say so. */
function noteSacked(
  core: usize, work: usize, r: usize, log: usize, start: u32, end: u32,
): bool {
  if (!hasRoom(log)) return false;
  const first = splitAt(log, start);
  const after = splitAt(log, end);
  for (let i = first; i < after; i++) {
    const run = runAt(log, i);
    const flags = runFlags(run);
    if ((flags & S.RUN_SACKED) != 0) continue;
    rackDelivered(core, work, r, log, flags, runTime(run), runEnd(run));
    restate(log, i, S.RUN_SACKED);
  }
  return true;
}

/**
 * RFC 2883 5 (SK-19): the first block tells of a range that arrived twice when it is not above the
 * ACK number of its own segment, or when the second one holds it.
 */
export function saysTwice(work: usize): bool {
  const blocks = blockCount(work);
  if (blocks == 0) return false;
  const start = blockStart(work, 0);
  const end = blockEnd(work, 0);
  if (!seqBefore(start, end)) return false;
  if (seqBefore(start, load<u32>(work, W.WORK_ACK))) return true;
  if (blocks == 1) return false;
  return !seqBefore(start, blockStart(work, 1)) && !seqAfter(end, blockEnd(work, 1));
}

/** Where the range that saysTwice() tells of ends. */
// @ts-ignore: decorator
@inline
export function twiceEnd(work: usize): u32 {
  return blockEnd(work, 0);
}

/**
 * IsLost() (RFC 6675 4, SK-11) of every byte that was not sent again: as many runs as the threshold
 * stand above, or more bytes than its segments less one.
 */
export function markLostByCount(p: usize, r: usize, log: usize): void {
  const threshold = duplicateThreshold(r);
  const most = (threshold - 1) * <u32>load<u16>(p, F.PROTOCOL_MSS);
  let bytes: u32 = 0;
  let above: u32 = 0;
  for (let i = runCount(log); i > 0; i--) {
    const flags = runFlags(runAt(log, i - 1));
    if ((flags & S.RUN_SACKED) != 0) {
      bytes += seqDistance(runStart(log, i - 1), runEnd(runAt(log, i - 1)));
      above++;
    } else if (above >= threshold || bytes > most) {
      if ((flags & (S.RUN_AGAIN | S.RUN_LOST)) == 0) restate(log, i - 1, flags | S.RUN_LOST);
    }
  }
}

/** Up to a segment at una is lost, whatever else is known of it. */
export function markFirstLost(p: usize, log: usize): void {
  if (!hasRoom(log)) return restate(log, 0, S.RUN_LOST);
  const first = load<u32>(log, S.LOG_START);
  const end = first + <u32>load<u16>(p, F.PROTOCOL_MSS);
  splitAt(log, end);
  restate(log, 0, (runFlags(runAt(log, 0)) & S.RUN_AGAIN) | S.RUN_LOST);
}

/** NextSeg(), rule 3 (RFC 6675 4, SK-15): a hole below what the peer has is taken as lost. */
export function markHoleLost(log: usize): void {
  if (load<u32>(log, S.LOG_SACKED) == 0) return;
  let above = false;
  let hole = runCount(log);
  for (let i = runCount(log); i > 0; i--) {
    const flags = runFlags(runAt(log, i - 1));
    if ((flags & S.RUN_SACKED) != 0) above = true;
    else if (above && (flags & S.RUN_AGAIN) == 0) hole = i - 1;
  }
  if (hole == runCount(log)) return;
  restate(log, hole, runFlags(runAt(log, hole)) | S.RUN_LOST);
}
