/**
 * Protocol stage, RX workflow (4.3.1.3; RFC 9293, 3.10.7.4): window update, trimming, reassembly
 * directly in the receive buffer, ACK decision. Reads the header summary, writes the work result.
 * Invariants: una <= next <= una + txMax; rxNextSeq never moves back; a byte once accepted is
 * never placed again.
 */
import { protocolOf } from "../flow/flow-state.ts";
import { acknowledge } from "../tcp/acknowledge.ts";
import { admitSegment, clearResult, isAcceptable, updateTimestamp } from "../tcp/arrival.ts";
import { noteProbeMark } from "../tcp/congestion-marks.ts";
import { receiveAck } from "../tcp/receive-ack.ts";
import { noteRepeated } from "../tcp/repeated-range.ts";
import { drop, noteSendable } from "../tcp/state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { seqAtOrBefore, seqBefore } from "../../bindings/abi/seq.ts";
import { TCP_FIN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { receivePayload } from "./protocol-reassembly.ts";

/** One received segment of an installed connection. */
export function protocolRx(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  clearResult(work);
  if (!admitSegment(core, work, connection, p)) return;
  const tcpFlags = load<u32>(work, W.WORK_FLAGS);
  const seq = load<u32>(work, W.WORK_SEQ);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const window = load<u32>(p, F.PROTOCOL_RX_AVAIL);
  const length = load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  const span = length + ((tcpFlags & TCP_FIN) != 0 ? 1 : 0);
  const acceptable = isAcceptable(seq, span, next, window);
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
    if (length != 0) {
      const end = seq + length;
      noteRepeated(work, seq, seqBefore(end, next) ? end : next);
      noteProbeMark(core, work, connection, p, next, window);
    }
    acknowledge(core, work, connection, p);
  }
  noteSendable(core, work, connection, p);
}
