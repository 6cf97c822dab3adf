/**
 * Keep-alive (RFC 9293, 3.8.4; MUST-24 to MUST-29): off unless asked for, sent only when nothing
 * is outstanding and nothing was received for the idle time; only a row of unanswered probes ends
 * a connection.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { ERRNO } from "../errors.ts";
import { setDeadline } from "./deadlines.ts";
import { inspect } from "./inspection.ts";
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { dropConnection } from "./teardown.ts";
import { keepAliveIdle } from "./user-timeout.ts";

/** Starts or stops the timer after the connection opened or its options changed. */
export function restartKeepAlive(plane: Plane, id: number): void {
  const { rows } = plane;
  const isOn = (rows.get(id, R.ROW_OPTIONS) & R.OPTION_KEEP_ALIVE) !== 0;
  rows.set(id, R.ROW_KEEP_PROBES, 0);
  const at = isOn ? plane.now + keepAliveIdle(plane, id) : Infinity;
  if (at === rows.time(id, R.TIME_KEEP_ALIVE)) return;
  setDeadline(plane, id, R.TIME_KEEP_ALIVE, at);
}

/** The timer went off: probe, wait on, or give up. */
export function keepAlivePassed(plane: Plane, id: number): void {
  const { rows, commands, now } = plane;
  const seen = inspect(plane, id);
  if (seen === undefined) return;
  const idle = keepAliveIdle(plane, id);
  const quiet = now - seen.lastReceive;
  // RFC 9293 MUST-26: data in flight has its own timer.
  if (quiet < idle || seen.txSent > 0) {
    rows.set(id, R.ROW_KEEP_PROBES, 0);
    setDeadline(plane, id, R.TIME_KEEP_ALIVE, now + (quiet < idle ? idle - quiet : idle));
    return;
  }
  const probes = rows.get(id, R.ROW_KEEP_PROBES);
  if (probes >= rows.get(id, R.ROW_KEEP_COUNT)) {
    dropConnection(plane, id, ERRNO.ETIMEDOUT, true);
    return;
  }
  rows.set(id, R.ROW_KEEP_PROBES, probes + 1);
  commands.push(id, rows.get(id, R.ROW_GENERATION), AtxOpcode.KeepAlive);
  setDeadline(plane, id, R.TIME_KEEP_ALIVE, now + rows.time(id, R.TIME_KEEP_INTERVAL));
}
