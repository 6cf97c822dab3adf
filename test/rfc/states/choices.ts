/**
 * What this stack does where the table leaves a choice, and where it does something else than the
 * table. Both lists are exact: the matrix fails when the stack begins to do otherwise, and when an
 * entry changes nothing (any more).
 */
import type { AckPosition, Case, Kind, Outcome, Position, State } from "./table/types.ts";

/** The cases that an entry is about; what is absent is not asked. */
interface Where {
  /** Rules of the table. */
  readonly rules?: readonly string[];
  readonly states?: readonly State[];
  readonly kinds?: readonly Kind[];
  readonly positions?: readonly Position[];
  readonly acks?: readonly AckPosition[];
  /** Only when the application has left by close(), or has not. */
  readonly leaving?: "shutdown" | "close";
}

/** Of the cases that offer it, those in `where` take this alternative. */
export interface Choice extends Where {
  /** The alternative's reason, as the table has it. */
  readonly takes: string;
  readonly because: string;
}

/** Not permitted by the table: a decision of the project. */
export interface Exception extends Where {
  /** "dropped": nothing at all happens. */
  readonly instead: Partial<Outcome> | "dropped";
  readonly because: string;
}

/** True when an entry is about the case. */
export function isAbout(where: Where, one: Case, leaving: "shutdown" | "close"): boolean {
  if (where.leaving !== undefined && where.leaving !== leaving) return false;
  if (where.rules?.includes(one.rule) === false) return false;
  if (where.states?.includes(one.state) === false) return false;
  if (where.kinds?.includes(one.kind) === false) return false;
  if (where.positions?.includes(one.position) === false) return false;
  return where.acks?.includes(one.ack) !== false;
}

const TEXT: readonly Kind[] = ["data+ACK", "URG+data+ACK"];
const FIN_WAIT: readonly State[] = ["FIN-WAIT-1", "FIN-WAIT-2"];
const HALF_OPEN: readonly State[] = ["SYN-RECEIVED", "SYN-RECEIVED-ACTIVE"];
const LEFT: readonly Position[] = ["old", "overlap", "minus-one"];
const WITH_ACK: readonly Kind[] = ["ACK", ...TEXT, "FIN+ACK", "data+FIN+ACK"];
const OUTSIDE = ["first-short", "first-long", "first-minus-one-fin"] as const;

const WITHOUT_MAY_12 = 'without MAY-12 the ACK is merely old, as position "below"';
const ONE_FIN = "one FIN per stream (3.4): RCV.NXT stays, nobody is told again";
const THROTTLED = "challenge ACKs may be rate limited (RFC 5961 7)";
const FORBIDDEN_FLAGS = "a SYN with a FIN is dropped before anything is asked of it (threats S04)";

export const CHOICES: readonly Choice[] = [
  // SYN-SENT, SYN-RECEIVED.
  {
    takes: "wording belongs to the API (3.9.1); 3.10.7.4 says refused",
    because: "ECONNREFUSED, as connect() has it everywhere",
  },
  {
    takes: "without MAY-12: fifth, SYN-RECEIVED, and 3.5.2 group 2: reset",
    because: "RFC 5961 5 is about synchronized states; before them a wrong ACK is reset",
  },
  {
    states: HALF_OPEN,
    takes: WITHOUT_MAY_12,
    because: "as of an ACK that is too new",
  },
  {
    takes: "3.5 Figure 7 line 6 and A.2, ACK sent as well",
    because: "MUST-10: a simultaneous open ends with the peer's SYN,ACK, which wants an answer",
  },
  {
    rules: ["fourth-active"],
    kinds: ["SYN+FIN"],
    takes: THROTTLED,
    because: FORBIDDEN_FLAGS,
  },
  {
    rules: ["fourth-passive-inside"],
    kinds: ["SYN+FIN"],
    takes: "segment above a gap held for later (SHLD-31)",
    because: FORBIDDEN_FLAGS,
  },
  // FIN-WAIT-1, FIN-WAIT-2, CLOSING, LAST-ACK.
  {
    leaving: "close",
    states: FIN_WAIT,
    takes: "half-duplex close sends RST for text after CLOSE (MAY-1, SHLD-3)",
    because:
      "after close() nobody can read it, and the peer has to know; after shutdown() it is read",
  },
  {
    states: ["FIN-WAIT-1", "CLOSING", "LAST-ACK"],
    takes: "Appendix A.2: ACK field processed although left of the window",
    because: "MUST-66, A.2: what a repetition acknowledges is acknowledged",
  },
  // After the peer's FIN.
  {
    takes: ONE_FIN,
    because: "a stream has one end: a second FIN is answered and not acted upon",
  },
  {
    kinds: TEXT,
    takes: "ignoring what follows the FIN does not forbid a duplicate ACK",
    because: "a peer that sends beyond its own FIN is told where its stream has ended",
  },
  {
    rules: ["closing-old-ack-fin"],
    takes: "ignoring what follows the FIN does not forbid a duplicate ACK",
    because: "as text beyond the FIN",
  },
  {
    takes: "3.5.3 and MUST-12: the user is advised",
    states: ["CLOSING", "LAST-ACK"],
    because: "ECONNRESET tells that what was sent last may not have arrived",
  },
  // TIME-WAIT.
  {
    takes: "RFC 1337 3 (F1): RST ignored in TIME-WAIT; MUST-13",
    because: "a late RST must not end TIME-WAIT early",
  },
  {
    states: ["TIME-WAIT"],
    rules: ["second-inside"],
    takes: THROTTLED,
    because: "where an exact RST is ignored, nobody needs to be asked for one",
  },
  {
    kinds: ["SYN"],
    takes: "SYN reopens the connection from TIME-WAIT (MAY-2; RFC 6191 2)",
    because: "ports come back sooner, and RFC 6191 says when that is safe",
  },
  {
    takes: "RFC 6191 2: otherwise silently drop the SYN; RFC 5961 7",
    because: "the other half of RFC 6191's rule",
  },
  {
    rules: ["fourth-time-wait-new"],
    kinds: ["SYN+FIN"],
    takes: THROTTLED,
    because: FORBIDDEN_FLAGS,
  },
  {
    rules: ["time-wait-fin-gap"],
    takes: "fifth, TIME-WAIT, taken for any segment: acknowledge, restart",
    because: "any FIN in the window restarts 2 MSL: nothing is kept here that it could wait for",
  },
  {
    states: ["TIME-WAIT"],
    kinds: ["ACK"],
    takes: WITHOUT_MAY_12,
    because: "the largest window of the peer's is forgotten with the rest of the connection",
  },
  {
    states: ["TIME-WAIT"],
    takes: `${WITHOUT_MAY_12}; ${ONE_FIN}`,
    because: "both of it",
  },
];

export const EXCEPTIONS: readonly Exception[] = [
  {
    rules: ["closed-no-ack", "first-short", "first-long"],
    kinds: ["data", "none"],
    instead: "dropped",
    because: "no TCP sends a segment with none of SYN, FIN, RST and ACK: silence (threats H17)",
  },
  {
    rules: [
      "closed-no-ack",
      "listen-syn-fin",
      "syn-sent-syn-fin",
      "first-syn-passive",
      "fourth-passive-exact",
    ],
    kinds: ["SYN+FIN"],
    instead: "dropped",
    because: FORBIDDEN_FLAGS,
  },
  {
    states: HALF_OPEN,
    kinds: ["SYN"],
    positions: ["minus-one"],
    instead: { reply: [{ flags: "SA", seq: "ISS", ack: "RCV.NXT", when: "now" }] },
    because: "the peer's SYN again says that our SYN,ACK is lost: an ACK alone would not open",
  },
  {
    kinds: ["URG+data+ACK"],
    instead: { urgent: false },
    because: "MUST-32 is not kept: urgent data is data (as RFC 6093 wants it), nobody is told",
  },
  {
    rules: OUTSIDE,
    states: ["FIN-WAIT-1"],
    kinds: WITH_ACK,
    positions: LEFT,
    instead: { next: "FIN-WAIT-2" },
    because: "A.2 for every repetition, as FreeBSD and Linux do, not only for the one at RCV.NXT-1",
  },
  {
    rules: OUTSIDE,
    states: ["CLOSING"],
    kinds: WITH_ACK,
    positions: LEFT,
    instead: { next: "TIME-WAIT", timer: "2msl-start" },
    because: "the same",
  },
  {
    rules: OUTSIDE,
    states: ["LAST-ACK"],
    kinds: WITH_ACK,
    positions: LEFT,
    instead: { next: "CLOSED", rcvNxt: "-" },
    because: "the same",
  },
  {
    rules: ["last-ack-ack", "last-ack-straddling", "last-ack-straddling-fin", "last-ack-inside"],
    kinds: [...TEXT, "FIN+ACK", "data+FIN+ACK"],
    instead: { reply: [{ flags: "A", seq: "SND.NXT", ack: "RCV.NXT", when: "now" }] },
    because:
      "the data path answers what lies beyond the peer's FIN, and does not know CLOSING, which " +
      "has to answer, from LAST-ACK, in which the control plane is about to delete the connection",
  },
  {
    leaving: "close",
    states: FIN_WAIT,
    rules: [
      "fin-wait-1-text",
      "fin-wait-1-text-old-ack",
      "fin-wait-1-text-overlap",
      "fin-wait-1-text-minus-one",
      "fin-wait-1-urgent",
      "fin-wait-1-urgent-overlap",
      "fin-wait-2-text",
      "fin-wait-2-text-overlap",
      "fin-wait-2-text-minus-one",
      "fin-wait-2-urgent",
      "fin-wait-2-urgent-overlap",
      "fin-wait-text-fin",
      "fin-wait-text-fin-overlap",
      "fin-wait-gap-text",
      "fin-wait-gap-urgent",
    ],
    instead: { reply: [{ flags: "RA", seq: "SND.NXT", ack: "RCV.NXT", when: "now" }] },
    because: "our resets carry the ACK flag beside RST, as those of other stacks do (3.10.5: RST)",
  },
];
