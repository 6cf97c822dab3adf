/**
 * Sequence numbers of a modelled stream and offsets from its start: numbers wrap, offsets do not.
 */

/** Shortly before the wrap, so that every stream crosses it. */
export const FIRST_SEQ = 0xffff0000;

export function seqAt(offset: number, first = FIRST_SEQ): number {
  return (first + offset) >>> 0;
}

/** The offset of a number within 2 GiB of the offset `near`. */
export function offsetOf(seq: number, near: number, first = FIRST_SEQ): number {
  return near + ((seq - first - near) | 0);
}
