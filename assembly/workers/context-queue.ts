/**
 * The context-queue stage on a thread (4.3.1.3): fetches descriptors and numbers them (RP4), and
 * tells libTOE and the control plane of items in protocol's order (RP3), when their payload has
 * landed. An item ends here, unless its frame is still to leave.
 */
import * as queue from "../nic/context-queue.ts";
import { actionsOf, stageNotify } from "../nic/stages.ts";
import { isConnection, preOf } from "../flow/flow-state.ts";
import { copyBytes } from "../base/bytes.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { PRE_GROUP } from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as W from "../../bindings/abi/work.ts";
import * as X from "../../bindings/abi/workers.ts";
import { flushEvents } from "./event-ring.ts";
import * as item from "./item.ts";
import { assign, due, release } from "./reorder-buffer.ts";
import { push, wake } from "./ring.ts";

/** Events that one item may cause. */
const EVENTS_PER_ITEM: u32 = 4;

/** Items handled. */
export function pollContextQueue(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  const header = item.headerOf(stage);
  item.syncNow(shared, header);
  let done = releaseItems(stage, shared, header);
  // A full ARX keeps what it has no room for: that is no work to come back for at once.
  const told = load<u32>(header, M.CORE_NOTIFYING);
  if (told != 0 && queue.deliverNotifications(header)) {
    if (load<u32>(header, M.CORE_NOTIFYING) == 0) done++;
  }
  raiseInterrupts(shared, header);
  // The host may be waiting for the pipeline to run dry.
  if (done != 0) wake(<usize>load<u32>(shared, X.SHARED_THREAD));
  if (!item.isPaused(shared)) done += fetch(stage, shared, header);
  return done + flushEvents(stage, header);
}

/** RP3. */
function releaseItems(stage: usize, shared: usize, header: usize): u32 {
  const groups = load<u32>(shared, X.SHARED_GROUPS);
  let done: u32 = 0;
  for (let group: u32 = 0; group < groups; group++) {
    const point = item.reorderOf(stage, ReorderPoint.Notification, group);
    for (let i: u32 = 0; i < X.POLL_ITEMS; i++) {
      const value = due(point);
      if (value == 0) break;
      if (queue.eventRoom(header) < EVENTS_PER_ITEM && flushEvents(stage, header) == 0) break;
      release(point);
      finish(stage, shared, header, value - 1);
      done++;
    }
  }
  return done;
}

function finish(stage: usize, shared: usize, header: usize, index: u32): void {
  const work = item.workOf(shared, index);
  if ((actionsOf(work) & W.ACTION_REDIRECT) != 0) keepFrame(stage, shared, header, work);
  stageNotify(header, work);
  item.releaseSpan(item.sideOf(shared, index));
  item.releaseItem(shared, index, stage + X.STAGE_RETURNS);
  atomic.store<u32>(stage, load<u32>(stage, X.STAGE_RELEASED) + 1, X.STAGE_RELEASED);
}

/** The copy of a redirected frame that its event names; the item's own ends with the item. */
function keepFrame(stage: usize, shared: usize, header: usize, work: usize): void {
  const number = load<u32>(shared, X.SHARED_REDIRECT_NEXT);
  store<u32>(shared, number + 1, X.SHARED_REDIRECT_NEXT);
  const slot = number & (X.REDIRECT_SLOTS - 1);
  const kept = load<u32>(header, M.CORE_INGRESS) + slot * load<u32>(shared, X.SHARED_SLOT_BYTES);
  const frame = load<u32>(work, W.WORK_FRAME);
  const ip = load<u32>(work, W.WORK_PAYLOAD);
  copyBytes(<usize>kept, <usize>frame, load<u32>(work, W.WORK_FRAME_LENGTH));
  store<u32>(work, kept, W.WORK_FRAME);
  if (ip != 0) store<u32>(work, kept + (ip - frame), W.WORK_PAYLOAD);
}

/** Contexts that fired, to the host's header. */
function raiseInterrupts(shared: usize, header: usize): void {
  const fired = load<u32>(header, M.CORE_INTERRUPTS);
  if (fired == 0) return;
  store<u32>(header, 0, M.CORE_INTERRUPTS);
  atomic.or<u32>(<usize>load<u32>(shared, X.SHARED_CORE), fired, M.CORE_INTERRUPTS);
  wake(<usize>load<u32>(shared, X.SHARED_THREAD));
}

/** Descriptors of all contexts, the turn moving on. */
function fetch(stage: usize, shared: usize, header: usize): u32 {
  const contexts = load<u32>(header, M.CORE_CONTEXTS);
  let context = load<u32>(header, M.CORE_CONTEXT_TURN);
  let done: u32 = 0;
  for (let i: u32 = 0; i < contexts; i++) {
    const record = queue.contextOf(header, context);
    const pending = min(queue.pendingDescriptors(header, record), X.POLL_ITEMS);
    for (let n: u32 = 0; n < pending; n++) {
      const index = item.takeItem(stage);
      if (index == item.NONE) break;
      fetchOne(stage, shared, header, context, index);
      done++;
    }
    context = context + 1 < contexts ? context + 1 : 0;
  }
  store<u32>(header, context + 1 < contexts ? context + 1 : 0, M.CORE_CONTEXT_TURN);
  if (done != 0) item.publishOutputs(stage);
  return done;
}

/** A descriptor's group is its connection's; what names none is refused by group 0. */
function fetchOne(stage: usize, shared: usize, header: usize, context: u32, index: u32): void {
  const work = item.workOf(shared, index);
  const side = item.sideOf(shared, index);
  // Before the ring shows the descriptor as taken: whoever sees that sees it as admitted too.
  item.admit(stage, side, X.SOURCE_CONTEXT_QUEUE, 0);
  queue.fetchDescriptor(header, context, work);
  const connection = load<u32>(work, W.WORK_CONNECTION);
  let group: u32 = 0;
  if (isConnection(header, connection)) group = load<u8>(preOf(header, connection), PRE_GROUP);
  group &= load<u32>(shared, X.SHARED_GROUPS) - 1;
  store<u32>(side, group, X.SIDE_GROUP);
  const point = item.reorderOf(stage, ReorderPoint.HostControl, group);
  store<u32>(side, assign(point), X.SIDE_NUMBER);
  store<u32>(work, group, W.WORK_GROUP);
  push(item.nextOutput(stage), index);
}

if (D.FRAME_SIZE > X.SIDE_SIZE - X.SIDE_FRAME) ERROR("SIDE: a row of the egress table");
