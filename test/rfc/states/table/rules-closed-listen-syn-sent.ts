/**
 * rules-closed-listen-syn-sent.ts: 3.10.7.1 CLOSED, 3.10.7.2 LISTEN, 3.10.7.3 SYN-SENT.
 *
 * The sequence number has no meaning in these states: every rule covers every position.
 */
import type { Reply, Rule } from "./types.ts";
import {
  ackMoved,
  anyAck,
  bare,
  everywhere,
  nothingYet,
  plainAck,
  resetByAck,
  resetByLength,
  withRst,
} from "./vocabulary.ts";

/** SYN,ACK with a number chosen now (LISTEN) or with the one in use (SYN-SENT). */
const synAckNew: Reply = { flags: "SA", seq: "ISS'", ack: "RCV.NXT'", when: "now" };
const synAckOld: Reply = { flags: "SA", seq: "ISS", ack: "RCV.NXT'", when: "now" };

/** 3.10.7.1. */
const closed: readonly Rule[] = [
  {
    id: "closed-rst",
    states: ["CLOSED"],
    kinds: withRst,
    positions: everywhere,
    acks: anyAck,
    outcome: nothingYet,
    why: "3.10.7.1: segment containing RST is discarded",
  },
  {
    id: "closed-ack",
    states: ["CLOSED"],
    kinds: ["SYN+ACK", ...plainAck],
    positions: everywhere,
    acks: anyAck,
    outcome: { ...nothingYet, reply: [resetByAck] },
    why: "3.10.7.1: ACK bit on, <SEQ=SEG.ACK><CTL=RST>",
  },
  {
    id: "closed-no-ack",
    states: ["CLOSED"],
    kinds: ["SYN", "SYN+FIN", ...bare],
    positions: everywhere,
    outcome: { ...nothingYet, reply: [resetByLength] },
    why: "3.10.7.1: ACK bit off, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>",
  },
];

/** 3.10.7.2. */
const listen: readonly Rule[] = [
  {
    id: "listen-rst",
    states: ["LISTEN"],
    kinds: withRst,
    positions: everywhere,
    acks: anyAck,
    outcome: nothingYet,
    why: "3.10.7.2 first: RST ignored",
  },
  {
    id: "listen-ack",
    states: ["LISTEN"],
    kinds: ["SYN+ACK", ...plainAck],
    positions: everywhere,
    acks: anyAck,
    outcome: { ...nothingYet, reply: [resetByAck] },
    why: "3.10.7.2 second: any ACK is bad, <SEQ=SEG.ACK><CTL=RST>",
  },
  {
    id: "listen-syn",
    states: ["LISTEN"],
    kinds: ["SYN"],
    positions: everywhere,
    outcome: {
      ...nothingYet,
      next: "SYN-RECEIVED",
      reply: [synAckNew],
      rcvNxt: "SEG.SEQ+1",
    },
    why: "3.10.7.2 third: SYN, <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>",
  },
  {
    id: "listen-syn-fin",
    states: ["LISTEN"],
    kinds: ["SYN+FIN"],
    positions: everywhere,
    outcome: {
      ...nothingYet,
      next: "SYN-RECEIVED",
      reply: [synAckNew],
      rcvNxt: "SEG.SEQ+1",
    },
    why: "3.10.7.2 third: RCV.NXT is SEG.SEQ+1, other control queued",
  },
  {
    id: "listen-bare",
    states: ["LISTEN"],
    kinds: bare,
    positions: everywhere,
    outcome: nothingYet,
    why: "3.10.7.2 fourth: no SYN, no ACK: drop",
  },
];

/** 3.10.7.3. SND.UNA = ISS and SND.NXT = ISS+1, so only SEG.ACK = ISS+1 is acceptable. */
const synSent: readonly Rule[] = [
  {
    id: "syn-sent-bad-ack",
    states: ["SYN-SENT"],
    kinds: ["SYN+ACK", ...plainAck],
    positions: everywhere,
    acks: ["duplicate", "below", "too-old", "too-new"],
    outcome: { ...nothingYet, reply: [resetByAck] },
    why: "3.10.7.3 first: SEG.ACK =< ISS or > SND.NXT: reset, discard",
  },
  {
    id: "syn-sent-bad-ack-rst",
    states: ["SYN-SENT"],
    kinds: ["RST+ACK"],
    positions: everywhere,
    acks: ["duplicate", "below", "too-old", "too-new"],
    outcome: nothingYet,
    why: "3.10.7.3 first: bad ACK with RST bit: drop and return",
  },
  {
    id: "syn-sent-rst-ack",
    states: ["SYN-SENT"],
    kinds: ["RST+ACK"],
    positions: everywhere,
    outcome: { ...nothingYet, next: "CLOSED", signal: ["connection reset"] },
    why: '3.10.7.3 second: RST, ACK acceptable: "error: connection reset", CLOSED',
    freedom: [
      {
        basis: "unclear",
        reason: "wording belongs to the API (3.9.1); 3.10.7.4 says refused",
        instead: { signal: ["connection refused"] },
      },
    ],
  },
  {
    id: "syn-sent-rst",
    states: ["SYN-SENT"],
    kinds: ["RST", "SYN+RST"],
    positions: everywhere,
    outcome: nothingYet,
    why: "3.10.7.3 second: RST without ACK: drop the segment",
  },
  {
    id: "syn-sent-syn-ack",
    states: ["SYN-SENT"],
    kinds: ["SYN+ACK"],
    positions: everywhere,
    outcome: {
      ...nothingYet,
      next: "ESTABLISHED",
      reply: [ackMoved],
      rcvNxt: "SEG.SEQ+1",
      signal: ["open"],
    },
    why: "3.10.7.3 fourth: our SYN is ACKed: ESTABLISHED, form an ACK",
  },
  {
    id: "syn-sent-syn",
    states: ["SYN-SENT"],
    kinds: ["SYN"],
    positions: everywhere,
    outcome: {
      ...nothingYet,
      next: "SYN-RECEIVED-ACTIVE",
      reply: [synAckOld],
      rcvNxt: "SEG.SEQ+1",
    },
    why: "3.10.7.3 fourth: otherwise SYN-RECEIVED, <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>",
  },
  {
    id: "syn-sent-syn-fin",
    states: ["SYN-SENT"],
    kinds: ["SYN+FIN"],
    positions: everywhere,
    outcome: {
      ...nothingYet,
      next: "SYN-RECEIVED-ACTIVE",
      reply: [synAckOld],
      rcvNxt: "SEG.SEQ+1",
    },
    why: "3.10.7.3 fourth: SYN-RECEIVED, other controls queued until ESTABLISHED",
  },
  {
    id: "syn-sent-no-syn",
    states: ["SYN-SENT"],
    kinds: [...plainAck, ...bare],
    positions: everywhere,
    outcome: nothingYet,
    why: "3.10.7.3 fifth: neither SYN nor RST: drop",
  },
];

/** All rules of this file. */
export const closedListenSynSent: readonly Rule[] = [...closed, ...listen, ...synSent];
