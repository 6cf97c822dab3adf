/**
 * Flow scheduler (4.3.4): work conserving; unpaced flows take turns round robin, paced flows wait
 * in the time wheel until their next segment is due (Carousel). The control plane gives intervals
 * in time per byte, so that no rate is ever divided.
 * Invariant: a flow is in the round robin, in the wheel, or idle; never in two places.
 */
import { wheelArm } from "../base/timer-wheel.ts";
import { schedulerOf, timerOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW, CORE_RR_HEAD, CORE_RR_TAIL } from "../../bindings/abi/memory-map.ts";
import { CORE_TIMERS, CORE_WHEEL } from "../../bindings/abi/memory-map.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";

const FRACTION_MASK: u64 = ((<u64>1) << F.INTERVAL_FRACTION_BITS) - 1;
/** Intervals beyond 10 ms per byte are cut: the product with a segment stays in 64 bits. */
const INTERVAL_MAX: u64 = (<u64>10000000) << F.INTERVAL_FRACTION_BITS;

/** How far a flow that was woken late may catch up: a slow timer must not lower its rate. */
const LATENESS_MAX: u64 = (<u64>1) << 22;

/**
 * The connection has something to send: it will get a turn. `fresh` when it had nothing before: a
 * flow that was idle has saved up no credit.
 */
export function schedule(core: usize, connection: u32, fresh: bool): void {
  const s = schedulerOf(core, connection);
  if (load<u32>(s, F.SCHEDULER_STATE) != F.SchedulerState.Idle) return;
  const now = load<u64>(core, CORE_NOW);
  const deadline = load<u64>(s, F.SCHEDULER_DEADLINE);
  if (load<u64>(s, F.SCHEDULER_INTERVAL) == 0 || deadline <= now) {
    if (fresh) {
      store<u64>(s, now, F.SCHEDULER_DEADLINE);
      store<u32>(s, 0, F.SCHEDULER_FRACTION);
    }
    append(core, connection, s);
    return;
  }
  store<u32>(s, F.SchedulerState.Wheel, F.SCHEDULER_STATE);
  const timers = <usize>load<u32>(core, CORE_TIMERS);
  const wheel = <usize>load<u32>(core, CORE_WHEEL);
  wheelArm(wheel, timers, timerOf(connection, TimerKind.Pacing), deadline);
}

function append(core: usize, connection: u32, s: usize): void {
  const tail = load<u32>(core, CORE_RR_TAIL);
  store<u32>(s, F.SchedulerState.RoundRobin, F.SCHEDULER_STATE);
  store<u32>(s, 0, F.SCHEDULER_NEXT);
  if (tail == 0) store<u32>(core, connection, CORE_RR_HEAD);
  else store<u32>(schedulerOf(core, tail), connection, F.SCHEDULER_NEXT);
  store<u32>(core, connection, CORE_RR_TAIL);
}

/** The flow whose turn it is, taken out of the round robin; 0 when there is none. */
export function nextTurn(core: usize): u32 {
  const connection = load<u32>(core, CORE_RR_HEAD);
  if (connection == 0) return 0;
  const s = schedulerOf(core, connection);
  const next = load<u32>(s, F.SCHEDULER_NEXT);
  store<u32>(core, next, CORE_RR_HEAD);
  if (next == 0) store<u32>(core, 0, CORE_RR_TAIL);
  store<u32>(s, F.SchedulerState.Idle, F.SCHEDULER_STATE);
  return connection;
}

/** Puts a flow back whose carrier takes nothing now. */
export function skipTurn(core: usize, connection: u32): void {
  append(core, connection, schedulerOf(core, connection));
}

/** The pacing timer of a flow fired. */
export function paceExpired(core: usize, connection: u32): void {
  const s = schedulerOf(core, connection);
  if (load<u32>(s, F.SCHEDULER_STATE) == F.SchedulerState.Wheel) append(core, connection, s);
}

/** Accounts for `bytes` sent: the next segment may leave one interval per byte later. */
export function pace(core: usize, connection: u32, bytes: u32): void {
  const s = schedulerOf(core, connection);
  const interval = load<u64>(s, F.SCHEDULER_INTERVAL);
  if (interval == 0) return;
  const now = load<u64>(core, CORE_NOW);
  let deadline = load<u64>(s, F.SCHEDULER_DEADLINE);
  let fraction: u64 = load<u32>(s, F.SCHEDULER_FRACTION);
  if (deadline + LATENESS_MAX < now) {
    deadline = now - LATENESS_MAX;
    fraction = 0;
  }
  const time = interval * bytes + fraction;
  store<u64>(s, deadline + (time >> F.INTERVAL_FRACTION_BITS), F.SCHEDULER_DEADLINE);
  store<u32>(s, <u32>(time & FRACTION_MASK), F.SCHEDULER_FRACTION);
}

/** True when a paced flow must wait before its next segment. */
export function mustWait(core: usize, connection: u32): bool {
  const s = schedulerOf(core, connection);
  if (load<u64>(s, F.SCHEDULER_INTERVAL) == 0) return false;
  return load<u64>(s, F.SCHEDULER_DEADLINE) > load<u64>(core, CORE_NOW);
}

/** Sets a flow's interval (40.24 fixed point, ns per byte); 0 = not paced. */
export function setPacingInterval(core: usize, connection: u32, interval: u64): void {
  store<u64>(schedulerOf(core, connection), min(interval, INTERVAL_MAX), F.SCHEDULER_INTERVAL);
}
