/**
 * RACK (RFC 8985, 6): a segment is lost when one that was sent later has arrived and the reordering
 * window has passed. Functions take the addresses of the connection's PROTOCOL and RECOVERY records
 * and of its send log; times are ns.
 */
import { postOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../bindings/abi/limits.ts";
import { CORE_NOW, TICK_NS } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/send-log.ts";
import { seqAfter, seqBefore } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import { restate, runAt, runCount, runEnd, runFlags, runTime } from "./send-log.ts";

/** RFC 8985 6.2, step 4: recoveries for which a wider window is kept. */
const PERSIST: u32 = 16;
/** The reordering window is a multiple of a quarter of min_RTT. */
const QUARTER_BITS: u64 = 2;
const MORE_MAX: u32 = 255;

// @ts-ignore: decorator
@inline
export function isRack(r: usize): bool {
  return (load<u8>(r, F.RECOVERY_RACK) & <u8>F.RACK_ENABLED) != 0;
}

/** DupThresh where losses are found by counting (RFC 6675); RACK's own is DUP_ACK_THRESHOLD. */
// @ts-ignore: decorator
@inline
export function duplicateThreshold(r: usize): u32 {
  return (load<u8>(r, F.RECOVERY_RACK) & <u8>F.LOSS_AT_FIRST) != 0 ? 1 : DUP_ACK_THRESHOLD;
}

/** RFC 8985 6.2 (RACK-3): by time, or, sent at the same time, by sequence. */
// @ts-ignore: decorator
@inline
function isSentAfter(time: u64, end: u32, otherTime: u64, otherEnd: u32): bool {
  return time > otherTime || (time == otherTime && seqAfter(end, otherEnd));
}

/**
 * RFC 8985 6.2, steps 2 and 3: a run of the send log has been acknowledged, in one way or the
 * other, for the first time.
 */
export function rackDelivered(
  core: usize, work: usize, r: usize, log: usize, flags: u32, sent: u64, end: u32,
): void {
  noteReordering(r, log, flags, end);
  const rtt = load<u64>(core, CORE_NOW) - sent;
  if ((flags & S.RUN_AGAIN) != 0) {
    // RACK-4: the ACK may be that of an earlier transmission.
    if (isEchoOlder(core, work, sent)) return;
    if (rtt < load<u64>(r, F.RECOVERY_RTT_MIN)) return;
  }
  store<u64>(log, rtt, S.LOG_RACK_RTT);
  const latest = load<u64>(log, S.LOG_RACK_TIME);
  if (!isSentAfter(sent, end, latest, load<u32>(log, S.LOG_RACK_END))) return;
  store<u64>(log, sent, S.LOG_RACK_TIME);
  store<u32>(log, end, S.LOG_RACK_END);
}

/** RACK-15: sent once, and behind what has arrived. */
// @ts-ignore: decorator
@inline
function noteReordering(r: usize, log: usize, flags: u32, end: u32): void {
  const fack = load<u32>(log, S.LOG_FACK);
  if (!seqBefore(end, fack)) {
    store<u32>(log, end, S.LOG_FACK);
  } else if ((flags & S.RUN_AGAIN) == 0) {
    store<u8>(r, load<u8>(r, F.RECOVERY_RACK) | <u8>F.RACK_REORDERED, F.RECOVERY_RACK);
  }
}

/** The timestamp that the segment echoes is older than a transmission at `sent`. */
export function isEchoOlder(core: usize, work: usize, sent: u64): bool {
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) == 0) return false;
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const offset = load<u32>(postOf(core, connection), F.POST_TS_OFFSET);
  return seqBefore(load<u32>(work, W.WORK_TS_ECR), <u32>(sent / TICK_NS) + offset);
}

/**
 * RFC 8985 6.2, step 4 (RACK-7): an ACK told of a range that arrived twice; once a round the
 * reordering window grows by a quarter of min_RTT.
 */
export function noteTwice(p: usize, r: usize): void {
  const state: u32 = load<u8>(r, F.RECOVERY_RACK);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const inRound = (state & F.RACK_DSACK_ROUND) != 0;
  if (inRound && seqBefore(una, load<u32>(r, F.RECOVERY_DSACK_ROUND))) return;
  const more: u32 = load<u8>(r, F.RECOVERY_REORDER_MORE);
  store<u8>(r, <u8>min(more + 1, MORE_MAX), F.RECOVERY_REORDER_MORE);
  store<u8>(r, <u8>PERSIST, F.RECOVERY_REORDER_PERSIST);
  store<u32>(r, una + load<u32>(p, F.PROTOCOL_TX_SENT), F.RECOVERY_DSACK_ROUND);
  store<u8>(r, <u8>(state | F.RACK_DSACK_ROUND), F.RECOVERY_RACK);
}

/** A recovery has ended: after sixteen the window is what it was at first. */
export function endReorderRound(r: usize): void {
  const persist: u32 = load<u8>(r, F.RECOVERY_REORDER_PERSIST);
  if (persist > 1) return store<u8>(r, <u8>(persist - 1), F.RECOVERY_REORDER_PERSIST);
  store<u8>(r, 0, F.RECOVERY_REORDER_PERSIST);
  store<u8>(r, 0, F.RECOVERY_REORDER_MORE);
}

/** RFC 8985 6.2, step 4 (RACK-6). */
function reorderWindow(p: usize, r: usize, log: usize): u64 {
  if ((load<u8>(r, F.RECOVERY_RACK) & <u8>F.RACK_REORDERED) == 0) {
    if ((load<u16>(p, F.PROTOCOL_FLAGS) & <u16>F.FLOW_RECOVERY) != 0) return 0;
    if (load<u8>(p, F.PROTOCOL_DUP_ACKS) >= <u8>DUP_ACK_THRESHOLD) return 0;
    const enough = (DUP_ACK_THRESHOLD - 1) * <u32>load<u16>(p, F.PROTOCOL_MSS);
    if (load<u32>(log, S.LOG_SACKED) > enough) return 0;
  }
  const times = <u64>load<u8>(r, F.RECOVERY_REORDER_MORE) + 1;
  const window = (times * load<u64>(r, F.RECOVERY_RTT_MIN)) >> QUARTER_BITS;
  return min(window, load<u64>(r, F.RECOVERY_SRTT));
}

/**
 * RFC 8985 6.2, step 5 (RACK-8, RACK-9, RACK-10): what was sent before the latest that has arrived
 * and is old enough is lost, retransmissions too; LOG_REORDER says when the rest will be.
 */
export function markLostByTime(core: usize, p: usize, r: usize, log: usize): void {
  const now = load<u64>(core, CORE_NOW);
  const wait = load<u64>(log, S.LOG_RACK_RTT) + reorderWindow(p, r, log);
  const latest = load<u64>(log, S.LOG_RACK_TIME);
  const end = load<u32>(log, S.LOG_RACK_END);
  const count = runCount(log);
  let due: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const run = runAt(log, i);
    const flags = runFlags(run);
    if ((flags & (S.RUN_SACKED | S.RUN_LOST)) != 0) continue;
    if (!isSentAfter(latest, end, runTime(run), runEnd(run))) continue;
    const at = runTime(run) + wait;
    if (at <= now) restate(log, i, (flags & ~S.RUN_TWICE) | S.RUN_LOST);
    else due = max(due, at);
  }
  store<u64>(log, due, S.LOG_REORDER);
}

/** RFC 8985 6.3 (RACK-16): a timeout; what is not older than that is still under way. */
export function markOldLost(core: usize, p: usize, r: usize, log: usize): void {
  const now = load<u64>(core, CORE_NOW);
  const wait = load<u64>(log, S.LOG_RACK_RTT) + reorderWindow(p, r, log);
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    const run = runAt(log, i);
    if (runTime(run) + wait > now) continue;
    restate(log, i, (runFlags(run) & ~S.RUN_TWICE) | S.RUN_LOST);
  }
  store<u64>(log, 0, S.LOG_REORDER);
}
