/**
 * Sequence number to buffer address (Laminar's 5.3.3, FlexTOE's Pos). A buffer is a power of two
 * long, so the byte with sequence number s stands at s & mask; a chunk ends a contiguous span.
 */

/** Address of the byte at `seq` in the buffer with this chunk list. */
// @ts-ignore: decorator
@inline
export function sequenceAddress(list: usize, mask: u32, chunkShift: u32, seq: u32): usize {
  const position = seq & mask;
  const chunk = load<u32>(list + ((position >> chunkShift) << 2));
  return <usize>chunk + (position & (((<u32>1) << chunkShift) - 1));
}

/** Bytes from `seq` to the end of its chunk. */
// @ts-ignore: decorator
@inline
export function contiguousBytes(chunkShift: u32, seq: u32): u32 {
  const size = (<u32>1) << chunkShift;
  return size - (seq & (size - 1));
}
