/**
 * Exports of Laminar's build: header vectors through the stage programs, stage by stage and fused.
 */
import { exactSlot } from "./laminar/match.ts";
import { egressFused, egressStagewise, HEADER_BYTES } from "./laminar/generated/tcp.ts";
export { exactSlot };

/** Bytes of a header vector. */
export function headerBytes(): u32 {
  return HEADER_BYTES;
}

/** `count` header vectors through TCP's egress, one stage after the other. */
export function stagewise(vectors: usize, count: u32, state: usize): void {
  for (let i: u32 = 0; i < count; i++) egressStagewise(vectors + i * HEADER_BYTES, state);
}

/** The same by the fused function. */
export function fused(vectors: usize, count: u32, state: usize): void {
  for (let i: u32 = 0; i < count; i++) egressFused(vectors + i * HEADER_BYTES, state);
}
