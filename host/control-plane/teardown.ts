/**
 * How connections end (RFC 9293, 3.6, 3.10.4, 3.10.5): FIN in both directions, TIME-WAIT, resets,
 * aborts, orphans. Invariants: a connection that libTOE knows gets closed() once, unless libTOE let
 * go first; its row, and with an orderly end also its buffers, stay until release() or abort().
 */
import { Counter } from "../../bindings/abi/counters.ts";
import { FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { seqAfter, seqBefore } from "../../bindings/abi/seq.ts";
import { TCP_ACK_FLAG, TCP_FIN, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { ERRNO } from "../errors.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { arm, clearDeadlines, setDeadline, setOnlyDeadline, timerFired } from "./deadlines.ts";
import { inspect, sendNext } from "./inspection.ts";
import { bindRow, uninstallRow, unbindRow } from "./install.ts";
import { change, countDrop, countEvent, stateOf, type Plane } from "./plane.ts";
import * as R from "./row-table.ts";
import { isAcceptable } from "./sequence-check.ts";
import { sendAcknowledgment } from "./transmit.ts";

/**
 * A fresh row; the oldest TIME-WAIT makes room when there is none, `kept` after all others. 0 when
 * all are in use.
 *
 * What keeps old duplicates out of the tuple's next incarnation, which may come at once:
 * - with timestamps their clock, whose offset is the tuple's (RFC 7323, 7.1): PAWS drops what is
 *   older than the new handshake, at either end;
 * - without them our ISN, beyond every number that is forgotten here (outrun());
 * - the peer's numbers are the peer's to choose so: it has its own TIME-WAIT, or an ISN by a clock.
 * An old SYN opens no more than it would in LISTEN: the peer's RST ends it.
 */
export function allocateRow(plane: Plane, kept = 0): number {
  const { rows, timeWait } = plane;
  const id = rows.allocate();
  if (id !== 0) return id;
  const { first } = timeWait;
  if (first === 0) return 0;
  const oldest = first === kept && timeWait.length > 1 ? rows.get(first, R.ROW_NEXT) : first;
  if (!rows.has(oldest, R.ROW_HAS_TIMESTAMPS)) outrun(plane, oldest);
  timeWaitExpired(plane, oldest);
  return rows.allocate();
}

// RFC 6528's clock does 250 kB a second: a connection may have been faster.
function outrun({ rows, sequence, now }: Plane, id: number): void {
  const ports = ((rows.get(id, R.ROW_LOCAL_PORT) << 16) | rows.get(id, R.ROW_REMOTE_PORT)) >>> 0;
  const [local, remote] = [rows.address(id, R.ROW_LOCAL), rows.address(id, R.ROW_REMOTE)];
  sequence.outrun(local, remote, ports, now, rows.get(id, R.ROW_SND_NXT));
}

/** A row leaves its listener's count of half-open connections. */
export function leaveSynQueue(plane: Plane, id: number): void {
  const { rows } = plane;
  if (!rows.has(id, R.ROW_IS_PASSIVE)) return;
  const listener = plane.listeners.get(rows.get(id, R.ROW_LISTENER));
  if (listener !== undefined) plane.listeners.leave(listener);
}

// Everything outside the row that knows it, buffers included.
function detach(plane: Plane, id: number): void {
  const { rows } = plane;
  clearDeadlines(plane, id);
  leaveOrphans(plane, id);
  uninstallRow(plane, id);
  unbindRow(plane, id);
  if (!rows.has(id, R.ROW_IS_LISTED)) return;
  plane.timeWait.remove(id);
  rows.lower(id, R.ROW_IS_LISTED);
}

/** Frees a row that nobody holds and that has nothing left to send. */
export function freeRow(plane: Plane, id: number): void {
  const { rows } = plane;
  if ((rows.get(id, R.ROW_OUTBOX) & R.OUTBOX_RESET) !== 0) return;
  if (rows.has(id, R.ROW_IS_RELEASED)) rows.release(id);
}

function report(plane: Plane, id: number, error: number): void {
  if (plane.rows.has(id, R.ROW_IS_REPORTED)) return;
  plane.rows.raise(id, R.ROW_IS_REPORTED);
  plane.events.closed(id, error);
}

/** The row reached CLOSED (or went back to LISTEN): nothing of it stays in the data path. */
export function settle(plane: Plane, id: number, error: number): void {
  const { rows } = plane;
  const generation = rows.get(id, R.ROW_GENERATION);
  // Told first: within closed() what has arrived can still be read.
  if (!rows.has(id, R.ROW_IS_RELEASED)) report(plane, id, error);
  // The callback may have released the row, and even opened another connection in it.
  if (!rows.isUsed(id) || rows.get(id, R.ROW_GENERATION) !== generation) return;
  detach(plane, id);
  comeBack(plane, id);
  freeRow(plane, id);
}

/**
 * RFC 9293 MAY-2: while a SYN that reopens TIME-WAIT is half open in the row `id`, the row `old`
 * lends it the 4-tuple; its numbers and its deadline stay, and so does its place among those that
 * give way, so that a flood of such SYNs keeps no row from anybody. `generation` is the old row's
 * before `id` was allocated, which may have cost it its row.
 */
export function stepAside(plane: Plane, id: number, old: number, generation: number): void {
  const { rows } = plane;
  rows.raise(id, R.ROW_IS_SUCCESSOR);
  rows.set(id, R.ROW_PREDECESSOR, old);
  rows.set(id, R.ROW_PREDECESSOR_GENERATION, generation);
  if (!isPredecessor(plane, id)) return;
  unbindRow(plane, old);
  // The core has cancelled its timer with the tuple.
  timerFired(plane, old);
  arm(plane, old);
}

// Not when its 2 MSL are over or its row was needed.
function isPredecessor({ rows }: Plane, id: number): boolean {
  if (!rows.has(id, R.ROW_IS_SUCCESSOR)) return false;
  const old = rows.get(id, R.ROW_PREDECESSOR);
  return (
    rows.isUsed(old) &&
    rows.get(old, R.ROW_GENERATION) === rows.get(id, R.ROW_PREDECESSOR_GENERATION)
  );
}

/** RFC 9293 MAY-2: the SYN came to nothing, as an old duplicate's does; TIME-WAIT goes on. */
export function comeBack(plane: Plane, id: number): void {
  if (isPredecessor(plane, id)) bindRow(plane, plane.rows.get(id, R.ROW_PREDECESSOR));
  plane.rows.lower(id, R.ROW_IS_SUCCESSOR);
}

/** The SYN was a new one: the connection is ESTABLISHED, and TIME-WAIT over. */
export function replacePredecessor(plane: Plane, id: number): void {
  if (isPredecessor(plane, id)) timeWaitExpired(plane, plane.rows.get(id, R.ROW_PREDECESSOR));
  plane.rows.lower(id, R.ROW_IS_SUCCESSOR);
}

/** In TIME-WAIT, with its 4-tuple lent to a half-open connection. */
export function hasSteppedAside({ rows }: Plane, id: number): boolean {
  return rows.has(id, R.ROW_IS_LISTED) && !rows.has(id, R.ROW_IS_BOUND);
}

// The application may still read what has arrived: buffers stay until release().
function closeInOrder(plane: Plane, id: number): void {
  if (plane.rows.has(id, R.ROW_IS_RELEASED)) {
    settle(plane, id, 0);
    return;
  }
  clearDeadlines(plane, id);
  report(plane, id, 0);
}

// Copies what later segments need, then gives the buffers back.
function capture(plane: Plane, id: number): void {
  const { rows } = plane;
  const seen = inspect(plane, id);
  if (seen === undefined) return;
  rows.set(id, R.ROW_SND_NXT, sendNext(seen));
  rows.set(id, R.ROW_RCV_NXT, seen.rxNextSeq);
  rows.set(id, R.ROW_ANNOUNCED, seen.rxWindow);
  rows.set(id, R.ROW_TS_RECENT, seen.tsRecent);
}

function surrender(plane: Plane, id: number): void {
  capture(plane, id);
  leaveOrphans(plane, id);
  uninstallRow(plane, id);
  plane.timeWait.append(id);
  plane.rows.raise(id, R.ROW_IS_LISTED);
}

function enterTimeWait(plane: Plane, id: number): void {
  // RFC 9293 MUST-13.
  setOnlyDeadline(plane, id, plane.now + plane.profile.timeWait);
  if (plane.rows.has(id, R.ROW_IS_RELEASED)) surrender(plane, id);
  else report(plane, id, 0);
}

function entered(plane: Plane, id: number): void {
  switch (stateOf(plane, id)) {
    case ConnectionState.TimeWait:
      enterTimeWait(plane, id);
      return;
    case ConnectionState.FinWait2:
      watchOrphan(plane, id);
      return;
    case ConnectionState.Closed:
      closeInOrder(plane, id);
      return;
    default:
  }
}

// RFC 9293 lets FIN-WAIT-2 last for ever; an orphan's is bounded (threats R11).
function watchOrphan(plane: Plane, id: number): void {
  const { rows, now } = plane;
  if (!rows.has(id, R.ROW_IS_RELEASED)) return;
  setDeadline(plane, id, R.TIME_STATE, now + rows.time(id, R.TIME_LINGER2));
}

/** The data path reached the peer's FIN. */
export function finReceived(plane: Plane, id: number): void {
  if (change(plane, id, ConnectionEvent.ReceiveFin)) entered(plane, id);
}

/** Our FIN was acknowledged. */
export function finAcknowledged(plane: Plane, id: number): void {
  if (change(plane, id, ConnectionEvent.ReceiveAckOfFin)) entered(plane, id);
}

/** The application ended its sending side. */
export function closeSending(plane: Plane, id: number): void {
  const state = stateOf(plane, id);
  if (state === ConnectionState.SynSent || state === ConnectionState.SynReceived) {
    // RFC 9293, 3.10.4: queued until ESTABLISHED.
    plane.rows.raise(id, R.ROW_WANTS_CLOSE);
    return;
  }
  change(plane, id, ConnectionEvent.Close);
}

/** A valid RST for an installed connection. */
export function resetReceived(plane: Plane, id: number): void {
  const state = stateOf(plane, id);
  // RFC 1337, 3 (F1).
  if (state === ConnectionState.TimeWait && plane.limits.ignoreResetInTimeWait) return;
  if (change(plane, id, ConnectionEvent.ReceiveReset)) settle(plane, id, ERRNO.ECONNRESET);
}

function owesReset(state: ConnectionState): boolean {
  switch (state) {
    case ConnectionState.SynReceived:
    case ConnectionState.Established:
    case ConnectionState.FinWait1:
    case ConnectionState.FinWait2:
    case ConnectionState.CloseWait:
      return true;
    default:
      return false;
  }
}

/** Puts a segment of a row into the outbox: it leaves with the next flush. */
export function post(plane: Plane, id: number, what: number): void {
  const before = plane.rows.get(id, R.ROW_OUTBOX);
  plane.rows.set(id, R.ROW_OUTBOX, before | what);
  if (before === 0) plane.outbox.push(id);
  plane.attention.due = true;
}

// RFC 9293, 3.10.5: a reset where the peer has a connection, then everything is gone.
function leave(plane: Plane, id: number, event: ConnectionEvent, reset: boolean): void {
  const { rows } = plane;
  const state = stateOf(plane, id);
  if (state === ConnectionState.SynReceived) leaveSynQueue(plane, id);
  if (!change(plane, id, event)) return;
  if (reset && owesReset(state)) {
    capture(plane, id);
    rows.set(id, R.ROW_OUTBOX, 0);
    post(plane, id, R.OUTBOX_RESET);
  } else {
    rows.set(id, R.ROW_OUTBOX, 0);
  }
}

/** What an application that could still be told would hear of late data. */
const LATE_DATA_ERROR = ERRNO.ECONNRESET;

/** We end a connection: keep-alive, R2. */
export function dropConnection(plane: Plane, id: number, error: number, reset: boolean): void {
  const isOver = stateOf(plane, id) === ConnectionState.TimeWait;
  const event = reset || isOver ? ConnectionEvent.Abort : ConnectionEvent.UserTimeout;
  leave(plane, id, event, reset);
  settle(plane, id, error);
}

/**
 * RFC 9293 SHLD-3: data for an application that has closed. Its ACK number is our una by now: a
 * reset there is what a peer takes at once that has not had our FIN (RFC 5961, 3.2); one with
 * SND.NXT it would question first.
 */
export function refuseData(plane: Plane, id: number): void {
  const { rows, profile } = plane;
  const una = profile.refusesLateData ? inspect(plane, id)?.txUna : undefined;
  leave(plane, id, ConnectionEvent.Abort, true);
  if (una !== undefined && rows.get(id, R.ROW_OUTBOX) === R.OUTBOX_RESET) {
    rows.set(id, R.ROW_SND_NXT, una);
    rows.set(id, R.ROW_OUTBOX, R.OUTBOX_REFUSAL);
  }
  settle(plane, id, LATE_DATA_ERROR);
}

/** The data path is gone (threats W7), and nobody can tell the peer. */
export function loseConnection(plane: Plane, id: number): void {
  const error = ERRNO.ECONNRESET;
  leave(plane, id, ConnectionEvent.Abort, false);
  settle(plane, id, error);
}

/** The application aborts: RST, and nothing of the row stays. */
export function abortRow(plane: Plane, id: number): void {
  const { rows } = plane;
  leaveAcceptQueue(plane, id);
  rows.raise(id, R.ROW_IS_RELEASED);
  leave(plane, id, ConnectionEvent.Abort, true);
  settle(plane, id, 0);
}

// Threats R05: peers that neither take the rest nor go away would fill the table. The oldest has
// had the longest time; its peer learns of it by a RST.
function joinOrphans(plane: Plane, id: number): void {
  const { rows, orphans, limits } = plane;
  const most = limits.orphans > 0 ? limits.orphans : Math.max(1, (rows.count - 1) >> 1);
  if (orphans.length >= most) {
    countEvent(plane.core, Counter.OrphansReset);
    dropConnection(plane, orphans.first, ERRNO.ECONNRESET, true);
  }
  orphans.append(id);
  rows.raise(id, R.ROW_IS_ORPHAN);
}

function leaveOrphans({ rows, orphans }: Plane, id: number): void {
  if (!rows.has(id, R.ROW_IS_ORPHAN)) return;
  orphans.remove(id);
  rows.lower(id, R.ROW_IS_ORPHAN);
}

function leaveAcceptQueue(plane: Plane, id: number): void {
  const { rows } = plane;
  if (!rows.has(id, R.ROW_IS_ACCEPTABLE)) return;
  rows.lower(id, R.ROW_IS_ACCEPTABLE);
  plane.listeners.get(rows.get(id, R.ROW_LISTENER))?.accepts.remove(id);
}

/** The application let go: an orphan goes on by itself, a connection without FIN is aborted. */
export function releaseRow(plane: Plane, id: number): void {
  const { rows } = plane;
  if (rows.has(id, R.ROW_IS_RELEASED)) return;
  leaveAcceptQueue(plane, id);
  const state = stateOf(plane, id);
  const resets = (rows.get(id, R.ROW_OPTIONS) & R.OPTION_LINGER_RESET) !== 0;
  switch (state) {
    case ConnectionState.Closed:
    case ConnectionState.Listen:
      rows.raise(id, R.ROW_IS_RELEASED);
      settle(plane, id, 0);
      return;
    case ConnectionState.SynSent:
      rows.raise(id, R.ROW_IS_RELEASED);
      rows.set(id, R.ROW_OUTBOX, 0);
      change(plane, id, ConnectionEvent.Close);
      settle(plane, id, 0);
      return;
    case ConnectionState.TimeWait:
      rows.raise(id, R.ROW_IS_RELEASED);
      surrender(plane, id);
      return;
    case ConnectionState.FinWait1:
    case ConnectionState.FinWait2:
    case ConnectionState.Closing:
    case ConnectionState.LastAck:
      if (resets) break;
      rows.raise(id, R.ROW_IS_RELEASED);
      joinOrphans(plane, id);
      if (state === ConnectionState.FinWait2) watchOrphan(plane, id);
      return;
    default:
  }
  abortRow(plane, id);
}

/** 2 MSL are over, or the row is needed. */
export function timeWaitExpired(plane: Plane, id: number): void {
  if (change(plane, id, ConnectionEvent.TimeWaitExpired)) closeInOrder(plane, id);
}

/** An orphan waited in FIN-WAIT-2 for long enough. */
export function orphanExpired(plane: Plane, id: number): void {
  if (change(plane, id, ConnectionEvent.UserTimeout)) settle(plane, id, ERRNO.ETIMEDOUT);
}

/**
 * RFC 6191, 2 (RFC 9293 SHLD-4): may this SYN start a new incarnation? The reference is the
 * sequence number of the peer's FIN. `offers` = our SYN-ACK would carry timestamps: always when
 * the SYN does, if the data path has them.
 */
export function mayReopen(plane: Plane, id: number): boolean {
  const { rows, segment } = plane;
  const fin = (rows.get(id, R.ROW_RCV_NXT) - 1) >>> 0;
  const isBeyond = seqAfter(segment.seq, fin);
  const had = rows.has(id, R.ROW_HAS_TIMESTAMPS);
  const offers = segment.timestamps && (plane.features & FLOW_TIMESTAMPS) !== 0;
  if (!had) return offers || isBeyond;
  if (!segment.timestamps) return isBeyond;
  const recent = rows.get(id, R.ROW_TS_RECENT);
  return seqAfter(segment.tsVal, recent) || (segment.tsVal === recent && isBeyond);
}

/** A segment for a connection in TIME-WAIT (RFC 9293, 3.10.7.4) that does not reopen it. */
export function receiveTimeWait(plane: Plane, id: number): void {
  const { rows, segment, core } = plane;
  const { flags } = segment;
  if ((flags & TCP_RST) !== 0) {
    if (plane.limits.ignoreResetInTimeWait || segment.seq !== rows.get(id, R.ROW_RCV_NXT)) {
      countDrop(core, DropReason.ResetOutOfWindow);
    } else if (change(plane, id, ConnectionEvent.ReceiveReset)) {
      settle(plane, id, 0);
    }
    return;
  }
  // RFC 6191, 2: in every other case the SYN is dropped in silence and TIME-WAIT goes on.
  if ((flags & (TCP_SYN | TCP_ACK_FLAG)) === TCP_SYN) {
    countDrop(core, DropReason.SynChallenge);
    return;
  }
  if (!acceptInTimeWait(plane, id)) return;
  if ((flags & TCP_FIN) !== 0) {
    change(plane, id, ConnectionEvent.ReceiveFin);
    setDeadline(plane, id, R.TIME_STATE, plane.now + plane.profile.timeWait);
  }
  if (segment.length > 0) sendAcknowledgment(plane, id);
}

// First and fifth check of RFC 9293, 3.10.7.4, and RFC 7323, 5.3 R1. False: all is said.
function acceptInTimeWait(plane: Plane, id: number): boolean {
  const { rows, segment, core } = plane;
  const isOld = segment.timestamps && seqBefore(segment.tsVal, rows.get(id, R.ROW_TS_RECENT));
  const end = (segment.seq + segment.length) >>> 0;
  // The peer's FIN again is below the window, and yet what TIME-WAIT waits for.
  const isFinAgain = (segment.flags & TCP_FIN) !== 0 && end === rows.get(id, R.ROW_RCV_NXT);
  const hasAck = (segment.flags & TCP_ACK_FLAG) !== 0;
  if (isOld || !(isAcceptable(plane, id) || (isFinAgain && hasAck))) {
    countDrop(core, isOld ? DropReason.Paws : DropReason.OutOfWindow);
    sendAcknowledgment(plane, id);
    return false;
  }
  if (!hasAck) {
    countDrop(core, DropReason.NoAck);
    return false;
  }
  // RFC 9293, 3.10.7.4, fifth check: of what was never sent.
  if (!seqAfter(segment.ack, rows.get(id, R.ROW_SND_NXT))) return true;
  countDrop(core, DropReason.AckOutOfRange);
  sendAcknowledgment(plane, id);
  return false;
}
