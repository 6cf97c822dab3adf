/**
 * What the table permits for a case, what this stack is to do of that, and how what was seen
 * differs from it.
 */
import { CHOICES, type Choice, EXCEPTIONS, type Exception, isAbout } from "./choices.ts";
import type { Observation } from "./observe.ts";
import { evaluate, type Values } from "./table/evaluate.ts";
import type { Case, Freedom, Outcome, Reply, State } from "./table/types.ts";

/** The outcome that is expected of this stack, and the entries that made it differ. */
export interface Expected {
  readonly outcome: Outcome;
  readonly choices: readonly Choice[];
  readonly exceptions: readonly Exception[];
}

/** More alternatives are not combined: no outcome needs more. */
const TAKEN_MAX = 2;

const WITHOUT_NEXT: readonly State[] = ["CLOSED", "LISTEN", "SYN-SENT"];

function combinations(all: readonly Freedom[], most: number): (readonly Freedom[])[] {
  if (most === 0) return [[]];
  const fewer = combinations(all, most - 1);
  const longest = fewer.filter((one) => one.length === most - 1);
  return [...fewer, ...longest.flatMap((one) => all.map((each) => [...one, each]))];
}

/** The parts of an outcome alone: a case's expectation has more. */
function plain(whole: Outcome): Outcome {
  const { next, reply, accepted, fin, rcvNxt, signal, urgent, timer } = whole;
  return { next, reply, accepted, fin, rcvNxt, signal, urgent, timer };
}

function isSame(a: Outcome, b: Outcome): boolean {
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
}

/** Every outcome that the table permits. */
function permitted({ expect }: Case): Outcome[] {
  return combinations(expect.freedom, TAKEN_MAX).map((taken) =>
    plain(Object.assign({}, expect, ...taken.map(({ instead }) => instead)) as Outcome),
  );
}

/** Nothing happens in this state. */
function dropped(state: State): Outcome {
  const rcvNxt = WITHOUT_NEXT.includes(state) ? "-" : "RCV.NXT";
  const nothing = { reply: [], accepted: 0, fin: false, signal: [], urgent: false } as const;
  return { ...nothing, next: state, rcvNxt, timer: "-" };
}

/** What this stack is to do. */
export function expected(one: Case, leaving: "shutdown" | "close"): Expected {
  let outcome = plain(one.expect);
  const choices = CHOICES.filter((choice) => {
    const freedom = one.expect.freedom.find(({ reason }) => reason === choice.takes);
    if (freedom === undefined || !isAbout(choice, one, leaving)) return false;
    outcome = { ...outcome, ...freedom.instead };
    return true;
  });
  const exceptions = EXCEPTIONS.filter((exception) => {
    if (!isAbout(exception, one, leaving)) return false;
    const { instead } = exception;
    const before = outcome;
    outcome = instead === "dropped" ? dropped(one.state) : { ...outcome, ...instead };
    return !isSame(before, outcome);
  });
  return { outcome, choices, exceptions };
}

/** True when the table has this outcome for the case. */
export function isPermitted(one: Case, outcome: Outcome): boolean {
  return permitted(one).some((each) => isSame(each, outcome));
}

function replyDiffers(want: Reply, got: Observation["reply"][number], values: Values): boolean {
  if (want.flags !== got.flags) return true;
  if (want.when === "now" && got.when !== "now") return true;
  // ISS' may be any number.
  if (want.seq !== "ISS'" && evaluate(want.seq, values) !== got.seq) return true;
  return want.ack !== undefined && evaluate(want.ack, values) !== got.ack;
}

function repliesDiffer(outcome: Outcome, seen: Observation, values: Values): boolean {
  if (outcome.reply.length !== seen.reply.length) return true;
  return outcome.reply.some((want, index) => {
    const got = seen.reply[index];
    return got === undefined || replyDiffers(want, got, values);
  });
}

/** What the application would have been told; one that has closed is told nothing. */
function tellingDiffers(outcome: Outcome, seen: Observation): string[] {
  if (seen.isOrphan) return [];
  const wrong: string[] = [];
  if (outcome.accepted !== seen.accepted) wrong.push("accepted");
  if (`${outcome.signal}` !== `${seen.signal}`) wrong.push("signal");
  if (outcome.urgent !== seen.urgent) wrong.push("urgent");
  return wrong;
}

/** The parts of an outcome that were not seen so. `fin` shows in RCV.NXT and in the signal. */
export function differences(outcome: Outcome, seen: Observation): string[] {
  const after = outcome.rcvNxt === "-" ? undefined : evaluate(outcome.rcvNxt, seen.values);
  const values = after === undefined ? seen.values : { ...seen.values, "RCV.NXT'": after };
  const wrong: string[] = [];
  if (outcome.next !== seen.next) wrong.push("next");
  if (repliesDiffer(outcome, seen, values)) wrong.push("reply");
  if (after !== undefined && after !== seen.rcvNxt) wrong.push("rcvNxt");
  if (outcome.timer !== seen.timer) wrong.push("timer");
  return [...wrong, ...tellingDiffers(outcome, seen)];
}
