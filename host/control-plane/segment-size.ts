/**
 * The path MTU of live connections (RFC 1191, RFC 8201, RFC 4821): lowered by messages, by the
 * interface and by black holes, found by a search between what passes and what does not, which
 * starts over after ten minutes. Invariants: what was too big is sent again at once and is no sign
 * of congestion (PM-12); a raised size is on trial until a segment of it was acknowledged, and one
 * timeout takes it back; each trial halves the range, so that a search ends.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { FLOW_RECOVERY } from "../../bindings/abi/flow-state.ts";
import { TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { seqAfter, seqBefore } from "../../bindings/abi/seq.ts";
import { inspect, sendNext, type Inspection } from "./inspection.ts";
import { headerBytes, segmentBytes } from "./install.ts";
import { LIFETIME_NS, MTU_MIN_IPV6 } from "./path-mtu.ts";
import type { Interface } from "./route.ts";
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { linkMtu } from "./transmit.ts";

/** Timeouts in a row of a full segment that make a black hole (RFC 4821, 7.7: R1). */
const BLACK_HOLE = 3;
/** RFC 4821, 7.2: where the search begins, payload bytes. */
const BASE_BYTES = 1024;
/** RFC 4821, 7.3: a range that is no longer worth a trial. */
const CLOSE_BYTES = 32;
/** After so long a trial is looked at again, and begun where it could not be. */
const RETRY_NS = 1e9;
/** RFC 1191, 6.3: between two raises over IPv4. */
const RAISED_NS = 60e9;
/** RETRY_NS of a connection that sends nothing. */
const RETRY_IDLE_NS = 10e9;
/** RFC 4821, 7.6.3: round trips after a failed trial, for each segment of the window. */
const FAILURE_ROUNDS = 5;
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

/** The search goes on at `time`. */
function resumeAt({ rows, pathMtu }: Plane, id: number, time: number): void {
  rows.setTime(id, R.TIME_MTU_NEXT, time);
  pathMtu.raiseAt = Math.min(pathMtu.raiseAt, time);
}

function endTrial({ rows }: Plane, id: number, mtu: number): void {
  rows.set(id, R.ROW_MTU, mtu);
  rows.set(id, R.ROW_MTU_GOOD, 0);
}

/** A message lowers a connection's MTU, for ten minutes at least. */
export function lowerMtu(plane: Plane, id: number, mtu: number): void {
  const { rows, now } = plane;
  endTrial(plane, id, mtu);
  rows.set(id, R.ROW_MTU_HIGH, 0);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  resumeAt(plane, id, now + LIFETIME_NS);
  tell(plane, id, true);
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

/**
 * A connection opens: on a path known to be narrow it tries more in ten minutes, with
 * MTU_PROBING_ALWAYS it begins small and goes up.
 */
export function beginSearch(plane: Plane, id: number, via: Interface): void {
  const { rows, profile, now } = plane;
  const mtu = rows.get(id, R.ROW_MTU);
  const base = baseOf(plane, id);
  if (profile.mtuProbing >= MTU_PROBING_ALWAYS && mtu > base) {
    rows.set(id, R.ROW_MTU, base);
    resumeAt(plane, id, now + FIRST_TRIAL_NS);
  } else if (mtu < linkMtu(plane, via)) resumeAt(plane, id, now + LIFETIME_NS);
  else return;
  // Long ago: no message has to wait for that (PM-11), and 0 would say that it is the link's.
  rows.setTime(id, R.TIME_MTU_CHANGED, -LIFETIME_NS);
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
  const { rows, profile, now } = plane;
  if (rows.get(id, R.ROW_MTU_GOOD) !== 0 && judgeTrial(plane, id, seen)) return true;
  const bytes = segmentBytes(plane, id);
  const isFull = Math.max(seen.txSent, seen.txMax) >= bytes;
  if (profile.mtuProbing === 0 || timeouts < BLACK_HOLE || !isFull) return false;
  const mtu = rows.get(id, R.ROW_MTU);
  const base = baseOf(plane, id);
  const next = mtu > base ? base : Math.max(floorOf(plane, id), mtu >>> 1);
  if (next >= mtu) return false;
  // What is larger is not known to be too large (RFC 4821, 7.7): the link may have been down.
  endTrial(plane, id, next);
  rows.set(id, R.ROW_MTU_HIGH, 0);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  resumeAt(plane, id, now + failureWait(seen, bytes));
  // The timeout counts all the same: nobody knows what the loss was.
  tell(plane, id, false);
  return false;
}

/** A timeout in a trial: true when the size on trial was the reason. */
function judgeTrial(plane: Plane, id: number, seen: Inspection): boolean {
  const { rows, profile, now } = plane;
  if (passed(plane, id, seen)) return false;
  const trial = rows.get(id, R.ROW_MTU);
  const bytes = segmentBytes(plane, id);
  const edge = rows.get(id, R.ROW_TRIAL_EDGE);
  endTrial(plane, id, rows.get(id, R.ROW_MTU_GOOD));
  // RFC 4821, 7.6.4: what left before the trial is lost as well, or nothing of its size has left.
  const isConclusive =
    !seqBefore(seen.txUna, edge) && !seqAfter((edge + bytes) >>> 0, sendNext(seen));
  if (isConclusive) {
    rows.set(id, R.ROW_MTU_HIGH, profile.mtuProbing === 0 ? 0 : trial);
    rows.setTime(id, R.TIME_MTU_CHANGED, now);
  }
  // Without PLPMTUD nothing follows the one trial of RFC 1191, 6.3.
  const wait = profile.mtuProbing === 0 ? LIFETIME_NS : failureWait(seen, bytes);
  resumeAt(plane, id, now + (isConclusive ? wait : RETRY_NS));
  tell(plane, id, isConclusive);
  return isConclusive;
}

/** RFC 4821 7.6.2, 7.6.3 (PM-15): failures are rarer than losses by congestion would be. */
function failureWait(seen: Inspection, bytes: number): number {
  const wait = FAILURE_ROUNDS * Math.ceil(seen.cwnd / bytes) * seen.srtt;
  return Math.min(LIFETIME_NS, Math.max(RETRY_NS, wait));
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
    const due = rows.has(id, R.ROW_IS_INSTALLED) ? rows.time(id, R.TIME_MTU_NEXT) : 0;
    if (due === 0) continue;
    if (due <= now) search(plane, id);
    else pathMtu.raiseAt = Math.min(pathMtu.raiseAt, due);
  }
}

/** Something is taken for lost and not yet acknowledged. */
function isLosing({ rows }: Plane, id: number, seen: Inspection): boolean {
  const hasTimedOut =
    rows.get(id, R.ROW_RETRIES) > 0 && rows.get(id, R.ROW_LAST_UNA) === seen.txUna;
  return (seen.flags & FLOW_RECOVERY) !== 0 || (hasTimedOut && seen.txSent > 0);
}

/** One look at a connection that searches. */
function search(plane: Plane, id: number): void {
  const { rows, routes, now } = plane;
  const via = routes.at(rows.get(id, R.ROW_NETIF));
  const seen = inspect(plane, id);
  if (via === undefined || seen === undefined) return;
  const isTried = rows.get(id, R.ROW_MTU_GOOD) === 0 || passed(plane, id, seen);
  // RFC 4821 7.4 (PM-17): a probe has nothing lost beside it; what else it needs is what makes a
  // segment of the larger size leave at all, the data and the window.
  if (isLosing(plane, id, seen)) resumeAt(plane, id, now + RETRY_NS);
  else if (isTried) widen(plane, id, seen, linkMtu(plane, via));
  else resumeAt(plane, id, now + (seen.txSent > 0 ? RETRY_NS : RETRY_IDLE_NS));
}

/** ROW_MTU passes, search_low of RFC 4821: the next trial, or the end of the search. */
function widen(plane: Plane, id: number, seen: Inspection, most: number): void {
  const { rows, now, pathMtu } = plane;
  const mtu = rows.get(id, R.ROW_MTU);
  const high = rows.get(id, R.ROW_MTU_HIGH);
  const isRaised = rows.get(id, R.ROW_MTU_GOOD) !== 0;
  rows.set(id, R.ROW_MTU_GOOD, 0);
  if (mtu >= most) {
    rows.set(id, R.ROW_MTU_HIGH, 0);
    rows.setTime(id, R.TIME_MTU_CHANGED, 0);
    rows.setTime(id, R.TIME_MTU_NEXT, 0);
  } else if (high !== 0 && high - mtu <= CLOSE_BYTES) {
    // RFC 4821, 7.3: from the top again in ten minutes; until then others begin here.
    rows.set(id, R.ROW_MTU_HIGH, 0);
    pathMtu.lower(rows.address(id, R.ROW_REMOTE), mtu, now);
    resumeAt(plane, id, now + LIFETIME_NS);
  } else if (isRaised && !rows.has(id, R.ROW_IS_IPV6)) {
    resumeAt(plane, id, now + RAISED_NS);
  } else {
    rows.set(id, R.ROW_MTU_GOOD, mtu);
    rows.set(id, R.ROW_TRIAL_EDGE, sendNext(seen));
    rows.set(id, R.ROW_MTU, high === 0 ? most : (mtu + high) >>> 1);
    resumeAt(plane, id, now + RETRY_NS);
    tell(plane, id, false);
  }
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
    const known = rows.get(id, R.ROW_MTU_GOOD) || before;
    const lowered = rows.time(id, R.TIME_MTU_CHANGED) !== 0 ? known : link;
    const mtu = Math.min(pathMtu.lookup(rows.address(id, R.ROW_REMOTE), link, now), lowered);
    if (mtu === before) continue;
    endTrial(plane, id, mtu);
    rows.set(id, R.ROW_MTU_HIGH, 0);
    tell(plane, id, mtu < before);
  }
}
