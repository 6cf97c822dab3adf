/**
 * setups.ts: our end before the segment arrives, per state, and what the segments look like.
 *
 * The values assume that no data was ever exchanged. A harness that exchanges data first (at
 * least 20 bytes from the peer keeps `old` and `overlap` right of IRS) adds it on both sides;
 * the expectations do not depend on it.
 */
import type { AckPosition, Flags, Formula, Kind, Position, State } from "./types.ts";

/** Our variables before the event; "-" when the state has no TCB or no such value yet. */
export interface Setup {
  readonly sndUna: Formula | "-";
  readonly sndNxt: Formula | "-";
  readonly rcvNxt: Formula | "-";
  readonly about: string;
}

/** RCV.WND in all cases; the receive queue is empty. */
export const receiveWindow = 1000;

/** Our end per state. */
export const setups: Readonly<Record<State, Setup>> = {
  CLOSED: { sndUna: "-", sndNxt: "-", rcvNxt: "-", about: "no TCB; any numbers" },
  LISTEN: { sndUna: "-", sndNxt: "-", rcvNxt: "-", about: "passive OPEN; any numbers" },
  "SYN-SENT": { sndUna: "ISS", sndNxt: "ISS+1", rcvNxt: "-", about: "active OPEN, SYN sent" },
  "SYN-RECEIVED": {
    sndUna: "ISS",
    sndNxt: "ISS+1",
    rcvNxt: "IRS+1",
    about: "from LISTEN, SYN,ACK sent",
  },
  "SYN-RECEIVED-ACTIVE": {
    sndUna: "ISS",
    sndNxt: "ISS+1",
    rcvNxt: "IRS+1",
    about: "from SYN-SENT, SYN,ACK sent",
  },
  ESTABLISHED: {
    sndUna: "ISS+1",
    sndNxt: "ISS+1",
    rcvNxt: "IRS+1",
    about: "idle, nothing queued",
  },
  "FIN-WAIT-1": {
    sndUna: "ISS+1",
    sndNxt: "ISS+2",
    rcvNxt: "IRS+1",
    about: "CLOSE called, FIN in flight",
  },
  "FIN-WAIT-2": {
    sndUna: "ISS+2",
    sndNxt: "ISS+2",
    rcvNxt: "IRS+1",
    about: "our FIN acknowledged",
  },
  "CLOSE-WAIT": {
    sndUna: "ISS+1",
    sndNxt: "ISS+1",
    rcvNxt: "IRS+2",
    about: "peer's FIN consumed",
  },
  CLOSING: {
    sndUna: "ISS+1",
    sndNxt: "ISS+2",
    rcvNxt: "IRS+2",
    about: "both FINs sent, ours in flight",
  },
  "LAST-ACK": {
    sndUna: "ISS+1",
    sndNxt: "ISS+2",
    rcvNxt: "IRS+2",
    about: "from CLOSE-WAIT, our FIN out",
  },
  "TIME-WAIT": {
    sndUna: "ISS+2",
    sndNxt: "ISS+2",
    rcvNxt: "IRS+2",
    about: "both FINs acknowledged",
  },
};

/** What a kind puts on the wire. */
export interface Shape {
  readonly flags: Flags;
  readonly data: number;
  /** SEG.LEN. */
  readonly len: number;
  readonly up?: number;
}

/** Shapes per kind; the urgent pointer points behind the 10 bytes (MUST-62). */
export const shapes: Readonly<Record<Kind, Shape>> = {
  SYN: { flags: "S", data: 0, len: 1 },
  "SYN+ACK": { flags: "SA", data: 0, len: 1 },
  ACK: { flags: "A", data: 0, len: 0 },
  "data+ACK": { flags: "A", data: 10, len: 10 },
  "FIN+ACK": { flags: "FA", data: 0, len: 1 },
  RST: { flags: "R", data: 0, len: 0 },
  "RST+ACK": { flags: "RA", data: 0, len: 0 },
  data: { flags: "", data: 10, len: 10 },
  none: { flags: "", data: 0, len: 0 },
  FIN: { flags: "F", data: 0, len: 1 },
  "data+FIN+ACK": { flags: "FA", data: 10, len: 11 },
  "SYN+FIN": { flags: "SF", data: 0, len: 2 },
  "SYN+RST": { flags: "SR", data: 0, len: 1 },
  "URG+data+ACK": { flags: "AU", data: 10, len: 10, up: 10 },
};

/** SEG.SEQ per position; without a RCV.NXT (CLOSED, LISTEN, SYN-SENT) take any number for it. */
export const sequences: Readonly<Record<Position, Formula>> = {
  exact: "RCV.NXT",
  inside: "RCV.NXT+5",
  old: "RCV.NXT-20",
  overlap: "RCV.NXT-5",
  beyond: "RCV.NXT+RCV.WND+100",
  "minus-one": "RCV.NXT-1",
};

/** SEG.ACK per acknowledgment position; without SND.* (CLOSED, LISTEN) take any number. */
export const acknowledgments: Readonly<Record<AckPosition, Formula | undefined>> = {
  none: undefined,
  current: "SND.NXT",
  duplicate: "SND.UNA",
  below: "SND.UNA-1",
  "too-old": "SND.UNA-1073741824",
  "too-new": "SND.NXT+100",
};
