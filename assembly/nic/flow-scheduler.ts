/**
 * Flow scheduler (4.3.4): work conserving. Unpaced flows take turns round robin; a paced flow
 * waits in the wheel (carousel.ts) until its next segment is due and then joins the round robin's
 * tail, like a flow that just got something to send: after that all are alike, so nobody starves.
 * The control plane gives intervals in time per byte, so that no rate is ever divided.
 *
 * Nothing is built before its turn: a frame is made when it leaves (Carousel's just-in-time rule),
 * and what waits is a 32-byte record.
 *
 * Invariant: a flow is in at most one queue.
 */
import { chargeClock, isAhead, isRated, restartClock, retimeClock } from "../base/rate-clock.ts";
import { preOf, schedulerOf } from "../flow/flow-state.ts";
import { QUEUE_NONE, QUEUE_SLOTS } from "../../bindings/abi/carousel.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_NOW, CORE_TURN_FLOW, CORE_TURN_LEFT } from "../../bindings/abi/memory-map.ts";
import { CLOCK_CHARGED, CLOCK_DEADLINE } from "../../bindings/abi/rate-clock.ts";
import { appendTurn, carouselNext, insertPaced, joinDue, joinParked } from "./carousel.ts";
import { parkFlow, popTurn, prependTurn, removeFlow } from "./carousel.ts";

if (F.SCHEDULER_DEADLINE != F.SCHEDULER_INTERVAL + CLOCK_DEADLINE) ERROR("SCHEDULER: no clock");
if (F.SCHEDULER_CHARGED != F.SCHEDULER_INTERVAL + CLOCK_CHARGED) ERROR("SCHEDULER: no clock");

/** How far a flow that was woken late may catch up: a slow timer must not lower its rate. */
export const LATENESS_MAX: u64 = (<u64>1) << 22;

/** A flow's rate. */
// @ts-ignore: decorator
@inline
function clockOf(core: usize, connection: u32): usize {
  return schedulerOf(core, connection) + F.SCHEDULER_INTERVAL;
}

/** True when a flow is in a queue. */
// @ts-ignore: decorator
@inline
export function isQueued(core: usize, connection: u32): bool {
  return load<u16>(schedulerOf(core, connection), F.SCHEDULER_QUEUE) != QUEUE_NONE;
}

/**
 * The connection has something to send: it will get a turn. `fresh` when it had nothing before: a
 * flow that was idle has saved up no credit.
 */
export function schedule(core: usize, connection: u32, fresh: bool): void {
  if (isQueued(core, connection)) return;
  const clock = clockOf(core, connection);
  if (!isRated(clock)) return queueTurn(core, connection);
  const now = load<u64>(core, CORE_NOW);
  const deadline = load<u64>(clock, CLOCK_DEADLINE);
  if (deadline > now) return insertPaced(core, connection, deadline);
  if (fresh) restartClock(clock, now);
  queueTurn(core, connection);
}

/** Last in the round robin, or first when the flow's turn was cut short. */
// @ts-ignore: decorator
@inline
function queueTurn(core: usize, connection: u32): void {
  if (load<u32>(core, CORE_TURN_FLOW) == connection) prependTurn(core, connection);
  else appendTurn(core, connection);
}

/** Who may have turns now: due flows and those whose carrier woke up. True when more are due. */
export function gatherTurns(core: usize): bool {
  const now = load<u64>(core, CORE_NOW);
  joinParked(core);
  return carouselNext(core) <= now && joinDue(core, now);
}

/** The flow whose turn it is, taken out of the round robin; 0 when there is none. */
export function nextTurn(core: usize): u32 {
  return popTurn(core);
}

/** Segments that the turn of `connection` may have: what was left of it, or a whole turn. */
export function turnSegments(core: usize, connection: u32): u32 {
  if (load<u32>(core, CORE_TURN_FLOW) != connection) return TURN_SEGMENTS_MAX;
  store<u32>(core, 0, CORE_TURN_FLOW);
  return load<u32>(core, CORE_TURN_LEFT);
}

/**
 * Room or credit has cut a turn short and the flow will be scheduled again: it keeps its place, so
 * that turns are equal in segments however the carrier gives its credit.
 */
export function keepTurn(core: usize, connection: u32, segments: u32): void {
  store<u32>(core, connection, CORE_TURN_FLOW);
  store<u32>(core, segments, CORE_TURN_LEFT);
}

/** A flow whose carrier takes nothing waits aside, so that it costs the others no turns. */
export function parkTurn(core: usize, connection: u32): void {
  // A turn that was cut short goes on before those that were parked behind it.
  const first = load<u32>(core, CORE_TURN_FLOW) == connection;
  parkFlow(core, connection, load<u8>(preOf(core, connection), F.PRE_NETIF), first);
}

/** When a paced flow is due: ns; u64.MAX_VALUE when none waits. */
// @ts-ignore: decorator
@inline
export function nextPaced(core: usize): u64 {
  return carouselNext(core);
}

/** The connection leaves the data path: it is in no queue any more. */
export function forgetFlow(core: usize, connection: u32): void {
  removeFlow(core, connection);
  if (load<u32>(core, CORE_TURN_FLOW) == connection) store<u32>(core, 0, CORE_TURN_FLOW);
}

/** A connection begins, not paced. */
export function resetFlow(core: usize, connection: u32): void {
  const clock = clockOf(core, connection);
  store<u64>(clock, 0);
  restartClock(clock, 0);
}

// @ts-ignore: decorator
@inline
export function isPaced(core: usize, connection: u32): bool {
  return isRated(clockOf(core, connection));
}

/** Accounts for `bytes` of a paced flow: its next segment may leave one interval a byte later. */
export function pace(core: usize, connection: u32, bytes: u32): void {
  chargeClock(clockOf(core, connection), bytes, load<u64>(core, CORE_NOW), LATENESS_MAX);
}

/** True when a paced flow must wait before its next segment. */
export function mustWait(core: usize, connection: u32): bool {
  return isAhead(clockOf(core, connection), load<u64>(core, CORE_NOW));
}

/** Sets a flow's interval (40.24 fixed point, ns per byte); 0 = not paced. */
export function setPacingInterval(core: usize, connection: u32, interval: u64): void {
  if (!retimeClock(clockOf(core, connection), interval, load<u64>(core, CORE_NOW))) return;
  const queue: u32 = load<u16>(schedulerOf(core, connection), F.SCHEDULER_QUEUE);
  if (queue < QUEUE_SLOTS) return;
  removeFlow(core, connection);
  schedule(core, connection, false);
}
