/** Computes the expressions of assertions (parse-assertion.ts) from named numbers. */
import { type Assertion, type Expression, ScriptError, type Statement } from "./script.ts";
import { missingFigure } from "./tcp-figures.ts";

type Result = number | string;

/** Value of a name; undefined when there is none. */
type Names = (name: string) => number | undefined;

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  abs: Math.abs,
  min: Math.min,
  max: Math.max,
  int: Math.trunc,
};

/** Integers as Python's: no limit of 32 bits within 2^53. */
function bitwise(operator: string, left: number, right: number): number {
  const [a, b] = [BigInt(Math.trunc(left)), BigInt(Math.trunc(right))];
  if (operator === "&") return Number(a & b);
  if (operator === "|") return Number(a | b);
  if (operator === "^") return Number(a ^ b);
  // A shift beyond this is no number of TCP's.
  const places = b < 0n || b > 64n ? 64n : b;
  return operator === "<<" ? Number(a << places) : Number(a >> places);
}

function arithmetic(operator: string, left: number, right: number): number {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  if (operator === "/") return left / right;
  if (operator === "%") return left - right * Math.floor(left / right);
  return bitwise(operator, left, right);
}

function compare(operator: string, left: number, right: number): boolean {
  if (operator === "==") return left === right;
  if (operator === "!=") return left !== right;
  if (operator === "<") return left < right;
  if (operator === "<=") return left <= right;
  if (operator === ">") return left > right;
  return left >= right;
}

class Evaluation {
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  number(expression: Expression): number {
    const value = this.value(expression);
    if (typeof value === "number") return value;
    throw new RangeError(`expected a number, got ${JSON.stringify(value)}`);
  }

  value(expression: Expression): Result {
    if (expression.kind === "number" || expression.kind === "text") return expression.value;
    if (expression.kind === "name") return this.#name(expression.name);
    if (expression.kind === "unary") {
      const operand = this.number(expression.operand);
      if (expression.operator === "not") return operand === 0 ? 1 : 0;
      return expression.operator === "-" ? -operand : -operand - 1;
    }
    if (expression.kind === "comparison") return this.#chain(expression) ? 1 : 0;
    if (expression.kind === "function") {
      const rule = Object.hasOwn(FUNCTIONS, expression.name)
        ? FUNCTIONS[expression.name]
        : undefined;
      if (rule === undefined) throw new RangeError(`expected abs, min, max or int()`);
      return rule(...expression.parameters.map((one) => this.number(one)));
    }
    return this.#binary(expression);
  }

  #name(name: string): number {
    if (name === "True") return 1;
    if (name === "False") return 0;
    const value = this.#names(name);
    if (value === undefined) throw new RangeError(`${name}: ${missingFigure(name)}`);
    return value;
  }

  #binary(expression: Expression & { kind: "binary" }): Result {
    const { operator } = expression;
    const left = this.value(expression.left);
    // Python's format: the values go behind the text.
    if (typeof left === "string" && operator === "%") {
      return left.replace(/%[a-z]/, String(this.value(expression.right)));
    }
    if (operator === "or" || operator === "||") {
      return left !== 0 ? left : this.value(expression.right);
    }
    if (operator === "and" || operator === "&&") {
      return left === 0 ? 0 : this.value(expression.right);
    }
    return arithmetic(operator, this.number(expression.left), this.number(expression.right));
  }

  #chain(expression: Expression & { kind: "comparison" }): boolean {
    const { operands, operators } = expression;
    const values = operands.map((one) => this.number(one));
    return operators.every((operator, i) => {
      return compare(operator, values[i] as number, values[i + 1] as number);
    });
  }
}

/** The names of an expression, for messages. */
function namesOf(expression: Expression): string[] {
  if (expression.kind === "name") return [expression.name];
  if (expression.kind === "unary") return namesOf(expression.operand);
  if (expression.kind === "binary") {
    return [...namesOf(expression.left), ...namesOf(expression.right)];
  }
  if (expression.kind === "comparison") return expression.operands.flatMap(namesOf);
  return expression.kind === "function" ? expression.parameters.flatMap(namesOf) : [];
}

function checkAssertion(file: string, assertion: Assertion, names: Names): void {
  const evaluation = new Evaluation(names);
  const { condition, message, line } = assertion;
  const value = evaluation.value(condition);
  if (value !== 0 && value !== "") return;
  const figures = namesOf(condition).map((name) => `${name} = ${names(name)}`);
  const said = message === undefined ? "" : ` (${evaluation.value(message)})`;
  const got = figures.length > 0 ? figures.join(", ") : "false";
  const reason = `assertion: expected ${assertion.text}, got ${got}${said}`;
  throw new ScriptError(file, line, reason);
}

/**
 * Computes statements in their order. Throws ScriptError when an assertion does not hold, or asks
 * for what there is not. Names that are assigned last until the script's end: `assigned` has them.
 */
export function runStatements(
  file: string,
  statements: readonly Statement[],
  assigned: Map<string, number>,
  figures: Names,
): void {
  const names = (name: string): number | undefined => assigned.get(name) ?? figures(name);
  for (const one of statements) {
    try {
      if ("name" in one) assigned.set(one.name, new Evaluation(names).number(one.value));
      else checkAssertion(file, one, names);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new ScriptError(file, one.line, `assertion: ${error.message}`);
    }
  }
}
