/**
 * What a retransmission timeout means (RFC 6298, 5; RFC 9293, 3.8.3, 3.8.6.1). The data path keeps
 * the estimator and doubles the timer; here is decided whether to go on: R1 warns, R2 or the user
 * timeout ends the connection, and a peer that answers probes is never given up (MUST-37).
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { TIMERS_PER_CONNECTION, TimerKind } from "../../bindings/abi/timer.ts";
import { ERRNO } from "../errors.ts";
import { setDeadline } from "./deadlines.ts";
import { suspectNextHop } from "./link-address.ts";
import { inspect, type Inspection } from "./inspection.ts";
import type { Plane } from "./plane.ts";
import { noteTimeout } from "./rate-control.ts";
import * as R from "./row-table.ts";
import { judgeTimeout } from "./segment-size.ts";
import { dropConnection } from "./teardown.ts";
import { patienceOf } from "./user-timeout.ts";

/** RFC 9293 SHLD-10: retransmissions before the application is told. */
export const R1 = 3;
/** Retransmissions without an answer before the next hop is asked whether it is there. */
const SUSPICIOUS = 2;
/** When even the overflow of the command ring is full, the timer is tried again after this. */
const AGAIN_NS = 1e6;

/** Starts the clock over when something was acknowledged since the last timeout. */
function noteProgress(plane: Plane, id: number, seen: Inspection): void {
  const { rows, now } = plane;
  const since = rows.time(id, R.TIME_STALLED);
  if (since !== 0 && rows.get(id, R.ROW_LAST_UNA) === seen.txUna) return;
  rows.set(id, R.ROW_LAST_UNA, seen.txUna);
  rows.set(id, R.ROW_RETRIES, 0);
  rows.lower(id, R.ROW_WARNED);
  const start = Math.max(1, now - seen.rto);
  rows.setTime(id, R.TIME_STALLED, start);
  const chosen = rows.time(id, R.TIME_USER_TIMEOUT);
  if (chosen > 0) setDeadline(plane, id, R.TIME_USER, Math.max(now, start + chosen));
}

function warn(plane: Plane, id: number): void {
  const { rows } = plane;
  if (rows.get(id, R.ROW_RETRIES) < R1 || rows.has(id, R.ROW_WARNED)) return;
  rows.raise(id, R.ROW_WARNED);
  // RFC 9293 SHLD-9, MUST-47: excessive retransmission is reported, and is not the end.
  if (!rows.has(id, R.ROW_IS_RELEASED)) plane.events.softError(id, ERRNO.ETIMEDOUT);
}

function giveUp(plane: Plane, id: number): void {
  const soft = plane.rows.get(id, R.ROW_SOFT_ERROR);
  dropConnection(plane, id, soft === 0 ? ERRNO.ETIMEDOUT : soft, false);
}

/** The retransmission timer, or with `persist` the persist timer, of a connection went off. */
export function retransmissionTimeout(plane: Plane, id: number, persist: boolean): void {
  const { rows, core, now } = plane;
  const seen = inspect(plane, id);
  if (seen === undefined) return;
  noteProgress(plane, id, seen);
  // RFC 9293 MUST-37: as long as the peer answers, a closed window is no failure. The clock runs
  // from the first probe without an answer, however far apart probes are.
  // An orphan has nobody who could end it: its clock runs on (RFC 6429, 4; threats R05).
  const isOrphan = rows.has(id, R.ROW_IS_ORPHAN);
  if (persist && !isOrphan && seen.lastReceive >= rows.time(id, R.TIME_SENT)) {
    rows.setTime(id, R.TIME_STALLED, now);
    rows.set(id, R.ROW_RETRIES, 0);
  }
  if (now - rows.time(id, R.TIME_STALLED) >= patienceOf(plane, id, seen.rto)) {
    giveUp(plane, id);
    return;
  }
  const generation = rows.get(id, R.ROW_GENERATION);
  rows.set(id, R.ROW_RETRIES, rows.get(id, R.ROW_RETRIES) + 1);
  rows.setTime(id, R.TIME_SENT, now);
  if (!persist) judgeTimeout(plane, id, seen, rows.get(id, R.ROW_RETRIES));
  noteTimeout(plane, id);
  const sent = persist
    ? plane.commands.push(id, generation, AtxOpcode.Probe, plane.profile.probeData ? 0 : 1)
    : plane.commands.push(id, generation, AtxOpcode.Retransmit, 1);
  if (!sent) {
    const timer = id * TIMERS_PER_CONNECTION + TimerKind.Retransmit;
    core.exports.armTimer(core.address, timer, now + AGAIN_NS);
  }
  if (persist) return;
  warn(plane, id);
  // RFC 1122, 3.3.1.4: advice that the next hop may be dead.
  if (rows.get(id, R.ROW_RETRIES) >= SUSPICIOUS) suspectNextHop(plane, id);
}

/** The user timeout passed: over, unless something was acknowledged meanwhile. */
export function userTimeoutPassed(plane: Plane, id: number): void {
  const { rows, now } = plane;
  const seen = inspect(plane, id);
  if (seen === undefined) return;
  const isStalled = seen.txUna === rows.get(id, R.ROW_LAST_UNA) && seen.txSent > 0;
  if (!isStalled) return;
  const since = rows.time(id, R.TIME_STALLED);
  const chosen = rows.time(id, R.TIME_USER_TIMEOUT);
  if (now - since >= chosen) giveUp(plane, id);
  else setDeadline(plane, id, R.TIME_USER, since + chosen);
}
