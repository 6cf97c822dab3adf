/**
 * What an executor that runs a burst at a time asks of the core's header, whatever the data path:
 * work records, what a step has to report, what a flow's carrier takes.
 */
import { wheelNext } from "../base/timer-wheel.ts";
import { preOf } from "../flow/flow-state.ts";
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
  store<u32>(core, <u32>(now >> <u64>M.TICK_SHIFT), M.CORE_NOW_TICKS);
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
