/**
 * Payload of a received segment behind R1 to R4 (5.3.1): DMA header, notification and merge are
 * made of the pass's results, and the control plane's half in the data path rolls back what did not
 * fit (5.3.1.2). The faithful mode has the one interval of R3 and R4. Relaxed mode keeps a list as
 * FlexTOE does (tcp/ooo-interval.ts), and R3 and R4 hold of it the interval nearest to R1: the
 * program merges what a segment closes, and the next interval takes its place in the registers.
 *
 * Invariant: PROTOCOL's receive half is a copy of R1 and R2 after each segment.
 */
import { postOf, recoveryOf } from "../flow/flow-state.ts";
import { countUnacked } from "../tcp/acknowledge.ts";
import { noteMark } from "../tcp/congestion-marks.ts";
import { absorbIntervals, addInterval, endOfCover } from "../tcp/ooo-interval.ts";
import { intervalCount, nextStart, placeOutside } from "../tcp/ooo-interval.ts";
import { noteHeld, noteRepeated } from "../tcp/repeated-range.ts";
import { act, drop, flagsOf, setFlags, startDelayedAck } from "../tcp/state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { LAMINAR_READY } from "../../bindings/abi/rmt.ts";
import { seqAfter, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import * as T from "./generated/tcp.ts";
import { controlPass, isRelaxed, receiveRoom, register, result } from "./passes.ts";
import { segmentPass, writeRoom } from "./passes.ts";
import { laminarOf } from "./state.ts";

/** Beyond any window. */
const FAR: u32 = 0x7fffffff;

/**
 * R1 to R4 have passed: where the payload goes, whom it is for, and what has to be put right. True
 * when the ACK is due now: `mirror`, as the program says, or by the rule of delayed ACKs.
 */
export function reassembled(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  mirror: bool,
): bool {
  const kind = result(core, T.CLASS);
  const plain = kind == T.C_IN_ORDER && (flagsOf(p) & F.FLOW_OUT_OF_ORDER) == 0;
  const whole = load<u32>(work, W.WORK_PAYLOAD_LENGTH) == placedBytes(core, work, plain);
  if (isRelaxed()) keepIntervals(core, work, connection, p, kind);
  else keepInterval(core, work, connection, p, kind);
  copyRegisters(core, connection, p);
  if ((load<u32>(work, W.WORK_ACTIONS) & W.ACTION_PLACE) == 0) return mirror;
  if (noteMark(core, work, connection, p, load<u32>(work, W.WORK_FLAGS))) return false;
  if (!isRelaxed() || !plain || !whole) return mirror;
  if (countUnacked(p)) return true;
  startDelayedAck(core, connection);
  return false;
}

/** The registers' interval is the only one. */
function keepInterval(core: usize, work: usize, connection: u32, p: usize, kind: u32): void {
  const reason = result(core, T.REASON);
  const merged = result(core, T.MERGE) != 0;
  if (result(core, T.PLACED) != 0) {
    place(core, work, connection, kind);
    if (kind == T.C_OUT_OF_ORDER) act(work, W.ACTION_OUT_OF_ORDER);
  } else {
    drop(work, dropReason(work, p, kind, reason));
  }
  if (reason == T.C_OUT_OF_WINDOW) rollBack(core, connection);
  else if (merged) merge(core, connection);
}

function dropReason(work: usize, p: usize, kind: u32, reason: u32): u32 {
  if (kind == T.C_DUPLICATE) {
    const end = load<u32>(work, W.WORK_SEQ) + load<u32>(work, W.WORK_PAYLOAD_LENGTH);
    const ahead = seqAfter(end, load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ));
    return ahead ? DropReason.AfterFin : DropReason.Duplicate;
  }
  return reason == T.C_NO_INTERVAL ? DropReason.IntervalLimit : DropReason.OutOfWindow;
}

/** DMA header: the address that ingress has translated, without what came before (5.2, step 3). */
function place(core: usize, work: usize, connection: u32, kind: u32): void {
  const inOrder = kind == T.C_IN_ORDER;
  const trim: u32 = inOrder ? seqDistance(load<u32>(work, W.WORK_SEQ), result(core, T.BEFORE)) : 0;
  store<u32>(work, 1, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, addressOf(core, connection) + trim, W.WORK_PLACEMENTS + W.PLACEMENT_SEQ);
  store<u32>(work, trim, W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);
  store<u32>(work, placedBytes(core, work, inOrder), W.WORK_PLACEMENTS + W.PLACEMENT_LENGTH);
  act(work, W.ACTION_PLACE);
  if (inOrder) notifyReady(core, work, connection, result(core, T.READY));
}

/** Of the payload's first byte. */
// @ts-ignore: decorator
@inline
function addressOf(core: usize, connection: u32): u32 {
  return load<u32>(postOf(core, connection), F.POST_RX_ORIGIN) + result(core, T.ADDRESS);
}

// @ts-ignore: decorator
@inline
function placedBytes(core: usize, work: usize, inOrder: bool): u32 {
  if (isDefined(T.BYTES)) {
    return result(core, T.BYTES);
  } else {
    return inOrder ? result(core, T.HI) : load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  }
}

/** libTOE hears of bytes ahead of their merge (5.3.1.4), and of each once. */
function notifyReady(core: usize, work: usize, connection: u32, ready: u32): void {
  const record = laminarOf(core, connection);
  const told = load<u32>(record, LAMINAR_READY);
  if (!seqAfter(ready, told)) return;
  store<u32>(work, seqDistance(told, ready), W.WORK_RX_BUMP);
  store<u32>(record, ready, LAMINAR_READY);
  act(work, W.ACTION_NOTIFY);
}

/** The pseudo segment that the mirrored ACK is: covers the interval, and becomes the ACK (⑧). */
function merge(core: usize, connection: u32): void {
  const seq = result(core, T.ACKNOWLEDGMENT);
  const span = result(core, T.SPAN);
  segmentPass(core, T.C_PSEUDO, connection, seq, span, span);
}

/** The control plane puts rx_next_seq back to where it was, the window with it (5.3.1.2). */
function rollBack(core: usize, connection: u32): void {
  const before = result(core, T.BEFORE);
  const avail = result(core, T.AVAIL);
  controlPass(core, connection, T.C_RX_NEXT_SEQ, before);
  controlPass(core, connection, T.C_RX_OOO_TAIL, 0);
  controlPass(core, connection, T.C_RX_OOO_HEAD, 0);
  writeRoom(core, connection, before, avail);
}

/**
 * The list is the control plane's. What the program has let in goes where no interval holds a byte
 * yet: bytes once taken do not change (threats Q06).
 */
function keepIntervals(core: usize, work: usize, connection: u32, p: usize, kind: u32): void {
  const r = recoveryOf(core, connection);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const seq = load<u32>(work, W.WORK_SEQ);
  const inOrder = kind == T.C_IN_ORDER;
  noteTwice(work, p, r, seq, next);
  if (!inOrder && kind != T.C_OUT_OF_ORDER) {
    return drop(work, dropReason(work, p, kind, result(core, T.REASON)));
  }
  const start = inOrder ? next : seq;
  const shift = addressOf(core, connection) - seq;
  const placed = placeAround(work, r, shift, seq, start, placedBytes(core, work, inOrder));
  if (inOrder) advance(core, work, connection, p, r, placed);
  else addPart(core, work, p, r, start, placed);
  loadNearest(core, connection, r);
}

/** What R1 has seen before, or an interval holds: the copies are those before the pass. */
// @ts-ignore: decorator
@inline
function noteTwice(work: usize, p: usize, r: usize, seq: u32, next: u32): void {
  const end = seq + load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  if (seqBefore(seq, next)) noteRepeated(work, seq, seqBefore(end, next) ? end : next);
  if ((flagsOf(p) & F.FLOW_OUT_OF_ORDER) == 0) return;
  noteHeld(work, r, seqBefore(seq, next) ? next : seq, end);
}

/**
 * The parts of `length` bytes from `start` on that no interval holds; `shift` goes from a sequence
 * number to the buffer's. The end of what is placed or was.
 */
function placeAround(
  work: usize,
  r: usize,
  shift: u32,
  seq: u32,
  start: u32,
  length: u32,
): u32 {
  const placements = work + W.WORK_PLACEMENTS;
  const countAt = work + W.WORK_PLACEMENT_COUNT;
  const placed = placeOutside(r, seq, start, start + length, placements, countAt);
  const count = load<u32>(countAt);
  for (let i: u32 = 0; i < count; i++) {
    const placement = placements + i * W.PLACEMENT_SIZE;
    store<u32>(placement, load<u32>(placement, W.PLACEMENT_SEQ) + shift, W.PLACEMENT_SEQ);
  }
  return placed;
}

/** R1 is past the segment: the program merges the registers' interval, then the list counts. */
function advance(
  core: usize,
  work: usize,
  connection: u32,
  p: usize,
  r: usize,
  placed: u32,
): void {
  if (result(core, T.MERGE) != 0) merge(core, connection);
  const reached = absorbIntervals(core, r, placed);
  if (register(core, connection, T.R_RX_NEXT_SEQ) != reached) {
    controlPass(core, connection, T.C_RX_NEXT_SEQ, reached);
  }
  if (intervalCount(r) == 0) setFlags(p, flagsOf(p) & ~F.FLOW_OUT_OF_ORDER);
  act(work, W.ACTION_PLACE);
  notifyReady(core, work, connection, reached);
}

function addPart(core: usize, work: usize, p: usize, r: usize, start: u32, placed: u32): void {
  if (!addInterval(core, r, start, placed)) {
    store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
    return drop(work, DropReason.IntervalLimit);
  }
  setFlags(p, flagsOf(p) | F.FLOW_OUT_OF_ORDER);
  const isNew = load<u32>(work, W.WORK_PLACEMENT_COUNT) != 0;
  if (isNew) act(work, W.ACTION_OUT_OF_ORDER | W.ACTION_PLACE);
  else store<u32>(work, DropReason.Duplicate, W.WORK_REASON);
}

/** R3 and R4 get the interval nearest to R1. */
function loadNearest(core: usize, connection: u32, r: usize): void {
  const next = register(core, connection, T.R_RX_NEXT_SEQ);
  const start = intervalCount(r) == 0 ? next : nextStart(r, next, next + FAR);
  const tail = seqDistance(next, endOfCover(r, start));
  const head = seqDistance(next, start);
  if (register(core, connection, T.R_RX_OOO_TAIL) != tail) {
    controlPass(core, connection, T.C_RX_OOO_TAIL, tail);
  }
  if (register(core, connection, T.R_RX_OOO_HEAD) != head) {
    controlPass(core, connection, T.C_RX_OOO_HEAD, head);
  }
}

/** What the control plane and ACKs know of the registers. */
function copyRegisters(core: usize, connection: u32, p: usize): void {
  store<u32>(p, register(core, connection, T.R_RX_NEXT_SEQ), F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(p, receiveRoom(core, connection), F.PROTOCOL_RX_AVAIL);
  if (!isRelaxed()) copyInterval(core, connection, p);
}

/** The only block of SACK (5.5.4.3). */
// @ts-ignore: decorator
@inline
function copyInterval(core: usize, connection: u32, p: usize): void {
  const tail = register(core, connection, T.R_RX_OOO_TAIL);
  const flags = flagsOf(p);
  if (tail == 0 && (flags & F.FLOW_OUT_OF_ORDER) == 0) return;
  const next = register(core, connection, T.R_RX_NEXT_SEQ);
  const recovery = recoveryOf(core, connection);
  const waits = tail != 0 ? F.FLOW_OUT_OF_ORDER : 0;
  store<u8>(recovery, tail != 0 ? 1 : 0, F.RECOVERY_INTERVAL_COUNT);
  setFlags(p, (flags & ~F.FLOW_OUT_OF_ORDER) | waits);
  const head = register(core, connection, T.R_RX_OOO_HEAD);
  store<u32>(recovery, next + head, F.RECOVERY_INTERVALS);
  store<u32>(recovery, next + tail, F.RECOVERY_INTERVALS + 4);
}
