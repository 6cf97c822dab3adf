/**
 * A row's deadlines over the one control timer that its connection has in the core's wheel
 * (day-one decision 11): the core is told of the earliest, and only when that changed.
 */
import { TIMERS_PER_CONNECTION, TimerKind } from "../../bindings/abi/timer.ts";
import type { Plane } from "./plane.ts";
import { TIME_ARMED, TIME_INTERVAL, TIME_KEEP_ALIVE, TIME_STATE, TIME_USER } from "./row-table.ts";

/** Timer index of a connection's control timer; of row 0: the control plane's own. */
export function controlTimer(id: number): number {
  return id * TIMERS_PER_CONNECTION + TimerKind.Control;
}

/** Sets one of TIME_STATE, TIME_KEEP_ALIVE, TIME_INTERVAL, TIME_USER; Infinity clears it. */
export function setDeadline(plane: Plane, id: number, field: number, at: number): void {
  const { times } = plane.rows;
  const slot = plane.rows.timeOf(id) + field;
  if (times[slot] === at) return;
  times[slot] = at;
  arm(plane, id);
}

/** Clears all of them. */
export function clearDeadlines(plane: Plane, id: number): void {
  setOnlyDeadline(plane, id, Infinity);
}

/** Clears all of them but TIME_STATE, which is set. */
export function setOnlyDeadline(plane: Plane, id: number, at: number): void {
  const { times } = plane.rows;
  const row = plane.rows.timeOf(id);
  times[row + TIME_STATE] = at;
  times[row + TIME_KEEP_ALIVE] = Infinity;
  times[row + TIME_INTERVAL] = Infinity;
  times[row + TIME_USER] = Infinity;
  arm(plane, id);
}

/** The core's timer went off: it is no longer armed. */
export function timerFired(plane: Plane, id: number): void {
  plane.rows.setTime(id, TIME_ARMED, Infinity);
}

/** Tells the core of the earliest deadline. */
export function arm(plane: Plane, id: number): void {
  const { core } = plane;
  // No calls of the table's: what they give and take would be boxed.
  const { times } = plane.rows;
  const row = plane.rows.timeOf(id);
  const earliest = Math.min(
    times[row + TIME_STATE] as number,
    times[row + TIME_KEEP_ALIVE] as number,
    times[row + TIME_INTERVAL] as number,
    times[row + TIME_USER] as number,
  );
  if (earliest === times[row + TIME_ARMED]) return;
  times[row + TIME_ARMED] = earliest;
  if (earliest === Infinity) core.exports.cancelTimer(core.address, controlTimer(id));
  else core.exports.armTimer(core.address, controlTimer(id), earliest);
}
