/**
 * Protocol stage, shared pieces: flags, quantities derived from PROTOCOL, timers and the test
 * whether a connection has something to send.
 */
import { wheelArm, wheelCancel } from "../base/timer-wheel.ts";
import { isRack } from "./rack.ts";
import { restartRetransmit } from "./retransmit-timer.ts";
import { sackedBytes } from "./send-log.ts";
import { isSizeProbeDue, sizeProbeBytes } from "./size-probe.ts";
import { sendableBytes } from "./window.ts";
import { recoveryOf, timerOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../bindings/abi/limits.ts";
import { CORE_NOW, CORE_TIMERS, CORE_WHEEL } from "../../bindings/abi/memory-map.ts";
import { seqDistance } from "../../bindings/abi/seq.ts";
import { TIMER_DEADLINE, TIMER_SIZE, TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";

// @ts-ignore: decorator
@inline
export function act(work: usize, action: u32): void {
  store<u32>(work, load<u32>(work, W.WORK_ACTIONS) | action, W.WORK_ACTIONS);
}

// @ts-ignore: decorator
@inline
export function flagsOf(p: usize): u32 {
  return load<u16>(p, F.PROTOCOL_FLAGS);
}

// @ts-ignore: decorator
@inline
export function setFlags(p: usize, flags: u32): void {
  store<u16>(p, <u16>flags, F.PROTOCOL_FLAGS);
}

/** The item's payload is not used; WORK_REASON is counted by the pipeline. */
export function drop(work: usize, reason: u32): void {
  act(work, W.ACTION_DROP);
  store<u32>(work, reason, W.WORK_REASON);
}

/** Data bytes among txSent: the FIN takes a sequence number and no byte. */
// @ts-ignore: decorator
@inline
export function sentData(p: usize): u32 {
  return load<u32>(p, F.PROTOCOL_TX_SENT) - ((flagsOf(p) & F.FLOW_FIN_SENT) != 0 ? 1 : 0);
}

/** Bytes from una to the right edge of the peer's window; 0 when the peer shrank it below una. */
// @ts-ignore: decorator
@inline
export function peerWindow(p: usize): u32 {
  // RFC 9293 MUST-34: a shrunk window must not turn into a huge one.
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const distance = seqDistance(una, load<u32>(p, F.PROTOCOL_WINDOW_EDGE));
  return distance >>> 31 != 0 ? 0 : distance;
}

/**
 * Congestion window, with limited transmit's extra segments (RFC 3042); for one that finds losses
 * by time, with what the peer has, which is not in the network (RFC 8985, 9.3).
 */
function congestionWindow(p: usize, r: usize, flags: u32): u32 {
  const duplicates: u32 = load<u8>(p, F.PROTOCOL_DUP_ACKS);
  const window = load<u32>(p, F.PROTOCOL_CWND);
  if ((flags & F.FLOW_RECOVERY) != 0) return window;
  if ((load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_LOSS) != 0 && isRack(r)) {
    return window + sackedBytes(r);
  }
  if (duplicates >= DUP_ACK_THRESHOLD) return window;
  return window + duplicates * <u32>load<u16>(p, F.PROTOCOL_MSS);
}

/**
 * TCP_CORK holds a segment back that is not full, until nothing more fits the transmit buffer: one
 * that is smaller than a segment would wait for ever.
 */
function isCorked(p: usize, flags: u32): bool {
  if ((flags & F.FLOW_CORK) == 0) return false;
  const held = load<u32>(p, F.PROTOCOL_TX_SENT) + load<u32>(p, F.PROTOCOL_TX_AVAIL);
  return held < (<u32>1) << <u32>load<u8>(p, F.PROTOCOL_TX_SHIFT);
}

/** Bytes that the next segment may carry now; 0 also when only a FIN could go. */
export function sendable(p: usize, r: usize): u32 {
  const flags = flagsOf(p);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  // Nagle and cork hold new bytes back, never those that were on the wire before.
  const again = sent < load<u32>(p, F.PROTOCOL_TX_MAX);
  if (!again && isHeld(p)) return 0;
  const window = congestionWindow(p, r, flags);
  const edge = peerWindow(p);
  const most = min(window, edge);
  if (isSizeProbeDue(p, r, most)) return sizeProbeBytes(r, most - sent);
  return sendableBytes(
    load<u32>(p, F.PROTOCOL_TX_AVAIL),
    sent,
    window,
    edge,
    load<u16>(p, F.PROTOCOL_MSS),
    again || (flags & F.FLOW_NODELAY) != 0,
    !again && isCorked(p, flags),
    load<u32>(p, F.PROTOCOL_WINDOW_MAX),
    (flags & F.FLOW_FIN_PENDING) != 0,
  );
}

/** New data waits for the retransmission timer (RFC 3168, 6.1.2; ECN-14). */
// @ts-ignore: decorator
@inline
function isHeld(p: usize): bool {
  return (load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_HOLD) != 0;
}

/**
 * cwnd was reduced, for whatever reason: the next new segment says so (RFC 3168, 6.1.2; ECN-5), or
 * a receiver that echoes until then would have it reduced again.
 */
export function announceReduction(p: usize): void {
  if ((flagsOf(p) & F.FLOW_ECN) == 0) return;
  store<u8>(p, load<u8>(p, F.PROTOCOL_ECHO) | <u8>F.ECHO_CWR, F.PROTOCOL_ECHO);
}

/** True when a FIN may follow the last byte: pending, not in flight, and inside the window. */
export function finSendable(p: usize, flags: u32, length: u32): bool {
  if ((flags & (F.FLOW_FIN_PENDING | F.FLOW_FIN_SENT)) != F.FLOW_FIN_PENDING) return false;
  if ((flags & F.FLOW_FIN_ACKED) != 0) return false;
  if (length != load<u32>(p, F.PROTOCOL_TX_AVAIL)) return false;
  return peerWindow(p) > load<u32>(p, F.PROTOCOL_TX_SENT) + length;
}

/** True when a turn of the flow scheduler would send something. */
export function hasSendable(p: usize, r: usize): bool {
  const flags = flagsOf(p);
  if ((flags & F.FLOW_RETRANSMIT) != 0) return true;
  if (load<u32>(p, F.PROTOCOL_TX_AVAIL) != 0) return sendable(p, r) != 0;
  return finSendable(p, flags, 0);
}

// @ts-ignore: decorator
@inline
export function armTimer(core: usize, connection: u32, kind: u32, deadline: u64): void {
  const timers = <usize>load<u32>(core, CORE_TIMERS);
  wheelArm(<usize>load<u32>(core, CORE_WHEEL), timers, timerOf(connection, kind), deadline);
}

// @ts-ignore: decorator
@inline
export function cancelTimer(core: usize, connection: u32, kind: u32): void {
  wheelCancel(<usize>load<u32>(core, CORE_TIMERS), timerOf(connection, kind));
}

// @ts-ignore: decorator
@inline
export function isArmed(core: usize, connection: u32, kind: u32): bool {
  const timer = <usize>load<u32>(core, CORE_TIMERS) + timerOf(connection, kind) * TIMER_SIZE;
  return load<u64>(timer, TIMER_DEADLINE) != 0;
}

/** Starts the delayed-ACK timer (RFC 9293 MUST-40, SHLD-18) when it is not running. */
// @ts-ignore: decorator
@inline
export function startDelayedAck(core: usize, connection: u32): void {
  if (isArmed(core, connection, TimerKind.DelayedAck)) return;
  const delay: u64 = load<u32>(recoveryOf(core, connection), F.RECOVERY_DELAYED_ACK);
  armTimer(core, connection, TimerKind.DelayedAck, load<u64>(core, CORE_NOW) + delay);
}

/**
 * After anything that may open or close the way for data: asks for a turn of the flow scheduler,
 * or starts the persist timer when the peer's window is what stops us (RFC 9293 MUST-36).
 */
export function noteSendable(core: usize, work: usize, connection: u32, p: usize): void {
  const flags = flagsOf(p);
  const r = recoveryOf(core, connection);
  if (hasSendable(p, r)) {
    act(work, W.ACTION_SCHEDULE);
    if ((flags & F.FLOW_PERSIST) != 0) {
      setFlags(p, flags & ~F.FLOW_PERSIST);
      store<u8>(r, 0, F.RECOVERY_BACKOFF);
      cancelTimer(core, connection, TimerKind.Retransmit);
    }
    return;
  }
  if (load<u32>(p, F.PROTOCOL_TX_SENT) != 0 || (flags & F.FLOW_PERSIST) != 0) return;
  if (isHeld(p)) return;
  const finWaits = (flags & (F.FLOW_FIN_PENDING | F.FLOW_FIN_ACKED)) == F.FLOW_FIN_PENDING;
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  if (avail == 0 && !finWaits) return;
  // Cork waits for more bytes; a full segment or the last one waits for the window.
  const corked = isCorked(p, flags) && !finWaits && avail < load<u16>(p, F.PROTOCOL_MSS);
  if (corked && peerWindow(p) != 0) return;
  // RFC 9293 SHLD-29: the first probe goes out after one RTO without window.
  setFlags(p, flags | F.FLOW_PERSIST);
  restartRetransmit(core, connection, p);
}
