/**
 * RFC 9293 3.10 and Figure 5: every state x event of the control plane's connection machine
 * against rfc/state-table.ts, which was written from the text alone.
 */
import { expect, test } from "vitest";
import { CONNECTION_STATES, ConnectionEvent } from "../../host/control-plane/connection-state.ts";
import { ConnectionState, ILLEGAL } from "../../host/control-plane/connection-state.ts";
import { nextState, STATE_NAMES } from "../../host/control-plane/connection-state.ts";
import { EVENTS, STATE_TABLE, STATES, type EventName, type StateName } from "./state-table.ts";

const STATE: Readonly<Record<StateName, ConnectionState>> = {
  CLOSED: ConnectionState.Closed,
  LISTEN: ConnectionState.Listen,
  "SYN-SENT": ConnectionState.SynSent,
  "SYN-RECEIVED": ConnectionState.SynReceived,
  ESTABLISHED: ConnectionState.Established,
  "FIN-WAIT-1": ConnectionState.FinWait1,
  "FIN-WAIT-2": ConnectionState.FinWait2,
  "CLOSE-WAIT": ConnectionState.CloseWait,
  CLOSING: ConnectionState.Closing,
  "LAST-ACK": ConnectionState.LastAck,
  "TIME-WAIT": ConnectionState.TimeWait,
};

const EVENT: Readonly<Record<EventName, ConnectionEvent>> = {
  ActiveOpen: ConnectionEvent.ActiveOpen,
  PassiveOpen: ConnectionEvent.PassiveOpen,
  Close: ConnectionEvent.Close,
  Abort: ConnectionEvent.Abort,
  ReceiveSyn: ConnectionEvent.ReceiveSyn,
  ReceiveSynAck: ConnectionEvent.ReceiveSynAck,
  ReceiveAckOfSyn: ConnectionEvent.ReceiveAckOfSyn,
  ReceiveFin: ConnectionEvent.ReceiveFin,
  ReceiveAckOfFin: ConnectionEvent.ReceiveAckOfFin,
  ReceiveFinAndAckOfFin: ConnectionEvent.ReceiveFinAndAckOfFin,
  ReceiveReset: ConnectionEvent.ReceiveReset,
  TimeWaitExpired: ConnectionEvent.TimeWaitExpired,
  UserTimeout: ConnectionEvent.UserTimeout,
};

/** The machine's answers in the table's words; it says ILLEGAL both to "stay" and to "error". */
function answers(state: StateName, event: EventName): string[] {
  const next = nextState(STATE[state], EVENT[event]);
  if (next === ILLEGAL) return ["stay", "error"];
  if (next === STATE[state]) return ["stay"];
  return [STATE_NAMES[next] ?? `state ${next}`];
}

test("RFC 9293 3.10 the table has every state x event once", () => {
  expect(STATES).toHaveLength(CONNECTION_STATES);
  expect(STATE_TABLE).toHaveLength(STATES.length * EVENTS.length);
  for (const name of STATES) expect(STATE_NAMES[STATE[name]]).toBe(name);
});

test.each(STATES)("RFC 9293 3.10 every event in %s", (state) => {
  const wrong = STATE_TABLE.filter((row) => row.state === state).flatMap((row) => {
    const got = answers(state, row.event);
    const right = row.permitted.some((one) => got.includes(one));
    return right ? [] : [`${row.event}: expected ${row.permitted.join(" or ")}, got ${got[0]}`];
  });
  expect(wrong).toEqual([]);
});

/** Events of the machine that are no rows of 3.10 because they are a choice among its rules. */
test("RFC 9293 Figure 5, note 1: only SYN-RECEIVED returns to LISTEN", () => {
  for (const name of STATES) {
    const next = nextState(STATE[name], ConnectionEvent.ReturnToListen);
    expect([ILLEGAL, ConnectionState.Listen, ConnectionState.Closed], name).toContain(next);
    if (name !== "SYN-RECEIVED" && name !== "LISTEN") expect(next, name).toBe(ILLEGAL);
  }
});

/** SHLD-26 in its reduced form: hard ICMP errors end a connection only before it is established. */
test("RFC 9293 SHLD-26 hard errors end SYN-SENT and SYN-RECEIVED only", () => {
  for (const name of STATES) {
    const next = nextState(STATE[name], ConnectionEvent.HardError);
    const ends = name === "SYN-SENT" || name === "SYN-RECEIVED";
    if (ends) expect(next, name).toBe(ConnectionState.Closed);
    else expect([ILLEGAL, STATE[name]], name).toContain(next);
  }
});
