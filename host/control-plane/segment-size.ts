/**
 * The path MTU of live connections (RFC 1191, RFC 8201, RFC 4821): lowered by messages, by the
 * interface and by black holes, found by a search between what passes and what does not, which
 * starts over after ten minutes. Invariants: what was too big is sent again at once and is no sign
 * of congestion (PM-12); a larger size is tried with one segment, which the data path sends when it
 * may, and is the connection's when that has arrived; each trial halves the range, so that a search
 * ends.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { SizeProbe } from "../../bindings/abi/flow-state.ts";
import { TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { MSS_MIN } from "../../bindings/abi/limits.ts";
import { inspect, type Inspection } from "./inspection.ts";
import { headerBytes, segmentBytes, segmentBytesAt } from "./install.ts";
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
/** Looks are so far apart, and more. */
const LOOK_NS = 0.1e9;
/** After so long a trial is looked at again, and begun where it could not be. */
const RETRY_NS = 1e9;
/** RFC 1191, 6.3: between two raises over IPv4. */
const RAISED_NS = 60e9;
/** So much longer a trial may wait for enough to send; then the connection goes without one. */
const ARMED_NS = 10e9;
/** How long it goes without: header prediction, which a trial that waits stops, is on again. */
const REST_NS = 60e9;
/** RFC 4821, 7.6.3: round trips after a failed trial, for each segment of the window. */
const FAILURE_ROUNDS = 5;
/** MTU_PROBING_ALWAYS: the first trial of a larger size. */
const FIRST_TRIAL_NS = 1e9;

/** Of Profile.mtuProbing, as Linux's tcp_mtu_probing. */
export const MTU_PROBING_ALWAYS = 2;

/** Tells the data path; nothing is on trial any longer. */
function tell(plane: Plane, id: number, trial: number = 0): void {
  const { rows, commands } = plane;
  if (!rows.has(id, R.ROW_IS_INSTALLED)) return;
  const generation = rows.get(id, R.ROW_GENERATION);
  const probe = trial === 0 ? 0 : segmentBytesAt(plane, id, trial);
  commands.push(id, generation, AtxOpcode.SetMss, segmentBytes(plane, id), probe);
}

/** The same when segments in flight are too big now. */
function tellAgain(plane: Plane, id: number): void {
  const { rows, commands } = plane;
  tell(plane, id);
  if (!rows.has(id, R.ROW_IS_INSTALLED)) return;
  // Lost, and again at once, without a cut of the window (RFC 1191, 6.4).
  commands.push(id, rows.get(id, R.ROW_GENERATION), AtxOpcode.Retransmit, 0);
}

/** The search goes on at `at`, with those of other connections: a look walks over all rows. */
function resumeAt({ rows, pathMtu }: Plane, id: number, at: number): void {
  const time = Math.ceil(at / LOOK_NS) * LOOK_NS;
  rows.setTime(id, R.TIME_MTU_NEXT, time);
  pathMtu.raiseAt = Math.min(pathMtu.raiseAt, time);
}

/** Of a search: what is on trial, 0 = nothing, and search_high and one more, 0 = the link's. */
function setRange({ rows }: Plane, id: number, trial: number, high: number): void {
  rows.set(id, R.ROW_MTU_SEARCH, ((high << R.SEARCH_HIGH_SHIFT) | trial) >>> 0);
}

function trialOf({ rows }: Plane, id: number): number {
  return rows.get(id, R.ROW_MTU_SEARCH) & R.SEARCH_TRIAL;
}

function highOf({ rows }: Plane, id: number): number {
  return rows.get(id, R.ROW_MTU_SEARCH) >>> R.SEARCH_HIGH_SHIFT;
}

/** Whatever is known of what passes and what does not is so no longer. */
function restartAt(plane: Plane, id: number, mtu: number): void {
  plane.rows.set(id, R.ROW_MTU, mtu);
  setRange(plane, id, 0, 0);
}

/** A message lowers a connection's MTU, for ten minutes at least. */
export function lowerMtu(plane: Plane, id: number, mtu: number): void {
  const { rows, now } = plane;
  restartAt(plane, id, mtu);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  resumeAt(plane, id, now + LIFETIME_NS);
  tellAgain(plane, id);
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
  const startsSmall = profile.mtuProbing >= MTU_PROBING_ALWAYS && mtu > baseOf(plane, id);
  if (startsSmall) rows.set(id, R.ROW_MTU, baseOf(plane, id));
  else if (mtu >= linkMtu(plane, via)) return;
  resumeAt(plane, id, now + (startsSmall ? FIRST_TRIAL_NS : LIFETIME_NS));
  // Long ago: no message has to wait for that (PM-11), and 0 would say that it is the link's.
  rows.setTime(id, R.TIME_MTU_CHANGED, -LIFETIME_NS);
}

/** The retransmission timer went off for the `timeouts`-th time in a row. */
export function judgeTimeout(plane: Plane, id: number, seen: Inspection, timeouts: number): void {
  const { rows, profile, now } = plane;
  notePassed(plane, id, seen);
  const bytes = segmentBytes(plane, id);
  const isFull = Math.max(seen.txSent, seen.txMax) >= bytes;
  if (profile.mtuProbing === 0 || timeouts < BLACK_HOLE || !isFull) return;
  const mtu = rows.get(id, R.ROW_MTU);
  const base = baseOf(plane, id);
  const next = mtu > base ? base : Math.max(floorOf(plane, id), mtu >>> 1);
  if (next >= mtu) return;
  // What is larger is not known to be too large (RFC 4821, 7.7): the link may have been down. The
  // timeout counts all the same.
  restartAt(plane, id, next);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  resumeAt(plane, id, now + failureWait(seen, bytes));
  tell(plane, id);
}

/** RFC 4821 7.6.2, 7.6.3 (PM-15): failures are rarer than losses by congestion would be. */
function failureWait(seen: Inspection, bytes: number): number {
  const wait = FAILURE_ROUNDS * Math.ceil(seen.cwnd / bytes) * seen.srtt;
  return Math.min(LIFETIME_NS, Math.max(RETRY_NS, wait));
}

/** RFC 4821, 7.6.1: true when the data path sends what was on trial. */
export function notePassed(plane: Plane, id: number, seen: Inspection): boolean {
  const trial = trialOf(plane, id);
  if (trial === 0 || seen.mss <= segmentBytes(plane, id)) return false;
  plane.rows.set(id, R.ROW_MTU, trial);
  setRange(plane, id, 0, highOf(plane, id));
  return true;
}

/** RFC 4821, 7.6.2 and 7.6.3: too large, and nothing is tried for a while. */
function noteFailure(plane: Plane, id: number, seen: Inspection): void {
  const { rows, profile, now } = plane;
  // Without PLPMTUD nothing follows the one trial of RFC 1191, 6.3.
  const isSearched = profile.mtuProbing !== 0;
  setRange(plane, id, 0, isSearched ? trialOf(plane, id) : 0);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  resumeAt(plane, id, now + (isSearched ? failureWait(seen, seen.mss) : LIFETIME_NS));
  tell(plane, id);
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

/** One look at a connection that searches. */
function search(plane: Plane, id: number): void {
  const { rows, routes, now } = plane;
  const via = routes.at(rows.get(id, R.ROW_NETIF));
  const seen = inspect(plane, id);
  if (via === undefined || seen === undefined) return;
  const hasPassed = notePassed(plane, id, seen);
  const probe = trialOf(plane, id) === 0 ? SizeProbe.None : seen.sizeProbe;
  if (probe === SizeProbe.Failed) noteFailure(plane, id, seen);
  // RFC 4821 7.4 (PM-17): one probe at a time; when it may leave is the data path's to say.
  else if (probe === SizeProbe.Armed) awaitData(plane, id);
  else if (probe === SizeProbe.Sent) resumeAt(plane, id, now + RETRY_NS);
  else widen(plane, id, hasPassed, linkMtu(plane, via));
}

/** A trial had nothing to leave with: it waits once more, and then rests for a while. */
function awaitData(plane: Plane, id: number): void {
  const { rows, now } = plane;
  const rests = rows.has(id, R.ROW_HAS_WAITED);
  if (rests) tell(plane, id);
  else rows.raise(id, R.ROW_HAS_WAITED);
  resumeAt(plane, id, now + (rests ? REST_NS : ARMED_NS));
}

/** ROW_MTU passes, search_low of RFC 4821: the next trial, or the end of the search. */
function widen(plane: Plane, id: number, isRaised: boolean, most: number): void {
  const { rows, now, pathMtu } = plane;
  const mtu = rows.get(id, R.ROW_MTU);
  const high = highOf(plane, id);
  // The link's MTU may have fallen below what is known to be too large.
  const middle = high === 0 ? most : (mtu + high) >>> 1;
  const trial = Math.min(middle, most, R.SEARCH_TRIAL);
  setRange(plane, id, 0, high);
  rows.lower(id, R.ROW_HAS_WAITED);
  if (mtu >= most) {
    setRange(plane, id, 0, 0);
    rows.setTime(id, R.TIME_MTU_CHANGED, 0);
    rows.setTime(id, R.TIME_MTU_NEXT, 0);
  } else if (high !== 0 && high - mtu <= CLOSE_BYTES) {
    // RFC 4821, 7.3: from the top again in ten minutes; until then others begin here.
    setRange(plane, id, 0, 0);
    pathMtu.lower(rows.address(id, R.ROW_REMOTE), mtu, now);
    resumeAt(plane, id, now + LIFETIME_NS);
  } else if (isRaised && !rows.has(id, R.ROW_IS_IPV6)) {
    resumeAt(plane, id, now + RAISED_NS);
  } else if (segmentBytesAt(plane, id, trial) <= segmentBytes(plane, id)) {
    // PM-13: the peer takes no more, nor does the application.
    resumeAt(plane, id, now + LIFETIME_NS);
  } else {
    setRange(plane, id, trial, high);
    resumeAt(plane, id, now + RETRY_NS);
    tell(plane, id, trial);
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
    const lowered = rows.time(id, R.TIME_MTU_CHANGED) !== 0 ? before : link;
    const mtu = Math.min(pathMtu.lookup(rows.address(id, R.ROW_REMOTE), link, now), lowered);
    // What is on trial, or has passed unseen, may be too large for the interface now.
    if (mtu === before && trialOf(plane, id) <= link) continue;
    restartAt(plane, id, mtu);
    if (mtu < before) tellAgain(plane, id);
    else tell(plane, id);
  }
}
