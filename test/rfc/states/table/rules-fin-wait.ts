/**
 * rules-fin-wait.ts: 3.10.7.4, fifth to eighth check, in FIN-WAIT-1 with text and FIN together
 * or above a gap, and in FIN-WAIT-2.
 *
 * After FIN-WAIT-1's FIN is acknowledged processing continues in FIN-WAIT-2 (fifth check), so
 * most rules hold for both states.
 */
import type { Kind, Rule, RuleOutcome } from "./types.ts";
import {
  ack,
  close,
  finAckSoon,
  halfDuplex,
  held,
  inRange,
  mayStaySilent,
  nothing,
  text,
} from "./vocabulary.ts";

const textKinds: readonly Kind[] = ["data+ACK"];
const urgentKinds: readonly Kind[] = ["URG+data+ACK"];
const urgent = (outcome: RuleOutcome): RuleOutcome => ({ ...outcome, urgent: true });
const duplicate: RuleOutcome = { ...nothing, reply: [ack], next: "FIN-WAIT-2" };

/** Text and FIN together: both states end in TIME-WAIT. */
const textAndFin: readonly Rule[] = [
  {
    id: "fin-wait-text-fin",
    states: ["FIN-WAIT-1", "FIN-WAIT-2"],
    kinds: ["data+FIN+ACK"],
    positions: ["exact"],
    outcome: close(10, "RCV.NXT+11", "TIME-WAIT", "2msl-start"),
    why: "3.10.7.4 fifth: our FIN ACKed; seventh; eighth: TIME-WAIT",
    freedom: [finAckSoon, halfDuplex],
  },
  {
    id: "fin-wait-text-fin-overlap",
    states: ["FIN-WAIT-1", "FIN-WAIT-2"],
    kinds: ["data+FIN+ACK"],
    positions: ["overlap"],
    outcome: close(5, "RCV.NXT+6", "TIME-WAIT", "2msl-start"),
    why: "3.10.7.4 first: only new parts; fifth, seventh, eighth: TIME-WAIT",
    freedom: [finAckSoon, halfDuplex],
  },
];

/** Above a gap: the ACK field counts, text and FIN wait. */
const gap: readonly Rule[] = [
  {
    id: "fin-wait-gap-text",
    states: ["FIN-WAIT-1", "FIN-WAIT-2"],
    kinds: ["data+ACK", "data+FIN+ACK"],
    positions: ["inside"],
    outcome: duplicate,
    why: "3.10.7.4 fifth; SHLD-31: held; RFC 5681 4.2: duplicate ACK",
    freedom: [mayStaySilent, held, halfDuplex],
  },
  {
    id: "fin-wait-gap-fin",
    states: ["FIN-WAIT-1", "FIN-WAIT-2"],
    kinds: ["FIN+ACK"],
    positions: ["inside"],
    outcome: duplicate,
    why: "3.10.7.4 fifth; SHLD-31: FIN held; MAY-13: duplicate ACK",
    freedom: [mayStaySilent, held],
  },
  {
    id: "fin-wait-gap-urgent",
    states: ["FIN-WAIT-1", "FIN-WAIT-2"],
    kinds: urgentKinds,
    positions: ["inside"],
    outcome: urgent(duplicate),
    why: "3.10.7.4 fifth; sixth: URG; SHLD-31: held; duplicate ACK",
    freedom: [mayStaySilent, held, halfDuplex],
  },
];

/** FIN-WAIT-2: every ACK in range is a duplicate; pure ACKs stand with ESTABLISHED. */
const finWait2: readonly Rule[] = [
  {
    id: "fin-wait-2-text",
    states: ["FIN-WAIT-2"],
    kinds: textKinds,
    positions: ["exact"],
    acks: inRange,
    outcome: text(10, "RCV.NXT+10"),
    why: "3.10.7.4 seventh, FIN-WAIT-2: text delivered, acknowledged",
    freedom: [halfDuplex],
  },
  {
    id: "fin-wait-2-text-overlap",
    states: ["FIN-WAIT-2"],
    kinds: textKinds,
    positions: ["overlap"],
    outcome: text(5, "RCV.NXT+5"),
    why: "3.10.7.4 first: only new parts; seventh, FIN-WAIT-2",
    freedom: [halfDuplex],
  },
  {
    id: "fin-wait-2-text-minus-one",
    states: ["FIN-WAIT-2"],
    kinds: textKinds,
    positions: ["minus-one"],
    outcome: text(9, "RCV.NXT+9"),
    why: "3.10.7.4 first: only new parts; seventh, FIN-WAIT-2",
    freedom: [halfDuplex],
  },
  {
    id: "fin-wait-2-urgent",
    states: ["FIN-WAIT-2"],
    kinds: urgentKinds,
    positions: ["exact"],
    outcome: urgent(text(10, "RCV.NXT+10")),
    why: "3.10.7.4 sixth: URG signaled (MUST-32); seventh: text",
    freedom: [halfDuplex],
  },
  {
    id: "fin-wait-2-urgent-overlap",
    states: ["FIN-WAIT-2"],
    kinds: urgentKinds,
    positions: ["overlap"],
    outcome: urgent(text(5, "RCV.NXT+5")),
    why: "3.10.7.4 first: only new parts; sixth; seventh",
    freedom: [halfDuplex],
  },
  {
    id: "fin-wait-2-fin",
    states: ["FIN-WAIT-2"],
    kinds: ["FIN+ACK"],
    positions: ["exact"],
    acks: inRange,
    outcome: close(0, "RCV.NXT+1", "TIME-WAIT", "2msl-start"),
    why: "3.10.7.4 eighth, FIN-WAIT-2: TIME-WAIT, start the time-wait timer",
    freedom: [finAckSoon],
  },
];

/** All rules of this file. */
export const finWait: readonly Rule[] = [...textAndFin, ...gap, ...finWait2];
