/**
 * The path MTU of live connections (RFC 1191, RFC 8201, RFC 4821): lowered by messages, by the
 * interface and by black holes, raised again after ten minutes. Invariant: what was too big is sent
 * again at once and is no sign of congestion (PM-12); a raised size is on trial until a segment of
 * it was acknowledged, and one timeout takes it back.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { FLOW_RECOVERY } from "../../bindings/abi/flow-state.ts";
import { TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { seqAfter } from "../../bindings/abi/seq.ts";
import { inspect, sendNext, type Inspection } from "./inspection.ts";
import { headerBytes, segmentBytes } from "./install.ts";
import { LIFETIME_NS, MTU_MIN_IPV6 } from "./path-mtu.ts";
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { linkMtu } from "./transmit.ts";

/** Timeouts in a row of a full segment that make a black hole (RFC 4821, 7.7: R1). */
const BLACK_HOLE = 3;
/** RFC 4821, 7.2: where the search begins, payload bytes. */
const BASE_BYTES = 1024;
/** A connection that is about to send again what was lost tries no larger size so soon. */
const RETRY_NS = 1e9;
/** MTU_PROBING_ALWAYS: the first trial of a larger size. */
const FIRST_TRIAL_NS = 1e9;

/** Values of Profile.mtuProbing, as Linux's tcp_mtu_probing. */
export const MTU_PROBING_BLACK_HOLE = 1;
export const MTU_PROBING_ALWAYS = 2;

/** Tells the data path; `again`: segments in flight are too big now. */
function tell(plane: Plane, id: number, again: boolean): void {
  const { rows, commands } = plane;
  if (!rows.has(id, R.ROW_IS_INSTALLED)) return;
  const generation = rows.get(id, R.ROW_GENERATION);
  commands.push(id, generation, AtxOpcode.SetMss, segmentBytes(plane, id));
  // Lost, and again at once, without a cut of the window (RFC 1191, 6.4).
  if (again) commands.push(id, generation, AtxOpcode.Retransmit, 0);
}

/** Lowers a connection's MTU, for ten minutes at least. */
export function lowerMtu(plane: Plane, id: number, mtu: number, again: boolean): void {
  const { rows, now, pathMtu } = plane;
  rows.set(id, R.ROW_MTU, mtu);
  rows.set(id, R.ROW_MTU_GOOD, 0);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  pathMtu.raiseAt = Math.min(pathMtu.raiseAt, now + LIFETIME_NS);
  tell(plane, id, again);
}

/** The smallest MTU that a search goes down to. */
function floorOf(plane: Plane, id: number): number {
  return plane.rows.has(id, R.ROW_IS_IPV6) ? MTU_MIN_IPV6 : IPV4_SIZE + TCP_SIZE + MSS_MIN;
}

/** The MTU that a search starts from (RFC 4821, 7.2). */
function baseOf(plane: Plane, id: number): number {
  const isIpv6 = plane.rows.has(id, R.ROW_IS_IPV6);
  return Math.max(floorOf(plane, id), BASE_BYTES + headerBytes(isIpv6));
}

/** An MTU_PROBING_ALWAYS connection begins small and goes up. */
export function beginSearch(plane: Plane, id: number): void {
  const { rows, profile, pathMtu, now } = plane;
  if (profile.mtuProbing < MTU_PROBING_ALWAYS) return;
  const base = baseOf(plane, id);
  if (rows.get(id, R.ROW_MTU) <= base) return;
  rows.set(id, R.ROW_MTU, base);
  // As if it had been lowered long ago; 0 would say that it was not.
  rows.setTime(id, R.TIME_MTU_CHANGED, now - LIFETIME_NS + FIRST_TRIAL_NS || 1);
  pathMtu.raiseAt = Math.min(pathMtu.raiseAt, now + FIRST_TRIAL_NS);
}

/**
 * The retransmission timer went off for the `timeouts`-th time in a row. True: the size was the
 * reason, and what is in flight goes again by itself.
 */
export function judgeTimeout(
  plane: Plane,
  id: number,
  seen: Inspection,
  timeouts: number,
): boolean {
  const { rows, profile } = plane;
  const good = rows.get(id, R.ROW_MTU_GOOD);
  if (good !== 0) {
    rows.set(id, R.ROW_MTU_GOOD, 0);
    if (!passed(plane, id, seen)) {
      lowerMtu(plane, id, good, true);
      return true;
    }
  }
  const isFull = Math.max(seen.txSent, seen.txMax) >= segmentBytes(plane, id);
  if (profile.mtuProbing === 0 || timeouts < BLACK_HOLE || !isFull) return false;
  const mtu = rows.get(id, R.ROW_MTU);
  const base = baseOf(plane, id);
  const next = mtu > base ? base : Math.max(floorOf(plane, id), mtu >>> 1);
  // The timeout counts all the same: nobody knows what the loss was.
  if (next < mtu) lowerMtu(plane, id, next, false);
  return false;
}

/** A segment that was sent since the size was raised has been acknowledged. */
function passed(plane: Plane, id: number, seen: Inspection): boolean {
  const first = plane.rows.get(id, R.ROW_TRIAL_EDGE) + segmentBytes(plane, id);
  return !seqAfter(first >>> 0, seen.txUna);
}

/** RFC 1191, 6.3; RFC 8201, 4; RFC 4821, 7: what was lowered long ago is tried larger. */
export function raiseMtus(plane: Plane): void {
  const { rows, now, pathMtu } = plane;
  if (now < pathMtu.raiseAt) return;
  pathMtu.raiseAt = Infinity;
  for (let id = 1; id < rows.count; id += 1) {
    const changed = rows.has(id, R.ROW_IS_INSTALLED) ? rows.time(id, R.TIME_MTU_CHANGED) : 0;
    if (changed === 0) continue;
    if (changed + LIFETIME_NS <= now) raise(plane, id);
    else pathMtu.raiseAt = Math.min(pathMtu.raiseAt, changed + LIFETIME_NS);
  }
}

/** Something is taken for lost and not yet acknowledged. */
function isLosing({ rows }: Plane, id: number, seen: Inspection): boolean {
  const hasTimedOut =
    rows.get(id, R.ROW_RETRIES) > 0 && rows.get(id, R.ROW_LAST_UNA) === seen.txUna;
  return (seen.flags & FLOW_RECOVERY) !== 0 || (hasTimedOut && seen.txSent > 0);
}

function raise(plane: Plane, id: number): void {
  const { rows, routes } = plane;
  const via = routes.at(rows.get(id, R.ROW_NETIF));
  const seen = inspect(plane, id);
  if (via === undefined || seen === undefined) return;
  // RFC 4821 7.4 (PM-17): a probe has nothing lost beside it; what else it needs is what makes a
  // segment of the larger size leave at all, the data and the window.
  if (isLosing(plane, id, seen)) {
    plane.pathMtu.raiseAt = Math.min(plane.pathMtu.raiseAt, plane.now + RETRY_NS);
    return;
  }
  const mtu = rows.get(id, R.ROW_MTU);
  const most = linkMtu(plane, via);
  rows.setTime(id, R.TIME_MTU_CHANGED, 0);
  if (mtu >= most) return;
  rows.set(id, R.ROW_MTU_GOOD, mtu);
  rows.set(id, R.ROW_TRIAL_EDGE, sendNext(seen));
  rows.set(id, R.ROW_MTU, most);
  tell(plane, id, false);
}

/** An interface's MTU changed: its connections follow, down at once, up as far as is known. */
export function followInterface(plane: Plane, index: number): void {
  const { rows, routes, pathMtu, now } = plane;
  const via = routes.at(index);
  if (via === undefined) return;
  const link = linkMtu(plane, via);
  for (let id = 1; id < rows.count; id += 1) {
    if (!rows.has(id, R.ROW_IS_USED) || rows.get(id, R.ROW_NETIF) !== index) continue;
    const before = rows.get(id, R.ROW_MTU);
    const lowered = rows.time(id, R.TIME_MTU_CHANGED) !== 0 ? before : link;
    const mtu = Math.min(pathMtu.lookup(rows.address(id, R.ROW_REMOTE), link, now), lowered);
    if (mtu === before) continue;
    rows.set(id, R.ROW_MTU, mtu);
    tell(plane, id, mtu < before);
  }
}
