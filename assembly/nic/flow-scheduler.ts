/**
 * Flow scheduler (4.3.4): work conserving. Unpaced flows take turns round robin; a paced flow
 * waits in the wheel (carousel.ts) until its next segment is due and then joins the round robin's
 * tail, like a flow that just got something to send: after that all are alike, so nobody starves.
 * The control plane gives intervals in time per byte, so that no rate is ever divided.
 *
 * Nothing is built before its turn: a frame is made when it leaves (Carousel's just-in-time rule),
 * and what waits is a 32-byte record.
 *
 * Invariants: a flow is in at most one queue; of a paced flow, SCHEDULER_DEADLINE is what its last
 * segment left at, by its schedule, plus SCHEDULER_CHARGED bytes at its interval.
 */
import { preOf, schedulerOf } from "../flow/flow-state.ts";
import { QUEUE_NONE, QUEUE_SLOTS } from "../../bindings/abi/carousel.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { TURN_SEGMENTS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_NOW, CORE_TURN_FLOW, CORE_TURN_LEFT } from "../../bindings/abi/memory-map.ts";
import { appendTurn, carouselNext, insertPaced, joinDue, joinParked } from "./carousel.ts";
import { parkFlow, popTurn, prependTurn, removeFlow } from "./carousel.ts";

const FRACTION_BITS: u64 = F.INTERVAL_FRACTION_BITS;
const FRACTION_MASK: u64 = ((<u64>1) << FRACTION_BITS) - 1;
const LOW_WORD: u64 = 0xffffffff;
/** The end of time: deadlines stop here, and rounding one up to a tick does not wrap. */
const FOREVER: u64 = <u64>i64.MAX_VALUE;
/** An IP packet is not longer: an interval times a segment is below 2^56 ns. */
const BYTES_MAX: u32 = 0xffff;

/** How far a flow that was woken late may catch up: a slow timer must not lower its rate. */
const LATENESS_MAX: u64 = (<u64>1) << 22;

/**
 * The connection has something to send: it will get a turn. `fresh` when it had nothing before: a
 * flow that was idle has saved up no credit.
 */
export function schedule(core: usize, connection: u32, fresh: bool): void {
  const s = schedulerOf(core, connection);
  if (load<u16>(s, F.SCHEDULER_QUEUE) != QUEUE_NONE) return;
  if (load<u64>(s, F.SCHEDULER_INTERVAL) == 0) return queueTurn(core, connection);
  const now = load<u64>(core, CORE_NOW);
  const deadline = load<u64>(s, F.SCHEDULER_DEADLINE);
  if (deadline > now) return insertPaced(core, connection, deadline);
  if (fresh) start(s, now);
  queueTurn(core, connection);
}

/** Last in the round robin, or first when the flow's turn was cut short. */
// @ts-ignore: decorator
@inline
function queueTurn(core: usize, connection: u32): void {
  if (load<u32>(core, CORE_TURN_FLOW) == connection) prependTurn(core, connection);
  else appendTurn(core, connection);
}

/** The schedule of a flow begins. */
// @ts-ignore: decorator
@inline
function start(s: usize, now: u64): void {
  store<u64>(s, now, F.SCHEDULER_DEADLINE);
  store<u32>(s, 0, F.SCHEDULER_FRACTION);
  store<u16>(s, 0, F.SCHEDULER_CHARGED);
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
  const s = schedulerOf(core, connection);
  store<u64>(s, 0, F.SCHEDULER_INTERVAL);
  start(s, 0);
}

// @ts-ignore: decorator
@inline
export function isPaced(core: usize, connection: u32): bool {
  return load<u64>(schedulerOf(core, connection), F.SCHEDULER_INTERVAL) != 0;
}

/** Accounts for `bytes` of a paced flow: its next segment may leave one interval a byte later. */
export function pace(core: usize, connection: u32, bytes: u32): void {
  const s = schedulerOf(core, connection);
  const now = load<u64>(core, CORE_NOW);
  let deadline = load<u64>(s, F.SCHEDULER_DEADLINE);
  let fraction: u64 = load<u32>(s, F.SCHEDULER_FRACTION);
  if (deadline + LATENESS_MAX < now) {
    deadline = now - LATENESS_MAX;
    fraction = 0;
  }
  const charged = min(bytes, BYTES_MAX);
  store<u16>(s, <u16>charged, F.SCHEDULER_CHARGED);
  charge(s, load<u64>(s, F.SCHEDULER_INTERVAL), charged, deadline, fraction);
}

/** Deadline = `from` + `fraction` + the time of `bytes`. It stops at the end of time. */
function charge(s: usize, interval: u64, bytes: u32, from: u64, fraction: u64): void {
  // 64 x 16 bits in two halves: neither wraps, and the upper half has whole nanoseconds only.
  const low = (interval & LOW_WORD) * bytes + fraction;
  const high = (interval >> 32) * bytes;
  const time = (high << (32 - FRACTION_BITS)) + (low >> FRACTION_BITS);
  store<u64>(s, min(from + time, FOREVER), F.SCHEDULER_DEADLINE);
  store<u32>(s, <u32>(low & FRACTION_MASK), F.SCHEDULER_FRACTION);
}

/** True when a paced flow must wait before its next segment. */
export function mustWait(core: usize, connection: u32): bool {
  const s = schedulerOf(core, connection);
  if (load<u64>(s, F.SCHEDULER_INTERVAL) == 0) return false;
  return load<u64>(s, F.SCHEDULER_DEADLINE) > load<u64>(core, CORE_NOW);
}

/**
 * Sets a flow's interval (40.24 fixed point, ns per byte); 0 = not paced. A flow that waits goes
 * on as if its last segment had been charged at the new interval: it is due sooner or later than
 * it was, but not in the past, so that a change gives no credit.
 */
export function setPacingInterval(core: usize, connection: u32, interval: u64): void {
  const s = schedulerOf(core, connection);
  const before = load<u64>(s, F.SCHEDULER_INTERVAL);
  const now = load<u64>(core, CORE_NOW);
  store<u64>(s, interval, F.SCHEDULER_INTERVAL);
  if (before == 0) return start(s, now);
  // Its turn has come: that one segment is earned.
  if (interval == before || load<u64>(s, F.SCHEDULER_DEADLINE) <= now) return;
  recharge(s, before, interval);
  if (interval == 0 || load<u64>(s, F.SCHEDULER_DEADLINE) <= now) start(s, now);
  if (<u32>load<u16>(s, F.SCHEDULER_QUEUE) < QUEUE_SLOTS) return;
  removeFlow(core, connection);
  schedule(core, connection, false);
}

/** Takes the last charge back and makes it again at another interval. */
function recharge(s: usize, before: u64, interval: u64): void {
  const deadline = load<u64>(s, F.SCHEDULER_DEADLINE);
  const fraction = load<u32>(s, F.SCHEDULER_FRACTION);
  const bytes: u32 = load<u16>(s, F.SCHEDULER_CHARGED);
  charge(s, before, bytes, 0, 0);
  const charged = load<u64>(s, F.SCHEDULER_DEADLINE);
  const part = load<u32>(s, F.SCHEDULER_FRACTION);
  const borrow: u64 = part > fraction ? 1 : 0;
  // Only a deadline at the end of time is smaller than what it consists of.
  const from = deadline - min(deadline, charged + borrow);
  charge(s, interval, bytes, from, <u64>(fraction - part) & FRACTION_MASK);
}
