/**
 * One end of a connection as RFC 9293, 3.10 has it, over the stack's own table of the connection
 * machine and its own sequence arithmetic: what a segment, a call or a timer does. Everything else
 * of the stack is left out: no options, one byte a segment. Planted faults show that the search
 * notices.
 */
import { seqAfter, seqAtOrBefore, seqDistance } from "../../../bindings/abi/seq.ts";
import {
  ConnectionEvent,
  ConnectionState as S,
  ILLEGAL,
  nextState,
} from "../../../host/control-plane/connection-state.ts";
import {
  ACK,
  BYTES,
  type Endpoint,
  FIN,
  numberOf,
  type Packet,
  RST,
  SYN,
  WINDOW,
} from "./world.ts";

/** Faults that a test plants. */
export type Fault =
  | "none"
  | "any reset counts"
  | "a FIN ends what is missing"
  | "an ACK of nothing counts"
  | "no answer to the unacceptable"
  | "the window is ignored"
  | "TIME-WAIT is skipped";

/** What the rules report to: replies, and what must never happen. */
export interface Context {
  readonly fault: Fault;
  send(packet: Packet): void;
  violation(text: string): void;
  /** Rows of the connection machine that were used. */
  used(state: S, event: ConnectionEvent): void;
}

const SYNCHRONIZED = S.Established;

/** States in which the application may write. */
export function mayWrite({ state, written }: Endpoint): boolean {
  return written < BYTES && (state === S.Established || state === S.CloseWait);
}

function hasFin({ state, hasClosed }: Endpoint): boolean {
  if (!hasClosed) return false;
  return [S.FinWait1, S.FinWait2, S.Closing, S.LastAck, S.TimeWait].includes(state);
}

/** Position behind everything that is to be sent. */
function endOf(e: Endpoint): number {
  return 1 + e.written + (hasFin(e) ? 1 : 0);
}

export function change(context: Context, e: Endpoint, event: ConnectionEvent): void {
  const next = nextState(e.state, event);
  context.used(e.state, event);
  if (next === ILLEGAL) {
    context.violation(`no row for event ${ConnectionEvent[event]} in ${S[e.state]}`);
    return;
  }
  if (context.fault === "TIME-WAIT is skipped" && next === S.TimeWait) forget(e, false);
  else if (next === S.Closed) forget(e, isAbrupt(event));
  else e.state = next;
}

function isAbrupt(event: ConnectionEvent): boolean {
  return event !== ConnectionEvent.TimeWaitExpired && event !== ConnectionEvent.ReceiveAckOfFin;
}

/** The connection is deleted; what the end was keeps to itself. */
function forget(e: Endpoint, isBroken: boolean): void {
  const { base, written, rcv } = e;
  Object.assign(e, {
    state: S.Closed,
    una: 0,
    nxt: 0,
    ahead: false,
    unread: 0,
    edge: 0,
    isPassive: false,
    hasClosed: true,
    isBroken,
    // What it said and what it had stays for the last comparison.
    base,
    written,
    rcv,
  });
}

function acknowledge(context: Context, e: Endpoint): void {
  context.send({
    flags: ACK,
    seq: numberOf(e.base, e.nxt),
    ack: numberOf(e.peer, e.rcv),
    length: 0,
    window: WINDOW - e.unread,
  });
}

/** RFC 9293, 3.10.7.1: the form of a reset that answers. */
function resetFor(context: Context, p: Packet): void {
  if ((p.flags & RST) !== 0) return;
  if ((p.flags & ACK) !== 0) {
    context.send({ flags: RST, seq: p.ack, ack: 0, length: 0, window: 0 });
    return;
  }
  const ack = (p.seq + p.length + ((p.flags & SYN) !== 0 ? 1 : 0)) >>> 0;
  context.send({ flags: RST | ACK, seq: numberOf(0, 0), ack, length: 0, window: 0 });
}

/** What stands at position `at`, again or for the first time. */
export function transmit(context: Context, e: Endpoint, at: number): void {
  const isSyn = at === 0;
  const isData = at >= 1 && at <= e.written;
  const isFin = at === e.written + 1;
  const hasAck = e.rcv > 0;
  const flags = (isSyn ? SYN : 0) | (isFin && !isSyn ? FIN : 0) | (hasAck ? ACK : 0);
  context.send({
    flags,
    seq: numberOf(e.base, at),
    ack: hasAck ? numberOf(e.peer, e.rcv) : 0,
    length: isData && !isSyn ? 1 : 0,
    window: WINDOW - e.unread,
  });
  e.nxt = Math.max(e.nxt, at + 1);
}

/** New bytes may go when the window has room; the FIN needs none behind bytes that had. */
export function maySend(context: Context, e: Endpoint): boolean {
  if (e.state < SYNCHRONIZED || e.nxt >= endOf(e)) return false;
  if (e.nxt < e.edge || context.fault === "the window is ignored") return true;
  return e.nxt === e.written + 1 && e.nxt === e.edge;
}

/** RFC 9293, 3.8.6.1: a byte waits for a window and nothing is under way. */
export function mayProbe(e: Endpoint): boolean {
  return e.state >= SYNCHRONIZED && e.una === e.nxt && e.nxt <= e.written && e.nxt >= e.edge;
}

export function mayRetransmit(e: Endpoint): boolean {
  return e.state >= S.SynSent && e.una < e.nxt;
}

/** RFC 9293, 3.10.7: a segment has arrived. */
export function receive(context: Context, e: Endpoint, p: Packet): void {
  if (e.state === S.Closed) resetFor(context, p);
  else if (e.state === S.Listen) receiveListen(context, e, p);
  else if (e.state === S.SynSent) receiveSynSent(context, e, p);
  else receiveOther(context, e, p);
}

function adopt(e: Endpoint, p: Packet): void {
  e.peer = baseOf(p.seq);
  e.rcv = 1;
}

function baseOf(seq: number): number {
  for (let base = 0; base < 4; base += 1) if (numberOf(base, 0) === seq) return base;
  throw new RangeError(`model: expected an ISN, got ${seq}`);
}

function receiveListen(context: Context, e: Endpoint, p: Packet): void {
  if ((p.flags & RST) !== 0) return;
  if ((p.flags & ACK) !== 0) {
    resetFor(context, p);
    return;
  }
  if ((p.flags & SYN) === 0) return;
  change(context, e, ConnectionEvent.ReceiveSyn);
  adopt(e, p);
  e.edge = 1 + p.window;
  transmit(context, e, 0);
}

function receiveSynSent(context: Context, e: Endpoint, p: Packet): void {
  const isAcceptable = (p.flags & ACK) !== 0 && p.ack === numberOf(e.base, 1);
  if ((p.flags & ACK) !== 0 && !isAcceptable) {
    resetFor(context, p);
    return;
  }
  if ((p.flags & RST) !== 0) {
    if (isAcceptable) change(context, e, ConnectionEvent.ReceiveReset);
    return;
  }
  if ((p.flags & SYN) === 0) return;
  adopt(e, p);
  e.edge = 1 + p.window;
  if (!isAcceptable) {
    change(context, e, ConnectionEvent.ReceiveSyn);
    transmit(context, e, 0);
    return;
  }
  e.una = 1;
  change(context, e, ConnectionEvent.ReceiveSynAck);
  acknowledge(context, e);
}

function span(p: Packet): number {
  return p.length + ((p.flags & SYN) !== 0 ? 1 : 0) + ((p.flags & FIN) !== 0 ? 1 : 0);
}

/** RFC 9293, 3.10.7.4, first: the table of acceptable segments. */
function isAcceptable(e: Endpoint, p: Packet): boolean {
  const next = numberOf(e.peer, e.rcv);
  const window = WINDOW - e.unread;
  const length = span(p);
  if (length === 0) return p.seq === next || seqDistance(next, p.seq) < window;
  if (window === 0) return false;
  return seqDistance(next, p.seq) < window || seqDistance(next, p.seq + length - 1) < window;
}

function receiveOther(context: Context, e: Endpoint, p: Packet): void {
  const isReset = (p.flags & RST) !== 0;
  const next = numberOf(e.peer, e.rcv);
  if (!isAcceptable(e, p)) {
    if (isReset && context.fault === "any reset counts") reset(context, e);
    else if (!isReset && context.fault !== "no answer to the unacceptable") acknowledge(context, e);
    return;
  }
  if (isReset) {
    // RFC 5961, 3.2.
    if (p.seq === next || context.fault === "any reset counts") reset(context, e);
    else acknowledge(context, e);
    return;
  }
  if ((p.flags & SYN) !== 0) {
    if (e.state === S.SynReceived && e.isPassive) returnToListen(context, e);
    else acknowledge(context, e);
    return;
  }
  if ((p.flags & ACK) === 0 || !receiveAck(context, e, p)) return;
  receiveText(context, e, p);
}

function reset(context: Context, e: Endpoint): void {
  // RFC 1337, 3 (F1).
  if (e.state === S.TimeWait && context.fault !== "any reset counts") return;
  if (e.state === S.SynReceived && e.isPassive) returnToListen(context, e);
  else change(context, e, ConnectionEvent.ReceiveReset);
}

/** MUST-11; the next incarnation has other numbers. */
export function returnToListen(context: Context, e: Endpoint): void {
  const base = e.base === 2 ? 3 : 2;
  change(context, e, ConnectionEvent.ReturnToListen);
  Object.assign(e, { base, peer: 0, una: 0, nxt: 0, rcv: 0, edge: 0, written: 0, taken: 0 });
  e.isPassive = true;
}

/** Fifth: false when the segment goes no further. */
function receiveAck(context: Context, e: Endpoint, p: Packet): boolean {
  const isKnown =
    seqAtOrBefore(p.ack, numberOf(e.base, e.nxt)) || context.fault === "an ACK of nothing counts";
  const isNew = seqAfter(p.ack, numberOf(e.base, e.una));
  if (e.state === S.SynReceived) {
    if (!isNew || !isKnown) {
      resetFor(context, p);
      return false;
    }
    change(context, e, ConnectionEvent.ReceiveAckOfSyn);
  }
  if (!isKnown) {
    acknowledge(context, e);
    return false;
  }
  const at = seqDistance(numberOf(e.base, 0), p.ack);
  if (isNew) e.una = at;
  if (e.una > e.nxt) context.violation(`una ${e.una} is beyond nxt ${e.nxt}`);
  if (at === e.una) e.edge = Math.max(e.edge, Math.min(7, at + p.window));
  if (isNew && hasFin(e) && e.una === endOf(e)) finAcknowledged(context, e);
  return e.state !== S.Closed;
}

function finAcknowledged(context: Context, e: Endpoint): void {
  if (e.state === S.FinWait1 || e.state === S.Closing || e.state === S.LastAck) {
    change(context, e, ConnectionEvent.ReceiveAckOfFin);
  }
}

/** Seventh and eighth: bytes and FIN. */
function receiveText(context: Context, e: Endpoint, p: Packet): void {
  const at = seqDistance(numberOf(e.peer, 0), p.seq);
  const before = e.rcv;
  if (p.length === 1 && takesBytes(e)) {
    if (at === e.rcv) takeByte(context, e);
    else if (at === e.rcv + 1 && e.unread + 1 < WINDOW) e.ahead = true;
  }
  const isFin = (p.flags & FIN) !== 0;
  const finAt = at + p.length;
  if (isFin && (finAt === e.rcv || context.fault === "a FIN ends what is missing")) {
    if (takesBytes(e)) {
      e.rcv = finAt + 1;
      change(context, e, ConnectionEvent.ReceiveFin);
    }
  }
  if (span(p) > 0 || e.rcv !== before) acknowledge(context, e);
}

/** States in which the peer's FIN has not come. */
function takesBytes({ state }: Endpoint): boolean {
  return state === S.Established || state === S.FinWait1 || state === S.FinWait2;
}

function takeByte(context: Context, e: Endpoint): void {
  const count = e.ahead ? 2 : 1;
  e.rcv += count;
  e.unread += count;
  e.taken += count;
  e.ahead = false;
  if (e.unread > WINDOW) context.violation(`${e.unread} bytes in a buffer of ${WINDOW}`);
}
