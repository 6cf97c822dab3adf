/** Pieces of AssemblyScript that stages and parsers of a program share. */
import type * as P from "./program.ts";

/** How a field is read where the text will stand. */
export type ReadField = (field: string) => string;

const SERIAL: Readonly<Record<string, string>> = {
  before: "<",
  upto: "<=",
  after: ">",
  from: ">=",
};

export function operandText(
  operand: P.Operand,
  read: ReadField,
  names?: ReadonlyMap<string, string>,
): string {
  if (operand.kind === "number") return `<u32>${operand.value}`;
  if (operand.kind === "field") return read(operand.name);
  return names?.get(operand.kind) ?? "old";
}

/** Unsigned, or by the sign of the difference. */
export function comparisonText({ left, relation, right }: P.Comparison, read: ReadField): string {
  const [a, b] = [operandText(left, read), operandText(right, read)];
  const serial = SERIAL[relation];
  return serial === undefined ? `${a} ${relation} ${b}` : `<i32>(${a} - ${b}) ${serial} 0`;
}

/** All terms hold; without any: true. */
export function conditionText(condition: P.Condition, read: ReadField): string {
  const terms = condition.map((term) => {
    if (!("values" in term)) return comparisonText(term, read);
    const field = read(term.field);
    return `(${term.values.map((value) => `${field} == ${value}`).join(" || ")})`;
  });
  return terms.length === 0 ? "true" : terms.join(" && ");
}

/** One operation; `+|` and `-|` saturate at `width` bits and at 0. */
export function expressionText(
  { left, operator, right }: P.Expression,
  width: P.Width,
  read: ReadField,
  names: ReadonlyMap<string, string>,
): string {
  const a = operandText(left, read, names);
  if (operator === undefined || right === undefined) return a;
  const b = operandText(right, read, names);
  if (operator === "-|") return `${a} > ${b} ? ${a} - ${b} : 0`;
  if (operator !== "+|") return `${a} ${operator === ">>" ? ">>>" : operator} ${b}`;
  const most = 2 ** width - 1;
  return `${a} > <u32>${most} - ${b} ? <u32>${most} : ${a} + ${b}`;
}
