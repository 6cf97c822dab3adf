/**
 * What watches a link: capture (tracer.ts) and the world's trace hash. A tap sees each frame as
 * its sender sent it, before the link's faults touch it, at the time it was put on the link.
 */

/** Why a link did not deliver a frame. */
export type DropCause = "loss" | "burst loss" | "queue" | "size" | "down" | "rule";

/** A watcher of frames; must not keep `bytes`, which are valid during the call only. */
export interface FrameTap {
  /**
   * @param now ns
   * @param side index of the sending end, 0 or 1
   * @param bytes the frame stands at `offset`, `length` bytes
   * @param note "" or what the link did to it: "dropped: loss", "duplicated", "corrupted: bit 9"
   */
  frame(
    now: number,
    side: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    note: string,
  ): void;
}
