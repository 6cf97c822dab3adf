/**
 * expand.ts: yields every case from the rules.
 *
 * It decides nothing about TCP: it enumerates the combinations, looks up the one rule that names
 * each, and throws when a combination is named by no rule or by two, when a rule names nothing,
 * or when an expectation contradicts itself in form.
 */
import { afterFinStates } from "./rules-after-fin.ts";
import { checks } from "./rules-checks.ts";
import { closedListenSynSent } from "./rules-closed-listen-syn-sent.ts";
import { finWait } from "./rules-fin-wait.ts";
import { synchronizedStates } from "./rules-synchronized.ts";
import { acknowledgments, sequences, shapes } from "./setups.ts";
import type {
  AckPosition,
  Case,
  Expectation,
  Freedom,
  Kind,
  Outcome,
  Part,
  Position,
  Rule,
  RuleOutcome,
  Segment,
  State,
} from "./types.ts";

/** The states of the base table, in the RFC's order, and the second SYN-RECEIVED. */
export const states: readonly State[] = [
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
  "SYN-RECEIVED-ACTIVE",
];

const baseKinds: readonly Kind[] = [
  "SYN",
  "SYN+ACK",
  "ACK",
  "data+ACK",
  "FIN+ACK",
  "RST",
  "RST+ACK",
  "data",
  "none",
];
const extraKinds: readonly Kind[] = ["FIN", "data+FIN+ACK", "SYN+FIN", "SYN+RST", "URG+data+ACK"];
const ackKinds: readonly Kind[] = ["ACK", "data+ACK", "FIN+ACK", "RST+ACK", "SYN+ACK"];
const minusOneKinds: readonly Kind[] = ["SYN", "SYN+ACK", "ACK", "data+ACK", "FIN+ACK"];
const basePositions: readonly Position[] = ["exact", "inside", "old", "overlap", "beyond"];
const extraAcks: readonly AckPosition[] = ["duplicate", "below", "too-old", "too-new"];

/** Every rule, in no particular order: order has no meaning. */
export const rules: readonly Rule[] = [
  ...closedListenSynSent,
  ...checks,
  ...synchronizedStates,
  ...finWait,
  ...afterFinStates,
];

interface Combination {
  readonly part: Part;
  readonly state: State;
  readonly kind: Kind;
  readonly position: Position;
  readonly ack: AckPosition;
}

const usualAck = (kind: Kind): AckPosition => (/A/.test(shapes[kind].flags) ? "current" : "none");

function combinations(): Combination[] {
  const all: Combination[] = [];
  for (const state of states) {
    const base: Part = state === "SYN-RECEIVED-ACTIVE" ? "active-open" : "base";
    for (const position of basePositions) {
      for (const kind of baseKinds) {
        all.push({ part: base, state, kind, position, ack: usualAck(kind) });
      }
      for (const kind of extraKinds) {
        all.push({ part: "extra-kind", state, kind, position, ack: usualAck(kind) });
      }
    }
    for (const kind of ackKinds) {
      for (const ack of extraAcks) {
        all.push({ part: "extra-ack", state, kind, position: "exact", ack });
      }
    }
    for (const kind of minusOneKinds) {
      const ack = usualAck(kind);
      all.push({ part: "extra-position", state, kind, position: "minus-one", ack });
    }
  }
  return all;
}

const nameOf = (c: Omit<Combination, "part">): string =>
  `${c.state}/${c.kind}/${c.position}/${c.ack}`;

const defaultAcks: readonly AckPosition[] = ["none", "current"];

function matches(rule: Rule, c: Combination): boolean {
  return (
    rule.states.includes(c.state) &&
    rule.kinds.includes(c.kind) &&
    rule.positions.includes(c.position) &&
    (rule.acks ?? defaultAcks).includes(c.ack)
  );
}

function settle(outcome: RuleOutcome, state: State): Outcome {
  return { ...outcome, next: outcome.next === "same" ? state : outcome.next };
}

function segmentOf(c: Combination): Segment {
  const shape = shapes[c.kind];
  const ack = acknowledgments[c.ack];
  return {
    flags: shape.flags,
    seq: sequences[c.position],
    ...(ack === undefined ? {} : { ack }),
    data: shape.data,
    len: shape.len,
    ...(shape.up === undefined ? {} : { up: shape.up }),
  };
}

/** Form only: what no outcome may look like, whatever the reading. */
function wellFormed(id: string, o: Outcome): void {
  const fail = (what: string): never => {
    throw new Error(`${id}: ${what}`);
  };
  const nowhere = o.next === "CLOSED" || o.next === "LISTEN";
  if (nowhere !== (o.rcvNxt === "-") && o.next !== "SYN-SENT") fail("RCV.NXT against state");
  if (o.timer !== "-" && o.next !== "TIME-WAIT") fail("2 MSL timer outside TIME-WAIT");
  if (o.reply.length > 1) fail("more than one answer");
  for (const reply of o.reply) {
    if ((reply.ack !== undefined) !== /A/.test(reply.flags)) fail("ack field against ACK flag");
    const moved = o.rcvNxt !== "RCV.NXT" && o.rcvNxt !== "-";
    if (reply.ack === "RCV.NXT" && moved) fail("RCV.NXT moved, old one acknowledged");
    if (reply.ack === "RCV.NXT'" && !moved) fail("RCV.NXT' without a move");
  }
  if (o.accepted > 0 && o.rcvNxt === "RCV.NXT") fail("text accepted, RCV.NXT left alone");
  if (o.fin && !o.signal.includes("connection closing")) fail("FIN without a signal");
}

function ruleOf(c: Combination, used: Set<string>): Rule {
  const found = rules.filter((rule) => matches(rule, c));
  const [rule] = found;
  if (rule === undefined) throw new Error(`${nameOf(c)}: no rule`);
  if (found.length > 1) {
    throw new Error(`${nameOf(c)}: ${found.map((each) => each.id).join(" and ")}`);
  }
  used.add(rule.id);
  return rule;
}

/** Replaces "same"; absent fields stay absent. */
function settlePart(part: Partial<RuleOutcome>, state: State): Partial<Outcome> {
  const { next, ...rest } = part;
  if (next === undefined) return rest;
  return { ...rest, next: next === "same" ? state : next };
}

/** The alternatives of one rule; a pointer to a sibling brings the sibling's own along. */
function freedomOf(c: Combination, rule: Rule, used: Set<string>): Freedom[] {
  return (rule.freedom ?? []).flatMap(({ basis, reason, instead, likeAck }): Freedom[] => {
    if (likeAck === undefined) {
      if (instead === undefined) throw new Error(`${rule.id}: empty freedom`);
      return [{ basis, reason, instead: settlePart(instead, c.state) }];
    }
    const other = { ...c, ack: likeAck };
    const sibling = ruleOf(other, used);
    const whole = settlePart(sibling.outcome, c.state);
    const further = freedomOf(other, sibling, used).map(
      (each): Freedom => ({
        basis: each.basis,
        reason: `${reason}; ${each.reason}`,
        instead: { ...whole, ...each.instead },
      }),
    );
    return [{ basis, reason, instead: whole }, ...further];
  });
}

function expectationOf(c: Combination, rule: Rule, used: Set<string>): Expectation {
  const id = nameOf(c);
  const outcome = settle(rule.outcome, c.state);
  wellFormed(id, outcome);
  const sorted = (o: Outcome): string => JSON.stringify(Object.entries(o).sort());
  const freedom = freedomOf(c, rule, used).filter(
    ({ instead }) => sorted({ ...outcome, ...instead }) !== sorted(outcome),
  );
  for (const { reason, instead } of freedom) {
    wellFormed(`${id} (${reason})`, { ...outcome, ...instead });
  }
  if (rule.why.split(/\s+/).length > 12) throw new Error(`${rule.id}: why is too long`);
  return { ...outcome, why: rule.why, freedom };
}

/** All cases; throws when the rules do not cover each exactly once. */
export function cases(): Case[] {
  const used = new Set<string>();
  const ids = new Set<string>();
  for (const { id } of rules) {
    if (ids.has(id)) throw new Error(`rule ${id} twice`);
    ids.add(id);
  }
  const result = combinations().map((c): Case => {
    const rule = ruleOf(c, used);
    return {
      id: nameOf(c),
      ...c,
      segment: segmentOf(c),
      expect: expectationOf(c, rule, used),
      rule: rule.id,
    };
  });
  if (new Set(result.map(({ id }) => id)).size !== result.length) throw new Error("case twice");
  for (const id of ids) if (!used.has(id)) throw new Error(`rule ${id} names no case`);
  return result;
}
