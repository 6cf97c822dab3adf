/**
 * The user timeout option (RFC 5482), of every connection where the limits switch it on: our SYN or
 * SYN-ACK tells how long we wait, the peer's how long it does, and the longer of both is adopted.
 * Invariant: what the application has chosen stands (UTO-4), and a handshake has the defaults
 * (UTO-8): the adopted value is a field of its own, that an established connection looks at.
 */
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";

/** L_LIMIT and U_LIMIT (RFC 5482, 3.1; UTO-2, UTO-6). */
const LEAST_NS = 100e9;
const MOST_NS = 3600e9;
const SECOND_NS = 1e9;
/** By so much L_LIMIT is above the RTO, and the keep-alive time above the timeout. */
const MARGIN_NS = 1e9;

/** ADV_UTO of a row, ns. */
function advertised({ rows, limits }: Plane, id: number): number {
  const chosen = rows.time(id, R.TIME_USER_TIMEOUT);
  return chosen > 0 ? chosen : limits.userTimeout;
}

/** What the row's SYN or SYN-ACK says, ns; 0 = no option. */
export function offeredTimeout(plane: Plane, id: number): number {
  return plane.limits.userTimeoutOption ? advertised(plane, id) : 0;
}

/** The peer's SYN or SYN-ACK is at hand: what of its option is adopted (RFC 5482, 3.1; UTO-5). */
export function adoptTimeout(plane: Plane, id: number): void {
  const { rows, limits, segment } = plane;
  // RFC 5482, 3.4 (UTO-7): zero is reserved.
  if (!limits.userTimeoutOption || segment.userTimeout === 0) return;
  const longest = Math.max(advertised(plane, id), segment.userTimeout, LEAST_NS);
  rows.set(id, R.ROW_ADOPTED, Math.ceil(Math.min(MOST_NS, longest) / SECOND_NS));
}

/** ns; 0 = none, or the application has chosen one. */
function adoptedTimeout({ rows }: Plane, id: number): number {
  if (rows.time(id, R.TIME_USER_TIMEOUT) > 0) return 0;
  return rows.get(id, R.ROW_ADOPTED) * SECOND_NS;
}

/** How long nothing may be acknowledged in a connection whose RTO is `rto`, ns. */
export function patienceOf(plane: Plane, id: number, rto: number): number {
  const { rows, limits } = plane;
  const chosen = rows.time(id, R.TIME_USER_TIMEOUT);
  if (chosen > 0) return chosen;
  const adopted = adoptedTimeout(plane, id);
  return adopted > 0 ? Math.max(adopted, rto + MARGIN_NS) : limits.userTimeout;
}

/** RFC 5482, 4.2 (UTO-9): the keep-alive time is longer than an adopted timeout. */
export function keepAliveIdle(plane: Plane, id: number): number {
  const idle = plane.rows.time(id, R.TIME_KEEP_IDLE);
  const adopted = adoptedTimeout(plane, id);
  return adopted > 0 ? Math.max(idle, adopted + MARGIN_NS) : idle;
}
