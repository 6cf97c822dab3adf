/**
 * The connection machine of RFC 9293 as data, written from section 3.10 and Figure 5 alone and
 * independently of the control plane, which rfc/connection-state.test.ts compares with it.
 *
 * An entry is the next state, "stay", or "error" (the call is refused, the state stays). Two
 * answers separated by "|" are both right by the text; why stands beside the row. Segments are
 * those that passed the checks of 3.10.7.4 as the event's name says: ReceiveFin is a FIN in order
 * with an acceptable ACK, ReceiveAckOfFin an ACK that covers our FIN, ReceiveReset one whose
 * sequence number (in SYN-SENT: whose acknowledgment) is right. A segment that cannot be right in
 * a state, such as an ACK of a FIN never sent, is answered or dropped: "stay". The same holds where
 * an event tells of something that has happened before: it may be said not to occur again.
 */

export const STATES = [
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
] as const;
export type StateName = (typeof STATES)[number];

export const EVENTS = [
  "ActiveOpen",
  "PassiveOpen",
  "Close",
  "Abort",
  "ReceiveSyn",
  "ReceiveSynAck",
  "ReceiveAckOfSyn",
  "ReceiveFin",
  "ReceiveAckOfFin",
  "ReceiveFinAndAckOfFin",
  "ReceiveReset",
  "TimeWaitExpired",
  "UserTimeout",
] as const;
export type EventName = (typeof EVENTS)[number];

/** Answers that the text permits, the first being its plainest reading. */
export interface StateRow {
  readonly state: StateName;
  readonly event: EventName;
  readonly permitted: readonly (StateName | "stay" | "error")[];
}

type Entries = Readonly<Record<EventName, string>>;

/** What most states answer: 3.10.1 "connection already exists"; 3.10.5, 3.10.8 end in CLOSED. */
const COMMON: Entries = {
  ActiveOpen: "error",
  PassiveOpen: "error",
  Close: "error",
  Abort: "CLOSED",
  // RFC 9293 3.10.7.4, fourth: a challenge ACK, whatever else the segment holds.
  ReceiveSyn: "stay",
  ReceiveSynAck: "stay",
  ReceiveAckOfSyn: "stay",
  ReceiveFin: "stay",
  ReceiveAckOfFin: "stay",
  ReceiveFinAndAckOfFin: "stay",
  ReceiveReset: "CLOSED",
  // No such timer runs outside TIME-WAIT.
  TimeWaitExpired: "stay",
  // 3.10.8: "for any state".
  UserTimeout: "CLOSED",
};

const MACHINE: Readonly<Record<StateName, Partial<Entries>>> = {
  CLOSED: {
    ActiveOpen: "SYN-SENT",
    PassiveOpen: "LISTEN",
    // 3.10.4, 3.10.5: "connection does not exist".
    Close: "error",
    Abort: "error",
    ReceiveReset: "stay",
    UserTimeout: "stay",
  },
  LISTEN: {
    // 3.10.1: "change the connection from passive to active".
    ActiveOpen: "SYN-SENT",
    Close: "CLOSED",
    ReceiveSyn: "SYN-RECEIVED",
    // 3.10.7.2, second: an ACK is bad here, even beside a SYN; first: a reset is ignored.
    ReceiveSynAck: "stay",
    ReceiveReset: "stay",
    // 3.9.1.1: the timeout is for data submitted; here there is none, so that it never runs.
    UserTimeout: "CLOSED|stay",
  },
  "SYN-SENT": {
    Close: "CLOSED",
    ReceiveSyn: "SYN-RECEIVED",
    ReceiveSynAck: "ESTABLISHED",
    // 3.10.7.3, fifth: neither SYN nor RST, so that even a right ACK is dropped.
    ReceiveAckOfSyn: "stay",
    // 3.10.7.4, eighth: "since the SEG.SEQ cannot be validated".
    ReceiveFin: "stay",
  },
  "SYN-RECEIVED": {
    Close: "FIN-WAIT-1",
    // Passive: 3.10.7.4, fourth, returns to LISTEN. Active, and where the listener has a record of
    // its own (MUST-41), the challenge ACK of RFC 5961 applies.
    ReceiveSyn: "stay|LISTEN|CLOSED",
    // Simultaneous open, MUST-10: the SYN is a duplicate, the ACK is of our SYN (Figure 8). Judged
    // as one segment it is below the window and only answered; the peer's next ACK opens.
    ReceiveSynAck: "ESTABLISHED|stay",
    ReceiveAckOfSyn: "ESTABLISHED",
    // The FIN's segment carries the ACK of our SYN.
    ReceiveFin: "CLOSE-WAIT",
    // Note 1 of Figure 5: LISTEN after a passive open, where it is the same record.
    ReceiveReset: "CLOSED|LISTEN",
  },
  ESTABLISHED: {
    Close: "FIN-WAIT-1",
    ReceiveFin: "CLOSE-WAIT",
  },
  "FIN-WAIT-1": {
    // 3.10.4: "strictly speaking an error"; "ok" is acceptable without a second FIN.
    Close: "error|stay",
    ReceiveFin: "CLOSING",
    ReceiveAckOfFin: "FIN-WAIT-2",
    // Note 2 of Figure 5.
    ReceiveFinAndAckOfFin: "TIME-WAIT",
  },
  "FIN-WAIT-2": {
    Close: "error|stay",
    ReceiveFin: "TIME-WAIT",
    // Our FIN was acknowledged before: the same as ReceiveFin, or not an event of this state.
    ReceiveFinAndAckOfFin: "TIME-WAIT|stay",
  },
  "CLOSE-WAIT": {
    Close: "LAST-ACK",
  },
  CLOSING: {
    ReceiveAckOfFin: "TIME-WAIT",
    // The FIN is a repetition, below the window; its ACK may count (fifth, then eighth).
    ReceiveFinAndAckOfFin: "TIME-WAIT|stay",
  },
  "LAST-ACK": {
    ReceiveAckOfFin: "CLOSED",
    // As in CLOSING.
    ReceiveFinAndAckOfFin: "CLOSED|stay",
  },
  "TIME-WAIT": {
    // 3.10.7.4, fourth, and MAY-2: a new connection, as the listener would begin it, may follow.
    ReceiveSyn: "stay|SYN-RECEIVED",
    // 3.10.7.4, eighth: remain, and restart the 2 MSL timeout.
    ReceiveFin: "stay",
    TimeWaitExpired: "CLOSED",
    // 3.10.7.4, eighth: entering TIME-WAIT turned the other timers off.
    UserTimeout: "CLOSED|stay",
  },
};

function permitted(state: StateName, event: EventName): StateRow["permitted"] {
  const text = MACHINE[state][event] ?? COMMON[event];
  return text.split("|") as (StateName | "stay" | "error")[];
}

/** Every state x event, 143 rows. */
export const STATE_TABLE: readonly StateRow[] = STATES.flatMap((state) =>
  EVENTS.map((event) => ({ state, event, permitted: permitted(state, event) })),
);
