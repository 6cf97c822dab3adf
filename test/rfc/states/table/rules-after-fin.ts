/**
 * rules-after-fin.ts: 3.10.7.4, fifth to eighth check, after the peer's FIN was consumed:
 * CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT.
 *
 * A segment that passes the first check here lies (at least in part) behind the peer's FIN; a
 * correct peer sends only pure ACKs there. Retransmissions of the FIN are left of the window.
 */
import type { Kind, Position, Rule, RuleFreedom, RuleOutcome } from "./types.ts";
import {
  ack,
  close,
  deleted,
  finAckSoon,
  finIgnored,
  held,
  ignoredAnswered,
  inRange,
  nothing,
  nothingNew,
  secondFin,
} from "./vocabulary.ts";

const textKinds: readonly Kind[] = ["data+ACK", "URG+data+ACK"];
const endKinds: readonly Kind[] = ["FIN+ACK", "data+FIN+ACK"];
const straddling: readonly Position[] = ["overlap", "minus-one"];
const duplicate: RuleOutcome = { ...nothing, reply: [ack] };

/** Eighth, literally: RCV.NXT moves over the FIN, the user is told, the FIN is acknowledged. */
const again = (timer: "-" | "2msl-start" | "2msl-restart", next: RuleOutcome["next"] = "same") =>
  close(0, "SEG.SEQ+SEG.LEN", next, timer);

/** Held, and answered as text or FIN above a gap. */
const heldAnswered: RuleFreedom = {
  basis: "SHOULD",
  reason: "held above the gap, ACK field too (SHLD-31), and answered",
  instead: { next: "same", rcvNxt: "RCV.NXT", timer: "-", reply: [ack] },
};
const heldSilent: RuleFreedom = {
  basis: "SHOULD",
  reason: "held above the gap, ACK field too (SHLD-31)",
  instead: { next: "same", rcvNxt: "RCV.NXT", timer: "-", reply: [] },
};

const ignoreText = "3.10.7.4 sixth, seventh: FIN was received: URG and text ignored";

/** CLOSE-WAIT: nothing of ours in flight. */
const closeWait: readonly Rule[] = [
  {
    id: "close-wait-ack",
    states: ["CLOSE-WAIT"],
    kinds: ["ACK"],
    positions: ["exact"],
    acks: inRange,
    outcome: nothing,
    why: "3.10.7.4 fifth, CLOSE-WAIT as ESTABLISHED: duplicate ACK ignored",
  },
  {
    id: "close-wait-ack-inside",
    states: ["CLOSE-WAIT"],
    kinds: ["ACK"],
    positions: ["inside"],
    outcome: nothing,
    why: "3.10.7.4 fifth, CLOSE-WAIT as ESTABLISHED: duplicate ACK ignored",
    freedom: [ignoredAnswered],
  },
  {
    id: "close-wait-text",
    states: ["CLOSE-WAIT"],
    kinds: textKinds,
    positions: ["exact", "inside", ...straddling],
    acks: inRange,
    outcome: nothing,
    why: ignoreText,
    freedom: [ignoredAnswered],
  },
  {
    id: "close-wait-fin",
    states: ["CLOSE-WAIT"],
    kinds: endKinds,
    positions: ["exact"],
    acks: inRange,
    outcome: again("-"),
    why: "3.10.7.4 eighth, CLOSE-WAIT: acknowledge the FIN, remain",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "close-wait-fin-overlap",
    states: ["CLOSE-WAIT"],
    kinds: ["data+FIN+ACK"],
    positions: ["overlap"],
    outcome: again("-"),
    why: "3.10.7.4 eighth, CLOSE-WAIT: acknowledge the FIN, remain",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "close-wait-fin-gap",
    states: ["CLOSE-WAIT"],
    kinds: endKinds,
    positions: ["inside"],
    outcome: duplicate,
    why: "SHLD-31: FIN above a gap is held; duplicate ACK",
    freedom: [finIgnored],
  },
];

/** CLOSING: `current` acknowledges our FIN. */
const closing: readonly Rule[] = [
  {
    id: "closing-ack",
    states: ["CLOSING"],
    kinds: ["ACK"],
    positions: ["exact"],
    outcome: { ...nothing, next: "TIME-WAIT", timer: "2msl-start" },
    why: "3.10.7.4 fifth, CLOSING: our FIN is acknowledged: TIME-WAIT",
  },
  {
    id: "closing-ack-inside",
    states: ["CLOSING"],
    kinds: ["ACK"],
    positions: ["inside"],
    outcome: { ...nothing, next: "TIME-WAIT", timer: "2msl-start" },
    why: "3.10.7.4 fifth, CLOSING: ACK acceptable anywhere in the window",
    freedom: [held, ignoredAnswered],
  },
  {
    id: "closing-text",
    states: ["CLOSING"],
    kinds: textKinds,
    positions: ["exact", ...straddling],
    outcome: { ...nothing, next: "TIME-WAIT", timer: "2msl-start" },
    why: "3.10.7.4 fifth, CLOSING: TIME-WAIT; seventh: text ignored",
    freedom: [ignoredAnswered],
  },
  {
    id: "closing-text-gap",
    states: ["CLOSING"],
    kinds: textKinds,
    positions: ["inside"],
    outcome: { ...nothing, next: "TIME-WAIT", timer: "2msl-start" },
    why: "3.10.7.4 fifth, CLOSING: TIME-WAIT; seventh: text ignored",
    freedom: [ignoredAnswered, heldSilent, heldAnswered],
  },
  {
    id: "closing-fin",
    states: ["CLOSING"],
    kinds: endKinds,
    positions: ["exact"],
    outcome: again("2msl-start", "TIME-WAIT"),
    why: "3.10.7.4 fifth, CLOSING: TIME-WAIT; eighth, TIME-WAIT: acknowledge",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "closing-fin-overlap",
    states: ["CLOSING"],
    kinds: ["data+FIN+ACK"],
    positions: ["overlap"],
    outcome: again("2msl-start", "TIME-WAIT"),
    why: "3.10.7.4 fifth, CLOSING: TIME-WAIT; eighth, TIME-WAIT: acknowledge",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "closing-fin-gap",
    states: ["CLOSING"],
    kinds: endKinds,
    positions: ["inside"],
    outcome: { ...duplicate, next: "TIME-WAIT", timer: "2msl-start" },
    why: "3.10.7.4 fifth, CLOSING: TIME-WAIT; FIN above gap held",
    freedom: [finIgnored, heldSilent, heldAnswered],
  },
  {
    id: "closing-old-ack",
    states: ["CLOSING"],
    kinds: ["ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: nothing,
    why: "3.10.7.4 fifth, CLOSING: otherwise ignore the segment",
  },
  {
    id: "closing-old-ack-text",
    states: ["CLOSING"],
    kinds: ["data+ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: nothing,
    why: "3.10.7.4 fifth, CLOSING: otherwise ignore the segment",
    freedom: [ignoredAnswered],
  },
  {
    id: "closing-old-ack-fin",
    states: ["CLOSING"],
    kinds: ["FIN+ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: nothing,
    why: "3.10.7.4 fifth, CLOSING: otherwise ignore the segment",
    freedom: [
      {
        basis: "unclear",
        reason: "eighth, CLOSING: remain, hence a FIN gets there: moved, ACKed",
        instead: {
          reply: [{ flags: "A", seq: "SND.NXT", ack: "RCV.NXT'", when: "now" }],
          fin: true,
          rcvNxt: "SEG.SEQ+SEG.LEN",
          signal: ["connection closing"],
        },
      },
      ignoredAnswered,
    ],
  },
];

/** LAST-ACK: `current` acknowledges our FIN and ends everything, whatever else is there. */
const lastAck: readonly Rule[] = [
  {
    id: "last-ack-ack",
    states: ["LAST-ACK"],
    kinds: ["ACK", ...textKinds, ...endKinds],
    positions: ["exact"],
    outcome: deleted,
    why: "3.10.7.4 fifth, LAST-ACK: our FIN acknowledged: delete TCB, return",
  },
  {
    id: "last-ack-straddling",
    states: ["LAST-ACK"],
    kinds: textKinds,
    positions: straddling,
    outcome: deleted,
    why: "3.10.7.4 fifth, LAST-ACK: our FIN acknowledged: delete TCB, return",
  },
  {
    id: "last-ack-straddling-fin",
    states: ["LAST-ACK"],
    kinds: ["data+FIN+ACK"],
    positions: ["overlap"],
    outcome: deleted,
    why: "3.10.7.4 fifth, LAST-ACK: our FIN acknowledged: delete TCB, return",
  },
  {
    id: "last-ack-ack-inside",
    states: ["LAST-ACK"],
    kinds: ["ACK"],
    positions: ["inside"],
    outcome: deleted,
    why: "3.10.7.4 fifth, LAST-ACK: ACK acceptable anywhere in the window",
    freedom: [heldSilent],
  },
  {
    id: "last-ack-inside",
    states: ["LAST-ACK"],
    kinds: [...textKinds, ...endKinds],
    positions: ["inside"],
    outcome: deleted,
    why: "3.10.7.4 fifth, LAST-ACK: ACK acceptable anywhere in the window",
    freedom: [heldSilent, heldAnswered],
  },
  {
    id: "last-ack-old-ack",
    states: ["LAST-ACK"],
    kinds: ["ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: nothing,
    why: "3.10.7.4 fifth, LAST-ACK: our FIN not acknowledged: nothing to do",
  },
  {
    id: "last-ack-old-ack-text",
    states: ["LAST-ACK"],
    kinds: ["data+ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: nothing,
    why: ignoreText,
    freedom: [ignoredAnswered],
  },
  {
    id: "last-ack-old-ack-fin",
    states: ["LAST-ACK"],
    kinds: ["FIN+ACK"],
    positions: ["exact"],
    acks: nothingNew,
    outcome: again("-"),
    why: "3.10.7.4 eighth, LAST-ACK: acknowledge the FIN, remain",
    freedom: [secondFin, finAckSoon],
  },
];

/** The fifth check's sentence for TIME-WAIT, read as if "it" were any segment. */
const anythingAcknowledged: RuleFreedom = {
  basis: "unclear",
  reason: "fifth, TIME-WAIT, taken for any segment: acknowledge, restart",
  instead: { reply: [ack], timer: "2msl-restart" },
};

/** TIME-WAIT. */
const timeWait: readonly Rule[] = [
  {
    id: "time-wait-ack",
    states: ["TIME-WAIT"],
    kinds: ["ACK"],
    positions: ["exact", "inside"],
    acks: inRange,
    outcome: nothing,
    why: "3.10.7.4 fifth, TIME-WAIT: only a FIN is acknowledged",
    freedom: [anythingAcknowledged],
  },
  {
    id: "time-wait-text",
    states: ["TIME-WAIT"],
    kinds: textKinds,
    positions: ["exact", "inside", ...straddling],
    acks: inRange,
    outcome: nothing,
    why: ignoreText,
    freedom: [anythingAcknowledged, ignoredAnswered],
  },
  {
    id: "time-wait-fin",
    states: ["TIME-WAIT"],
    kinds: endKinds,
    positions: ["exact"],
    acks: inRange,
    outcome: again("2msl-restart"),
    why: "3.10.7.4 fifth, eighth, TIME-WAIT: acknowledge, restart 2 MSL",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "time-wait-fin-overlap",
    states: ["TIME-WAIT"],
    kinds: ["data+FIN+ACK"],
    positions: ["overlap"],
    outcome: again("2msl-restart"),
    why: "3.10.7.4 fifth, eighth, TIME-WAIT: acknowledge, restart 2 MSL",
    freedom: [secondFin, finAckSoon],
  },
  {
    id: "time-wait-fin-gap",
    states: ["TIME-WAIT"],
    kinds: endKinds,
    positions: ["inside"],
    outcome: duplicate,
    why: "SHLD-31: FIN above a gap is held; duplicate ACK",
    freedom: [finIgnored, anythingAcknowledged],
  },
];

/** All rules of this file. */
export const afterFinStates: readonly Rule[] = [...closeWait, ...closing, ...lastAck, ...timeWait];
