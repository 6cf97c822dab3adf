/** Everything that FlexTOE's Wasm core exports, and nothing else. Addresses are bytes. */
import { armTimer, cancelTimer, initialize, nextDeadline } from "./core-exports.ts";
import { runStep } from "./flextoe/pipeline.ts";
import { flush, forget, nextReady, put, take } from "./libtoe/context.ts";
import { open } from "./libtoe/open.ts";
import { append, consume, receive, release, transmit } from "./libtoe/transfer.ts";
import { spare } from "./libtoe/transmit-chunks.ts";
import { carry } from "./nic/carry.ts";
import { bind, install, lookup, reserve, unbind } from "./nic/connection.ts";
import { uninstall } from "./nic/connection.ts";
import { inspect, quotes } from "./nic/inspect.ts";
import { layoutHash } from "./nic/layout-hash.ts";
import { runTurn } from "./turn.ts";
import { FLEXTOE_FEATURES } from "../bindings/abi/flow-state.ts";

// asc resolves the extension in imports only, so these are imported first.
export { append, consume, flush, forget, nextReady, open, put, receive, release, take, transmit };
export { bind, carry, inspect, install, layoutHash, lookup, quotes, reserve, spare, unbind };
export { armTimer, cancelTimer, initialize, nextDeadline, uninstall };

/** FLOW_* bits that a connection of this data path may have. */
export function features(): u32 {
  return FLEXTOE_FEATURES;
}

/** Ingress burst, doorbells, timers, transmission. `now` in ns since the stack's start. */
export function step(core: usize, now: f64): u32 {
  return runStep(core, <u64>now);
}

/** flush(), step(), take() and the direct link: a round of a host. `library`: a LIBTOE record. */
export function turn(library: usize, now: f64): u32 {
  return runTurn(library, <u64>now);
}
