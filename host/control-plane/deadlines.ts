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
  const { rows } = plane;
  if (rows.time(id, field) === at) return;
  rows.setTime(id, field, at);
  arm(plane, id);
}

/** Clears all of them. */
export function clearDeadlines(plane: Plane, id: number): void {
  setOnlyDeadline(plane, id, Infinity);
}

/** Clears all of them but TIME_STATE, which is set. */
export function setOnlyDeadline(plane: Plane, id: number, at: number): void {
  const { rows } = plane;
  rows.setTime(id, TIME_STATE, at);
  rows.setTime(id, TIME_KEEP_ALIVE, Infinity);
  rows.setTime(id, TIME_INTERVAL, Infinity);
  rows.setTime(id, TIME_USER, Infinity);
  arm(plane, id);
}

/** The core's timer went off: it is no longer armed. */
export function timerFired(plane: Plane, id: number): void {
  plane.rows.setTime(id, TIME_ARMED, Infinity);
}

/** Tells the core of the earliest deadline. */
export function arm(plane: Plane, id: number): void {
  const { rows, core } = plane;
  const earliest = Math.min(
    rows.time(id, TIME_STATE),
    rows.time(id, TIME_KEEP_ALIVE),
    rows.time(id, TIME_INTERVAL),
    rows.time(id, TIME_USER),
  );
  if (earliest === rows.time(id, TIME_ARMED)) return;
  rows.setTime(id, TIME_ARMED, earliest);
  if (earliest === Infinity) core.exports.cancelTimer(core.address, controlTimer(id));
  else core.exports.armTimer(core.address, controlTimer(id), earliest);
}
