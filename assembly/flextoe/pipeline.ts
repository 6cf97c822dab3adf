/**
 * The batch executor (architecture: same code, three executors): runs the stages over a burst on
 * one thread, stage after stage over the work array. The only file that knows their order.
 *
 *   RX  pre -> RP1 -> protocol -> RP2, RP3 -> post -> dma -> context queue
 *   HC  context queue -> RP4 -> pre -> protocol -> post -> dma -> flow scheduler
 *   TX  flow scheduler -> pre -> protocol -> RP2 -> post -> dma
 *
 * Invariant: every sequence number that is assigned is released in the same call, in order.
 */
import { count, countBy, countDrop } from "../base/counter.ts";
import { wheelAdvance, wheelNext } from "../base/timer-wheel.ts";
import { preOf, protocolOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import { TIMERS_PER_CONNECTION, TimerKind } from "../../bindings/abi/timer.ts";
import * as W from "../../bindings/abi/work.ts";
import { payloadLimit, setHeader, setLink } from "./connection.ts";
import * as queue from "./context-queue.ts";
import { dmaFetch, dmaPlace } from "./dma.ts";
import * as scheduler from "./flow-scheduler.ts";
import { buildSegment, egressRoom, postProcessRx, postProcessTx } from "./post-processing.ts";
import { receivePredicted } from "./predicted-receive.ts";
import { sendPredicted } from "./predicted-send.ts";
import { preProcessHostControl, preProcessRx, preProcessTx } from "./pre-processing.ts";
import { protocolDelayedAck, protocolHostControl } from "./protocol-host-control.ts";
import { protocolRx } from "./protocol-receive.ts";
import { protocolTx } from "./protocol-transmit.ts";
import { assignSequence, releaseSequence } from "./sequencer.ts";

const SENDS: u32 = W.ACTION_ACK | W.ACTION_SEND;
const LEAVES: u32 = W.ACTION_DROP | W.ACTION_REDIRECT;
const CONTROL: u32 =
  W.ACTION_FIN_RECEIVED | W.ACTION_FIN_ACKED | W.ACTION_RESET | W.ACTION_LATE_DATA;

// @ts-ignore: decorator
@inline
function workAt(core: usize, index: u32): usize {
  return <usize>load<u32>(core, M.CORE_WORK) + index * W.WORK_SIZE;
}

// @ts-ignore: decorator
@inline
function actionsOf(work: usize): u32 {
  return load<u32>(work, W.WORK_ACTIONS);
}

/** One crossing from the host; returns STEP_* bits. */
export function runStep(core: usize, now: u64): u32 {
  store<u64>(core, now, M.CORE_NOW);
  // The timestamp clock: 2^20 ns a tick, within RFC 7323's 1 ms to 1 s (5.4).
  store<u32>(core, <u32>(now >> 20), M.CORE_NOW_TICKS);
  // Small bursts are common: a part without work costs a load and a compare, not a call.
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) receiveBurst(core);
  let more: u32 = 0;
  if (serveContexts(core)) more = M.STEP_MORE;
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  if (wheelNext(wheel) <= now && expireTimers(core, now)) more = M.STEP_MORE;
  if (load<u32>(core, M.CORE_RR_HEAD) != 0 && transmit(core)) more = M.STEP_MORE;
  if (queue.deliverNotifications(core)) more |= M.STEP_NOTIFIED;
  return more | reportOf(core);
}

/** What the host would look for in the header after each call: one number in place of four. */
// @ts-ignore: decorator
@inline
function reportOf(core: usize): u32 {
  let bits = load<u32>(core, M.CORE_EGRESS_COUNT) << M.STEP_EGRESS_SHIFT;
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) bits |= M.STEP_MORE | M.STEP_HELD;
  // Both words at once: most steps have neither.
  if (load<u64>(core, M.CORE_EVENT_COUNT) == 0) return bits;
  if (load<u32>(core, M.CORE_EVENT_COUNT) != 0) bits |= M.STEP_EVENTS;
  if (load<u32>(core, M.CORE_INTERRUPTS) != 0) bits |= M.STEP_INTERRUPTS;
  return bits;
}

/** Time at which step() has work without input, for the host: ns, or the largest u64. */
export function deadline(core: usize): u64 {
  return wheelNext(<usize>load<u32>(core, M.CORE_WHEEL));
}

/** RX: the frames that the host put into the ingress burst. */
// @ts-ignore: decorator
@inline
function receiveBurst(core: usize): void {
  const offered = min(load<u32>(core, M.CORE_INGRESS_COUNT), L.BATCH_MAX);
  // Each frame may be answered and may cause three events: without room the burst waits.
  if (offered == 0 || egressRoom(core) < offered || queue.eventRoom(core) < offered * 3) return;
  store<u32>(core, 0, M.CORE_INGRESS_COUNT);
  const first = predictBurst(core, offered);
  if (first == offered) return;
  for (let i = first; i < offered; i++) ingest(core, workAt(core, i), i);
  for (let i = first; i < offered; i++) {
    const work = workAt(core, i);
    releaseSequence(core, ReorderPoint.Protocol, 0, load<u32>(work, W.WORK_INGRESS_SEQ));
    if ((actionsOf(work) & LEAVES) != 0) continue;
    protocolRx(core, work);
    if ((actionsOf(work) & SENDS) != 0) assignEgress(core, work);
  }
  for (let i = first; i < offered; i++) {
    const work = workAt(core, i);
    if ((actionsOf(work) & W.ACTION_REDIRECT) == 0 && isIdentified(work)) postProcessRx(core, work);
    if ((actionsOf(work) & W.ACTION_DROP) != 0) countDrop(core, load<u32>(work, W.WORK_REASON));
  }
  finish(core, first, offered);
  for (let i = first; i < offered; i++) report(core, workAt(core, i));
}

/**
 * Header prediction: the frames at the start of the burst that were expected, without the stages;
 * how many they are. From the first other one on the burst keeps its order stage by stage.
 */
// @ts-ignore: decorator
@inline
function predictBurst(core: usize, offered: u32): u32 {
  if (load<u32>(core, M.CORE_STAGES_ONLY) != 0) return 0;
  const table = <usize>load<u32>(core, M.CORE_INGRESS_TABLE);
  let index: u32 = 0;
  while (index < offered) {
    if (!receivePredicted(core, table + index * D.FRAME_SIZE, workAt(core, index))) break;
    index++;
  }
  return index;
}

/** True when pre-processing found the connection, whatever came of the segment. */
// @ts-ignore: decorator
@inline
function isIdentified(work: usize): bool {
  return load<u32>(work, W.WORK_GENERATION) != NOT_IDENTIFIED;
}

const NOT_IDENTIFIED: u32 = 0xffffffff;

function ingest(core: usize, work: usize, index: u32): void {
  const entry = <usize>load<u32>(core, M.CORE_INGRESS_TABLE) + index * D.FRAME_SIZE;
  const capacity = load<u32>(core, M.CORE_INGRESS_CAPACITY);
  const offset = load<u32>(entry, D.FRAME_OFFSET);
  const length = load<u32>(entry, D.FRAME_LENGTH);
  const netif = load<u32>(entry, D.FRAME_NETIF) & (L.NETIFS_MAX - 1);
  store<u32>(work, W.WorkKind.Rx, W.WORK_KIND);
  store<u32>(work, NOT_IDENTIFIED, W.WORK_GENERATION);
  store<u32>(work, assignSequence(core, ReorderPoint.Protocol, 0), W.WORK_INGRESS_SEQ);
  store<u32>(work, load<u32>(core, M.CORE_INGRESS) + offset, W.WORK_FRAME);
  count(core, Counter.FramesIn);
  if (offset > capacity || length > capacity - offset) {
    store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
    store<u32>(work, DropReason.LinkMalformed, W.WORK_REASON);
    return;
  }
  countBy(core, Counter.BytesIn, length);
  store<u32>(work, length, W.WORK_FRAME_LENGTH);
  preProcessRx(core, work, load<u32>(core + M.CORE_NETIF_MEDIUM + netif * 4));
}

/** RP2 and RP3 share a number: what protocol ordered leaves and is notified in that order. */
// @ts-ignore: decorator
@inline
function assignEgress(core: usize, work: usize): void {
  const group = load<u32>(work, W.WORK_GROUP);
  store<u32>(work, assignSequence(core, ReorderPoint.Netif, group), W.WORK_EGRESS_SEQ);
}

/** post (headers) -> dma -> context queue, for the work records from `first` to before `end`. */
function finish(core: usize, first: u32, end: u32): void {
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    const actions = actionsOf(work);
    if ((actions & SENDS) != 0 && buildSegment(core, work)) postProcessTx(core, work);
    else store<u32>(work, actions & ~SENDS, W.WORK_ACTIONS);
    if ((actions & SENDS) != 0) {
      const group = load<u32>(work, W.WORK_GROUP);
      releaseSequence(core, ReorderPoint.Netif, group, load<u32>(work, W.WORK_EGRESS_SEQ));
    }
    if ((actions & W.ACTION_SCHEDULE) != 0) {
      const fresh = load<u32>(work, W.WORK_KIND) != W.WorkKind.Tx;
      scheduler.schedule(core, load<u32>(work, W.WORK_CONNECTION), fresh);
    }
  }
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    const actions = actionsOf(work);
    if ((actions & W.ACTION_PLACE) != 0) dmaPlace(core, work);
    if ((actions & SENDS) != 0) dmaFetch(core, work);
    // After the payload: the host must not hear of bytes that are not there yet (4.3.1.3).
    if ((actions & W.ACTION_NOTIFY) != 0) queue.notify(core, work);
  }
}

/** Events for the control plane, in the order of the frames. */
function report(core: usize, work: usize): void {
  const actions = actionsOf(work);
  if ((actions & (CONTROL | W.ACTION_REDIRECT)) == 0) return;
  const connection = load<u32>(work, W.WORK_CONNECTION);
  if ((actions & W.ACTION_REDIRECT) != 0) return redirect(core, work, connection);
  const generation = load<u32>(work, W.WORK_GENERATION);
  if ((actions & W.ACTION_RESET) != 0) {
    queue.pushEvent(core, D.EventKind.Reset, connection, generation, 0, 0, 0, 0);
  }
  // The acknowledgment of our FIN comes first when one segment brings both (RFC 9293, 3.10.7.4).
  if ((actions & W.ACTION_FIN_ACKED) != 0) {
    queue.pushEvent(core, D.EventKind.FinAcked, connection, generation, 0, 0, 0, 0);
  }
  if ((actions & W.ACTION_FIN_RECEIVED) != 0) {
    queue.pushEvent(core, D.EventKind.FinReceived, connection, generation, 0, 0, 0, 0);
  }
  if ((actions & W.ACTION_LATE_DATA) != 0) {
    queue.pushEvent(core, D.EventKind.LateData, connection, generation, 0, 0, 0, 0);
  }
}

function redirect(core: usize, work: usize, connection: u32): void {
  const frame = load<u32>(work, W.WORK_FRAME);
  const ip = load<u32>(work, W.WORK_PAYLOAD);
  const index = <u32>((<usize>work - <usize>load<u32>(core, M.CORE_WORK)) / W.WORK_SIZE);
  const entry = <usize>load<u32>(core, M.CORE_INGRESS_TABLE) + index * D.FRAME_SIZE;
  const generation = connection == 0 ? 0 : load<u32>(preOf(core, connection), F.PRE_GENERATION);
  count(core, Counter.Redirects);
  queue.pushEvent(
    core,
    D.EventKind.Redirect,
    connection,
    generation,
    frame - load<u32>(core, M.CORE_INGRESS),
    load<u32>(work, W.WORK_FRAME_LENGTH),
    load<u32>(entry, D.FRAME_NETIF),
    ip == 0 ? 0xffff : ip - frame,
  );
}

/** HC: descriptors of all contexts, the turn moving on; true when some are left. */
// @ts-ignore: decorator
@inline
function serveContexts(core: usize): bool {
  const contexts = load<u32>(core, M.CORE_CONTEXTS);
  const first = load<u32>(core, M.CORE_CONTEXT_TURN);
  let context = first;
  let left = false;
  do {
    const record = queue.contextOf(core, context);
    if (queue.hasDescriptors(record)) {
      if (serveContext(core, context, record)) left = true;
      store<u32>(core, first + 1 < contexts ? first + 1 : 0, M.CORE_CONTEXT_TURN);
    }
    context = context + 1 < contexts ? context + 1 : 0;
  } while (context != first);
  return left;
}

function serveContext(core: usize, context: u32, record: usize): bool {
  let budget = L.DESCRIPTORS_PER_STEP;
  let pending = queue.pendingDescriptors(core, record);
  if (pending == 1 && isUnloaded(core) && sendPredicted(core, context, record)) return false;
  while (pending != 0 && budget != 0) {
    const items = min(min(pending, budget), min(L.BATCH_MAX, egressRoom(core)));
    if (items == 0) break;
    for (let i: u32 = 0; i < items; i++) {
      const work = workAt(core, i);
      queue.fetchDescriptor(core, context, work);
      hostControl(core, context, record, work);
    }
    finish(core, 0, items);
    budget -= items;
    pending = queue.pendingDescriptors(core, record);
  }
  return pending != 0;
}

/** No flow waits for a turn: whoever comes may go at once. */
// @ts-ignore: decorator
@inline
function isUnloaded(core: usize): bool {
  return (load<u32>(core, M.CORE_RR_HEAD) | load<u32>(core, M.CORE_STAGES_ONLY)) == 0;
}

/** One descriptor through pre-processing and protocol, in the order of its context (RP4). */
function hostControl(core: usize, context: u32, record: usize, work: usize): void {
  const number = assignSequence(core, ReorderPoint.HostControl, context);
  releaseSequence(core, ReorderPoint.HostControl, context, number);
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const generation = load<u32>(work, W.WORK_GENERATION);
  if (!preProcessHostControl(core, work, connection, generation)) {
    return queue.refuse(core, record, load<u32>(work, W.WORK_REASON));
  }
  const verdict = queue.authorise(core, work);
  if (verdict != DropReason.None) {
    store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
    return queue.refuse(core, record, verdict);
  }
  const opcode = load<u32>(work, W.WORK_OPCODE);
  const low = load<u32>(work, W.WORK_ARGUMENT_LOW);
  const high = load<u32>(work, W.WORK_ARGUMENT_HIGH);
  if (opcode == D.AtxOpcode.SetInterval) {
    scheduler.setPacingInterval(core, connection, (<u64>high << 32) | low);
  } else if (opcode == D.AtxOpcode.SetHeader) {
    setHeader(core, connection, low, high);
  } else if (opcode == D.AtxOpcode.SetLink) {
    setLink(core, connection, low, high);
  } else if (opcode == D.AtxOpcode.SetMss) {
    store<u32>(work, payloadLimit(core, connection, low), W.WORK_ARGUMENT_LOW);
  }
  protocolHostControl(core, work);
  if ((actionsOf(work) & W.ACTION_DROP) != 0) {
    queue.refuse(core, record, load<u32>(work, W.WORK_REASON));
  } else if ((actionsOf(work) & SENDS) != 0) {
    assignEgress(core, work);
  }
}

/** Timers that are due; true when more are than one call handles. */
function expireTimers(core: usize, now: u64): bool {
  const room = min(egressRoom(core), queue.eventRoom(core));
  const most = min(room, L.TIMERS_PER_STEP);
  if (most == 0) return true;
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  const timers = <usize>load<u32>(core, M.CORE_TIMERS);
  const due = <usize>load<u32>(core, M.CORE_SCRATCH);
  const fired = wheelAdvance(wheel, timers, now, due, most);
  let items: u32 = 0;
  for (let i: u32 = 0; i < fired; i++) {
    count(core, Counter.TimersFired);
    if (expire(core, load<u32>(due + i * 4), workAt(core, items))) items++;
    if (items == L.BATCH_MAX) {
      finish(core, 0, items);
      items = 0;
    }
  }
  finish(core, 0, items);
  // The wheel also stops at its own bound of work; what is due then stays due.
  return fired == most || wheelNext(wheel) <= now;
}

/** One expired timer; true when the work record holds an item to finish. */
function expire(core: usize, timer: u32, work: usize): bool {
  const connection = timer / TIMERS_PER_CONNECTION;
  const kind = timer % TIMERS_PER_CONNECTION;
  const pre = preOf(core, connection);
  const generation = load<u32>(pre, F.PRE_GENERATION);
  if (kind == TimerKind.Control) {
    queue.pushEvent(core, D.EventKind.Timer, connection, generation, kind, 0, 0, 0);
    return false;
  }
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Installed) return false;
  const p = protocolOf(core, connection);
  if (kind == TimerKind.Pacing) {
    scheduler.paceExpired(core, connection);
  } else if (kind == TimerKind.Retransmit) {
    const persist: u32 = (<u32>load<u16>(p, F.PROTOCOL_FLAGS) & F.FLOW_PERSIST) != 0 ? 1 : 0;
    const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
    const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
    queue.pushEvent(core, D.EventKind.Timer, connection, generation, kind, sent, avail, persist);
  } else {
    preProcessTx(core, work, connection);
    protocolDelayedAck(core, work);
    if ((actionsOf(work) & SENDS) == 0) return false;
    assignEgress(core, work);
    return true;
  }
  return false;
}

/** TX: turns of the flow scheduler, within credit; true when flows are waiting for a next call. */
function transmit(core: usize): bool {
  let budget = L.TRANSMIT_MAX;
  let skipped: u32 = 0;
  while (budget != 0) {
    let items: u32 = 0;
    while (items < budget && items < L.BATCH_MAX && skipped < L.BATCH_MAX) {
      const room = egressRoom(core) > items ? egressRoom(core) - items : 0;
      if (room == 0) break;
      const connection = scheduler.nextTurn(core);
      if (connection == 0) break;
      const sent = takeTurn(core, connection, items, min(room, budget - items));
      if (sent == NO_CREDIT) skipped++;
      else items += sent;
    }
    if (items == 0) break;
    finish(core, 0, items);
    budget -= items;
  }
  return load<u32>(core, M.CORE_RR_HEAD) != 0 && skipped == 0;
}

const NO_CREDIT: u32 = 0xffffffff;

/** One turn: up to TURN_SEGMENTS_MAX segments of a flow, from work record `first` on. */
function takeTurn(core: usize, connection: u32, first: u32, room: u32): u32 {
  const pre = preOf(core, connection);
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Installed) return 0;
  const credit = core + M.CORE_NETIF_CREDIT + <u32>load<u8>(pre, F.PRE_NETIF) * 4;
  const left = load<u32>(credit);
  if (left == 0) {
    scheduler.skipTurn(core, connection);
    return NO_CREDIT;
  }
  const most = min(min(room, L.BATCH_MAX - first), min(left, L.TURN_SEGMENTS_MAX));
  let items: u32 = 0;
  while (items < most) {
    const work = workAt(core, first + items);
    preProcessTx(core, work, connection);
    protocolTx(core, work);
    const actions = actionsOf(work);
    if ((actions & W.ACTION_SEND) == 0) break;
    assignEgress(core, work);
    scheduler.pace(core, connection, wireBytes(work));
    items++;
    if ((actions & W.ACTION_SCHEDULE) == 0) break;
    if (scheduler.mustWait(core, connection)) break;
    // Not the last of the turn: the flow is put back once, with its last segment.
    if (items < most) store<u32>(work, actions & ~W.ACTION_SCHEDULE, W.WORK_ACTIONS);
  }
  store<u32>(credit, left - items);
  return items;
}

/** Bytes that count against a rate: payload and headers. */
// @ts-ignore: decorator
@inline
function wireBytes(work: usize): u32 {
  return load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH) + RATE_OVERHEAD;
}

/** IPv4 and TCP headers with timestamps, for pacing. */
const RATE_OVERHEAD: u32 = 52;
