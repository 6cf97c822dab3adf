/**
 * The connection machine of RFC 9293, 3.3.2 and 3.10, as one table. Rules of this file: everything
 * that decides a state is a row here; nothing else is in this file. What has no row is illegal.
 */

/** RFC 9293, 3.3.2. */
export enum ConnectionState {
  Closed = 0,
  Listen = 1,
  SynSent = 2,
  SynReceived = 3,
  Established = 4,
  FinWait1 = 5,
  FinWait2 = 6,
  CloseWait = 7,
  Closing = 8,
  LastAck = 9,
  TimeWait = 10,
}
export const CONNECTION_STATES = 11;

/** Names as RFC 9293 writes them, by state. */
export const STATE_NAMES: readonly string[] = [
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
];

/** What can happen to a connection, after validation: an unacceptable segment is no event. */
export enum ConnectionEvent {
  /** The OPEN calls (3.10.1). */
  PassiveOpen = 0,
  ActiveOpen = 1,
  /** The CLOSE call (3.10.4): the application sends no more. */
  Close = 2,
  /** The ABORT call (3.10.5), and our own resets (late data, keep-alive). */
  Abort = 3,
  /** A SYN without ACK: for a listener, in simultaneous open, or reopening TIME-WAIT. */
  ReceiveSyn = 4,
  /** A SYN with an acceptable ACK of our SYN. */
  ReceiveSynAck = 5,
  /** An acceptable ACK of our SYN, without SYN. */
  ReceiveAckOfSyn = 6,
  /** A FIN in sequence; its segment does not acknowledge our FIN for the first time. */
  ReceiveFin = 7,
  /** Our FIN is acknowledged by a segment without a new FIN. */
  ReceiveAckOfFin = 8,
  /** One segment has a FIN in sequence and acknowledges our FIN. */
  ReceiveFinAndAckOfFin = 9,
  /** A valid RST; of a passive open in SYN-RECEIVED it is ReturnToListen instead (MUST-11). */
  ReceiveReset = 10,
  /** SYN-RECEIVED from a passive open ends: RST, new SYN in the window, retries used up. */
  ReturnToListen = 11,
  /** A hard ICMP error while connecting (RFC 5461, 4.1). */
  HardError = 12,
  /** R2, the user timeout, or the timeout of an orphan in FIN-WAIT-2 (3.10.8). */
  UserTimeout = 13,
  /** 2 MSL have passed (3.10.8). */
  TimeWaitExpired = 14,
}
export const CONNECTION_EVENTS = 15;

/** [state, event, next state]. */
export type Transition = readonly [ConnectionState, ConnectionEvent, ConnectionState];

/** The whole machine. */
export const TRANSITIONS: readonly Transition[] = [
  [ConnectionState.Closed, ConnectionEvent.PassiveOpen, ConnectionState.Listen],
  [ConnectionState.Closed, ConnectionEvent.ActiveOpen, ConnectionState.SynSent],

  [ConnectionState.Listen, ConnectionEvent.ActiveOpen, ConnectionState.SynSent],
  [ConnectionState.Listen, ConnectionEvent.ReceiveSyn, ConnectionState.SynReceived],
  [ConnectionState.Listen, ConnectionEvent.Close, ConnectionState.Closed],
  [ConnectionState.Listen, ConnectionEvent.Abort, ConnectionState.Closed],

  // MUST-10: simultaneous open.
  [ConnectionState.SynSent, ConnectionEvent.ReceiveSyn, ConnectionState.SynReceived],
  [ConnectionState.SynSent, ConnectionEvent.ReceiveSynAck, ConnectionState.Established],
  [ConnectionState.SynSent, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.SynSent, ConnectionEvent.HardError, ConnectionState.Closed],
  [ConnectionState.SynSent, ConnectionEvent.Close, ConnectionState.Closed],
  [ConnectionState.SynSent, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.SynSent, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.SynReceived, ConnectionEvent.ReceiveAckOfSyn, ConnectionState.Established],
  // The other half of a simultaneous open.
  [ConnectionState.SynReceived, ConnectionEvent.ReceiveSynAck, ConnectionState.Established],
  [ConnectionState.SynReceived, ConnectionEvent.ReceiveFin, ConnectionState.CloseWait],
  [ConnectionState.SynReceived, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.SynReceived, ConnectionEvent.ReturnToListen, ConnectionState.Listen],
  [ConnectionState.SynReceived, ConnectionEvent.HardError, ConnectionState.Closed],
  [ConnectionState.SynReceived, ConnectionEvent.Close, ConnectionState.FinWait1],
  [ConnectionState.SynReceived, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.SynReceived, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.Established, ConnectionEvent.ReceiveFin, ConnectionState.CloseWait],
  [ConnectionState.Established, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.Established, ConnectionEvent.Close, ConnectionState.FinWait1],
  [ConnectionState.Established, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.Established, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.FinWait1, ConnectionEvent.ReceiveFin, ConnectionState.Closing],
  [ConnectionState.FinWait1, ConnectionEvent.ReceiveAckOfFin, ConnectionState.FinWait2],
  [ConnectionState.FinWait1, ConnectionEvent.ReceiveFinAndAckOfFin, ConnectionState.TimeWait],
  [ConnectionState.FinWait1, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.FinWait1, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.FinWait1, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.FinWait2, ConnectionEvent.ReceiveFin, ConnectionState.TimeWait],
  [ConnectionState.FinWait2, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.FinWait2, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.FinWait2, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.CloseWait, ConnectionEvent.ReceiveFin, ConnectionState.CloseWait],
  [ConnectionState.CloseWait, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.CloseWait, ConnectionEvent.Close, ConnectionState.LastAck],
  [ConnectionState.CloseWait, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.CloseWait, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.Closing, ConnectionEvent.ReceiveFin, ConnectionState.Closing],
  [ConnectionState.Closing, ConnectionEvent.ReceiveAckOfFin, ConnectionState.TimeWait],
  [ConnectionState.Closing, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.Closing, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.Closing, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  [ConnectionState.LastAck, ConnectionEvent.ReceiveFin, ConnectionState.LastAck],
  [ConnectionState.LastAck, ConnectionEvent.ReceiveAckOfFin, ConnectionState.Closed],
  [ConnectionState.LastAck, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.LastAck, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.LastAck, ConnectionEvent.UserTimeout, ConnectionState.Closed],

  // MAY-2, by the rules of RFC 6191 (SHLD-4).
  [ConnectionState.TimeWait, ConnectionEvent.ReceiveSyn, ConnectionState.SynReceived],
  // Restarts 2 MSL.
  [ConnectionState.TimeWait, ConnectionEvent.ReceiveFin, ConnectionState.TimeWait],
  // Not used by default: RFC 1337, 3 (F1).
  [ConnectionState.TimeWait, ConnectionEvent.ReceiveReset, ConnectionState.Closed],
  [ConnectionState.TimeWait, ConnectionEvent.Abort, ConnectionState.Closed],
  [ConnectionState.TimeWait, ConnectionEvent.TimeWaitExpired, ConnectionState.Closed],
];

/** What nextState() returns where the table has no row. */
export const ILLEGAL = -1;

const NEXT = new Int8Array(CONNECTION_STATES * CONNECTION_EVENTS).fill(ILLEGAL);
for (const [state, event, next] of TRANSITIONS) NEXT[state * CONNECTION_EVENTS + event] = next;

/** The state after `event` in `state`, or ILLEGAL. */
export function nextState(state: ConnectionState, event: ConnectionEvent): number {
  return NEXT[state * CONNECTION_EVENTS + event] as number;
}
