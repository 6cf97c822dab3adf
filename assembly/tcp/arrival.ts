/**
 * What is asked of every received segment before its acknowledgment and its bytes (RFC 9293,
 * 3.10.7.4, first to fourth check; RFC 5961; RFC 7323): resets, SYNs, timestamps.
 */
import { count } from "../base/counter.ts";
import { postOf, recoveryOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { seqAtOrBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { TCP_ACK_FLAG, TCP_FIN, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge, challenge } from "./acknowledge.ts";
import { intervalCount } from "./ooo-interval.ts";
import { act, drop, flagsOf } from "./state.ts";
import { sequenceAcceptable } from "./window.ts";

/** True when the segment goes on to its acknowledgment; otherwise all is said of it. */
export function admitSegment(core: usize, work: usize, connection: u32, p: usize): bool {
  const tcpFlags = load<u32>(work, W.WORK_FLAGS);
  if (!timestampAcceptable(core, work, connection, p, tcpFlags)) return false;
  if ((tcpFlags & TCP_RST) != 0) {
    receiveReset(core, work, connection, p);
    return false;
  }
  // RFC 5961, 4.2: a SYN in a synchronized state is answered with a challenge ACK.
  if ((tcpFlags & TCP_SYN) != 0) {
    drop(work, DropReason.SynChallenge);
    challenge(core, work, connection, p);
    return false;
  }
  if ((tcpFlags & TCP_ACK_FLAG) != 0) return true;
  drop(work, DropReason.NoAck);
  if (!isInWindow(work, p, tcpFlags)) acknowledge(core, work, connection, p);
  return false;
}

/** RFC 9293, 3.10.7.4: the first check stands before the fifth, which drops what has no ACK. */
function isInWindow(work: usize, p: usize, tcpFlags: u32): bool {
  const span = load<u32>(work, W.WORK_PAYLOAD_LENGTH) + ((tcpFlags & TCP_FIN) != 0 ? 1 : 0);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  return isAcceptable(load<u32>(work, W.WORK_SEQ), span, next, load<u32>(p, F.PROTOCOL_RX_AVAIL));
}

/**
 * True for a segment with numbers in the window (RFC 9293, 3.10.7.4, first check). "Special
 * allowance": the ACK of a peer that has filled our window stands at its right edge, that of one
 * that has probed a closed window one further.
 */
// @ts-ignore: decorator
@inline
export function isAcceptable(seq: u32, span: u32, next: u32, window: u32): bool {
  return sequenceAcceptable(seq, span, next, window)
    || (span == 0 && seqDistance(next, seq) <= window + 1);
}

/** Nothing is decided yet. */
export function clearResult(work: usize): void {
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, 0, W.WORK_RX_BUMP);
  store<u32>(work, 0, W.WORK_TX_BUMP);
  store<u32>(work, 0, W.WORK_ARX_FLAGS);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_ACKED);
  store<u32>(work, 0, W.WORK_OUT_ECN);
}

/** RFC 7323 5.5: 24 days. */
const TIMESTAMP_VALID_NS: u64 = 24 * 86400 * 1000000000;

/** RFC 7323 5.2 (PAWS-7): 0 < t - s < 2^31, so that half the range away is not older. */
// @ts-ignore: decorator
@inline
function isOlder(s: u32, t: u32): bool {
  return s != t && seqDistance(s, t) >>> 31 == 0;
}

/**
 * True for what a retransmission has overtaken: TS.Recent moves on with what fills a hole, and
 * originals still under way would be too old for the next. What is held shows that there is a hole.
 */
function isLateOriginal(core: usize, connection: u32, ticks: u32): bool {
  const r = recoveryOf(core, connection);
  return ticks <= <u32>load<u8>(r, F.RECOVERY_STAMP_SLACK) && intervalCount(r) > 0;
}

/** PAWS (RFC 7323, 5.3 R1): an old timestamp is answered and dropped. */
function timestampAcceptable(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  tcpFlags: u32,
): bool {
  if ((flagsOf(p) & F.FLOW_TIMESTAMPS) == 0) return true;
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) == 0) {
    // Accepted and counted: dropping these stalls peers behind boxes that strip options.
    if ((tcpFlags & TCP_RST) == 0) count(core, Counter.TimestampMissing);
    return true;
  }
  if ((tcpFlags & TCP_RST) != 0) return true;
  const recent = load<u32>(p, F.PROTOCOL_TS_RECENT);
  if (!isOlder(load<u32>(work, W.WORK_TS_VAL), recent)) return true;
  if (isLateOriginal(core, connection, recent - load<u32>(work, W.WORK_TS_VAL))) {
    // TS.Recent never falls (TS-5).
    store<u32>(work, recent, W.WORK_TS_VAL);
    return true;
  }
  // RFC 7323 5.5 (PAWS-4): so long after the last segment the clock may have passed half its range.
  const idle = load<u64>(core, CORE_NOW) - load<u64>(postOf(core, connection), F.POST_LAST_RECEIVE);
  if (idle > TIMESTAMP_VALID_NS) return true;
  drop(work, DropReason.Paws);
  acknowledge(core, work, connection, p);
  return false;
}

/** TS.Recent follows segments that span the last ACK sent (RFC 7323, 4.3). */
// @ts-ignore: decorator
@inline
export function updateTimestamp(work: usize, p: usize, seq: u32, span: u32): void {
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) == 0) return;
  if (!seqAtOrBefore(seq, load<u32>(p, F.PROTOCOL_LAST_ACK_SENT))) return;
  store<u32>(p, load<u32>(work, W.WORK_TS_VAL), F.PROTOCOL_TS_RECENT);
}

/** RST: exact number resets, in-window is challenged, the rest is dropped (RFC 5961, 3.2). */
function receiveReset(core: usize, work: usize, connection: u32, p: usize): void {
  const seq = load<u32>(work, W.WORK_SEQ);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const window = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  if (seq == next) {
    act(work, W.ACTION_RESET);
  } else if (seqDistance(next, seq) < window) {
    drop(work, DropReason.ResetChallenge);
    challenge(core, work, connection, p);
  } else {
    drop(work, DropReason.ResetOutOfWindow);
  }
}
