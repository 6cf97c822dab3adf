/**
 * A round of a host whose application has one context: descriptors out of libTOE, the data path's
 * step, notifications into libTOE, and the frames over a direct link, all in one crossing.
 */
import { BATCH_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { LIBTOE_CORE, LIBTOE_DIRTY_COUNT, LIBTOE_READY_COUNT } from "../bindings/abi/socket.ts";
import { carry } from "./flextoe/carry.ts";
import { runStep } from "./flextoe/pipeline.ts";
import { flush, hasNotifications, take } from "./libtoe/context.ts";

if (M.CORE_EGRESS_BYTES != M.CORE_EGRESS_COUNT + 4) ERROR("CORE: egress count and bytes together");

/** Returns STEP_* bits. `now` in ns. */
export function runTurn(library: usize, now: u64): u32 {
  const core = <usize>load<u32>(library, LIBTOE_CORE);
  const peer = <usize>load<u32>(core, M.CORE_LINK);
  flush(library);
  if (peer != 0) takeCredit(core, peer);
  let bits = runStep(core, now);
  if (hasNotifications(library)) {
    take(library);
    // Neither ring had room for all: there is some now.
    if (hasNotifications(library) || load<u32>(core, M.CORE_NOTIFYING) != 0) bits |= M.STEP_MORE;
  }
  if (load<u32>(library, LIBTOE_DIRTY_COUNT) != 0) bits |= M.STEP_MORE;
  if (load<u32>(library, LIBTOE_READY_COUNT) != 0) bits |= M.STEP_READY;
  // Nobody looks at the frames again: events name those that the control plane will read.
  if ((bits & (M.STEP_HELD | M.STEP_EVENTS)) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
  return peer == 0 ? bits : serveLink(core, peer, bits);
}

/** Frames that the other core's ingress burst has room for. */
// @ts-ignore: decorator
@inline
function takeCredit(core: usize, peer: usize): void {
  const rows = BATCH_MAX - load<u32>(peer, M.CORE_INGRESS_COUNT);
  const bytes = load<u32>(peer, M.CORE_INGRESS_CAPACITY) - load<u32>(peer, M.CORE_INGRESS_BYTES);
  const frame = load<u32>(core, M.CORE_LINK_FRAME);
  // An empty burst has room for all rows: no division.
  const fits = bytes >= BATCH_MAX * frame ? BATCH_MAX : bytes / frame;
  const credit = min(rows, fits);
  store<u32>(core, credit, M.CORE_NETIF_CREDIT);
  store<u32>(core, <u32>(credit == 0), M.CORE_LINK_STARVED);
}

/** The egress burst to the other core; what the turn is to return then. */
// @ts-ignore: decorator
@inline
function serveLink(core: usize, peer: usize, step: u32): u32 {
  let bits = step;
  const frames = bits >> M.STEP_EGRESS_SHIFT;
  // What does not fit, the host's carrier keeps.
  if (frames != 0 && carry(core, peer, 0, frames, load<u32>(core, M.CORE_LINK_NETIF))) {
    store<u64>(core, 0, M.CORE_EGRESS_COUNT);
    bits = (bits & ((1 << M.STEP_EGRESS_SHIFT) - 1)) | M.STEP_CARRIED;
  }
  // The other end met a full burst, and this turn has emptied it.
  if (load<u32>(peer, M.CORE_LINK_STARVED) == 0) return bits;
  return (bits & M.STEP_HELD) == 0 ? bits | M.STEP_CARRIED : bits;
}
