/**
 * A received segment of an installed connection (5.3.1): the stage program reassembles it and takes
 * its acknowledgment; here is what surrounds the pipeline. What becomes of the payload is
 * reassembly.ts; the control plane's half in the data path sees to FIN and RST, which the program
 * does not know, and libTOE's push engine learns what was acknowledged. What TCP decides beyond the
 * program is assembly/tcp's.
 */
import { protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { acknowledge } from "../tcp/acknowledge.ts";
import { admitSegment, clearResult, isAcceptable, updateTimestamp } from "../tcp/arrival.ts";
import { noteProbeMark } from "../tcp/congestion-marks.ts";
import { receiveFin } from "../tcp/end-of-stream.ts";
import { enterRecovery } from "../tcp/loss.ts";
import { advance, noteDuplicate, oldAck } from "../tcp/receive-ack.ts";
import { act, drop, flagsOf, noteSendable } from "../tcp/state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { seqAfter, seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { TCP_FIN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import * as T from "./generated/tcp.ts";
import { controlPass, isRelaxed, moveSegment, receivePass, register } from "./passes.ts";
import { result, writeRoom } from "./passes.ts";
import { reassembled } from "./reassembly.ts";

/** Egress of the segment that ingress has left in the header vector, and all that follows. */
export function receiveSegment(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  clearResult(work);
  if (!admitSegment(core, work, connection, p)) return;
  const seq = load<u32>(work, W.WORK_SEQ);
  const length = load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  const span = length + finOf(work);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const window = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  const acceptable = isAcceptable(seq, span, next, window);
  if (!mayEnter(core, work, connection, p, length, acceptable)) return;
  receivePass(core);
  const acked = result(core, T.ACKED);
  const unsent = result(core, T.UNSENT) != 0;
  const fast = result(core, T.FAST) != 0;
  const mirror = result(core, T.MIRROR) != 0;
  if (isRelaxed() && acceptable) updateTimestamp(work, p, seq, span);
  let due = mirror;
  const late = isLate(work);
  if (length != 0 && !late) due = reassembled(core, work, connection, p, mirror);
  if (length != 0 && !acceptable) noteProbeMark(core, work, connection, p, next, window);
  takeAck(core, work, connection, p, acked, unsent, fast);
  if (late) return;
  const ended = receiveEnd(core, work, connection, p, span != length && acceptable);
  if (due || ended || span != length || (length == 0 && !acceptable)) {
    acknowledge(core, work, connection, p);
  }
  noteSendable(core, work, connection, p);
}

// @ts-ignore: decorator
@inline
function finOf(work: usize): u32 {
  return (load<u32>(work, W.WORK_FLAGS) & TCP_FIN) != 0 ? 1 : 0;
}

/**
 * What the pipeline never sees: a segment without payload that is beyond the window (the program
 * compares payload alone), bytes that nobody will read; bytes beyond the end of the stream are
 * repetitions to it.
 */
function mayEnter(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  length: u32,
  acceptable: bool,
): bool {
  const seq = load<u32>(work, W.WORK_SEQ);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const flags = flagsOf(p);
  if (length == 0) {
    if (acceptable) return true;
    drop(work, seqBefore(seq, next) ? DropReason.Duplicate : DropReason.OutOfWindow);
    if (seqAtOrBefore(seq, next)) return true;
    acknowledge(core, work, connection, p);
    return false;
  }
  if (isRelaxed() && !mayRelaxed(core, work, connection, p, acceptable)) return false;
  if (seqAtOrBefore(seq + length, next)) return true;
  if ((flags & F.FLOW_FIN_RECEIVED) != 0) {
    // RFC 9293, 3.10.7.4: the text is ignored in the seventh step, the fifth has had its ACK.
    moveSegment(core, next);
    return true;
  }
  if ((flags & F.FLOW_RX_SHUT) == 0 || !acceptable) return true;
  act(work, W.ACTION_LATE_DATA);
  drop(work, DropReason.LateData);
  // The fifth step comes first here, too: the reset stands where this ACK has moved us.
  moveSegment(core, next);
  return true;
}

/** Data for an application that has closed: its ACK has counted, and the rest is the reset's. */
// @ts-ignore: decorator
@inline
function isLate(work: usize): bool {
  return (load<u32>(work, W.WORK_ACTIONS) & W.ACTION_LATE_DATA) != 0;
}

/**
 * What FlexTOE asks of a data segment before its bytes (RFC 9293, 3.10.7.4): numbers in the window,
 * and an acknowledgment of what was sent (RFC 5961, 5.2). T1 stands behind R1, too late for that.
 */
function mayRelaxed(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  acceptable: bool,
): bool {
  const seq = load<u32>(work, W.WORK_SEQ);
  if (!acceptable && seqAfter(seq, load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ))) {
    drop(work, DropReason.OutOfWindow);
    acknowledge(core, work, connection, p);
    return false;
  }
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const ack = load<u32>(work, W.WORK_ACK);
  if (seqDistance(una, ack) <= load<u32>(p, F.PROTOCOL_TX_MAX)) return true;
  return oldAck(core, work, connection, p, seqDistance(ack, una));
}

/** T1 to T5 have passed: what libTOE's push engine is told of the acknowledgment. */
function takeAck(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  acked: u32,
  unsent: bool,
  fast: bool,
): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  if (unsent) {
    // Optimism again: T1 has believed it, and T3 has not.
    controlPass(core, connection, T.C_TX_NEXT_ACK, una);
    oldAck(core, work, connection, p, seqDistance(load<u32>(work, W.WORK_ACK), una));
    return;
  }
  const moved = copyEdge(core, work, connection, p);
  if (acked == 0) duplicate(core, work, connection, p, moved);
  else if (acked >>> 31 == 0) advance(core, work, connection, p, acked);
  else oldAck(core, work, connection, p, seqDistance(load<u32>(work, W.WORK_ACK), una));
  if (fast && !isRelaxed()) enterRecovery(core, work, p, recoveryOf(core, connection));
}

/** The peer's window as T5 has it; true when it has moved. */
function copyEdge(core: usize, work: usize, connection: u32, p: usize): bool {
  const edge = register(core, connection, T.R_TX_REMOTE_AVAIL);
  if (edge == load<u32>(p, F.PROTOCOL_WINDOW_EDGE)) return false;
  const window = load<u32>(work, W.WORK_WINDOW) << load<u8>(p, F.PROTOCOL_PEER_SCALE);
  store<u32>(p, edge, F.PROTOCOL_WINDOW_EDGE);
  if (window > load<u32>(p, F.PROTOCOL_WINDOW_MAX)) {
    store<u32>(p, window, F.PROTOCOL_WINDOW_MAX);
  }
  return true;
}

/**
 * T2 has counted it, for statistics here. In relaxed mode the push engine counts for itself: it can
 * tell a window update from a duplicate, and recovers as FlexTOE does.
 */
function duplicate(core: usize, work: usize, connection: u32, p: usize, moved: bool): void {
  if (isRelaxed()) {
    const below = seqBefore(load<u32>(work, W.WORK_SEQ), load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ));
    if (!below) noteDuplicate(core, work, connection, p, moved);
    return;
  }
  const idle = load<u32>(p, F.PROTOCOL_TX_SENT) == 0;
  if (!idle && load<u32>(work, W.WORK_PAYLOAD_LENGTH) == 0) act(work, W.ACTION_DUP_ACK);
}

/** The control plane has the peer's FIN; true when the stream has reached it. */
function receiveEnd(core: usize, work: usize, connection: u32, p: usize, fin: bool): bool {
  const held = (load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_FIN_HELD) != 0;
  if (!fin && !held) return false;
  if ((flagsOf(p) & F.FLOW_FIN_RECEIVED) != 0) {
    drop(work, DropReason.AfterFin);
    return false;
  }
  // Its segment may have been dropped: it is not the end of what is missing.
  if (fin && (load<u32>(work, W.WORK_ACTIONS) & W.ACTION_DROP) != 0) return false;
  const end = load<u32>(work, W.WORK_SEQ) + load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  const limit = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ) + load<u32>(p, F.PROTOCOL_RX_AVAIL);
  // Trimmed: the FIN was beyond the window.
  if (fin && seqAfter(end, limit)) return false;
  if (!receiveFin(core, work, connection, p, fin, end)) return false;
  controlPass(core, connection, T.C_RX_OOO_TAIL, 0);
  controlPass(core, connection, T.C_RX_OOO_HEAD, 0);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  controlPass(core, connection, T.C_RX_NEXT_SEQ, next);
  writeRoom(core, connection, next, load<u32>(p, F.PROTOCOL_RX_AVAIL));
  return true;
}
