/** Exports that are the same in every data path: tables and timers of a core. */
import { wheelArm, wheelCancel, wheelInitialize } from "./base/timer-wheel.ts";
import { arenaInitialize } from "./flow/payload-arena.ts";
import { logsInitialize } from "./flow/send-log-pool.ts";
import { carouselInitialize } from "./nic/carousel.ts";
import { deadline } from "./nic/executor.ts";
import { CORE_TIMERS, CORE_WHEEL } from "../bindings/abi/memory-map.ts";

/** Prepares the tables of a map that the host has laid out. */
export function initialize(core: usize): void {
  arenaInitialize(core);
  logsInitialize(core);
  carouselInitialize(core);
  wheelInitialize(<usize>load<u32>(core, CORE_WHEEL), 0);
}

/** Arms a timer of the control plane: index = connection * TIMERS_PER_CONNECTION + kind. */
export function armTimer(core: usize, timer: u32, at: f64): void {
  const wheel = <usize>load<u32>(core, CORE_WHEEL);
  wheelArm(wheel, <usize>load<u32>(core, CORE_TIMERS), timer, <u64>at);
}

export function cancelTimer(core: usize, timer: u32): void {
  wheelCancel(<usize>load<u32>(core, CORE_TIMERS), timer);
}

/** When step() has something to do without input: ns; infinite when never. */
export function nextDeadline(core: usize): f64 {
  const at = deadline(core);
  return at == u64.MAX_VALUE ? Infinity : <f64>at;
}
