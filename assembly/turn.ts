/**
 * A round of a host whose application has one context: descriptors out of libTOE, the data path's
 * step, notifications into libTOE, and the frames over a direct link, all in one crossing.
 */
import * as M from "../bindings/abi/memory-map.ts";
import * as S from "../bindings/abi/socket.ts";
import { wheelNext } from "./base/timer-wheel.ts";
import { runStep } from "./flextoe/pipeline.ts";
import { sendPredicted } from "./flextoe/predicted-send.ts";
import { flush, hasNotifications } from "./libtoe/context.ts";
import { contextOf, hasDescriptors, pendingDescriptors } from "./nic/context-queue.ts";
import { endRound, serveLink, takeCredit } from "./round.ts";

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
  const bits = endRound(core, library, runStep(core, now));
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
