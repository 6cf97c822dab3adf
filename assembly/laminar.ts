/** Everything that Laminar's Wasm core exports, and nothing else. Addresses are bytes. */
import * as common from "./core-exports.ts";
import { machineInitialize } from "./laminar/connection.ts";
import { isRelaxed, stateOf } from "./laminar/passes.ts";
import { install, runStep, unbind, uninstall } from "./laminar/pipeline.ts";
import { flush, forget, nextReady, put, take } from "./libtoe/context.ts";
import { open } from "./libtoe/open.ts";
import { append, consume, receive, release, transmit } from "./libtoe/transfer.ts";
import { spare } from "./libtoe/transmit-chunks.ts";
import { carry } from "./nic/carry.ts";
import { bind, lookup, reserve } from "./nic/connection.ts";
import { inspect, quotes } from "./nic/inspect.ts";
import { layoutHash } from "./nic/layout-hash.ts";
import { endRound, serveLink, takeCredit } from "./round.ts";
import { FLEXTOE_FEATURES, LAMINAR_FEATURES } from "../bindings/abi/flow-state.ts";
import { CORE_LINK } from "../bindings/abi/memory-map.ts";
import { LIBTOE_CORE } from "../bindings/abi/socket.ts";
import { armTimer, cancelTimer, nextDeadline } from "./core-exports.ts";

// asc resolves the extension in imports only, so these are imported first.
export { append, armTimer, bind, cancelTimer, carry, consume, flush, forget, inspect, install };
export { layoutHash, lookup, nextDeadline, nextReady, open, put, quotes, receive, release };
export { reserve, spare, take, transmit, unbind, uninstall };

/** FLOW_* bits that a connection of this data path may have. */
export function features(): u32 {
  return isRelaxed() ? FLEXTOE_FEATURES : LAMINAR_FEATURES;
}

/** Address of the RMT machine's STATE record, for who looks at registers. */
export function machine(core: usize): u32 {
  return <u32>stateOf(core);
}

/** Prepares the tables of a map that the host has laid out. */
export function initialize(core: usize): void {
  common.initialize(core);
  machineInitialize(core);
}

/** Ingress burst, doorbells, timers, transmission. `now` in ns since the stack's start. */
export function step(core: usize, now: f64): u32 {
  return runStep(core, <u64>now);
}

/** flush(), step(), take() and the direct link: a round of a host. `library`: a LIBTOE record. */
export function turn(library: usize, now: f64): u32 {
  const core = <usize>load<u32>(library, LIBTOE_CORE);
  const peer = <usize>load<u32>(core, CORE_LINK);
  flush(library);
  if (peer != 0) takeCredit(core, peer);
  const bits = endRound(core, library, runStep(core, <u64>now));
  return peer == 0 ? bits : serveLink(core, peer, bits);
}
