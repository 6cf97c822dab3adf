/**
 * What a host's round has beside the data path's step, whichever it is: notifications into libTOE,
 * and the frames over a direct link to another core of the same memory.
 */
import { CONTEXT_FENCED } from "../bindings/abi/descriptor.ts";
import { BATCH_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import * as S from "../bindings/abi/socket.ts";
import { hasNotifications, take } from "./libtoe/context.ts";
import { carry } from "./nic/carry.ts";

if (M.CORE_EGRESS_BYTES != M.CORE_EGRESS_COUNT + 4) ERROR("CORE: egress count and bytes together");

// @ts-ignore: decorator
@inline
function isFenced(library: usize): bool {
  return load<u32>(<usize>load<u32>(library, S.LIBTOE_CONTEXT), CONTEXT_FENCED) != 0;
}

/** After a step that returned `step`: what the round is to return. */
// @ts-ignore: decorator
@inline
export function endRound(core: usize, library: usize, step: u32): u32 {
  let bits = step;
  if (hasNotifications(library)) {
    take(library);
    // Neither ring had room for all: there is some now.
    if (hasNotifications(library) || load<u32>(core, M.CORE_NOTIFYING) != 0) bits |= M.STEP_MORE;
  }
  // A fenced ring takes none of it, ever: to ask again would be a loop without end (threats D05).
  if (load<u32>(library, S.LIBTOE_DIRTY_COUNT) != 0 && !isFenced(library)) bits |= M.STEP_MORE;
  if (load<u32>(library, S.LIBTOE_READY_COUNT) != 0) bits |= M.STEP_READY;
  // Nobody looks at the frames again: events name those that the control plane will read.
  if ((bits & (M.STEP_HELD | M.STEP_EVENTS)) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
  return bits;
}

/** Frames that the other core's ingress burst has room for. */
// @ts-ignore: decorator
@inline
export function takeCredit(core: usize, peer: usize): void {
  const rows = BATCH_MAX - load<u32>(peer, M.CORE_INGRESS_COUNT);
  const bytes = load<u32>(peer, M.CORE_INGRESS_CAPACITY) - load<u32>(peer, M.CORE_INGRESS_BYTES);
  const frame = load<u32>(core, M.CORE_LINK_FRAME);
  // An empty burst has room for all rows: no division.
  const fits = bytes >= BATCH_MAX * frame ? BATCH_MAX : bytes / frame;
  const credit = min(rows, fits);
  // Frames that wait in the egress burst go first.
  const waiting = load<u32>(core, M.CORE_EGRESS_COUNT);
  store<u32>(core, credit > waiting ? credit - waiting : 0, M.CORE_NETIF_CREDIT);
}

/** The egress burst to the other core; what the turn is to return then. */
// @ts-ignore: decorator
@inline
export function serveLink(core: usize, peer: usize, step: u32): u32 {
  let bits = step;
  const frames = bits >> M.STEP_EGRESS_SHIFT;
  // What does not fit, the host's carrier keeps.
  if (frames != 0 && carry(core, peer, 0, frames, load<u32>(core, M.CORE_LINK_NETIF))) {
    store<u64>(core, 0, M.CORE_EGRESS_COUNT);
    bits = (bits & ((1 << M.STEP_EGRESS_SHIFT) - 1)) | load<u32>(core, M.CORE_LINK_TELL);
  }
  // All room was used: there may be more to send.
  store<u32>(core, <u32>(load<u32>(core, M.CORE_NETIF_CREDIT) == 0), M.CORE_LINK_STARVED);
  // The other end met a full burst, and this turn has emptied it.
  if (load<u32>(peer, M.CORE_LINK_STARVED) == 0) return bits;
  return (bits & M.STEP_HELD) == 0 ? bits | M.STEP_CARRIED : bits;
}
