/**
 * What an executor that runs a burst at a time asks of the core's header, whatever the data path:
 * work records, what a step has to report, what a flow's carrier takes.
 */
import { wheelNext } from "../base/timer-wheel.ts";
import { preOf } from "../flow/flow-state.ts";
import { contextOf, fetchDescriptor, hasDescriptors, pendingDescriptors } from "./context-queue.ts";
import { egressRoom } from "./post-processing.ts";
import { BATCH_MAX, DESCRIPTORS_PER_STEP } from "../../bindings/abi/limits.ts";
import { PRE_NETIF, PRE_STATE, PreState } from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { WORK_SIZE } from "../../bindings/abi/work.ts";
import * as scheduler from "./flow-scheduler.ts";

// @ts-ignore: decorator
@inline
export function workAt(core: usize, index: u32): usize {
  return <usize>load<u32>(core, M.CORE_WORK) + index * WORK_SIZE;
}

/** The time of a step, for all stages. */
// @ts-ignore: decorator
@inline
export function beginStep(core: usize, now: u64): void {
  store<u64>(core, now, M.CORE_NOW);
  store<u32>(core, <u32>(now / <u64>M.TICK_NS), M.CORE_NOW_TICKS);
}

/** What the host would look for in the header after each call: one number in place of four. */
// @ts-ignore: decorator
@inline
export function reportOf(core: usize): u32 {
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
  return min(wheelNext(<usize>load<u32>(core, M.CORE_WHEEL)), scheduler.nextPaced(core));
}

/** Where the credit of a connection's carrier stands. */
// @ts-ignore: decorator
@inline
function creditOf(core: usize, connection: u32): usize {
  return core + M.CORE_NETIF_CREDIT + <u32>load<u8>(preOf(core, connection), PRE_NETIF) * 4;
}

/** Frames that a flow whose turn it is may send: 0 when it has gone, or waits for its carrier. */
// @ts-ignore: decorator
@inline
export function turnCredit(core: usize, connection: u32): u32 {
  if (load<u8>(preOf(core, connection), PRE_STATE) != <u8>PreState.Installed) return 0;
  const left = load<u32>(creditOf(core, connection));
  if (left == 0) scheduler.parkTurn(core, connection);
  return left;
}

// @ts-ignore: decorator
@inline
export function spendCredit(core: usize, connection: u32, frames: u32): void {
  const credit = creditOf(core, connection);
  store<u32>(credit, load<u32>(credit) - frames);
}

/**
 * Descriptors of all contexts, the turn moving on; true when some are left. `P`: the data path's
 * own part, a class without fields whose `this` is the core (a call of its methods is direct).
 *
 *   predict(context, record, most): u32   descriptors that went at once, without the stages
 *   hostControl(context, work)            a descriptor in its work record
 *   finish(items)                         the work records of a burst, all stages behind
 */
// @ts-ignore: decorator
@inline
export function serveContexts<P>(core: usize): bool {
  const contexts = load<u32>(core, M.CORE_CONTEXTS);
  const first = load<u32>(core, M.CORE_CONTEXT_TURN);
  let context = first;
  let left = false;
  do {
    const record = contextOf(core, context);
    if (hasDescriptors(record)) {
      if (serveContext<P>(core, context, record)) left = true;
      store<u32>(core, first + 1 < contexts ? first + 1 : 0, M.CORE_CONTEXT_TURN);
    }
    context = context + 1 < contexts ? context + 1 : 0;
  } while (context != first);
  return left;
}

function serveContext<P>(core: usize, context: u32, record: usize): bool {
  const path = changetype<P>(core);
  let pending = pendingDescriptors(core, record);
  const sent = path.predict(context, record, min(pending, DESCRIPTORS_PER_STEP));
  let budget = DESCRIPTORS_PER_STEP - sent;
  pending -= sent;
  while (pending != 0 && budget != 0) {
    const items = min(min(pending, budget), min(BATCH_MAX, egressRoom(core)));
    if (items == 0) break;
    for (let i: u32 = 0; i < items; i++) {
      const work = workAt(core, i);
      fetchDescriptor(core, context, work);
      path.hostControl(context, work);
    }
    path.finish(items);
    budget -= items;
    pending = pendingDescriptors(core, record);
  }
  return pending != 0;
}
