/**
 * Protocol stage, acknowledgments: when one is due (RFC 9293, 3.8.6.3) and what it says. The
 * decision is per segment; an ACK leaves after the burst (RFC 9293 MUST-58, MUST-59).
 */
import { copyBytes } from "../base/bytes.ts";
import { count } from "../base/counter.ts";
import { intervalCount, intervalsOf } from "./ooo-interval.ts";
import { isRepeated } from "./repeated-range.ts";
import { announcedEdge, receiveWindowField, windowStep } from "./window.ts";
import { recoveryOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ECN_ECT0, ECN_NOT_ECT } from "../../bindings/abi/ip.ts";
import { ACK_THRESHOLD_BITS } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { TCP_ACK_FLAG, TCP_ECE } from "../../bindings/abi/tcp.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";
import { countDrop } from "../base/counter.ts";
import { act, cancelTimer, flagsOf, peerWindow, startDelayedAck } from "./state.ts";

/** One quick ACK in an ACK threshold's byte. */
const ACK_QUICK: u32 = 1 << ACK_THRESHOLD_BITS;

/** The window field that an ACK sent now would carry (RFC 9293, 3.8.6). */
// @ts-ignore: decorator
@inline
export function windowField(p: usize): u32 {
  const step = windowStep(load<u8>(p, F.PROTOCOL_RX_SHIFT), load<u16>(p, F.PROTOCOL_MSS));
  return receiveWindowField(
    load<u32>(p, F.PROTOCOL_RX_AVAIL),
    load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ),
    load<u32>(p, F.PROTOCOL_RX_EDGE),
    load<u8>(p, F.PROTOCOL_LOCAL_SCALE),
    step,
  );
}

/** The right edge after announcing `field`. */
// @ts-ignore: decorator
@inline
export function edgeAfter(p: usize, field: u32): u32 {
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const scale = load<u8>(p, F.PROTOCOL_LOCAL_SCALE);
  return announcedEdge(next, field, scale, load<u32>(p, F.PROTOCOL_RX_EDGE));
}

/** A segment leaves that acknowledges rxNextSeq: its window field; nothing is left to say. */
// @ts-ignore: decorator
@inline
export function announceWindow(core: usize, connection: u32, p: usize): u32 {
  const field = windowField(p);
  store<u32>(p, edgeAfter(p, field), F.PROTOCOL_RX_EDGE);
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ), F.PROTOCOL_LAST_ACK_SENT);
  if (load<u8>(p, F.PROTOCOL_UNACKED) != 0) {
    store<u8>(p, 0, F.PROTOCOL_UNACKED);
    cancelTimer(core, connection, TimerKind.DelayedAck);
  }
  return field;
}

/** Fills in the receiver's half of an outgoing segment: ACK number, window, echoes, SACK. */
export function stampAcknowledgment(core: usize, work: usize, connection: u32, p: usize): void {
  const field = announceWindow(core, connection, p);
  store<u32>(work, load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ), W.WORK_OUT_ACK);
  store<u32>(work, field, W.WORK_OUT_WINDOW);
  store<u32>(work, load<u32>(p, F.PROTOCOL_TS_RECENT), W.WORK_OUT_TS_ECR);
  const echo = (load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_ECE) != 0 ? TCP_ECE : 0;
  const timestamps = (flagsOf(p) & F.FLOW_TIMESTAMPS) != 0 ? W.OUT_TIMESTAMPS : 0;
  store<u32>(work, TCP_ACK_FLAG | echo | timestamps, W.WORK_OUT_FLAGS);
  stampSack(core, work, connection, p);
}

/**
 * SACK blocks, most recent first (RFC 2018, section 4), as many as fit beside timestamps; before
 * them the range that has arrived twice (RFC 2883 4, SK-8).
 */
function stampSack(core: usize, work: usize, connection: u32, p: usize): void {
  const flags = flagsOf(p);
  store<u32>(work, 0, W.WORK_OUT_SACK_COUNT);
  if ((flags & F.FLOW_SACK) == 0) return;
  const repeated: u32 = isRepeated(work) ? 1 : 0;
  if (repeated == 0 && (flags & F.FLOW_OUT_OF_ORDER) == 0) return;
  const recovery = recoveryOf(core, connection);
  const room: u32 = (flags & F.FLOW_TIMESTAMPS) != 0 ? 3 : 4;
  const blocks = min(intervalCount(recovery), room - repeated);
  store<u32>(work, repeated + blocks, W.WORK_OUT_SACK_COUNT);
  const at = work + W.WORK_OUT_SACK + repeated * 8;
  copyBytes(at, intervalsOf(recovery), blocks * 8);
}

/** Sends an acknowledgment for this item. */
export function acknowledge(core: usize, work: usize, connection: u32, p: usize): void {
  stampAcknowledgment(core, work, connection, p);
  // The highest number sent, also after go-back-N: a peer drops a segment below its window. But
  // not the number behind a persist probe, which is beyond the window: dropped with its ACK, it
  // would be answered by one that we drop in turn when both windows are closed, without end.
  const sent = min(load<u32>(p, F.PROTOCOL_TX_MAX), peerWindow(p));
  const seq = load<u32>(p, F.PROTOCOL_TX_UNA) + sent;
  store<u32>(work, seq, W.WORK_OUT_SEQ);
  store<u32>(work, isCapable(p) ? ECN_ECT0 : ECN_NOT_ECT, W.WORK_OUT_ECN);
  act(work, W.ACTION_ACK);
}

/** RFC 8257 4.1 (DC-15): what RFC 3168 keeps from being marked is ECN-capable too. */
// @ts-ignore: decorator
@inline
export function isCapable(p: usize): bool {
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  return (echo & F.ECHO_ECT) != 0 && (flagsOf(p) & F.FLOW_ECN) != 0;
}

/** In-order data: acknowledges every second segment, or later (RFC 9293 SHLD-18, SHLD-19). */
export function acknowledgeData(core: usize, work: usize, connection: u32, p: usize): void {
  if (countUnacked(p)) acknowledge(core, work, connection, p);
  else startDelayedAck(core, connection);
}

/** One more data segment is unacknowledged; true when that is enough for an ACK. */
// @ts-ignore: decorator
@inline
export function countUnacked(p: usize): bool {
  const unacked = <u32>load<u8>(p, F.PROTOCOL_UNACKED) + 1;
  store<u8>(p, <u8>unacked, F.PROTOCOL_UNACKED);
  const threshold: u32 = load<u8>(p, F.PROTOCOL_ACK_THRESHOLD);
  if (threshold >= ACK_QUICK) {
    // The peer's first window is small: each ACK that it need not wait for makes it larger.
    store<u8>(p, <u8>(threshold - ACK_QUICK), F.PROTOCOL_ACK_THRESHOLD);
    return true;
  }
  return unacked >= threshold || (flagsOf(p) & F.FLOW_QUICK_ACK) != 0;
}

/**
 * A challenge ACK, within the budget of RFC 5961, section 7. The count is the connection's own: one
 * of all connections would tell who watches it of connections that are not his (CVE-2016-5696).
 */
export function challenge(core: usize, work: usize, connection: u32, p: usize): void {
  const r = recoveryOf(core, connection);
  const shift = load<u32>(core, M.CORE_CHALLENGE_SHIFT);
  const interval = (load<u32>(core, M.CORE_NOW_TICKS) >>> shift) & 15;
  const before: u32 = load<u8>(r, F.RECOVERY_CHALLENGES);
  const sent = (before & 15) == interval ? before >>> 4 : 0;
  const most = load<u32>(core, M.CORE_CHALLENGE_ACKS);
  if (sent >= most) return countDrop(core, DropReason.RateLimited);
  store<u8>(r, <u8>(((sent + 1) << 4) | interval), F.RECOVERY_CHALLENGES);
  count(core, Counter.ChallengeAcks);
  act(work, W.ACTION_CHALLENGE);
  acknowledge(core, work, connection, p);
}
