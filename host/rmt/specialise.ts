/**
 * A pipe as one value of a field leaves it: conditions on that field, and on fields that then never
 * get a value, are decided beforehand; what cannot happen is left out. The fused form chooses among
 * such pipes once, by what most conditions ask for.
 */
import { writesOf } from "./check-program.ts";
import type * as P from "./program.ts";

/** Fields whose values are known. */
type Known = ReadonlyMap<string, number>;

type Term = P.Comparison | P.Membership;

function decide(term: Term, known: Known): boolean | undefined {
  if ("values" in term) {
    const value = known.get(term.field);
    return value === undefined ? undefined : term.values.includes(value);
  }
  if (term.left.kind !== "field" || term.right.kind !== "number") return undefined;
  const a = known.get(term.left.name);
  if (a === undefined) return undefined;
  const b = term.right.value;
  const outcomes: Readonly<Record<P.Relation, boolean>> = {
    "==": a === b,
    "!=": a !== b,
    "<": a < b,
    "<=": a <= b,
    ">": a > b,
    ">=": a >= b,
    before: ((a - b) | 0) < 0,
    upto: ((a - b) | 0) <= 0,
    after: ((a - b) | 0) > 0,
    from: ((a - b) | 0) >= 0,
  };
  return outcomes[term.relation];
}

/** The alternatives that may still be taken, with what is left of their conditions. */
function remaining<T extends { readonly condition: P.Condition }>(
  alternatives: readonly T[],
  known: Known,
): T[] {
  const left: T[] = [];
  for (const each of alternatives) {
    const decisions = each.condition.map((term) => decide(term, known));
    if (decisions.includes(false)) continue;
    const condition = each.condition.filter((_, i) => decisions[i] === undefined);
    left.push({ ...each, condition });
    if (condition.length === 0) break;
  }
  return left;
}

function stageOf(stage: P.Stage, known: Known): P.Stage {
  const fields = [...new Set(stage.actions.map(({ field }) => field))];
  const registers = stage.registers.map((register) => ({
    ...register,
    cases: remaining(register.cases, known),
  }));
  return {
    ...stage,
    registers: registers.filter(({ cases }) => cases.length > 0),
    filters: stage.filters.flatMap((filter) => remaining([filter], known)),
    actions: fields.flatMap((field) =>
      remaining(
        stage.actions.filter((action) => action.field === field),
        known,
      ),
    ),
  };
}

/** `stages` when `field` is `value`. `zero`: fields that are 0 unless a stage writes them. */
export function specialise(
  stages: readonly P.Stage[],
  field: string,
  value: number,
  zero: readonly string[],
): readonly P.Stage[] {
  let now = stages;
  // Each turn may leave more fields without a value; a program has so many fields.
  for (let i = 0; i <= zero.length; i += 1) {
    const written = new Set(now.flatMap((stage) => [...writesOf(stage)]));
    const never = zero.filter((name) => !written.has(name));
    const known = new Map([...never.map((name): [string, number] => [name, 0]), [field, value]]);
    const next = now.map((stage) => stageOf(stage, known));
    if (JSON.stringify(next) === JSON.stringify(now)) return now;
    now = next;
  }
  return now;
}

/** The field that most conditions of a pipe compare with numbers, and those; no stage writes it. */
export function choiceOf(
  stages: readonly P.Stage[],
): { readonly field: string; readonly values: readonly number[] } | undefined {
  const written = new Set(stages.flatMap((stage) => [...writesOf(stage)]));
  const conditions = stages.flatMap(({ actions, filters, registers }) => [
    ...[...actions, ...filters].map(({ condition }) => condition),
    ...registers.flatMap(({ cases }) => cases.map(({ condition }) => condition)),
  ]);
  const asked = new Map<string, number[]>();
  for (const term of conditions.flat()) {
    const field = "values" in term ? term.field : term.left.kind === "field" ? term.left.name : "";
    if (field === "" || written.has(field)) continue;
    const equal = "values" in term ? term.values : term.relation === "==" ? [term.right] : [];
    const numbers = equal.flatMap((each) => {
      if (typeof each === "number") return [each];
      return each.kind === "number" ? [each.value] : [];
    });
    asked.set(field, [...(asked.get(field) ?? []), ...numbers]);
  }
  const most = [...asked].sort(([, a], [, b]) => b.length - a.length)[0];
  if (most === undefined || most[1].length < 2) return undefined;
  return { field: most[0], values: [...new Set(most[1])].sort((a, b) => a - b) };
}
