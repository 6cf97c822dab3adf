/**
 * Items: work records that travel between threads, by their index. A source takes one from its own
 * stack, and gets it back through a ring from whoever lets go of it last.
 */
import { CORE_NOW, CORE_NOW_TICKS, TICK_NS } from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";
import * as X from "../../bindings/abi/workers.ts";
import { first, pop, publish, push, waiting } from "./ring.ts";

/** No item: a source has none left. */
export const NONE: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function sharedOf(stage: usize): usize {
  return <usize>load<u32>(stage, X.STAGE_SHARED);
}

// @ts-ignore: decorator
@inline
export function headerOf(stage: usize): usize {
  return <usize>load<u32>(stage, X.STAGE_HEADER);
}

// @ts-ignore: decorator
@inline
export function workOf(shared: usize, item: u32): usize {
  return <usize>load<u32>(shared, X.SHARED_WORKS) + item * W.WORK_SIZE;
}

// @ts-ignore: decorator
@inline
export function sideOf(shared: usize, item: u32): usize {
  return <usize>load<u32>(shared, X.SHARED_SIDES) + item * X.SIDE_SIZE;
}

/** The egress frame of an item. */
// @ts-ignore: decorator
@inline
export function slotOf(shared: usize, item: u32): usize {
  return <usize>load<u32>(shared, X.SHARED_SLOTS) + item * load<u32>(shared, X.SHARED_SLOT_BYTES);
}

/** A reorder point (RP1 = 0 ... RP4 = 3, as ReorderPoint numbers them) of a group. */
// @ts-ignore: decorator
@inline
export function reorderOf(stage: usize, point: u32, group: u32): usize {
  return <usize>load<u32>(stage + ((point * X.REPLICAS_MAX + group) << 2), X.STAGE_REORDER);
}

/** The host's time in a replica's own header; returns it, in ns. */
// @ts-ignore: decorator
@inline
export function syncNow(shared: usize, header: usize): u64 {
  const now = atomic.load<u64>(shared, X.SHARED_NOW);
  store<u64>(header, now, CORE_NOW);
  store<u32>(header, <u32>(now / <u64>TICK_NS), CORE_NOW_TICKS);
  return now;
}

/** Sources admit nothing while the host has paused them. */
// @ts-ignore: decorator
@inline
export function isPaused(shared: usize): bool {
  return (atomic.load<u32>(shared, X.SHARED_EPOCH) & 1) != 0;
}

/** The output whose turn it is: replicas take items one after another. */
// @ts-ignore: decorator
@inline
export function nextOutput(stage: usize): usize {
  const turn = load<u32>(stage, X.STAGE_TURN);
  const following = turn + 1;
  store<u32>(stage, following < load<u32>(stage, X.STAGE_OUTPUTS) ? following : 0, X.STAGE_TURN);
  return <usize>load<u32>(stage + (turn << 2), X.STAGE_OUTPUT);
}

/** Shows what was pushed to the outputs. */
export function publishOutputs(stage: usize): void {
  const outputs = load<u32>(stage, X.STAGE_OUTPUTS);
  for (let i: u32 = 0; i < outputs; i++) {
    publish(<usize>load<u32>(stage + (i << 2), X.STAGE_OUTPUT));
  }
}

/** Takes an item of the source's own, NONE when all are in flight. */
export function takeItem(stage: usize): u32 {
  const stack = <usize>load<u32>(stage, X.STAGE_FREE);
  let left = load<u32>(stack);
  if (left == 0) {
    collect(stack, <usize>load<u32>(stage, X.STAGE_FREE_RINGS));
    collect(stack, <usize>load<u32>(stage, X.STAGE_FREE_RINGS + 4));
    left = load<u32>(stack);
    if (left == 0) return NONE;
  }
  store<u32>(stack, left - 1);
  return load<u32>(stack + (left << 2));
}

/** Puts an item back that was not used after all. */
export function untakeItem(stage: usize, item: u32): void {
  const stack = <usize>load<u32>(stage, X.STAGE_FREE);
  const left = load<u32>(stack) + 1;
  store<u32>(stack + (left << 2), item);
  store<u32>(stack, left);
}

function collect(stack: usize, ring: usize): void {
  const count = waiting(ring);
  let left = load<u32>(stack);
  for (let i: u32 = 0; i < count; i++) {
    left++;
    store<u32>(stack + (left << 2), first(ring));
    pop(ring);
  }
  store<u32>(stack, left);
}

/** Whose an item is, and its group; one release is due, another when a frame leaves. */
// @ts-ignore: decorator
@inline
export function admit(stage: usize, side: usize, source: u32, group: u32): void {
  store<u32>(side, 1, X.SIDE_PENDING);
  store<u32>(side, source, X.SIDE_SOURCE);
  store<u32>(side, group, X.SIDE_GROUP);
  atomic.store<u32>(stage, load<u32>(stage, X.STAGE_ADMITTED) + 1, X.STAGE_ADMITTED);
}

/** One of an item's releases; after the last it goes home through `returns`. */
export function releaseItem(shared: usize, item: u32, returns: usize): void {
  const side = sideOf(shared, item);
  if (atomic.sub<u32>(side, 1, X.SIDE_PENDING) != 1) return;
  const ring = <usize>load<u32>(returns + (load<u32>(side, X.SIDE_SOURCE) << 2));
  push(ring, item);
  publish(ring);
}

/**
 * The received frame of an item is not needed any more. Its answer may wait long for the carrier,
 * so that spans must not: two stacks that answer each other would stop for good.
 */
export function releaseSpan(side: usize): void {
  const span = <usize>load<u32>(side, X.SIDE_SPAN);
  if (span == 0) return;
  store<u32>(side, 0, X.SIDE_SPAN);
  atomic.sub<u32>(span, 1, X.SPAN_USERS);
}
