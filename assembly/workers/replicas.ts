/**
 * The stages that have replicas, as polls of a thread: pre-processing, post-processing and DMA.
 * Each takes items from its rings in any order and passes them on; the reorder points behind them
 * restore the order (4.3.2), also for what was dropped or redirected.
 */
import { countDrop } from "../base/counter.ts";
import { actionsOf, SENDS, stageDma, stagePost, stagePre } from "../nic/stages.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { EGRESS_FRAMES_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as W from "../../bindings/abi/work.ts";
import * as X from "../../bindings/abi/workers.ts";
import * as item from "./item.ts";
import { arrive } from "./reorder-buffer.ts";
import { first, pop, push, waiting, wake } from "./ring.ts";

// @ts-ignore: decorator
@inline
function inputOf(stage: usize, index: u32): usize {
  return <usize>load<u32>(stage + (index << 2), X.STAGE_INPUT);
}

/** Items of one input that a poll takes. */
// @ts-ignore: decorator
@inline
function batchOf(ring: usize): u32 {
  return min(waiting(ring), X.POLL_ITEMS);
}

/** Pre-processing: RX items to RP1, host control to RP4. */
export function pollPre(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  const inputs = load<u32>(stage, X.STAGE_INPUTS);
  let done: u32 = 0;
  for (let i: u32 = 0; i < inputs; i++) {
    const ring = inputOf(stage, i);
    const count = batchOf(ring);
    for (let n: u32 = 0; n < count; n++) {
      const index = first(ring);
      preProcess(stage, shared, index);
      pop(ring);
    }
    done += count;
  }
  if (done != 0) wakeGroups(stage, shared);
  return done;
}

function preProcess(stage: usize, shared: usize, index: u32): void {
  const work = item.workOf(shared, index);
  const side = item.sideOf(shared, index);
  stagePre(item.headerOf(stage), work);
  const isRx = load<u32>(work, W.WORK_KIND) == W.WorkKind.Rx;
  const point = isRx ? ReorderPoint.Protocol : ReorderPoint.HostControl;
  const reorder = item.reorderOf(stage, point, load<u32>(side, X.SIDE_GROUP));
  arrive(reorder, load<u32>(side, X.SIDE_NUMBER), index + 1);
}

function wakeGroups(stage: usize, shared: usize): void {
  const groups = load<u32>(shared, X.SHARED_GROUPS);
  for (let group: u32 = 0; group < groups; group++) {
    const point = item.reorderOf(stage, ReorderPoint.Protocol, group);
    wake(<usize>load<u32>(point, X.REORDER_WAKES));
  }
}

/** Post-processing: statistics and headers; the frame is the item's own. */
export function pollPost(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  item.syncNow(shared, item.headerOf(stage));
  // A carrier that takes nothing must not stop reception: its pure ACKs are given up, and later
  // ones acknowledge the same (as EGRESS_FRAMES_MAX bounds the batch executor's burst).
  const congested = waiting(<usize>load<u32>(shared, X.SHARED_EGRESS_RING)) > EGRESS_FRAMES_MAX;
  const inputs = load<u32>(stage, X.STAGE_INPUTS);
  let done: u32 = 0;
  for (let i: u32 = 0; i < inputs; i++) {
    const ring = inputOf(stage, i);
    const count = batchOf(ring);
    for (let n: u32 = 0; n < count; n++) {
      const index = first(ring);
      postProcess(stage, shared, index, congested);
      push(item.nextOutput(stage), index);
      pop(ring);
    }
    done += count;
  }
  if (done != 0) item.publishOutputs(stage);
  return done;
}

/** The private header's egress burst is the item's frame: one row, one span. */
function postProcess(stage: usize, shared: usize, index: u32, congested: bool): void {
  const header = item.headerOf(stage);
  const side = item.sideOf(shared, index);
  store<u32>(header, <u32>item.slotOf(shared, index), M.CORE_EGRESS);
  store<u32>(header, <u32>side + X.SIDE_FRAME, M.CORE_EGRESS_TABLE);
  store<u64>(header, 0, M.CORE_EGRESS_COUNT);
  const work = item.workOf(shared, index);
  if (congested && isAnswer(work)) giveUpAnswer(header, work);
  stagePost(header, work);
  // A frame is let go by the host, the item by the context queue: two releases.
  if ((actionsOf(work) & SENDS) != 0) store<u32>(side, 2, X.SIDE_PENDING);
}

/** A pure ACK of a received segment. */
function isAnswer(work: usize): bool {
  if (load<u32>(work, W.WORK_KIND) != W.WorkKind.Rx) return false;
  return (actionsOf(work) & SENDS) == W.ACTION_ACK;
}

function giveUpAnswer(header: usize, work: usize): void {
  store<u32>(work, actionsOf(work) & ~SENDS, W.WORK_ACTIONS);
  countDrop(header, DropReason.EgressFull);
}

/** DMA: payload, then RP2 for the frame and RP3 for the notification. */
export function pollDma(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  const inputs = load<u32>(stage, X.STAGE_INPUTS);
  let done: u32 = 0;
  for (let i: u32 = 0; i < inputs; i++) {
    const ring = inputOf(stage, i);
    const count = batchOf(ring);
    for (let n: u32 = 0; n < count; n++) {
      const index = first(ring);
      transfer(stage, shared, index);
      pop(ring);
    }
    done += count;
  }
  if (done == 0) return 0;
  wake(<usize>load<u32>(item.reorderOf(stage, ReorderPoint.Netif, 0), X.REORDER_WAKES));
  wake(<usize>load<u32>(item.reorderOf(stage, ReorderPoint.Notification, 0), X.REORDER_WAKES));
  return done;
}

function transfer(stage: usize, shared: usize, index: u32): void {
  const work = item.workOf(shared, index);
  const group = load<u32>(item.sideOf(shared, index), X.SIDE_GROUP);
  const number = load<u32>(work, W.WORK_EGRESS_SEQ);
  stageDma(item.headerOf(stage), work);
  const frame = (actionsOf(work) & SENDS) != 0 ? index + 1 : X.REORDER_SKIP;
  arrive(item.reorderOf(stage, ReorderPoint.Netif, group), number, frame);
  arrive(item.reorderOf(stage, ReorderPoint.Notification, group), number, index + 1);
}
