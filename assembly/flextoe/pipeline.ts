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
import { count } from "../base/counter.ts";
import { wheelAdvance, wheelNext } from "../base/timer-wheel.ts";
import { protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { isReadAhead, readAheadDescriptors, readAheadFrames } from "../flow/read-ahead.ts";
import { readAheadTimers } from "../flow/read-ahead.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as W from "../../bindings/abi/work.ts";
import * as queue from "../nic/context-queue.ts";
import { beginStep, reportOf, serveContexts, spendCredit, turnCredit } from "../nic/executor.ts";
import { workAt } from "../nic/executor.ts";
import { expire } from "./expiry.ts";
import * as scheduler from "../nic/flow-scheduler.ts";
import { egressRoom, packetBytes } from "../nic/post-processing.ts";
import { countPredicted, receivePredicted, UNEXPECTED } from "./predicted-receive.ts";
import { sendPredicted } from "./predicted-send.ts";
import { isPlainTurn, transmitPredicted } from "./predicted-transmit.ts";
import { hasSendable } from "../tcp/state.ts";
import { assignSequence, releaseSequence } from "./sequencer.ts";
import { actionsOf, SCHEDULES, SENDS, stageDma, stageNetif, stageNotify } from "../nic/stages.ts";
import { stagePost, stagePre, stageSchedule, stageTurn } from "../nic/stages.ts";
import { stageProtocol } from "./protocol.ts";

/** One crossing from the host; returns STEP_* bits. */
export function runStep(core: usize, now: u64): u32 {
  beginStep(core, now);
  // Small bursts are common: a part without work costs a load and a compare, not a call.
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) receiveBurst(core);
  let more: u32 = 0;
  if (serveContexts<Flextoe>(core)) more = M.STEP_MORE;
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  if (wheelNext(wheel) <= now && expireTimers(core, now)) more = M.STEP_MORE;
  // Both words at once: a flow has a turn, or flows wait for their time or their carrier.
  if (load<u64>(core, M.CORE_RR_HEAD) != 0 && transmit(core)) more = M.STEP_MORE;
  if (queue.deliverNotifications(core)) more |= M.STEP_NOTIFIED;
  return more | reportOf(core);
}

/** RX: the frames that the host put into the ingress burst. */
// @ts-ignore: decorator
@inline
function receiveBurst(core: usize): void {
  const offered = min(load<u32>(core, M.CORE_INGRESS_COUNT), L.BATCH_MAX);
  // Each frame may be answered and may cause three events: without room the burst waits.
  if (offered == 0 || egressRoom(core) < offered || queue.eventRoom(core) < offered * 3) return;
  store<u32>(core, 0, M.CORE_INGRESS_COUNT);
  if (isReadAhead(core, offered)) readAheadFrames(core, offered);
  const first = predictBurst(core, offered);
  if (first == offered) return;
  const table = <usize>load<u32>(core, M.CORE_INGRESS_TABLE);
  for (let i = first; i < offered; i++) ingest(core, workAt(core, i), table + i * D.FRAME_SIZE);
  for (let i = first; i < offered; i++) {
    const work = workAt(core, i);
    releaseSequence(core, ReorderPoint.Protocol, 0, load<u32>(work, W.WORK_INGRESS_SEQ));
    stageProtocol(core, work);
    if ((actionsOf(work) & SENDS) != 0) assignEgress(core, work);
  }
  finish(core, first, offered);
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
  let bytes: u64 = 0;
  let data: u32 = 0;
  let payload: u64 = 0;
  while (index < offered) {
    const entry = table + index * D.FRAME_SIZE;
    const length = receivePredicted(core, entry, workAt(core, index));
    if (length == UNEXPECTED) break;
    bytes += load<u32>(entry, D.FRAME_LENGTH);
    payload += length;
    data += length != 0 ? 1 : 0;
    index++;
  }
  if (index != 0) countPredicted(core, index, bytes, data, payload);
  return index;
}

/** RP0 and pre-processing. */
function ingest(core: usize, work: usize, entry: usize): void {
  stageNetif(core, work, entry);
  store<u32>(work, assignSequence(core, ReorderPoint.Protocol, 0), W.WORK_INGRESS_SEQ);
  stagePre(core, work);
}

/** RP2 and RP3 share a number: what protocol ordered leaves and is notified in that order. */
// @ts-ignore: decorator
@inline
function assignEgress(core: usize, work: usize): void {
  const group = load<u32>(work, W.WORK_GROUP);
  store<u32>(work, assignSequence(core, ReorderPoint.Netif, group), W.WORK_EGRESS_SEQ);
}

/** post -> dma -> context queue, for the work records from `first` to before `end`. */
function finish(core: usize, first: u32, end: u32): void {
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    stagePost(core, work);
    const actions = actionsOf(work);
    if ((actions & SENDS) != 0) {
      const group = load<u32>(work, W.WORK_GROUP);
      releaseSequence(core, ReorderPoint.Netif, group, load<u32>(work, W.WORK_EGRESS_SEQ));
    }
    if ((actions & SCHEDULES) != 0) stageSchedule(core, work);
  }
  for (let i = first; i < end; i++) {
    const work = workAt(core, i);
    stageDma(core, work);
    stageNotify(core, work);
  }
}

/** HC: what of a context's turn is this data path's. */
@unmanaged
class Flextoe {
  // @ts-ignore: decorator
  @inline
  predict(context: u32, record: usize, most: u32): u32 {
    return predictDescriptors(changetype<usize>(this), context, record, most);
  }

  // @ts-ignore: decorator
  @inline
  hostControl(context: u32, work: usize): void {
    hostControl(changetype<usize>(this), context, work);
  }

  // @ts-ignore: decorator
  @inline
  finish(items: u32): void {
    finish(changetype<usize>(this), 0, items);
  }
}

/** Header prediction for the descriptors at the head of a queue; how many they were. */
// @ts-ignore: decorator
@inline
function predictDescriptors(core: usize, context: u32, record: usize, most: u32): u32 {
  if (isReadAhead(core, most)) readAheadDescriptors(core, record, most);
  let sent: u32 = 0;
  while (sent < most && isUnloaded(core) && sendPredicted(core, context, record)) sent++;
  return sent;
}

/** No flow waits for a turn or for its carrier: whoever comes may go at once. */
// @ts-ignore: decorator
@inline
function isUnloaded(core: usize): bool {
  const waits = load<u32>(core, M.CORE_RR_HEAD) | load<u8>(core, M.CORE_WAITING);
  return (waits | load<u32>(core, M.CORE_STAGES_ONLY)) == 0;
}

/** One descriptor through pre-processing and protocol, in the order of its context (RP4). */
function hostControl(core: usize, context: u32, work: usize): void {
  const number = assignSequence(core, ReorderPoint.HostControl, context);
  releaseSequence(core, ReorderPoint.HostControl, context, number);
  stagePre(core, work);
  stageProtocol(core, work);
  if ((actionsOf(work) & SENDS) != 0) assignEgress(core, work);
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
  // Any word of a record that is not in use yet.
  if (isReadAhead(core, fired)) store<u32>(workAt(core, 0), readAheadTimers(core, due, fired));
  for (let i: u32 = 0; i < fired; i++) {
    count(core, Counter.TimersFired);
    if (expire(core, load<u32>(due + i * 4), workAt(core, items))) {
      if ((actionsOf(workAt(core, items)) & SENDS) != 0) assignEgress(core, workAt(core, items));
      items++;
    }
    if (items == L.BATCH_MAX) {
      finish(core, 0, items);
      items = 0;
    }
  }
  finish(core, 0, items);
  // The wheel also stops at its own bound of work; what is due then stays due.
  return fired == most || wheelNext(wheel) <= now;
}

/** TX: turns of the flow scheduler, within credit; true when flows are waiting for a next call. */
function transmit(core: usize): bool {
  const due = scheduler.gatherTurns(core);
  let budget = L.TRANSMIT_MAX;
  let turns = L.TURNS_PER_STEP;
  while (budget != 0) {
    let items: u32 = 0;
    while (items < budget && items < L.BATCH_MAX && turns != 0) {
      const room = egressRoom(core) > items ? egressRoom(core) - items : 0;
      if (room == 0) break;
      const connection = scheduler.nextTurn(core);
      if (connection == 0) break;
      turns--;
      const credit = turnCredit(core, connection);
      if (credit == 0) continue;
      const most = min(min(room, budget - items), credit);
      // Behind turns that are still in the stages it would overtake them.
      if (items == 0 && isPlainTurn(core, connection)) {
        budget -= takePlainTurn(core, connection, most);
      } else {
        items += takeTurn(core, connection, items, most);
      }
    }
    if (items == 0) break;
    finish(core, 0, items);
    budget -= items;
  }
  return due || load<u32>(core, M.CORE_RR_HEAD) != 0;
}

/** One turn, all at once: the segments that were sent, none of them left in the stages. */
function takePlainTurn(core: usize, connection: u32, most: u32): u32 {
  const turn = scheduler.turnSegments(core, connection);
  const items = transmitPredicted(core, connection, min(most, turn));
  spendCredit(core, connection, items);
  const p = protocolOf(core, connection);
  if (!hasSendable(p, recoveryOf(core, connection))) return items;
  if (items < turn) scheduler.keepTurn(core, connection, turn - items);
  scheduler.schedule(core, connection, false);
  return items;
}

/** One turn: up to TURN_SEGMENTS_MAX segments of a flow, from work record `first` on. */
function takeTurn(core: usize, connection: u32, first: u32, room: u32): u32 {
  const turn = scheduler.turnSegments(core, connection);
  const most = min(min(room, L.BATCH_MAX - first), turn);
  let items: u32 = 0;
  while (items < most) {
    const work = workAt(core, first + items);
    stageTurn(core, work, connection, W.WorkKind.Tx);
    stageProtocol(core, work);
    const actions = actionsOf(work);
    if ((actions & W.ACTION_SEND) == 0) break;
    assignEgress(core, work);
    if (scheduler.isPaced(core, connection)) {
      scheduler.pace(core, connection, packetBytes(core, work));
    }
    items++;
    if ((actions & W.ACTION_SCHEDULE) == 0) break;
    if (scheduler.mustWait(core, connection)) break;
    // Not the last of the turn: the flow is put back once, with its last segment.
    if (items < most) store<u32>(work, actions & ~W.ACTION_SCHEDULE, W.WORK_ACTIONS);
    else if (items < turn) scheduler.keepTurn(core, connection, turn - items);
  }
  spendCredit(core, connection, items);
  return items;
}
