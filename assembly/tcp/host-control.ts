/**
 * Protocol stage, HC workflow (4.3.1.1): Win, Fin and Reset. A descriptor comes from an untrusted
 * context: credits and appended bytes are checked against what was delivered and what is free,
 * and a lie changes nothing (threats D06, D07).
 */
import { congestionInitialize, isCongestionChoice } from "./congestion/congestion-control.ts";
import { congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { congestionOnTimeout } from "./congestion/congestion-control.ts";
import { windowStep } from "./window.ts";
import { rttAbandon } from "./round-trip-time.ts";
import { count } from "../base/counter.ts";
import { addShared } from "../base/shared.ts";
import { postOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { creditReceive } from "../flow/receive-buffer.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { ATX_FIN, ATX_RX_SHUT, AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge, edgeAfter, windowField } from "./acknowledge.ts";
import { goBack, noteLossState, recoverWithWindow } from "./loss.ts";
import { restartRetransmit } from "./retransmit-timer.ts";
import { enterTimeout, isByWindow, modeOf, windowOf } from "./sack-recovery.ts";
import { needLog } from "./send-log.ts";
import { armSizeProbe, endSizeProbe } from "./size-probe.ts";
import { doubtTimeout, endDoubt, rememberWindow } from "./spurious.ts";
import { forgetProbe } from "./tail-loss-probe.ts";
import { act, announceReduction, drop, flagsOf, noteSendable, peerWindow } from "./state.ts";
import { sentData, setFlags } from "./state.ts";
import { emit } from "./transmit.ts";

/** FLOW_* bits that the control plane may change on a live connection. */
const SETTABLE: u32 = F.FLOW_NODELAY | F.FLOW_CORK | F.FLOW_QUICK_ACK | F.FLOW_RX_SHUT;
const CONGESTION_WINDOW_MAX: u32 = 0x3fffffff;

/** One host-control item that pre-processing has let through. */
export function protocolHostControl(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_OUT_ECN);
  store<u32>(work, 0, W.WORK_ACKED);
  const opcode = load<u32>(work, W.WORK_OPCODE);
  if (opcode == AtxOpcode.Update) update(core, work, connection, p);
  else if (opcode == AtxOpcode.Retransmit) timeout(core, work, connection, p);
  else if (opcode == AtxOpcode.Probe) probe(core, work, connection, p);
  else if (opcode == AtxOpcode.KeepAlive) keepAlive(core, work, connection, p);
  else if (opcode == AtxOpcode.Acknowledge) acknowledge(core, work, connection, p);
  else configure(core, work, connection, p, opcode);
}

/** Win and Fin: receive credit, appended bytes, end of stream. */
function update(core: usize, work: usize, connection: u32, p: usize): void {
  const credit = load<u32>(work, W.WORK_RX_CREDIT);
  const append = load<u32>(work, W.WORK_TX_APPEND);
  const avail = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  const rxBytes = <u32>1 << load<u8>(p, F.PROTOCOL_RX_SHIFT);
  if (credit > rxBytes - avail) return drop(work, DropReason.DescriptorCredit);
  const queued = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  const txBytes = <u32>1 << load<u8>(p, F.PROTOCOL_TX_SHIFT);
  const closed = (flagsOf(p) & F.FLOW_FIN_PENDING) != 0;
  if (append > txBytes - queued - sentData(p) || (closed && append != 0)) {
    return drop(work, DropReason.DescriptorAppend);
  }
  if (credit != 0) creditReceive(core, connection, p, credit);
  store<u32>(p, queued + append, F.PROTOCOL_TX_AVAIL);
  const request = load<u32>(work, W.WORK_HC_FLAGS);
  let flags = flagsOf(p);
  if ((request & ATX_FIN) != 0) flags |= F.FLOW_FIN_PENDING;
  if ((request & ATX_RX_SHUT) != 0) flags |= F.FLOW_RX_SHUT;
  setFlags(p, flags);
  noteSendable(core, work, connection, p);
  if (credit != 0) windowUpdate(core, work, connection, p);
}

/**
 * Tells a peer that may be waiting: the window was below half the buffer and grew by a worthwhile
 * step. With data to send the window rides on it instead.
 */
function windowUpdate(core: usize, work: usize, connection: u32, p: usize): void {
  if ((load<u32>(work, W.WORK_ACTIONS) & W.ACTION_SCHEDULE) != 0) return;
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const edge = load<u32>(p, F.PROTOCOL_RX_EDGE);
  const half = (<u32>1 << load<u8>(p, F.PROTOCOL_RX_SHIFT)) >> 1;
  const open = seqDistance(next, edge);
  if (open >>> 31 == 0 && open >= half) return;
  const step = windowStep(load<u8>(p, F.PROTOCOL_RX_SHIFT), load<u16>(p, F.PROTOCOL_MSS));
  if (seqDistance(edge, edgeAfter(p, windowField(p))) < step) return;
  if ((flagsOf(p) & F.FLOW_FIN_RECEIVED) != 0) return;
  count(core, Counter.WindowUpdates);
  acknowledge(core, work, connection, p);
}

/** Reset: everything from una again, after a timeout or because the segments were too large. */
function timeout(core: usize, work: usize, connection: u32, p: usize): void {
  const r = recoveryOf(core, connection);
  const expired = load<u32>(work, W.WORK_ARGUMENT_LOW) != 0;
  if (expired) release(p);
  if (load<u32>(p, F.PROTOCOL_TX_SENT) == 0) return noteSendable(core, work, connection, p);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const calm = !seqBefore(una, load<u32>(r, F.RECOVERY_RECOVER));
  const repeats = expired && (load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_TIMED_OUT) != 0;
  if (expired) {
    addShared(postOf(core, connection) + F.POST_TIMEOUTS, 1);
    collapse(core, p, r);
  } else endReductions(core, p, r);
  store<u32>(r, una + load<u32>(p, F.PROTOCOL_TX_MAX), F.RECOVERY_RECOVER);
  rttAbandon(r);
  forgetProbe(r);
  endSizeProbe(p, r, expired);
  store<u8>(p, 0, F.PROTOCOL_DUP_ACKS);
  const log = needLog(core, p, r);
  // RFC 5682 2.2: another timeout of the same segment leaves the question as it is.
  if (!repeats) doubtTimeout(p, r, log, calm && expired);
  if (log == 0) {
    goBack(p);
    setFlags(p, flagsOf(p) & ~F.FLOW_RECOVERY);
  } else {
    enterTimeout(core, p, r, expired);
    noteLossState(p, r);
    restartRetransmit(core, connection, p);
  }
  noteSendable(core, work, connection, p);
}

/** RFC 1191, 6.4: no sign of congestion; what inflated the window is over all the same. */
function endReductions(core: usize, p: usize, r: usize): void {
  if ((flagsOf(p) & F.FLOW_RECOVERY) == 0) return;
  store<u32>(p, windowOf(p, r), F.PROTOCOL_CWND);
  if (isByWindow(modeOf(r))) return;
  congestionOnRecoveryExit(p, r, load<u32>(p, F.PROTOCOL_TX_SENT), load<u64>(core, CORE_NOW));
}

/** RFC 3168 6.1.2 (ECN-14): what waited for the timer may go. */
// @ts-ignore: decorator
@inline
function release(p: usize): void {
  store<u8>(p, load<u8>(p, F.PROTOCOL_ECHO) & <u8>~F.ECHO_HOLD, F.PROTOCOL_ECHO);
}

/** The retransmission timer expired (RFC 6298, 5.5; RFC 5681, 3.1). */
function collapse(core: usize, p: usize, r: usize): void {
  const backoff: u32 = load<u8>(r, F.RECOVERY_BACKOFF);
  count(core, Counter.Timeouts);
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  const first = (echo & F.ECHO_TIMED_OUT) == 0;
  if (first) rememberWindow(core, p, r);
  store<u32>(p, windowOf(p, r), F.PROTOCOL_CWND);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  congestionOnTimeout(p, r, sent, first, load<u64>(core, CORE_NOW));
  store<u8>(p, <u8>(echo | F.ECHO_TIMED_OUT), F.PROTOCOL_ECHO);
  announceReduction(p);
  store<u8>(r, <u8>min(backoff + 1, 63), F.RECOVERY_BACKOFF);
}

/** Persist timer: one byte past the window, or what fits it (RFC 9293 MUST-35, MUST-36). */
function probe(core: usize, work: usize, connection: u32, p: usize): void {
  const flags = flagsOf(p);
  if ((flags & F.FLOW_PERSIST) == 0) return noteSendable(core, work, connection, p);
  const r = recoveryOf(core, connection);
  const window = peerWindow(p);
  // A window that is open, yet below what is worth a segment, gets what fits it in any profile.
  if (load<u32>(work, W.WORK_ARGUMENT_LOW) != 0 && window == 0) {
    return probeBare(core, work, connection, p, r);
  }
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  const room = min(window, <u32>load<u16>(p, F.PROTOCOL_MSS));
  const length = min(avail, max(room, 1));
  const fin = avail == 0 && (flags & F.FLOW_FIN_PENDING) != 0;
  if (length == 0 && !fin) return;
  const span = length + (fin ? 1 : 0);
  backOff(r);
  if (load<u32>(p, F.PROTOCOL_TX_MAX) < span) store<u32>(p, span, F.PROTOCOL_TX_MAX);
  count(core, Counter.Probes);
  act(work, W.ACTION_RETRANSMISSION);
  emit(core, work, connection, p, load<u32>(p, F.PROTOCOL_TX_UNA), length, fin);
  restartRetransmit(core, connection, p);
}

/** RFC 9293 SHLD-30: the interval of probes grows exponentially. */
// @ts-ignore: decorator
@inline
function backOff(r: usize): void {
  store<u8>(r, <u8>min(<u32>load<u8>(r, F.RECOVERY_BACKOFF) + 1, 63), F.RECOVERY_BACKOFF);
}

/** A zero-window probe as Linux sends it: a number that the peer has, and no byte. */
function probeBare(core: usize, work: usize, connection: u32, p: usize, r: usize): void {
  backOff(r);
  count(core, Counter.Probes);
  acknowledge(core, work, connection, p);
  store<u32>(work, load<u32>(p, F.PROTOCOL_TX_UNA) - 1, W.WORK_OUT_SEQ);
  restartRetransmit(core, connection, p);
}

/** RFC 9293, 3.8.4: sequence number next - 1 and no data (SHLD-12). */
function keepAlive(core: usize, work: usize, connection: u32, p: usize): void {
  acknowledge(core, work, connection, p);
  const next = load<u32>(p, F.PROTOCOL_TX_UNA) + load<u32>(p, F.PROTOCOL_TX_MAX);
  store<u32>(work, next - 1, W.WORK_OUT_SEQ);
}

/** The control plane's settings. */
function configure(core: usize, work: usize, connection: u32, p: usize, opcode: u32): void {
  const low = load<u32>(work, W.WORK_ARGUMENT_LOW);
  const high = load<u32>(work, W.WORK_ARGUMENT_HIGH);
  const r = recoveryOf(core, connection);
  if (opcode == AtxOpcode.SetFlags) {
    setFlags(p, (flagsOf(p) & ~(high & SETTABLE)) | (low & SETTABLE));
  } else if (opcode == AtxOpcode.SetWindow) {
    const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
    if (high != 0) store<u32>(r, max(2 * mss, high), F.RECOVERY_SSTHRESH);
    if (low != 0) setWindow(p, r, max(mss, min(low, CONGESTION_WINDOW_MAX)));
  } else if (opcode == AtxOpcode.SetMss) {
    scaleWindow(p, r, low);
    store<u16>(p, <u16>low, F.PROTOCOL_MSS);
    armSizeProbe(p, r, high);
  } else if (opcode == AtxOpcode.SetAlgorithm && isCongestionChoice(low)) {
    setAlgorithm(core, p, r, low);
  }
  noteSendable(core, work, connection, p);
}

/**
 * RFC 5681 3.1 (CC-28), RFC 4821 4 (PM-16): with smaller segments the window is as many as before,
 * with larger ones as many bytes.
 */
function scaleWindow(p: usize, r: usize, mss: u32): void {
  const before: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const window = windowOf(p, r);
  if (mss >= before || window >= CONGESTION_WINDOW_MAX) return;
  setWindow(p, r, max(<u32>(<u64>window * mss / before), mss));
}

/** cwnd as windowOf() knows it: in a recovery with a log PROTOCOL_CWND is an allowance. */
function setWindow(p: usize, r: usize, window: u32): void {
  const mode = (flagsOf(p) & F.FLOW_RECOVERY) != 0 ? modeOf(r) : F.RecoveryMode.NewReno;
  if (isByWindow(mode)) store<u32>(r, window, F.RECOVERY_WINDOW);
  else if (mode == F.RecoveryMode.Reduction) store<u32>(r, window, F.RECOVERY_SSTHRESH);
  else store<u32>(p, window, F.PROTOCOL_CWND);
}

/** TCP_CONGESTION of a live connection: from window to rate, back, or another window. */
function setAlgorithm(core: usize, p: usize, r: usize, choice: u32): void {
  endDoubt(core, p, r);
  const before: u32 = load<u8>(r, F.RECOVERY_ALGORITHM);
  congestionInitialize(p, r, choice, load<u64>(core, CORE_NOW));
  const after: u32 = load<u8>(r, F.RECOVERY_ALGORITHM);
  if (after == F.CongestionAlgorithm.None) {
    store<u32>(r, load<u32>(p, F.PROTOCOL_CWND), F.RECOVERY_WINDOW);
  } else if (before == F.CongestionAlgorithm.None) recoverWithWindow(core, p, r);
  release(p);
}

/** The delayed-ACK timer fired (RFC 9293 MUST-40). */
export function protocolDelayedAck(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, 0, W.WORK_OUT_ECN);
  if (load<u8>(p, F.PROTOCOL_UNACKED) == 0) return;
  count(core, Counter.DelayedAcks);
  acknowledge(core, work, connection, p);
}
