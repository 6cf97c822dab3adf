/**
 * A flow group on a thread: its protocol stage, its timers and its flow scheduler, which share one
 * header and so one order (4.3.2). Everything that happens to a connection of the group happens
 * here, one item after another: received segments in RP1's order, host control in RP4's, timers,
 * turns. Each gets one number for RP2 and RP3.
 */
import { wheelAdvance, wheelNext } from "../base/timer-wheel.ts";
import { count } from "../base/counter.ts";
import { eventRoom } from "../nic/context-queue.ts";
import { expire } from "../flextoe/expiry.ts";
import * as scheduler from "../nic/flow-scheduler.ts";
import { packetBytes } from "../nic/post-processing.ts";
import { stageProtocol } from "../flextoe/protocol.ts";
import { actionsOf, SCHEDULES, stageAttach, stageSchedule } from "../nic/stages.ts";
import { stageTurn } from "../nic/stages.ts";
import { preOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as W from "../../bindings/abi/work.ts";
import * as X from "../../bindings/abi/workers.ts";
import { flushEvents } from "./event-ring.ts";
import * as item from "./item.ts";
import { assign, due, release } from "./reorder-buffer.ts";
import { push } from "./ring.ts";

/** Items handled. */
export function pollProtocol(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  const header = item.headerOf(stage);
  const now = item.syncNow(shared, header);
  let done = inOrder(stage, shared, header, ReorderPoint.Protocol);
  done += inOrder(stage, shared, header, ReorderPoint.HostControl);
  if (!item.isPaused(shared)) {
    if (wheelNext(<usize>load<u32>(header, M.CORE_WHEEL)) <= now) {
      done += expireTimers(stage, shared, header, now);
    }
    if (load<u64>(header, M.CORE_RR_HEAD) != 0) done += transmit(stage, shared, header);
  }
  if (done != 0) item.publishOutputs(stage);
  return done + flushEvents(stage, header);
}

/** Items that a reorder point releases. */
function inOrder(stage: usize, shared: usize, header: usize, which: u32): u32 {
  const point = item.reorderOf(stage, which, load<u32>(stage, X.STAGE_INDEX));
  let done: u32 = 0;
  for (; done < X.POLL_ITEMS; done++) {
    const value = due(point);
    if (value == 0) break;
    release(point);
    const work = item.workOf(shared, value - 1);
    checkGroup(stage, shared, work);
    stageProtocol(header, work);
    stageAttach(header, work);
    forward(stage, header, work, value - 1);
  }
  return done;
}

/** Another group's state is another thread's: netif and pre-processing must agree on the group. */
// @ts-ignore: decorator
@inline
function checkGroup(stage: usize, shared: usize, work: usize): void {
  if ((actionsOf(work) & (W.ACTION_DROP | W.ACTION_REDIRECT)) != 0) return;
  const group = load<u32>(work, W.WORK_GROUP) & (load<u32>(shared, X.SHARED_GROUPS) - 1);
  if (group == load<u32>(stage, X.STAGE_INDEX)) return;
  store<u32>(work, W.ACTION_DROP, W.WORK_ACTIONS);
  store<u32>(work, DropReason.FlowGroup, W.WORK_REASON);
}

/** A number at RP2 and RP3, the flow's next turn, and on to a post-processor. */
// @ts-ignore: decorator
@inline
function forward(stage: usize, header: usize, work: usize, index: u32): void {
  const group = load<u32>(stage, X.STAGE_INDEX);
  store<u32>(work, assign(item.reorderOf(stage, ReorderPoint.Netif, group)), W.WORK_EGRESS_SEQ);
  if ((actionsOf(work) & SCHEDULES) != 0) stageSchedule(header, work);
  push(item.nextOutput(stage), index);
}

/** Timers of the group's connections, as many as there are items and room for events. */
function expireTimers(stage: usize, shared: usize, header: usize, now: u64): u32 {
  const most = min(eventRoom(header), X.POLL_ITEMS);
  const wheel = <usize>load<u32>(header, M.CORE_WHEEL);
  const fired = <usize>load<u32>(header, M.CORE_SCRATCH);
  const timers = <usize>load<u32>(header, M.CORE_TIMERS);
  // One at a time: each may need an item, and without one the others stay due.
  let done: u32 = 0;
  for (; done < most; done++) {
    const index = item.takeItem(stage);
    if (index == item.NONE) break;
    const work = item.workOf(shared, index);
    if (wheelAdvance(wheel, timers, now, fired, 1) == 0) {
      item.untakeItem(stage, index);
      break;
    }
    count(header, Counter.TimersFired);
    if (expire(header, load<u32>(fired), work)) begin(stage, shared, header, work, index);
    else item.untakeItem(stage, index);
  }
  return done;
}

/** An item that the group made itself. */
// @ts-ignore: decorator
@inline
function begin(stage: usize, shared: usize, header: usize, work: usize, index: u32): void {
  const group = load<u32>(stage, X.STAGE_INDEX);
  item.admit(stage, item.sideOf(shared, index), X.SOURCE_GROUP + group, group);
  forward(stage, header, work, index);
}

/** Turns of the flow scheduler, as many as there are items. */
function transmit(stage: usize, shared: usize, header: usize): u32 {
  // More that is due counts: the thread comes back before it sleeps.
  let done: u32 = scheduler.gatherTurns(header) ? 1 : 0;
  while (done < X.POLL_ITEMS) {
    const connection = scheduler.nextTurn(header);
    if (connection == 0) break;
    const sent = takeTurn(stage, shared, header, connection);
    if (sent == item.NONE) break;
    // A turn without anything to send counts too: the loop is bounded.
    done += max(sent, 1);
  }
  return done;
}

/** A turn: segments of a flow; NONE when no item was left for the first. */
function takeTurn(stage: usize, shared: usize, header: usize, connection: u32): u32 {
  if (load<u8>(preOf(header, connection), F.PRE_STATE) != <u8>F.PreState.Installed) return 0;
  const turn = scheduler.turnSegments(header, connection);
  let sent: u32 = 0;
  while (sent < turn) {
    const index = item.takeItem(stage);
    if (index == item.NONE) {
      scheduler.keepTurn(header, connection, turn - sent);
      scheduler.schedule(header, connection, false);
      return sent == 0 ? item.NONE : sent;
    }
    const work = item.workOf(shared, index);
    stageTurn(header, work, connection, W.WorkKind.Tx);
    stageProtocol(header, work);
    const actions = actionsOf(work);
    if ((actions & W.ACTION_SEND) == 0) {
      item.untakeItem(stage, index);
      break;
    }
    sent++;
    if (scheduler.isPaced(header, connection)) {
      scheduler.pace(header, connection, packetBytes(header, work));
    }
    const more = (actions & W.ACTION_SCHEDULE) != 0 && !scheduler.mustWait(header, connection);
    // Not the last of the turn: the flow is put back once, with its last segment.
    if (more && sent < turn) {
      store<u32>(work, actions & ~W.ACTION_SCHEDULE, W.WORK_ACTIONS);
    }
    begin(stage, shared, header, work, index);
    if (!more) break;
  }
  return sent;
}
