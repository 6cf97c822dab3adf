/**
 * RFC 9293, 3.10.7: every state x segment x sequence position of a table that was written from the
 * text alone (table/), on a whole stack with a scripted peer, in virtual time. Where the table
 * permits several outcomes, and where the stack differs, choices.ts says which it is.
 */
import { expect, test } from "vitest";
import { CHOICES, EXCEPTIONS } from "./choices.ts";
import { type Observation, observe } from "./observe.ts";
import { differences, expected, isPermitted } from "./outcomes.ts";
import type { Setting } from "./scene.ts";
import { cases, states } from "./table/expand.ts";
import type { Case, Kind, Outcome, State } from "./table/types.ts";

/** The second stands before the wrap on both sides, with what was exchanged and without. */
const SETTINGS: readonly Setting[] = [
  { name: "shutdown()", iss: 1000, irs: 90000, exchanged: 0, leaving: "shutdown" },
  {
    name: "close(), numbers wrap",
    iss: 2 ** 32 - 2,
    irs: 2 ** 32 - 4,
    exchanged: 30,
    leaving: "close",
  },
];

const CASES = cases();

/** The cases of one kind in one state. */
function groupsOf(state: State): (readonly [kind: Kind, group: readonly Case[]])[] {
  const inState = CASES.filter((one) => one.state === state);
  const kinds = new Set(inState.map(({ kind }) => kind));
  return [...kinds].map((kind) => [kind, inState.filter((one) => one.kind === kind)]);
}

function described(parts: readonly string[], whole: Outcome | Observation): string {
  const record = whole as unknown as Readonly<Record<string, unknown>>;
  return parts.map((part) => `${part} ${JSON.stringify(record[part])}`).join(", ");
}

function complaint(one: Case, setting: Setting): string[] {
  const { outcome } = expected(one, setting.leaving);
  const seen = observe(one, setting);
  const wrong = differences(outcome, seen);
  if (wrong.length === 0) return [];
  const text = `expected ${described(wrong, outcome)}, got ${described(wrong, seen)}`;
  return [`${one.id} (${one.rule}: ${one.expect.why}): ${text}`];
}

for (const setting of SETTINGS) {
  for (const state of states) {
    for (const [kind, group] of groupsOf(state)) {
      test(`RFC 9293 3.10.7 ${state}, ${kind}: ${setting.name}`, () => {
        expect(group.flatMap((one) => complaint(one, setting))).toEqual([]);
      });
    }
  }
}

test("RFC 9293 3.10.7 each choice decides something", () => {
  const all = CASES.flatMap((one) => ["shutdown", "close"].map((leaving) => [one, leaving]));
  const decided = (all as [Case, "shutdown" | "close"][]).flatMap(
    ([one, leaving]) => expected(one, leaving).choices,
  );
  const idle = CHOICES.filter((choice) => !decided.includes(choice));
  expect(idle.map(({ takes }) => takes)).toEqual([]);
});

test("RFC 9293 3.10.7 each exception is one, and the only ones", () => {
  const used = new Set<unknown>();
  const undeclared: string[] = [];
  for (const { leaving } of SETTINGS) {
    for (const one of CASES) {
      const { outcome, exceptions } = expected(one, leaving);
      if (isPermitted(one, outcome)) continue;
      if (exceptions.length === 0) undeclared.push(one.id);
      for (const each of exceptions) used.add(each);
    }
  }
  expect(undeclared).toEqual([]);
  expect(EXCEPTIONS.filter((one) => !used.has(one)).map(({ because }) => because)).toEqual([]);
});
