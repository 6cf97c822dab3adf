/**
 * The build for the `modelled` executor (host/modelled): everything that the data path exports,
 * and its stages one by one. A host takes items, calls a stage when a modelled core has the item,
 * and keeps the order. Nothing is decided here and no stage is written twice.
 */
import { append, armTimer, bind, cancelTimer, carry, consume, flush, forget } from "./index.ts";
import { initialize, inspect, install, layoutHash, lookup, nextDeadline } from "./index.ts";
import { nextReady, open, put, quotes, receive, release } from "./index.ts";
import { step, take, transmit, turn } from "./index.ts";
import { features, reserve, spare, unbind, uninstall } from "./index.ts";
import { count } from "./base/counter.ts";
import { wheelAdvance } from "./base/timer-wheel.ts";
import * as queue from "./nic/context-queue.ts";
import { expiryKind, timerExpired } from "./nic/timer-events.ts";
import { packetBytes } from "./nic/post-processing.ts";
import * as scheduler from "./nic/flow-scheduler.ts";
import * as protocol from "./flextoe/protocol.ts";
import * as stages from "./nic/stages.ts";
import { Counter } from "../bindings/abi/counters.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { WORK_KINDS } from "../bindings/abi/work.ts";

export { append, armTimer, bind, cancelTimer, carry, consume, flush, forget };
export { initialize, inspect, install, layoutHash, lookup, nextDeadline };
export { nextReady, open, put, quotes, receive, release, step, take, transmit, turn };
export { features, reserve, spare, unbind, uninstall };

/** Time of the stages that follow; ns since start. */
export function setNow(core: usize, now: f64): void {
  store<u64>(core, <u64>now, M.CORE_NOW);
  store<u32>(core, <u32>(<u64>now / <u64>M.TICK_NS), M.CORE_NOW_TICKS);
}

/** RP0: an entry of an ingress table as a work record. */
export function stageNetif(core: usize, work: usize, entry: usize): void {
  stages.stageNetif(core, work, entry);
}

export function stagePre(core: usize, work: usize): void {
  stages.stagePre(core, work);
}

/** Pre-processing of a turn or a delayed ACK (WorkKind). */
export function stageTurn(core: usize, work: usize, connection: u32, kind: u32): void {
  stages.stageTurn(core, work, connection, kind);
}

export function stageProtocol(core: usize, work: usize): void {
  protocol.stageProtocol(core, work);
}

export function stagePost(core: usize, work: usize): void {
  stages.stagePost(core, work);
}

export function stageDma(core: usize, work: usize): void {
  stages.stageDma(core, work);
}

export function stageNotify(core: usize, work: usize): void {
  stages.stageNotify(core, work);
}

/** Descriptors that wait in a context's ATX. */
export function pendingDescriptors(core: usize, context: u32): u32 {
  const record = queue.contextOf(core, context);
  return queue.hasDescriptors(record) ? queue.pendingDescriptors(core, record) : 0;
}

/** ATX, Fetch: the next descriptor of a context that has one. */
export function fetchDescriptor(core: usize, context: u32, work: usize): void {
  queue.fetchDescriptor(core, context, work);
}

/** ARX, Notify: pending notifications into their rings, as far as there is room. */
export function deliverNotifications(core: usize): bool {
  return queue.deliverNotifications(core);
}

/** SCH: what an item's actions ask of the flow scheduler. */
export function stageSchedule(core: usize, work: usize): void {
  stages.stageSchedule(core, work);
}

/** SCH: whose turn it is, taken out of the round robin; 0 when there is none. */
export function nextTurn(core: usize): u32 {
  return scheduler.nextTurn(core);
}

/** SCH: a segment of this item counts against its flow's rate. */
export function paceSegment(core: usize, connection: u32, work: usize): void {
  if (scheduler.isPaced(core, connection)) {
    scheduler.pace(core, connection, packetBytes(core, work));
  }
}

/** SCH: flows whose time has come, and those whose carrier woke up, join the round robin. */
export function gatherTurns(core: usize): bool {
  return scheduler.gatherTurns(core);
}

/** Timers that are due, at most `most`, into CORE_SCRATCH; how many. */
export function advanceTimers(core: usize, most: u32): u32 {
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  const timers = <usize>load<u32>(core, M.CORE_TIMERS);
  const due = <usize>load<u32>(core, M.CORE_SCRATCH);
  return wheelAdvance(wheel, timers, load<u64>(core, M.CORE_NOW), due, most);
}

/**
 * Timer `index` of those: connection * WORK_KINDS + WorkKind of the item that it becomes, 0 when it
 * becomes none.
 */
export function expireTimer(core: usize, index: u32): u32 {
  count(core, Counter.TimersFired);
  const timer = load<u32>(<usize>load<u32>(core, M.CORE_SCRATCH) + index * 4);
  const connection = timerExpired(core, timer);
  return connection == 0 ? 0 : connection * WORK_KINDS + expiryKind(timer);
}
