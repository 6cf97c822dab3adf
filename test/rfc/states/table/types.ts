/**
 * types.ts: vocabulary of the expected results for RFC 9293 section 3.10.7 (SEGMENT ARRIVES).
 *
 * Everything here is data: which segment arrives in which state, and what the RFC text says
 * happens. Numbers are written as formulas over the RFC's own variable names, so that the table
 * holds for any ISS and IRS. "Section" references without a number mean RFC 9293.
 */

/** The 11 states; SYN-RECEIVED has a second row set for the simultaneous (active) open. */
export type State =
  | "CLOSED"
  | "LISTEN"
  | "SYN-SENT"
  | "SYN-RECEIVED"
  | "SYN-RECEIVED-ACTIVE"
  | "ESTABLISHED"
  | "FIN-WAIT-1"
  | "FIN-WAIT-2"
  | "CLOSE-WAIT"
  | "CLOSING"
  | "LAST-ACK"
  | "TIME-WAIT";

/** What arrives. "data" is always 10 bytes; kinds without "ACK" have the ACK flag off. */
export type Kind =
  | "SYN"
  | "SYN+ACK"
  | "ACK"
  | "data+ACK"
  | "FIN+ACK"
  | "RST"
  | "RST+ACK"
  | "data"
  | "none"
  | "FIN"
  | "data+FIN+ACK"
  | "SYN+FIN"
  | "SYN+RST"
  | "URG+data+ACK";

/**
 * SEG.SEQ relative to RCV.NXT: exact = RCV.NXT, inside = RCV.NXT+5, old = RCV.NXT-20,
 * overlap = RCV.NXT-5, beyond = RCV.NXT+RCV.WND+100, minus-one = RCV.NXT-1 (extra: a genuine
 * retransmission of the peer's SYN or FIN, or a keep-alive probe).
 */
export type Position = "exact" | "inside" | "old" | "overlap" | "beyond" | "minus-one";

/**
 * SEG.ACK: current = SND.NXT; duplicate = SND.UNA; below = SND.UNA-1 (extra: left of SND.UNA but
 * within MAX.SND.WND); too-old = SND.UNA-2^30, left of SND.UNA-MAX.SND.WND for every permitted
 * choice of MAX.SND.WND; too-new = SND.NXT+100; none = ACK flag off.
 */
export type AckPosition = "none" | "current" | "duplicate" | "below" | "too-old" | "too-new";

/**
 * Names in formulas. SEG.* is the arriving segment, the others are the values before the event;
 * RCV.NXT' is RCV.NXT after it, ISS' an initial number chosen anew during the event.
 */
export type Name =
  | "SEG.SEQ"
  | "SEG.LEN"
  | "SEG.ACK"
  | "SND.NXT"
  | "SND.UNA"
  | "RCV.NXT"
  | "RCV.NXT'"
  | "RCV.WND"
  | "ISS"
  | "ISS'"
  | "IRS";

/** A sum modulo 2^32, read from left to right. */
export type Formula =
  | "0"
  | Name
  | `${Name}+${number}`
  | `${Name}-${number}`
  | `${Name}+${Name}`
  | `${Name}+${Name}+${number}`;

/** Control bits, in the order of this list: S F R A U (PSH is free and never named here). */
export type Flags = "" | "S" | "SA" | "SF" | "SR" | "F" | "FA" | "R" | "RA" | "A" | "AU";

/** One segment sent in answer. */
export interface Reply {
  readonly flags: Flags;
  readonly seq: Formula;
  /** Absent when the ACK flag is off: the field is then not looked at. */
  readonly ack?: Formula;
  /** "now": at once. "soon": now or within 0.5 s (delayed ACK, SHLD-18, MUST-40). */
  readonly when: "now" | "soon";
}

/** What the user is told, in this order; the wording is the RFC's, the mapping is the API's. */
export type Signal = "connection refused" | "connection reset" | "connection closing" | "open";

/** What the 2 MSL timer does; "-" when the state afterwards has none or it is left alone. */
export type Timer = "-" | "2msl-start" | "2msl-restart";

/** Everything that can be observed of one case. */
export interface Outcome {
  /** The state afterwards; "CLOSED" also when the TCB is deleted. */
  readonly next: State;
  /** Segments sent because of this one; an ACK may be piggybacked (here nothing is queued). */
  readonly reply: readonly Reply[];
  /** Payload bytes that become deliverable to the user at once. */
  readonly accepted: number;
  /** Whether this segment's FIN is consumed (RCV.NXT moves over it). */
  readonly fin: boolean;
  /** RCV.NXT afterwards, in terms of the values before; "-" when there is none. */
  readonly rcvNxt: Formula | "-";
  readonly signal: readonly Signal[];
  /** Whether the user has to be told that urgent data is pending (MUST-32). */
  readonly urgent: boolean;
  readonly timer: Timer;
}

/**
 * Why an alternative is allowed.
 * MAY, SHOULD: a requirement of that level, or an option that the text states.
 * other-rfc: another RFC in the folder permits it and RFC 9293 does not take it up fully.
 * unclear: the text can be read both ways; weak, see the README before relying on it.
 */
export type Basis = "MAY" | "SHOULD" | "other-rfc" | "unclear";

/** One alternative outcome: the expectation with the fields of `instead` replaced. */
export interface Freedom {
  readonly basis: Basis;
  readonly reason: string;
  readonly instead: Partial<Outcome>;
}

/** The expectation of one case. Alternatives on different fields may be combined. */
export interface Expectation extends Outcome {
  /** Section and step, at most 12 words. */
  readonly why: string;
  readonly freedom: readonly Freedom[];
}

/** The arriving segment. */
export interface Segment {
  readonly flags: Flags;
  readonly seq: Formula;
  readonly ack?: Formula;
  /** Payload bytes. */
  readonly data: number;
  /** SEG.LEN: payload plus one each for SYN and FIN. */
  readonly len: number;
  /** Urgent pointer field when URG is set. */
  readonly up?: number;
}

/** Which part of the table a case belongs to. */
export type Part = "base" | "active-open" | "extra-kind" | "extra-ack" | "extra-position";

/** One case: state, segment, expectation, and the rule it came from. */
export interface Case {
  /** State/kind/position/ack, unique. */
  readonly id: string;
  readonly part: Part;
  readonly state: State;
  readonly kind: Kind;
  readonly position: Position;
  readonly ack: AckPosition;
  readonly segment: Segment;
  readonly expect: Expectation;
  readonly rule: string;
}

/** In rules, "same" stands for the state of the case. */
export type RuleOutcome = Omit<Outcome, "next"> & { readonly next: State | "same" };

/** In rules, an alternative may point to the same segment with another acknowledgment. */
export interface RuleFreedom {
  readonly basis: Basis;
  readonly reason: string;
  readonly instead?: Partial<RuleOutcome>;
  /** The alternative is the outcome of this sibling case. */
  readonly likeAck?: AckPosition;
}

/** One reading of the text for every listed combination; `acks` defaults to none and current. */
export interface Rule {
  readonly id: string;
  readonly states: readonly State[];
  readonly kinds: readonly Kind[];
  readonly positions: readonly Position[];
  readonly acks?: readonly AckPosition[];
  readonly outcome: RuleOutcome;
  readonly why: string;
  readonly freedom?: readonly RuleFreedom[];
}
