/**
 * Protocol stage, TX workflow (4.3.1.2): assigns sequence number and length to the next segment.
 * Sending is limited by min(congestion window, peer's window), Nagle's rule and silly-window
 * avoidance (RFC 9293, 3.7.4 and 3.8.6.2.1).
 */
import { congestionOnIdle } from "./congestion/congestion-control.ts";
import { rttAbandon, rttStartTiming } from "./round-trip-time.ts";
import { protocolOf, recoveryOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ECN_ECT0, ECN_NOT_ECT } from "../../bindings/abi/ip.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { TCP_CWR, TCP_FIN, TCP_PSH } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { seqDistance } from "../../bindings/abi/seq.ts";
import { isCapable, stampAcknowledgment } from "./acknowledge.ts";
import { startRetransmit } from "./retransmit-timer.ts";
import { lostLength, lostStart, modeOf, sentAgain } from "./sack-recovery.ts";
import { logOf, logSent, needLog } from "./send-log.ts";
import { sizeProbeSent } from "./size-probe.ts";
import { forgetProbe, freshProbeBytes, probeSent, probeState } from "./tail-loss-probe.ts";
import { act, finSendable, flagsOf, hasSendable, sendable, sentData } from "./state.ts";
import { setFlags } from "./state.ts";

/** NOP, NOP, kind and length before the blocks. */
const SACK_OPTION_BYTES: u32 = 4;

/** One turn of a connection: a segment to send, or no ACTION_SEND when there is nothing. */
export function protocolTx(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  if ((flagsOf(p) & F.FLOW_RETRANSMIT) != 0 && retransmit(core, work, connection, p)) {
    if (hasSendable(p, recoveryOf(core, connection))) act(work, W.ACTION_SCHEDULE);
    return;
  }
  sendNew(core, work, connection, p);
  if (hasSendable(p, recoveryOf(core, connection))) act(work, W.ACTION_SCHEDULE);
}

/**
 * The segment at una, the next that is lost, or a probe, again: no transmission state moves but the
 * log's.
 */
function retransmit(core: usize, work: usize, connection: u32, p: usize): bool {
  const flags = flagsOf(p);
  const r = recoveryOf(core, connection);
  const log = logOf(r);
  setFlags(p, flags & ~F.FLOW_RETRANSMIT);
  if (probeState(r) == F.ProbeState.Due) return sendProbe(core, work, connection, p, r);
  const byLog = log != 0 && modeOf(r) != F.RecoveryMode.NewReno;
  const seq = byLog ? lostStart(p, log) : load<u32>(p, F.PROTOCOL_TX_UNA);
  const most = byLog ? lostLength(p, log) : <u32>load<u16>(p, F.PROTOCOL_MSS);
  return sendAgain(core, work, connection, p, r, seq, most);
}

/** Up to `most` sequence numbers from `seq` on, sent before; false when there are none. */
function sendAgain(
  core: usize, work: usize, connection: u32, p: usize, r: usize, seq: u32, most: u32,
): bool {
  const data = sentData(p) - seqDistance(load<u32>(p, F.PROTOCOL_TX_UNA), seq);
  const length = min(data, most);
  const fin = (flagsOf(p) & F.FLOW_FIN_SENT) != 0 && length == data && most != 0;
  if (length == 0 && !fin) return false;
  rttAbandon(r);
  act(work, W.ACTION_RETRANSMISSION);
  emit(core, work, connection, p, seq, length, fin);
  if (logOf(r) != 0) {
    sentAgain(core, p, r, seq, seq + length + (fin ? 1 : 0), length);
    store<u8>(p, load<u8>(p, F.PROTOCOL_ECHO) | <u8>F.ECHO_LOSS, F.PROTOCOL_ECHO);
  }
  return true;
}

/** RFC 8985 7.3 (TLP-2): new data if the peer has room, else the segment sent last. */
function sendProbe(core: usize, work: usize, connection: u32, p: usize, r: usize): bool {
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  if (sent == 0) {
    forgetProbe(r);
    return false;
  }
  needLog(core, p, r);
  const fresh = freshProbeBytes(p);
  // TLP-5: due until it has left, so that no other probe's timer starts with it.
  if (fresh != 0) {
    sendBytes(core, work, connection, p, fresh, false);
    probeSent(p, r, F.ProbeState.Fresh);
    return true;
  }
  const length = min(sent, <u32>load<u16>(p, F.PROTOCOL_MSS));
  const seq = load<u32>(p, F.PROTOCOL_TX_UNA) + sent - length;
  if (!sendAgain(core, work, connection, p, r, seq, length)) {
    forgetProbe(r);
    return false;
  }
  probeSent(p, r, F.ProbeState.Again);
  return true;
}

function sendNew(core: usize, work: usize, connection: u32, p: usize): void {
  const r = recoveryOf(core, connection);
  const now = load<u64>(core, CORE_NOW);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  if (sent == 0 && now - load<u64>(r, F.RECOVERY_LAST_SEND) > load<u64>(r, F.RECOVERY_RTO)) {
    congestionOnIdle(p, r, now);
  }
  const length = sendable(p, r);
  const fin = finSendable(p, flagsOf(p), length);
  if (length == 0 && !fin) return;
  if (length > <u32>load<u16>(p, F.PROTOCOL_MSS)) sizeProbeSent(p, r);
  sendBytes(core, work, connection, p, length, fin);
}

/** The next `length` bytes, and the FIN behind them. */
function sendBytes(
  core: usize, work: usize, connection: u32, p: usize, length: u32, fin: bool,
): void {
  const r = recoveryOf(core, connection);
  const before = load<u32>(p, F.PROTOCOL_TX_SENT);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const highest = load<u32>(p, F.PROTOCOL_TX_MAX);
  if (before < highest) act(work, W.ACTION_RETRANSMISSION);
  const sent = before + length + (fin ? 1 : 0);
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_AVAIL) - length, F.PROTOCOL_TX_AVAIL);
  store<u32>(p, sent, F.PROTOCOL_TX_SENT);
  if (fin) setFlags(p, flagsOf(p) | F.FLOW_FIN_SENT);
  if (sent > highest) {
    store<u32>(p, sent, F.PROTOCOL_TX_MAX);
    // Karn's rule (RFC 6298, section 3): only bytes sent for the first time are timed.
    if (before >= highest) rttStartTiming(r, una + sent, load<u64>(core, CORE_NOW));
  }
  logSent(core, p, r, before);
  emit(core, work, connection, p, una + before, length, fin);
}

/** RFC 9293 MUST-16: options count; SACK blocks that do not fit beside the payload stay out. */
// @ts-ignore: decorator
@inline
function fitSack(work: usize, p: usize, length: u32): void {
  const blocks = load<u32>(work, W.WORK_OUT_SACK_COUNT);
  if (blocks == 0) return;
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const room = mss > length + SACK_OPTION_BYTES ? (mss - length - SACK_OPTION_BYTES) >> 3 : 0;
  if (blocks > room) store<u32>(work, room, W.WORK_OUT_SACK_COUNT);
}

/** Writes the work result of a segment with `length` payload bytes from `seq`. */
export function emit(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  seq: u32,
  length: u32,
  fin: bool,
): void {
  stampAcknowledgment(core, work, connection, p);
  fitSack(work, p, length);
  let bits = load<u32>(work, W.WORK_OUT_FLAGS);
  // RFC 9293 MUST-61: the last queued segment carries PSH.
  const end = seqDistance(load<u32>(p, F.PROTOCOL_TX_UNA), seq) + length;
  const last = load<u32>(p, F.PROTOCOL_TX_AVAIL) == 0 && end >= sentData(p);
  if (length != 0 && last) bits |= TCP_PSH;
  if (fin) bits |= TCP_FIN;
  const fresh = (load<u32>(work, W.WORK_ACTIONS) & W.ACTION_RETRANSMISSION) == 0;
  const echo: u32 = load<u8>(p, F.PROTOCOL_ECHO);
  if (fresh && length != 0 && (echo & F.ECHO_CWR) != 0) {
    bits |= TCP_CWR;
    store<u8>(p, <u8>(echo & ~F.ECHO_CWR), F.PROTOCOL_ECHO);
  }
  // RFC 3168, 6.1.5: retransmissions are not ECN-capable.
  const capable = (flagsOf(p) & F.FLOW_ECN) != 0 && fresh && length != 0;
  store<u32>(work, capable || isCapable(p) ? ECN_ECT0 : ECN_NOT_ECT, W.WORK_OUT_ECN);
  store<u32>(work, bits, W.WORK_OUT_FLAGS);
  store<u32>(work, seq, W.WORK_OUT_SEQ);
  store<u32>(work, length, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u64>(recoveryOf(core, connection), load<u64>(core, CORE_NOW), F.RECOVERY_LAST_SEND);
  startRetransmit(core, connection, p);
  act(work, W.ACTION_SEND);
}
