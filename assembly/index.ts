/** Everything that the Wasm core exports, and nothing else. Addresses are bytes. */
import { wheelArm, wheelCancel, wheelInitialize } from "./base/timer-wheel.ts";
import { carouselInitialize } from "./nic/carousel.ts";
import { carry } from "./nic/carry.ts";
import { bind, install, lookup, reserve, unbind } from "./nic/connection.ts";
import { uninstall } from "./nic/connection.ts";
import { inspect, quotes } from "./nic/inspect.ts";
import { layoutHash } from "./nic/layout-hash.ts";
import { arenaInitialize } from "./flow/payload-arena.ts";
import { deadline, runStep } from "./flextoe/pipeline.ts";
import { flush, forget, nextReady, put, take } from "./libtoe/context.ts";
import { append, consume, receive, release, transmit } from "./libtoe/transfer.ts";
import { spare } from "./libtoe/transmit-chunks.ts";
import { runTurn } from "./turn.ts";
import { CORE_TIMERS, CORE_WHEEL } from "../bindings/abi/memory-map.ts";

// asc resolves the extension in imports only, so these are imported first.
export { append, consume, flush, forget, nextReady, put, receive, release, take, transmit };
export { bind, carry, inspect, install, layoutHash, lookup, quotes, reserve, spare, unbind };
export { uninstall };

/** Prepares the tables of a map that the host has laid out. */
export function initialize(core: usize): void {
  arenaInitialize(core);
  carouselInitialize(core);
  wheelInitialize(<usize>load<u32>(core, CORE_WHEEL), 0);
}

/** Ingress burst, doorbells, timers, transmission. `now` in ns since the stack's start. */
export function step(core: usize, now: f64): u32 {
  return runStep(core, <u64>now);
}

/** flush(), step(), take() and the direct link: a round of a host. `library`: a LIBTOE record. */
export function turn(library: usize, now: f64): u32 {
  return runTurn(library, <u64>now);
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
