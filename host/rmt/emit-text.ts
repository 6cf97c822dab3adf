/** Conditions, comparisons and expressions of a stage program as instructions. */
import type * as P from "./program.ts";
import type { Code, OP } from "./wasm-code.ts";

/** Where fields and the register of a stateful ALU are. */
export interface Locals {
  readonly read: (field: string) => number;
  readonly old: number;
  readonly new: number;
}

const UNSIGNED: Readonly<Partial<Record<P.Relation, keyof typeof OP>>> = {
  "==": "eq",
  "!=": "ne",
  "<": "ltU",
  "<=": "leU",
  ">": "gtU",
  ">=": "geU",
};
/** By the sign of the difference. */
const SERIAL: Readonly<Partial<Record<P.Relation, keyof typeof OP>>> = {
  before: "ltS",
  upto: "leS",
  after: "gtS",
  from: "geS",
};
const PLAIN: Readonly<Partial<Record<P.Operator, keyof typeof OP>>> = {
  "+": "add",
  "-": "sub",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "shl",
  ">>": "shrU",
};

export function operandCode(code: Code, operand: P.Operand, locals: Locals): void {
  if (operand.kind === "number") code.constant(operand.value);
  else if (operand.kind === "field") code.get(locals.read(operand.name));
  else code.get(locals[operand.kind]);
}

function comparisonCode(code: Code, each: P.Comparison, locals: Locals): void {
  operandCode(code, each.left, locals);
  operandCode(code, each.right, locals);
  const serial = SERIAL[each.relation];
  if (serial === undefined) code.op(UNSIGNED[each.relation] as keyof typeof OP);
  else code.op("sub").constant(0).op(serial);
}

function membershipCode(code: Code, { field, values }: P.Membership, locals: Locals): void {
  for (const [i, value] of values.entries()) {
    code.get(locals.read(field)).constant(value).op("eq");
    if (i > 0) code.op("or");
  }
}

/** 1 when all terms hold; `old`: the register, where there is one. */
export function conditionCode(
  code: Code,
  condition: P.Condition,
  read: Locals["read"],
  old = 0,
): void {
  const locals: Locals = { read, old, new: old };
  code.constant(1);
  for (const term of condition) {
    if ("values" in term) membershipCode(code, term, locals);
    else comparisonCode(code, term, locals);
    code.op("and");
  }
}

/** 1 when all tests are as asked. */
export function predicateCode(
  code: Code,
  when: readonly P.Predicate[],
  tests: ReadonlyMap<string, number>,
): void {
  code.constant(1);
  for (const { test, negated } of when) {
    code.get(tests.get(test) as number);
    if (negated) code.op("eqz");
    code.op("and");
  }
}

/** One operation; `+|` and `-|` saturate at `width` bits and at 0. */
export function expressionCode(
  code: Code,
  { left, operator, right }: P.Expression,
  width: P.Width,
  locals: Locals,
): void {
  operandCode(code, left, locals);
  if (operator === undefined || right === undefined) return;
  const plain = PLAIN[operator];
  operandCode(code, right, locals);
  if (plain !== undefined) {
    code.op(plain);
    return;
  }
  // The result, what it saturates at, and which of them: select takes them in this order.
  const most = 2 ** width - 1;
  code.op(operator === "+|" ? "add" : "sub").constant(operator === "+|" ? most : 0);
  operandCode(code, left, locals);
  if (operator === "+|") code.constant(most);
  operandCode(code, right, locals);
  code.op(operator === "+|" ? "sub" : "gtU");
  if (operator === "+|") code.op("leU");
  code.op("select");
}
