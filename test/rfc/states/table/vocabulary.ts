/**
 * vocabulary.ts: names shared by the rule files: sets of states and kinds, the answers of the
 * RFC, plain outcomes and alternatives that occur in many rules.
 *
 * Nothing here decides anything: the rules pick from these by name.
 */
import type {
  AckPosition,
  Formula,
  Kind,
  Position,
  Reply,
  RuleFreedom,
  RuleOutcome,
  Signal,
  State,
  Timer,
} from "./types.ts";

/** Both origins of SYN-RECEIVED. */
export const synReceived: readonly State[] = ["SYN-RECEIVED", "SYN-RECEIVED-ACTIVE"];

/** States that still take text: seventh step of 3.10.7.4, without SYN-RECEIVED. */
export const taking: readonly State[] = ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"];

/** States in which the peer's FIN was consumed. */
export const afterFin: readonly State[] = ["CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"];

/** The synchronized states. */
export const synchronized: readonly State[] = [...taking, ...afterFin];

/** All states of 3.10.7.4. */
export const otherStates: readonly State[] = [...synReceived, ...synchronized];

/** RST is looked at before anything but the sequence number. */
export const withRst: readonly Kind[] = ["RST", "RST+ACK", "SYN+RST"];

/** SYN without RST. */
export const withSyn: readonly Kind[] = ["SYN", "SYN+ACK", "SYN+FIN"];

/** ACK without SYN and RST: what reaches the fifth step and passes it. */
export const plainAck: readonly Kind[] = [
  "ACK",
  "data+ACK",
  "FIN+ACK",
  "data+FIN+ACK",
  "URG+data+ACK",
];

/** Neither SYN nor RST nor ACK: what the fifth step drops. */
export const bare: readonly Kind[] = ["data", "none", "FIN"];

/** Every position. */
export const everywhere: readonly Position[] = [
  "exact",
  "inside",
  "old",
  "overlap",
  "beyond",
  "minus-one",
];

/** Positions at which a segment of length 0 or 1 is outside the window. */
export const outsideShort: readonly Position[] = ["old", "overlap", "beyond", "minus-one"];

/** Positions at which a segment with 10 bytes is outside the window. */
export const outsideLong: readonly Position[] = ["old", "beyond"];

/** Every acknowledgment position, the absent one included. */
export const anyAck: readonly AckPosition[] = [
  "none",
  "current",
  "duplicate",
  "below",
  "too-old",
  "too-new",
];

/** SEG.ACK within SND.UNA-MAX.SND.WND and SND.NXT. */
export const inRange: readonly AckPosition[] = ["current", "duplicate", "below"];

/** In range, but acknowledging nothing new. */
export const nothingNew: readonly AckPosition[] = ["duplicate", "below"];

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>: unacceptable segment, challenge, duplicate ACK. */
export const ack: Reply = { flags: "A", seq: "SND.NXT", ack: "RCV.NXT", when: "now" };

/** The same with RCV.NXT moved, at once. */
export const ackMoved: Reply = { flags: "A", seq: "SND.NXT", ack: "RCV.NXT'", when: "now" };

/** The same, delayed if wanted. */
export const ackSoon: Reply = { flags: "A", seq: "SND.NXT", ack: "RCV.NXT'", when: "soon" };

/** <SEQ=SEG.ACK><CTL=RST>. */
export const resetByAck: Reply = { flags: "R", seq: "SEG.ACK", when: "now" };

/** <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. */
export const resetByLength: Reply = {
  flags: "RA",
  seq: "0",
  ack: "SEG.SEQ+SEG.LEN",
  when: "now",
};

/** Segment dropped without an answer, nothing changes. */
export const nothing: RuleOutcome = {
  next: "same",
  reply: [],
  accepted: 0,
  fin: false,
  rcvNxt: "RCV.NXT",
  signal: [],
  urgent: false,
  timer: "-",
};

/** Nothing changes, in a state without RCV.NXT. */
export const nothingYet: RuleOutcome = { ...nothing, rcvNxt: "-" };

/** Segment dropped, ACK sent, nothing else changes. */
export const acked: RuleOutcome = { ...nothing, reply: [ack] };

/** The connection is gone without an answer. */
export const deleted: RuleOutcome = { ...nothing, next: "CLOSED", rcvNxt: "-" };

/** Payload taken in order; RCV.NXT moves over it, the ACK may be delayed. */
export const text = (
  accepted: number,
  rcvNxt: Formula,
  next: State | "same" = "same",
  signal: readonly Signal[] = [],
): RuleOutcome => ({ ...nothing, next, reply: [ackSoon], accepted, rcvNxt, signal });

/** FIN taken, with payload before it or none; RCV.NXT moves over both. */
export const close = (
  accepted: number,
  rcvNxt: Formula,
  next: State | "same",
  timer: Timer = "-",
  signal: readonly Signal[] = ["connection closing"],
): RuleOutcome => ({
  ...nothing,
  next,
  reply: [ackMoved],
  accepted,
  fin: true,
  rcvNxt,
  signal,
  timer,
});

/** RFC 5961 section 7. */
export const throttled: RuleFreedom = {
  basis: "SHOULD",
  reason: "challenge ACKs may be rate limited (RFC 5961 7)",
  instead: { reply: [] },
};

/** Pure ACK in the window but not at its left edge. */
export const mayAnswer: RuleFreedom = {
  basis: "MAY",
  reason: "ACK for a valid segment not at the left edge (MAY-13)",
  instead: { reply: [ack] },
};

/** Text or FIN above a gap. */
export const mayStaySilent: RuleFreedom = {
  basis: "SHOULD",
  reason: "immediate duplicate ACK is SHOULD (RFC 5681 4.2), MAY-13",
  instead: { reply: [] },
};

/** The whole segment above a gap waits, its ACK field too. */
export const held: RuleFreedom = {
  basis: "SHOULD",
  reason: "segment above a gap held for later, ACK field too (SHLD-31)",
  instead: { next: "same", signal: [], urgent: false, timer: "-" },
};

/** The ACK of a FIN rides on the delayed ACK timer. */
export const finAckSoon: RuleFreedom = {
  basis: "unclear",
  reason: "3.8.6.3 does not say that FIN excludes delaying",
  instead: { reply: [ackSoon] },
};

/** Half-duplex close: text after CLOSE is answered with a reset. */
export const halfDuplex: RuleFreedom = {
  basis: "MAY",
  reason: "half-duplex close sends RST for text after CLOSE (MAY-1, SHLD-3)",
  instead: {
    next: "CLOSED",
    reply: [{ flags: "R", seq: "SND.NXT", when: "now" }],
    accepted: 0,
    fin: false,
    rcvNxt: "-",
    signal: [],
    urgent: false,
    timer: "-",
  },
};

/** What comes after the FIN is ignored, but answered. */
export const ignoredAnswered: RuleFreedom = {
  basis: "unclear",
  reason: "ignoring what follows the FIN does not forbid a duplicate ACK",
  instead: { reply: [ack] },
};

/** A second FIN is not acted upon, only acknowledged. */
export const secondFin: RuleFreedom = {
  basis: "unclear",
  reason: "one FIN per stream (3.4): RCV.NXT stays, nobody is told again",
  instead: { reply: [ack], fin: false, rcvNxt: "RCV.NXT", signal: [] },
};

/** A FIN above a gap in a stream that has already ended. */
export const finIgnored: RuleFreedom = {
  basis: "unclear",
  reason: "FIN above a gap after the FIN: nothing says to answer",
  instead: { reply: [] },
};
