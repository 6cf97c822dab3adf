/**
 * A link between two cores of one memory: frames of one core's egress burst become frames of
 * another's ingress burst with one copy, their order kept. The host says which frames and where;
 * a frame is copied whole or not at all.
 */
import { copyBytes } from "../base/bytes.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";

/**
 * Moves frames `first` .. `first + frames - 1` of `from` behind those in `to`'s ingress burst, as
 * received by its interface `netif`. False when the burst has no room for all of them: then
 * nothing was moved.
 */
export function carry(from: usize, to: usize, first: u32, frames: u32, netif: u32): bool {
  const offered = min(load<u32>(from, M.CORE_EGRESS_COUNT), EGRESS_FRAMES_MAX);
  if (frames > offered || first > offered - frames) return false;
  const rows = load<u32>(to, M.CORE_INGRESS_COUNT);
  const used = load<u32>(to, M.CORE_INGRESS_BYTES);
  const capacity = load<u32>(to, M.CORE_INGRESS_CAPACITY);
  if (frames == 0 || rows > BATCH_MAX || frames > BATCH_MAX - rows || used > capacity) return false;
  const source = <usize>load<u32>(from, M.CORE_EGRESS_TABLE) + first * D.FRAME_SIZE;
  const start = load<u32>(source, D.FRAME_OFFSET);
  const final = source + (frames - 1) * D.FRAME_SIZE;
  const span = load<u32>(final, D.FRAME_OFFSET) + load<u32>(final, D.FRAME_LENGTH) - start;
  if (span > capacity - used) return false;
  // Whole blocks: both spans end FRAME_HEADROOM bytes after their capacity.
  const rounded = (span + 15) & ~15;
  const into = <usize>load<u32>(to, M.CORE_INGRESS) + used;
  copyBytes(into, <usize>load<u32>(from, M.CORE_EGRESS) + start, rounded);
  const row = <usize>load<u32>(to, M.CORE_INGRESS_TABLE) + rows * D.FRAME_SIZE;
  moveRows(from, source, row, frames, used - start, netif);
  store<u32>(to, rows + frames, M.CORE_INGRESS_COUNT);
  store<u32>(to, used + rounded, M.CORE_INGRESS_BYTES);
  return true;
}

/** Table rows, `moved` bytes further on, and the link's counts. */
// @ts-ignore: decorator
@inline
function moveRows(
  from: usize,
  source: usize,
  target: usize,
  frames: u32,
  moved: u32,
  netif: u32,
): void {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < frames; i++) {
    const at = i * D.FRAME_SIZE;
    const length = load<u32>(source + at, D.FRAME_LENGTH);
    store<u32>(target + at, load<u32>(source + at, D.FRAME_OFFSET) + moved, D.FRAME_OFFSET);
    store<u32>(target + at, length, D.FRAME_LENGTH);
    store<u32>(target + at, netif, D.FRAME_NETIF);
    store<u32>(target + at, 0, D.FRAME_CONNECTION);
    bytes += length;
  }
  store<u64>(from, load<u64>(from, M.CORE_LINK_FRAMES) + frames, M.CORE_LINK_FRAMES);
  store<u64>(from, load<u64>(from, M.CORE_LINK_BYTES) + bytes, M.CORE_LINK_BYTES);
}
