/**
 * Offset in a stream to place in a buffer (Laminar's 5.3.3, FlexTOE's Pos): byte n of a stream is
 * in chunk n >> chunkShift, whose address stands at that number, modulo its length, in the
 * buffer's list. A chunk ends a contiguous span.
 */

/** Where a list keeps the address of the chunk with byte `offset`; `slots`: its length - 1. */
// @ts-ignore: decorator
@inline
export function chunkEntry(list: usize, slots: u32, chunkShift: u32, offset: u32): usize {
  return list + (((offset >>> chunkShift) & slots) << 2);
}

/** Bytes of a chunk before byte `offset` of the stream. */
// @ts-ignore: decorator
@inline
export function withinChunk(chunkShift: u32, offset: u32): u32 {
  return offset & (((<u32>1) << chunkShift) - 1);
}

/** Bytes from `offset` to the end of its chunk. */
// @ts-ignore: decorator
@inline
export function contiguousBytes(chunkShift: u32, offset: u32): u32 {
  return ((<u32>1) << chunkShift) - withinChunk(chunkShift, offset);
}

/** Chunks that end in the `length` bytes from `offset` on. */
// @ts-ignore: decorator
@inline
export function chunksPassed(chunkShift: u32, offset: u32, length: u32): u32 {
  return (withinChunk(chunkShift, offset) + length) >>> chunkShift;
}
