/** What the model of sender-model.ts is told and says. Positions are bytes of the stream. */
import type { RoundTripSettings } from "./round-trip-model.ts";

export interface SenderSettings extends RoundTripSettings {
  /** Payload bytes of a full segment. */
  readonly mss: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  readonly nodelay: boolean;
  readonly cork: boolean;
  /** ECN was agreed on (RFC 3168), and everything is ECN-capable (RFC 8257, 4.1). */
  readonly ecn: boolean;
  readonly allCapable: boolean;
  /** Losses are answered by everything again, as by the paper (4.3.1.3). */
  readonly goBackN: boolean;
  /** Losses are found by time (RFC 8985) and not by counting (RFC 6675). */
  readonly rack: boolean;
  /** One duplicate ACK is enough. */
  readonly lossAtFirst: boolean;
  /** With SACK an ACK without a block is no duplicate. */
  readonly duplicateBySack: boolean;
  /** Bytes of the transmit buffer. */
  readonly room: number;
  /** Challenge ACKs in an interval of 2^shift ticks (RFC 5961, 7). */
  readonly challenges: number;
  readonly challengeShift: number;
  /** The peer's window at the start, and the shift of those that it announces. */
  readonly peerWindow: number;
  readonly scale: number;
  readonly initialWindow: number;
}

/** An acknowledgment without payload; numbers may lie anywhere. */
export interface Ack {
  readonly ack: number;
  /** It stands within the window, and so may move the peer's and be a duplicate. */
  readonly whole: boolean;
  /** The header's field. */
  readonly window: number;
  /** Absent without the option. */
  readonly sack?: readonly (readonly [number, number])[];
  /** TSecr, ticks of 1 ms; absent without the option. */
  readonly echo?: number;
  /** ECE. */
  readonly marked?: boolean;
}

/** A segment that leaves; one of no bytes is an ACK or a FIN. */
export interface Sent {
  readonly seq: number;
  readonly length: number;
  readonly fin: boolean;
  /** PSH, CWR, and ECT(0). */
  readonly push: boolean;
  readonly reduced: boolean;
  readonly capable: boolean;
}

/** What is counted of a connection's sending side. */
export interface SenderCounts {
  /** Segments that were sent again, duplicates, and recoveries that these or blocks began. */
  again: number;
  duplicates: number;
  recoveries: number;
  timeouts: number;
  /** Bytes that were acknowledged, and of them those with an echo of congestion. */
  acked: number;
  marked: number;
  /** Of closed windows (RFC 9293, 3.8.6.1), and of tails. */
  probes: number;
  tailProbes: number;
  spurious: number;
  challenges: number;
  echoes: number;
}

/** Why a descriptor or a segment was not used. */
export type SenderDrop = "append" | "ack" | "rated" | "late";

/** The retransmission timer has expired: what the control plane is told. */
export interface Expiry {
  readonly sent: number;
  readonly avail: number;
  readonly persist: boolean;
}

/** What the stage asks of the congestion policy (RFC 5681), whose window it holds. */
export interface Policy {
  cwnd: number;
  ssthresh: number;
  /** Payload bytes of a full segment. */
  mss: number;
  /** A rate in place of a window. */
  readonly isWindowless: boolean;
  /** More round trips than one at a time are of use (RFC 9406). */
  readonly wantsSamples: boolean;
  choose(hasWindow: boolean, now: number): void;
  ack(acked: number, before: number, marked: boolean, now: number, told: number): void;
  loss(flight: number, now: number): void;
  exit(flight: number, now: number): void;
  undo(window: number, threshold: number): void;
  timeout(flight: number, first: boolean, now: number): void;
  idle(now: number): void;
  /** A round trip of `rtt` ns, and their smoothed value. */
  sample(rtt: number): void;
  smooth(srtt: number): void;
  /** An echo of congestion; true when the peer is to be told of a reduction. */
  mark(flight: number, now: number): boolean;
  /** A mark cannot lower the window any more: the timer has to. */
  holds(): boolean;
}

/** How a recovery goes on: RFC 6582; RFC 6937; slow start after a timeout. */
export type Mode = "newreno" | "reduction" | "timeout";
export type Timer = "timeout" | "probe" | "reorder";
/** Of a timeout (RFC 5682): was it for something? */
export type Doubt = "none" | "asked" | "tested";
/** A tail loss probe (RFC 8985, 7.3). */
export type Probe = "none" | "due" | "fresh" | "again";

/** A policy without a window keeps it at this. */
export const WINDOWLESS = 0x3fffffff;
export const DUPLICATES = 3;
