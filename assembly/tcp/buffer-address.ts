/**
 * Offset in a stream to buffer address (Laminar's 5.3.3, FlexTOE's Pos). A buffer is a power of
 * two long, so byte n of a stream stands at n & mask; a chunk ends a contiguous span.
 */

/** Address of byte `offset` of the stream in the buffer with this chunk list. */
// @ts-ignore: decorator
@inline
export function bufferAddress(list: usize, mask: u32, chunkShift: u32, offset: u32): usize {
  const position = offset & mask;
  const chunk = load<u32>(list + ((position >> chunkShift) << 2));
  return <usize>chunk + (position & (((<u32>1) << chunkShift) - 1));
}

/** Bytes from `offset` to the end of its chunk. */
// @ts-ignore: decorator
@inline
export function contiguousBytes(chunkShift: u32, offset: u32): u32 {
  const size = (<u32>1) << chunkShift;
  return size - (offset & (size - 1));
}
