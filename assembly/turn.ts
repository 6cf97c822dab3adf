/**
 * A round of a host whose application has one context: descriptors out of libTOE, the data path's
 * step, notifications into libTOE, and the frames over a direct link, all in one crossing.
 */
import { FRAME_LENGTH, FRAME_SIZE } from "../bindings/abi/descriptor.ts";
import { BATCH_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { LIBTOE_CORE, LIBTOE_DIRTY_COUNT, LIBTOE_READY_COUNT } from "../bindings/abi/socket.ts";
import { carry } from "./flextoe/carry.ts";
import { runStep } from "./flextoe/pipeline.ts";
import { flush, hasNotifications, take } from "./libtoe/context.ts";

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
  if (peer != 0 && bits >> M.STEP_EGRESS_SHIFT != 0) bits = sendOver(core, peer, bits);
  return bits;
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

/** The egress burst to the other core; what step() is to return then. */
function sendOver(core: usize, peer: usize, bits: u32): u32 {
  const frames = bits >> M.STEP_EGRESS_SHIFT;
  const rows = load<u32>(peer, M.CORE_INGRESS_COUNT);
  const used = load<u32>(peer, M.CORE_INGRESS_BYTES);
  const netif = load<u32>(core, M.CORE_LINK_NETIF);
  const after = carry(core, peer, 0, frames, netif, rows, used);
  // The host's carrier says what is wrong, and keeps what does not fit.
  if (after == 0) return bits;
  store<u32>(peer, rows + frames, M.CORE_INGRESS_COUNT);
  store<u32>(peer, after, M.CORE_INGRESS_BYTES);
  store<u64>(core, load<u64>(core, M.CORE_LINK_FRAMES) + frames, M.CORE_LINK_FRAMES);
  store<u64>(core, load<u64>(core, M.CORE_LINK_BYTES) + bytesOf(core, frames), M.CORE_LINK_BYTES);
  store<u32>(core, 0, M.CORE_EGRESS_COUNT);
  store<u32>(core, 0, M.CORE_EGRESS_BYTES);
  return (bits & ((1 << M.STEP_EGRESS_SHIFT) - 1)) | M.STEP_CARRIED;
}

function bytesOf(core: usize, frames: u32): u64 {
  const table = <usize>load<u32>(core, M.CORE_EGRESS_TABLE);
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < frames; i++) {
    bytes += load<u32>(table + i * FRAME_SIZE, FRAME_LENGTH);
  }
  return bytes;
}
