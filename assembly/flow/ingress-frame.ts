/**
 * Frames of the ingress burst as the host describes them: untrusted, so each is looked at within
 * the bounds of the burst alone. For what reads a frame ahead of, or in place of, pre-processing.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";

/** Bytes of the link header on the carrier that a frame came from. */
// @ts-ignore: decorator
@inline
export function linkBytes(core: usize, entry: usize): u32 {
  const netif = load<u32>(entry, D.FRAME_NETIF) & (NETIFS_MAX - 1);
  return load<u32>(core + M.CORE_NETIF_MEDIUM + netif * 4);
}

/** Address of what is behind a frame's link header; 0 when that is fewer than `least` bytes. */
// @ts-ignore: decorator
@inline
export function packetOf(core: usize, entry: usize, link: u32, least: u32): usize {
  const capacity = load<u32>(core, M.CORE_INGRESS_CAPACITY);
  const offset = load<u32>(entry, D.FRAME_OFFSET);
  const length = load<u32>(entry, D.FRAME_LENGTH);
  if (offset > capacity || length > capacity - offset || length < link + least) return 0;
  return <usize>load<u32>(core, M.CORE_INGRESS) + offset + link;
}
