/**
 * Protocol stage, payload of a received segment: trimming to the window, placement in the receive
 * buffer in or out of order, FIN in sequence (4.3.1.3; RFC 9293, 3.10.7.4, seventh and eighth
 * checks). Nothing is queued: the protocol says where bytes belong, the DMA stage puts them there.
 */
import { recoveryOf } from "../flow/flow-state.ts";
import { acknowledge, acknowledgeData } from "../tcp/acknowledge.ts";
import { noteMark } from "../tcp/congestion-marks.ts";
import { receiveFin } from "../tcp/end-of-stream.ts";
import { absorbIntervals, addInterval, intervalCount } from "../tcp/ooo-interval.ts";
import { placeOutside } from "../tcp/ooo-interval.ts";
import { noteHeld, noteRepeated } from "../tcp/repeated-range.ts";
import { act, drop, flagsOf, setFlags } from "../tcp/state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { seqAfter, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { TCP_FIN } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";

/** Payload and FIN of an acceptable segment with sequence number `seq`. */
export function receivePayload(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  seq: u32,
  length: u32,
  tcpFlags: u32,
): void {
  const flags = flagsOf(p);
  if ((flags & F.FLOW_FIN_RECEIVED) != 0) {
    drop(work, DropReason.AfterFin);
    return acknowledge(core, work, connection, p);
  }
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const limit = next + load<u32>(p, F.PROTOCOL_RX_AVAIL);
  const start = seqBefore(seq, next) ? next : seq;
  let end = seq + length;
  let fin = (tcpFlags & TCP_FIN) != 0;
  if (seqAfter(end, limit)) {
    end = limit;
    fin = false;
  }
  const bytes = seqAfter(end, start) ? seqDistance(start, end) : 0;
  if (bytes != 0 && (flags & F.FLOW_RX_SHUT) != 0) {
    act(work, W.ACTION_LATE_DATA);
    return drop(work, DropReason.LateData);
  }
  if (length != 0) noteRepeated(work, seq, start);
  const marked = noteMark(core, work, connection, p, tcpFlags);
  const ordered = start == next && (flags & F.FLOW_OUT_OF_ORDER) == 0;
  if (bytes != 0) {
    if (ordered) placeInOrder(work, p, seq, start, bytes);
    else if (!placeAnywhere(core, work, p, recoveryOf(core, connection), seq, start, end)) {
      drop(work, DropReason.IntervalLimit);
      return acknowledge(core, work, connection, p);
    }
  }
  const finished = receiveFin(core, work, connection, p, fin, seq + length);
  if (marked) return;
  const whole = bytes == length;
  if (ordered && whole && !finished && !fin) acknowledgeData(core, work, connection, p);
  else acknowledge(core, work, connection, p);
}

/** The common case: one span at rxNextSeq, no interval to look at. */
// @ts-ignore: decorator
@inline
function placeInOrder(work: usize, p: usize, seq: u32, start: u32, bytes: u32): void {
  store<u32>(work, 1, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, start, W.WORK_PLACEMENTS + W.PLACEMENT_SEQ);
  store<u32>(work, seqDistance(seq, start), W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);
  store<u32>(work, bytes, W.WORK_PLACEMENTS + W.PLACEMENT_LENGTH);
  store<u32>(work, bytes, W.WORK_RX_BUMP);
  store<u32>(p, start + bytes, F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_AVAIL) - bytes, F.PROTOCOL_RX_AVAIL);
  act(work, W.ACTION_PLACE | W.ACTION_NOTIFY);
}

/** Around intervals; false when the segment would open one interval too many. */
function placeAnywhere(
  core: usize, work: usize, p: usize, r: usize, seq: u32, start: u32, end: u32,
): bool {
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const placements = work + W.WORK_PLACEMENTS;
  noteHeld(work, r, start, end);
  const placed = placeOutside(r, seq, start, end, placements, work + W.WORK_PLACEMENT_COUNT);
  if (start != next) {
    if (!addInterval(core, r, start, placed)) {
      store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
      return false;
    }
    setFlags(p, flagsOf(p) | F.FLOW_OUT_OF_ORDER);
    if (load<u32>(work, W.WORK_PLACEMENT_COUNT) != 0) act(work, W.ACTION_OUT_OF_ORDER);
    else store<u32>(work, DropReason.Duplicate, W.WORK_REASON);
  } else {
    const reached = absorbIntervals(core, r, placed);
    const bytes = seqDistance(next, reached);
    store<u32>(p, reached, F.PROTOCOL_RX_NEXT_SEQ);
    store<u32>(p, load<u32>(p, F.PROTOCOL_RX_AVAIL) - bytes, F.PROTOCOL_RX_AVAIL);
    store<u32>(work, bytes, W.WORK_RX_BUMP);
    if (intervalCount(r) == 0) setFlags(p, flagsOf(p) & ~F.FLOW_OUT_OF_ORDER);
    act(work, W.ACTION_NOTIFY);
  }
  if (load<u32>(work, W.WORK_PLACEMENT_COUNT) != 0) act(work, W.ACTION_PLACE);
  return true;
}
