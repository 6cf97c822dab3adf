/**
 * ICMP errors about our TCP segments, of both families (RFC 9293, 3.9.2.2). Invariants: an error
 * counts only when it quotes a sequence number in flight (RFC 5927, 4.1), and only a handshake can
 * fail by one (RFC 5461; RFC 9293 SHLD-26 is not followed in synchronized states, as the RFC itself
 * notes of stacks).
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import type { Quotation } from "../wire/icmp.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { failHandshake } from "./handshake.ts";
import { inspect } from "./inspection.ts";
import { lookupTuple, packetBytes } from "./install.ts";
import { countDrop, stateOf, type Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { lowerMtu, notePassed } from "./segment-size.ts";

/** At most one change of a connection's MTU in this time, or in a round trip (threats B07). */
const MTU_CHANGE_NS = 1e6;

/** RFC 9293 MUST-54: the connection is found by the quotation; 0, and counted, without one. */
function find(plane: Plane, quote: Quotation): number {
  const { local, remote, localPort, remotePort, seq } = quote;
  const id = lookupTuple(plane, local, remote, localPort, remotePort);
  if (id !== 0 && isInFlight(plane, id, seq)) return id;
  countDrop(plane.core, id === 0 ? DropReason.NoConnection : DropReason.IcmpIgnored);
  return 0;
}

// RFC 5927, 4.1. In a handshake only our SYN is in flight.
function isInFlight(plane: Plane, id: number, seq: number): boolean {
  const { rows, core } = plane;
  if (rows.has(id, R.ROW_IS_INSTALLED)) {
    return core.exports.quotes(core.address, id, seq) !== 0;
  }
  const state = stateOf(plane, id);
  const isOpening = state === ConnectionState.SynSent || state === ConnectionState.SynReceived;
  return isOpening && seq === rows.get(id, R.ROW_ISS);
}

/** A packet could not be delivered; `isHard`: there is nobody, and a handshake is over. */
export function unreachable(plane: Plane, quote: Quotation, error: number, isHard: boolean): void {
  const id = find(plane, quote);
  if (id === 0) return;
  if (isHard && !plane.rows.has(id, R.ROW_IS_INSTALLED)) {
    failHandshake(plane, id, ConnectionEvent.HardError, error);
    return;
  }
  // RFC 9293 MUST-56, MUST-47: never the end of a connection; the application may ask.
  plane.rows.set(id, R.ROW_SOFT_ERROR, error);
  if (!plane.rows.has(id, R.ROW_IS_RELEASED)) plane.events.softError(id, error);
}

/** A packet was too big for its path (RFC 1191; RFC 8201): `mtu` bytes are not. */
export function tooBig(plane: Plane, quote: Quotation, mtu: number): void {
  const id = find(plane, quote);
  if (id !== 0) heed(plane, id, mtu);
}

// RFC 1191, 6: only down, only for what is in flight, at most once in a round trip.
function heed(plane: Plane, id: number, mtu: number): void {
  const { rows, now } = plane;
  const seen = inspect(plane, id);
  if (seen !== undefined) notePassed(plane, id, seen);
  const recent = now - rows.time(id, R.TIME_MTU_CHANGED);
  const changed = rows.time(id, R.TIME_MTU_CHANGED) !== 0;
  // RFC 5927, 7.2 (PM-18): no packet of the connection is larger; nor would it send smaller ones.
  const most = Math.min(rows.get(id, R.ROW_MTU), packetBytes(plane, id));
  if (seen === undefined || mtu >= most) return;
  if (changed && recent < Math.max(MTU_CHANGE_NS, seen.srtt)) return;
  plane.pathMtu.lower(rows.address(id, R.ROW_REMOTE), mtu, now);
  lowerMtu(plane, id, mtu);
}
