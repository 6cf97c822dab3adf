/**
 * rules-checks.ts: 3.10.7.4, first to fourth check and the part of the fifth that is the same in
 * all states: sequence number, RST, SYN, missing ACK, ACK out of range.
 */
import type { Kind, Rule, RuleFreedom, State } from "./types.ts";
import {
  ack,
  acked,
  anyAck,
  bare,
  deleted,
  everywhere,
  nothing,
  otherStates,
  outsideLong,
  outsideShort,
  resetByAck,
  synReceived,
  synchronized,
  taking,
  throttled,
  withRst,
  withSyn,
} from "./vocabulary.ts";

const outsideWhy = "3.10.7.4 first: not acceptable: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, drop";
const longKinds: readonly Kind[] = ["data", "data+ACK", "data+FIN+ACK", "URG+data+ACK"];

/** States in which the ACK field of a segment at RCV.NXT-1 would not have moved us on. */
const ackIndifferent: readonly State[] = ["ESTABLISHED", "FIN-WAIT-2", "CLOSE-WAIT", "TIME-WAIT"];

/** Appendix A.2: the check may be widened to RCV.NXT-1 so that the ACK field is processed. */
const widened = (next: State, open = false): readonly RuleFreedom[] => {
  const processed = {
    next,
    signal: open ? (["open"] as const) : [],
    timer: next === "TIME-WAIT" ? ("2msl-start" as const) : ("-" as const),
    rcvNxt: next === "CLOSED" ? ("-" as const) : ("RCV.NXT" as const),
  };
  return [
    {
      basis: "unclear",
      reason: "Appendix A.2: ACK field processed although left of the window",
      instead: processed,
    },
    {
      basis: "unclear",
      reason: "Appendix A.2: ACK field processed, and nothing sent",
      instead: { ...processed, reply: [] },
    },
  ];
};

/** First: sequence number, segments without RST. */
const sequence: readonly Rule[] = [
  {
    id: "first-short",
    states: otherStates,
    kinds: ["ACK", "FIN+ACK", "none", "FIN"],
    positions: ["old", "overlap", "beyond"],
    outcome: acked,
    why: outsideWhy,
  },
  {
    id: "first-long",
    states: otherStates,
    kinds: longKinds,
    positions: outsideLong,
    outcome: acked,
    why: outsideWhy,
  },
  {
    id: "first-syn-passive",
    states: ["SYN-RECEIVED"],
    kinds: withSyn,
    positions: outsideShort,
    outcome: acked,
    why: outsideWhy,
  },
  {
    id: "first-minus-one",
    states: ackIndifferent,
    kinds: ["ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: "3.10.7.4 first: not acceptable (keep-alive, 3.8.4): ACK, drop",
  },
  {
    id: "first-minus-one-syn-received",
    states: synReceived,
    kinds: ["ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: outsideWhy,
    freedom: widened("ESTABLISHED", true),
  },
  {
    id: "first-minus-one-fin-wait-1",
    states: ["FIN-WAIT-1"],
    kinds: ["ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: outsideWhy,
    freedom: widened("FIN-WAIT-2"),
  },
  {
    id: "first-minus-one-closing",
    states: ["CLOSING"],
    kinds: ["ACK", "FIN+ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: outsideWhy,
    freedom: widened("TIME-WAIT"),
  },
  {
    id: "first-minus-one-last-ack",
    states: ["LAST-ACK"],
    kinds: ["ACK", "FIN+ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: outsideWhy,
    freedom: widened("CLOSED"),
  },
  {
    id: "first-minus-one-fin",
    states: [...synReceived, ...taking, "CLOSE-WAIT"],
    kinds: ["FIN+ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: outsideWhy,
  },
  {
    id: "first-minus-one-fin-time-wait",
    states: ["TIME-WAIT"],
    kinds: ["FIN+ACK"],
    positions: ["minus-one"],
    outcome: { ...acked, timer: "2msl-restart" },
    why: "3.10.7.4 first ACKs; fifth, TIME-WAIT: retransmitted FIN restarts 2 MSL",
    freedom: [
      {
        basis: "unclear",
        reason: "the first check returns before any restart is reached",
        instead: { timer: "-" },
      },
    ],
  },
];

/** Second: RST. The sequence number decides; the ACK field of a RST is not looked at. */
const reset: readonly Rule[] = [
  {
    id: "second-outside",
    states: otherStates,
    kinds: withRst,
    positions: outsideShort,
    outcome: nothing,
    why: "3.10.7.4 first, second 1): RST outside the window: silently drop",
  },
  {
    id: "second-inside",
    states: otherStates,
    kinds: withRst,
    positions: ["inside"],
    outcome: acked,
    why: "3.10.7.4 second 3): in window, not exact: challenge ACK, drop",
    freedom: [throttled],
  },
  {
    id: "second-exact-passive",
    states: ["SYN-RECEIVED"],
    kinds: withRst,
    positions: ["exact"],
    acks: anyAck,
    outcome: { ...nothing, next: "LISTEN", rcvNxt: "-" },
    why: "3.10.7.4 second, SYN-RECEIVED: passive OPEN: return to LISTEN",
    freedom: [
      {
        basis: "MAY",
        reason: 'the user "need not be informed", but may be',
        instead: { signal: ["connection reset"] },
      },
    ],
  },
  {
    id: "second-exact-active",
    states: ["SYN-RECEIVED-ACTIVE"],
    kinds: withRst,
    positions: ["exact"],
    acks: anyAck,
    outcome: { ...deleted, signal: ["connection refused"] },
    why: '3.10.7.4 second, SYN-RECEIVED: active OPEN: "connection refused", CLOSED',
    freedom: [
      {
        basis: "unclear",
        reason: "wording belongs to the API (3.9.1)",
        instead: { signal: ["connection reset"] },
      },
    ],
  },
  {
    id: "second-exact-open",
    states: [...taking, "CLOSE-WAIT"],
    kinds: withRst,
    positions: ["exact"],
    acks: anyAck,
    outcome: { ...deleted, signal: ["connection reset"] },
    why: '3.10.7.4 second 2): exact: "connection reset", CLOSED, delete TCB',
  },
  {
    id: "second-exact-closing",
    states: ["CLOSING", "LAST-ACK"],
    kinds: withRst,
    positions: ["exact"],
    acks: anyAck,
    outcome: deleted,
    why: "3.10.7.4 second 2), CLOSING, LAST-ACK: CLOSED, delete TCB",
    freedom: [
      {
        basis: "unclear",
        reason: "3.5.3 and MUST-12: the user is advised",
        instead: { signal: ["connection reset"] },
      },
    ],
  },
  {
    id: "second-exact-time-wait",
    states: ["TIME-WAIT"],
    kinds: withRst,
    positions: ["exact"],
    acks: anyAck,
    outcome: deleted,
    why: "3.10.7.4 second 2), TIME-WAIT: CLOSED, delete TCB",
    freedom: [
      {
        basis: "unclear",
        reason: "3.5.3 and MUST-12: the user is advised",
        instead: { signal: ["connection reset"] },
      },
      {
        basis: "other-rfc",
        reason: "RFC 1337 3 (F1): RST ignored in TIME-WAIT; MUST-13",
        instead: { next: "same", rcvNxt: "RCV.NXT" },
      },
    ],
  },
];

/** MAY-2: a SYN opens the next incarnation, when its number is right of the last FIN's. */
const nextIncarnation: RuleFreedom = {
  basis: "MAY",
  reason: "SYN reopens the connection from TIME-WAIT (MAY-2; RFC 6191 2)",
  instead: {
    next: "SYN-RECEIVED",
    rcvNxt: "SEG.SEQ+1",
    reply: [{ flags: "SA", seq: "ISS'", ack: "RCV.NXT'", when: "now" }],
  },
};

const challengeWhy = "3.10.7.4 first or fourth: SYN, irrespective of SEQ: challenge ACK, drop";

/** Fourth: SYN. Outside the window the first check has already sent the same segment. */
const syn: readonly Rule[] = [
  {
    id: "fourth-passive-exact",
    states: ["SYN-RECEIVED"],
    kinds: withSyn,
    positions: ["exact"],
    acks: anyAck,
    outcome: { ...nothing, next: "LISTEN", rcvNxt: "-" },
    why: "3.10.7.4 fourth, SYN-RECEIVED: passive OPEN: return to LISTEN",
  },
  {
    id: "fourth-passive-inside",
    states: ["SYN-RECEIVED"],
    kinds: withSyn,
    positions: ["inside"],
    outcome: { ...nothing, next: "LISTEN", rcvNxt: "-" },
    why: "3.10.7.4 fourth, SYN-RECEIVED: passive OPEN: return to LISTEN",
    freedom: [
      {
        basis: "SHOULD",
        reason: "segment above a gap held for later (SHLD-31)",
        instead: { next: "same", rcvNxt: "RCV.NXT" },
      },
      {
        basis: "SHOULD",
        reason: "held (SHLD-31) and answered (MAY-13)",
        instead: { next: "same", rcvNxt: "RCV.NXT", reply: [ack] },
      },
    ],
  },
  {
    id: "fourth-synchronized",
    states: [...taking, "CLOSE-WAIT", "CLOSING", "LAST-ACK"],
    kinds: withSyn,
    positions: everywhere,
    acks: anyAck,
    outcome: acked,
    why: challengeWhy,
    freedom: [throttled],
  },
  {
    id: "fourth-active",
    states: ["SYN-RECEIVED-ACTIVE"],
    kinds: withSyn,
    acks: anyAck,
    positions: ["exact", "inside", "old", "overlap", "beyond"],
    outcome: acked,
    why: "3.10.7.4 first or fourth, SYN-RECEIVED: active OPEN: as synchronized states",
    freedom: [throttled],
  },
  {
    id: "fourth-active-retransmitted-syn",
    states: ["SYN-RECEIVED-ACTIVE"],
    kinds: ["SYN"],
    positions: ["minus-one"],
    outcome: acked,
    why: "3.10.7.4 first: peer's SYN again, left of the window: ACK",
    freedom: [throttled],
  },
  {
    id: "fourth-active-syn-ack",
    states: ["SYN-RECEIVED-ACTIVE"],
    kinds: ["SYN+ACK"],
    positions: ["minus-one"],
    outcome: acked,
    why: "3.10.7.4 first: peer's SYN,ACK is left of the window: ACK",
    freedom: [
      throttled,
      {
        basis: "unclear",
        reason: "3.5 Figure 7 line 6 and Appendix A.2: ESTABLISHED",
        instead: { next: "ESTABLISHED", reply: [], signal: ["open"] },
      },
      {
        basis: "unclear",
        reason: "3.5 Figure 7 line 6 and A.2, ACK sent as well",
        instead: { next: "ESTABLISHED", signal: ["open"] },
      },
    ],
  },
  {
    id: "fourth-time-wait-new",
    states: ["TIME-WAIT"],
    kinds: ["SYN", "SYN+FIN"],
    positions: ["exact", "inside", "beyond"],
    outcome: acked,
    why: challengeWhy,
    freedom: [throttled, nextIncarnation],
  },
  {
    id: "fourth-time-wait-old",
    states: ["TIME-WAIT"],
    kinds: ["SYN", "SYN+FIN"],
    positions: ["old", "overlap", "minus-one"],
    outcome: acked,
    why: challengeWhy,
    freedom: [
      {
        basis: "other-rfc",
        reason: "RFC 6191 2: otherwise silently drop the SYN; RFC 5961 7",
        instead: { reply: [] },
      },
    ],
  },
  {
    id: "fourth-time-wait-syn-ack",
    states: ["TIME-WAIT"],
    kinds: ["SYN+ACK"],
    positions: everywhere,
    acks: anyAck,
    outcome: acked,
    why: challengeWhy,
    freedom: [throttled],
  },
];

const rangeWhy = "3.10.7.4 fifth: ACK outside RFC 5961 5 range: discard, ACK sent";
const ackExtra: readonly Kind[] = ["ACK", "data+ACK", "FIN+ACK"];
const withoutMay12: RuleFreedom = {
  basis: "MAY",
  reason: 'without MAY-12 the ACK is merely old, as position "below"',
  likeAck: "below",
};

/** Fifth: ACK bit off, ACK out of range, unacceptable in SYN-RECEIVED. */
const acknowledgment: readonly Rule[] = [
  {
    id: "fifth-no-ack",
    states: otherStates,
    kinds: bare,
    positions: ["exact", "inside"],
    outcome: nothing,
    why: "3.10.7.4 fifth: ACK bit off: drop the segment",
  },
  {
    id: "fifth-no-ack-overlap",
    states: otherStates,
    kinds: ["data"],
    positions: ["overlap"],
    outcome: nothing,
    why: "3.10.7.4 first passes, fifth: ACK bit off: drop the segment",
  },
  {
    id: "fifth-too-old",
    states: otherStates,
    kinds: ackExtra,
    positions: ["exact"],
    acks: ["too-old"],
    outcome: acked,
    why: rangeWhy,
    freedom: [withoutMay12],
  },
  {
    id: "fifth-too-new",
    states: synchronized,
    kinds: ackExtra,
    positions: ["exact"],
    acks: ["too-new"],
    outcome: acked,
    why: "3.10.7.4 fifth: SEG.ACK > SND.NXT: send an ACK, drop",
  },
  {
    id: "fifth-too-new-syn-received",
    states: synReceived,
    kinds: ackExtra,
    positions: ["exact"],
    acks: ["too-new"],
    outcome: acked,
    why: rangeWhy,
    freedom: [
      {
        basis: "MAY",
        reason: "without MAY-12: fifth, SYN-RECEIVED, and 3.5.2 group 2: reset",
        instead: { reply: [resetByAck] },
      },
    ],
  },
  {
    id: "fifth-syn-received-bad-ack",
    states: synReceived,
    kinds: ackExtra,
    positions: ["exact"],
    acks: ["duplicate", "below"],
    outcome: { ...nothing, reply: [resetByAck] },
    why: "3.10.7.4 fifth, SYN-RECEIVED: not acceptable: <SEQ=SEG.ACK><CTL=RST>",
  },
];

/** All rules of this file. */
export const checks: readonly Rule[] = [...sequence, ...reset, ...syn, ...acknowledgment];
