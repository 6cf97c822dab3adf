/**
 * A round of a host whose application has one context: descriptors out of libTOE, the data path's
 * step, notifications into libTOE, and the frames over a direct link, all in one crossing.
 */
import { BATCH_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import * as S from "../bindings/abi/socket.ts";
import { wheelNext } from "./base/timer-wheel.ts";
import { carry } from "./nic/carry.ts";
import { contextOf, hasDescriptors, pendingDescriptors } from "./nic/context-queue.ts";
import { runStep } from "./flextoe/pipeline.ts";
import { sendPredicted } from "./flextoe/predicted-send.ts";
import { flush, hasNotifications, take } from "./libtoe/context.ts";

if (M.CORE_EGRESS_BYTES != M.CORE_EGRESS_COUNT + 4) ERROR("CORE: egress count and bytes together");

/** Returns STEP_* bits. `now` in ns. */
export function runTurn(library: usize, now: u64): u32 {
  const core = <usize>load<u32>(library, S.LIBTOE_CORE);
  const peer = <usize>load<u32>(core, M.CORE_LINK);
  const quiet = isQuiet(core, library, now);
  flush(library);
  if (peer != 0) takeCredit(core, peer);
  // An application that answers one message at a time: most of its rounds are these.
  if (quiet && sendOne(core, library)) {
    const sent: u32 = 1 << M.STEP_EGRESS_SHIFT;
    return peer == 0 ? sent : serveLink(core, peer, sent);
  }
  let bits = runStep(core, now);
  if (hasNotifications(library)) {
    take(library);
    // Neither ring had room for all: there is some now.
    if (hasNotifications(library) || load<u32>(core, M.CORE_NOTIFYING) != 0) bits |= M.STEP_MORE;
  }
  if (load<u32>(library, S.LIBTOE_DIRTY_COUNT) != 0) bits |= M.STEP_MORE;
  if (load<u32>(library, S.LIBTOE_READY_COUNT) != 0) bits |= M.STEP_READY;
  // Nobody looks at the frames again: events name those that the control plane will read.
  if ((bits & (M.STEP_HELD | M.STEP_EVENTS)) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
  return peer == 0 ? bits : serveLink(core, peer, bits);
}

/**
 * True when a step at this very time has been made and left nothing, and one socket of the only
 * application has something now: all that another step would do is to take its descriptor.
 */
// @ts-ignore: decorator
@inline
function isQuiet(core: usize, library: usize, now: u64): bool {
  if (load<u32>(library, S.LIBTOE_DIRTY_COUNT) != 1) return false;
  const moved = load<u64>(core, M.CORE_NOW) ^ now;
  const frames = load<u64>(core, M.CORE_INGRESS_COUNT) | load<u64>(core, M.CORE_EGRESS_COUNT);
  const told = load<u64>(core, M.CORE_EVENT_COUNT) | load<u32>(core, M.CORE_NOTIFYING);
  const waiting = load<u64>(core, M.CORE_RR_HEAD) | load<u32>(library, S.LIBTOE_READY_COUNT);
  const other = load<u32>(core, M.CORE_STAGES_ONLY) | (load<u32>(core, M.CORE_CONTEXTS) ^ 2);
  if ((moved | frames | told | waiting | other) != 0) return false;
  const own = <usize>load<u32>(library, S.LIBTOE_CONTEXT);
  if (hasDescriptors(contextOf(core, 0)) || hasDescriptors(own)) return false;
  if (hasNotifications(library)) return false;
  return wheelNext(<usize>load<u32>(core, M.CORE_WHEEL)) > now;
}

/** The descriptor that flush() has written, when it is one that header prediction expects. */
// @ts-ignore: decorator
@inline
function sendOne(core: usize, library: usize): bool {
  const own = <usize>load<u32>(library, S.LIBTOE_CONTEXT);
  return pendingDescriptors(core, own) == 1 && sendPredicted(core, 1, own);
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
  // Frames that wait in the egress burst go first.
  const waiting = load<u32>(core, M.CORE_EGRESS_COUNT);
  store<u32>(core, credit > waiting ? credit - waiting : 0, M.CORE_NETIF_CREDIT);
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
    bits = (bits & ((1 << M.STEP_EGRESS_SHIFT) - 1)) | load<u32>(core, M.CORE_LINK_TELL);
  }
  // All room was used: there may be more to send.
  store<u32>(core, <u32>(load<u32>(core, M.CORE_NETIF_CREDIT) == 0), M.CORE_LINK_STARVED);
  // The other end met a full burst, and this turn has emptied it.
  if (load<u32>(peer, M.CORE_LINK_STARVED) == 0) return bits;
  return (bits & M.STEP_HELD) == 0 ? bits | M.STEP_CARRIED : bits;
}
