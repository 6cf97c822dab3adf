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
 * Moves frames `first` .. `first + frames - 1` of `from` behind the `rows` frames and `used` bytes
 * of `to`'s ingress burst, as received by its interface `netif`. Returns the bytes then used, 0
 * when the burst has no room for all of them: then nothing was moved.
 */
export function carry(
  from: usize,
  to: usize,
  first: u32,
  frames: u32,
  netif: u32,
  rows: u32,
  used: u32,
): u32 {
  const offered = min(load<u32>(from, M.CORE_EGRESS_COUNT), EGRESS_FRAMES_MAX);
  if (frames > offered || first > offered - frames) return 0;
  const capacity = load<u32>(to, M.CORE_INGRESS_CAPACITY);
  if (frames == 0 || rows > BATCH_MAX || frames > BATCH_MAX - rows || used > capacity) return 0;
  const source = <usize>load<u32>(from, M.CORE_EGRESS_TABLE);
  const start = load<u32>(source + first * D.FRAME_SIZE, D.FRAME_OFFSET);
  const final = source + (first + frames - 1) * D.FRAME_SIZE;
  const span = load<u32>(final, D.FRAME_OFFSET) + load<u32>(final, D.FRAME_LENGTH) - start;
  const rounded = (span + 15) & ~15;
  if (span > capacity - used) return 0;
  // Whole blocks: both spans end FRAME_HEADROOM bytes after their capacity.
  copyBytes(
    <usize>load<u32>(to, M.CORE_INGRESS) + used,
    <usize>load<u32>(from, M.CORE_EGRESS) + start,
    rounded,
  );
  const target = <usize>load<u32>(to, M.CORE_INGRESS_TABLE) + rows * D.FRAME_SIZE;
  for (let i: u32 = 0; i < frames; i++) {
    const entry = source + (first + i) * D.FRAME_SIZE;
    const row = target + i * D.FRAME_SIZE;
    store<u32>(row, load<u32>(entry, D.FRAME_OFFSET) - start + used, D.FRAME_OFFSET);
    store<u32>(row, load<u32>(entry, D.FRAME_LENGTH), D.FRAME_LENGTH);
    store<u32>(row, netif, D.FRAME_NETIF);
    store<u32>(row, 0, D.FRAME_CONNECTION);
  }
  return used + rounded;
}
