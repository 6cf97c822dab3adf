/**
 * Protocol stage, RX workflow (4.3.1.3; RFC 9293, 3.10.7.4): window update, trimming, reassembly
 * directly in the receive buffer, ACK decision. Reads the header summary, writes the work result.
 * Invariants: una <= next <= una + txMax; rxNextSeq never moves back; a byte once accepted is
 * never placed again.
 */
import { count } from "../base/counter.ts";
import { sequenceAcceptable } from "../tcp/window.ts";
import { protocolOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { TCP_ACK_FLAG, TCP_FIN, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { acknowledge, challenge } from "./protocol-acknowledge.ts";
import { receiveAck } from "./protocol-ack.ts";
import { receivePayload } from "./protocol-reassembly.ts";
import { act, drop, flagsOf, noteSendable } from "./protocol-state.ts";

/** One received segment of an installed connection. */
export function protocolRx(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  clearResult(work);
  const tcpFlags = load<u32>(work, W.WORK_FLAGS);
  if (!timestampAcceptable(core, work, connection, p, tcpFlags)) return;
  const seq = load<u32>(work, W.WORK_SEQ);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const window = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  if ((tcpFlags & TCP_RST) != 0) return receiveReset(core, work, connection, p, seq, next, window);
  // RFC 5961, 4.2: a SYN in a synchronized state is answered with a challenge ACK.
  if ((tcpFlags & TCP_SYN) != 0) {
    drop(work, DropReason.SynChallenge);
    return challenge(core, work, connection, p);
  }
  if ((tcpFlags & TCP_ACK_FLAG) == 0) return drop(work, DropReason.NoAck);
  const length = load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  const span = length + ((tcpFlags & TCP_FIN) != 0 ? 1 : 0);
  // RFC 9293, 3.10.7.4, "special allowance": the ACK of a peer that has filled our window stands at
  // its right edge, that of one that has probed a closed window one further.
  const acceptable = sequenceAcceptable(seq, span, next, window)
    || (span == 0 && seqDistance(next, seq) <= window + 1);
  if (!acceptable && !seqAtOrBefore(seq, next)) {
    drop(work, DropReason.OutOfWindow);
    return acknowledge(core, work, connection, p);
  }
  // An ACK in a duplicate or in a probe of a closed window still counts (RFC 9293 MUST-66, A.2).
  if (!receiveAck(core, work, connection, p, acceptable)) return;
  if (acceptable) {
    updateTimestamp(work, p, seq, span);
    if (span != 0) receivePayload(core, work, connection, p, seq, length, tcpFlags);
  } else {
    drop(work, seqBefore(seq, next) ? DropReason.Duplicate : DropReason.OutOfWindow);
    acknowledge(core, work, connection, p);
  }
  noteSendable(core, work, connection, p);
}

function clearResult(work: usize): void {
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, 0, W.WORK_RX_BUMP);
  store<u32>(work, 0, W.WORK_TX_BUMP);
  store<u32>(work, 0, W.WORK_ARX_FLAGS);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_ACKED);
  store<u32>(work, 0, W.WORK_OUT_ECN);
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
  if (!seqBefore(load<u32>(work, W.WORK_TS_VAL), load<u32>(p, F.PROTOCOL_TS_RECENT))) return true;
  drop(work, DropReason.Paws);
  acknowledge(core, work, connection, p);
  return false;
}

/** TS.Recent follows segments that span the last ACK sent (RFC 7323, 4.3). */
// @ts-ignore: decorator
@inline
function updateTimestamp(work: usize, p: usize, seq: u32, span: u32): void {
  if ((load<u32>(work, W.WORK_OPTIONS) & W.OPTION_HAS_TIMESTAMP) == 0) return;
  if (!seqAtOrBefore(seq, load<u32>(p, F.PROTOCOL_LAST_ACK_SENT))) return;
  store<u32>(p, load<u32>(work, W.WORK_TS_VAL), F.PROTOCOL_TS_RECENT);
}

/** RST: exact number resets, in-window is challenged, the rest is dropped (RFC 5961, 3.2). */
function receiveReset(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  seq: u32,
  next: u32,
  window: u32,
): void {
  if (seq == next) {
    act(work, W.ACTION_RESET);
  } else if (seqDistance(next, seq) < window) {
    drop(work, DropReason.ResetChallenge);
    challenge(core, work, connection, p);
  } else {
    drop(work, DropReason.ResetOutOfWindow);
  }
}
