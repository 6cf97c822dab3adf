/**
 * The steps of RFC 9293, 3.10.7, walked with numbers in the text's own order: a second writing of
 * the table, after its rules. It shares their decisions (table/README.md), so that it finds slips,
 * not misreadings.
 */
import { evaluate } from "./table/evaluate.ts";
import { receiveWindow, setups } from "./table/setups.ts";
import type { Case, Flags, Formula, Outcome, Signal, State, Timer } from "./table/types.ts";

interface Sent {
  readonly flags: Flags;
  /** -1: any number. */
  readonly seq: number;
  readonly ack: number | undefined;
}

/** An outcome in numbers. */
export interface Result {
  next: State;
  sent: Sent[];
  accepted: number;
  fin: boolean;
  rcv: number | undefined;
  signal: Signal[];
  urgent: boolean;
  timer: Timer;
}

const MODULUS = 2 ** 32;
/** Of states that have no such number. */
const ABSENT = { una: 77, nxt: 88, rcv: 5000 };
/** MAX.SND.WND. */
const WINDOW_MAX = 65535;

const distance = (a: number, b: number): number =>
  ((((a - b) % MODULUS) + MODULUS * 1.5) % MODULUS) - MODULUS / 2;
const atOrBefore = (a: number, b: number): boolean => distance(a, b) <= 0;
const before = (a: number, b: number): boolean => distance(a, b) < 0;
const add = (n: number, k: number): number => (n + k) % MODULUS;

const TAKING: readonly State[] = ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"];
const UNADVISED: readonly State[] = ["CLOSING", "LAST-ACK", "TIME-WAIT"];

/** A case in numbers, and what has come of it so far. */
class Walk {
  readonly state: State;
  readonly una: number;
  readonly nxt: number;
  readonly rcvNxt: number;
  readonly seq: number;
  readonly ack: number;
  readonly len: number;
  readonly data: number;
  readonly result: Result;
  readonly #flags: Flags;
  readonly #up: number;

  constructor({ state, segment }: Case, iss: number, irs: number) {
    const setup = setups[state];
    const base = { ISS: iss, IRS: irs };
    const value = (formula: Formula | "-", other: number): number =>
      formula === "-" ? other : evaluate(formula, base);
    this.state = state;
    this.una = value(setup.sndUna, ABSENT.una);
    this.nxt = value(setup.sndNxt, ABSENT.nxt);
    this.rcvNxt = value(setup.rcvNxt, ABSENT.rcv);
    const names = valuesOf(this, base);
    this.seq = evaluate(segment.seq, names);
    this.ack = segment.ack === undefined ? 0 : evaluate(segment.ack, names);
    this.len = segment.len;
    this.data = segment.data;
    this.#flags = segment.flags;
    this.#up = segment.up ?? 0;
    const rcv = setup.rcvNxt === "-" ? undefined : this.rcvNxt;
    const nothing = { accepted: 0, fin: false, urgent: false, timer: "-" } as const;
    this.result = { ...nothing, next: state, sent: [], rcv, signal: [] };
  }

  has(bit: string): boolean {
    return this.#flags.includes(bit);
  }

  get urgentEnd(): number {
    return add(this.seq, this.#up);
  }

  send(flags: Flags, seq: number, ack?: number): void {
    this.result.sent = [{ flags, seq, ack }];
  }

  acknowledge(): void {
    this.send("A", this.nxt, this.result.rcv);
  }

  gone(next: State = "CLOSED"): void {
    this.result.next = next;
    this.result.rcv = undefined;
  }

  /** First check. */
  get isAcceptable(): boolean {
    const inWindow = (n: number): boolean =>
      atOrBefore(this.rcvNxt, n) && before(n, this.rcvNxt + receiveWindow);
    return inWindow(this.seq) || (this.len > 0 && inWindow(add(this.seq, this.len - 1)));
  }
}

interface Numbers {
  readonly una: number;
  readonly nxt: number;
  readonly rcvNxt: number;
}

function valuesOf({ una, nxt, rcvNxt }: Numbers, base: { ISS: number; IRS: number }) {
  const window = { "RCV.WND": receiveWindow };
  return { ...base, ...window, "SND.UNA": una, "SND.NXT": nxt, "RCV.NXT": rcvNxt };
}

function walkClosed(w: Walk): void {
  if (w.has("R")) return;
  if (w.has("A")) w.send("R", w.ack);
  else w.send("RA", 0, add(w.seq, w.len));
}

function walkListen(w: Walk): void {
  if (w.has("R")) return;
  if (w.has("A")) {
    w.send("R", w.ack);
    return;
  }
  if (!w.has("S")) return;
  w.result.rcv = add(w.seq, 1);
  w.send("SA", -1, w.result.rcv);
  w.result.next = "SYN-RECEIVED";
}

function walkSynSent(w: Walk): void {
  const { result } = w;
  if (w.has("A") && (atOrBefore(w.ack, w.una) || before(w.nxt, w.ack))) {
    if (!w.has("R")) w.send("R", w.ack);
    return;
  }
  if (w.has("R")) {
    if (!w.has("A")) return;
    result.signal.push("connection reset");
    w.gone();
    return;
  }
  if (!w.has("S")) return;
  result.rcv = add(w.seq, 1);
  if (w.has("A")) {
    result.next = "ESTABLISHED";
    result.signal.push("open");
    w.acknowledge();
  } else {
    result.next = "SYN-RECEIVED-ACTIVE";
    w.send("SA", w.una, result.rcv);
  }
}

/** First to fourth check, and the fifth's beginning; true when the segment goes on. */
function walkChecks(w: Walk): boolean {
  const { result, state } = w;
  if (!w.isAcceptable) {
    if (!w.has("R")) w.acknowledge();
    // The one place where the table follows the fifth check's sentence (README, TIME-WAIT).
    const isFin = w.has("F") && add(w.seq, w.len) === w.rcvNxt && w.has("A");
    if (state === "TIME-WAIT" && isFin && !w.has("S")) result.timer = "2msl-restart";
    return false;
  }
  if (w.has("R")) {
    walkReset(w);
    return false;
  }
  if (w.has("S")) {
    if (state === "SYN-RECEIVED") w.gone("LISTEN");
    else w.acknowledge();
    return false;
  }
  if (!w.has("A")) return false;
  if (!before(w.nxt, w.ack) && !before(w.ack, w.una - WINDOW_MAX)) return true;
  w.acknowledge();
  return false;
}

function walkReset(w: Walk): void {
  const { result, state } = w;
  if (w.seq !== w.rcvNxt) {
    w.acknowledge();
    return;
  }
  if (state === "SYN-RECEIVED-ACTIVE") result.signal.push("connection refused");
  else if (state !== "SYN-RECEIVED" && !UNADVISED.includes(state)) {
    result.signal.push("connection reset");
  }
  w.gone(state === "SYN-RECEIVED" ? "LISTEN" : "CLOSED");
}

/** Fifth check; true when the segment goes on. */
function walkAck(w: Walk): boolean {
  const { result, state } = w;
  const isNew = before(w.una, w.ack);
  if (state.startsWith("SYN-RECEIVED")) {
    if (!isNew) {
      w.send("R", w.ack);
      return false;
    }
    result.next = "ESTABLISHED";
    result.signal.push("open");
  }
  if (state === "FIN-WAIT-1" && isNew) result.next = "FIN-WAIT-2";
  if (state === "CLOSING") {
    if (!isNew) return false;
    result.next = "TIME-WAIT";
    result.timer = "2msl-start";
  }
  if (state !== "LAST-ACK" || !isNew) return true;
  w.gone();
  return false;
}

/** Sixth to eighth check. */
function walkText(w: Walk): void {
  const { result } = w;
  const isTaking = TAKING.includes(result.next);
  const isAhead = before(w.rcvNxt, w.seq);
  if (w.has("U") && isTaking) result.urgent = before(w.rcvNxt, w.urgentEnd);
  if (w.data > 0 && isTaking) {
    if (!isAhead) {
      result.accepted = w.data - distance(w.rcvNxt, w.seq);
      result.rcv = add(w.rcvNxt, result.accepted);
    }
    w.acknowledge();
  }
  if (!w.has("F")) return;
  if (!isAhead) walkFin(w);
  w.acknowledge();
}

function walkFin(w: Walk): void {
  const { result, state } = w;
  result.rcv = add(w.seq, w.len);
  result.fin = true;
  result.signal.push("connection closing");
  if (result.next === "ESTABLISHED") result.next = "CLOSE-WAIT";
  else if (result.next === "FIN-WAIT-1") result.next = "CLOSING";
  else if (result.next === "FIN-WAIT-2") {
    result.next = "TIME-WAIT";
    result.timer = "2msl-start";
  } else if (state === "TIME-WAIT") result.timer = "2msl-restart";
}

/** What the text's steps make of a case. */
export function walked(one: Case, iss: number, irs: number): Result {
  const w = new Walk(one, iss, irs);
  if (one.state === "CLOSED") walkClosed(w);
  else if (one.state === "LISTEN") walkListen(w);
  else if (one.state === "SYN-SENT") walkSynSent(w);
  else if (walkChecks(w) && walkAck(w)) walkText(w);
  return w.result;
}

/** The table's outcome of the case in numbers. */
export function tabled(one: Case, outcome: Outcome, iss: number, irs: number): Result {
  const w = new Walk(one, iss, irs);
  const base = valuesOf(w, { ISS: iss, IRS: irs });
  const segment = { "SEG.SEQ": w.seq, "SEG.ACK": w.ack, "SEG.LEN": w.len };
  const arrived = { ...base, ...segment, "ISS'": -1 };
  const rcv = outcome.rcvNxt === "-" ? undefined : evaluate(outcome.rcvNxt, arrived);
  const values = rcv === undefined ? arrived : { ...arrived, "RCV.NXT'": rcv };
  const sent = outcome.reply.map(({ flags, seq, ack }) => ({
    flags,
    seq: seq === "ISS'" ? -1 : evaluate(seq, values),
    ack: ack === undefined ? undefined : evaluate(ack, values),
  }));
  const { next, accepted, fin, signal, urgent, timer } = outcome;
  return { next, sent, accepted, fin, rcv, signal: [...signal], urgent, timer };
}
