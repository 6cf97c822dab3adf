/** Windows of a receiver (RFC 9293, 3.8.6 and 3.10.7.4; RFC 7323, 2), for receiver-model.ts. */

const FIELD_MAX = 0xffff;

/**
 * RFC 9293, 3.10.7.4, first check: some number of the segment lies in the window. Beside its table:
 * what begins before the window and reaches into it, and an empty one at or just behind the edge.
 */
export function acceptable(seq: number, span: number, next: number, window: number): boolean {
  if (span === 0) return seq >= next && seq <= next + window + 1;
  if (window === 0) return false;
  return seq < next + window && seq + span > next;
}

/**
 * The field to announce, `kept` bytes having been promised: the edge stays until it can advance by
 * `step` (MUST-39), and does not move left when a field can say so (SHLD-14).
 */
export function windowField(avail: number, kept: number, unit: number, step: number): number {
  if (avail - kept >= step) return Math.min(FIELD_MAX, Math.floor(avail / unit));
  const rounded = Math.ceil(kept / unit);
  return Math.min(FIELD_MAX, rounded * unit <= avail ? rounded : Math.floor(kept / unit));
}
