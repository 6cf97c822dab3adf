/**
 * The first check of RFC 9293, 3.10.7.4, for connections that the control plane answers for.
 */
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";

/** True when the segment at hand overlaps the row's window. */
export function isAcceptable(plane: Plane, id: number): boolean {
  const { rows, segment } = plane;
  const window = rows.get(id, R.ROW_ANNOUNCED);
  const next = rows.get(id, R.ROW_RCV_NXT);
  const first = (segment.seq - next) >>> 0;
  if (first < window) return true;
  const { length } = segment;
  return length > 0 && (segment.seq + length - 1 - next) >>> 0 < window;
}
