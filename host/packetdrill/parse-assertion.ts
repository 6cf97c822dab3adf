/**
 * Assertions between `%{` and `}%`: `assert CONDITION[, MESSAGE]` or `NAME = EXPRESSION`, once a
 * line or between `;`; `print(...)` says nothing here. The expressions are the part of Python's
 * that scripts use, with C's `&&`, `||` and `!` beside `and`, `or` and `not`: read here, computed
 * in assertion.ts, never given to an interpreter of the host.
 */
import { Cursor } from "./cursor.ts";
import type { AssertionEvent, EventTime, Statement } from "./script.ts";
import { type Expression, ScriptError } from "./script.ts";

/** Nesting, so that a hostile script cannot use up the call stack. */
const DEPTH_MAX = 64;
const COMPARISON = /==|!=|<=|>=|<(?!<)|>(?!>)/y;

/** Binary operators from the weakest; comparisons stand between the second and the third. */
const LEVELS: readonly RegExp[] = [
  /(?:or\b|\|\|)/y,
  /(?:and\b|&&)/y,
  /\|(?!\|)/y,
  /\^/y,
  /&(?!&)/y,
  /<<|>>/y,
  /[+-]/y,
  /\*|\/|%(?!\})/y,
];
const COMPARISONS_AT = 2;

class ExpressionParser {
  readonly #cursor: Cursor;
  #depth = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  parse(): Expression {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) {
      this.#cursor.refuse(`expected at most ${DEPTH_MAX} brackets within each other`);
    }
    const found = this.#binary(0);
    this.#depth -= 1;
    return found;
  }

  #binary(level: number): Expression {
    const pattern = LEVELS[level];
    if (pattern === undefined) return this.#unary();
    const next = (): Expression => {
      return level + 1 === COMPARISONS_AT ? this.#negation() : this.#binary(level + 1);
    };
    let left = next();
    for (;;) {
      const operator = this.#cursor.take(pattern)?.[0];
      if (operator === undefined) return left;
      left = { kind: "binary", operator, left, right: next() };
    }
  }

  /** `not` binds weaker than a comparison. */
  #negation(): Expression {
    let count = 0;
    while (this.#cursor.take(/not\b/y) !== undefined) count += 1;
    const operand = this.#comparison();
    if (count === 0) return operand;
    const once: Expression = { kind: "unary", operator: "not", operand };
    return count % 2 === 1 ? once : { kind: "unary", operator: "not", operand: once };
  }

  /** Python's chains: `1 < a < 3`. */
  #comparison(): Expression {
    const operands = [this.#binary(COMPARISONS_AT)];
    const operators: string[] = [];
    for (;;) {
      const operator = this.#cursor.take(COMPARISON)?.[0];
      if (operator === undefined) break;
      operators.push(operator);
      operands.push(this.#binary(COMPARISONS_AT));
    }
    if (operators.length === 0) return operands[0] as Expression;
    return { kind: "comparison", operands, operators };
  }

  #unary(): Expression {
    const signs: string[] = [];
    for (;;) {
      const sign = this.#cursor.take(/-|~|!(?!=)/y)?.[0];
      if (sign === undefined) break;
      signs.push(sign === "!" ? "not" : sign);
    }
    let operand = this.#primary();
    for (const operator of signs.reverse()) operand = { kind: "unary", operator, operand };
    return operand;
  }

  #primary(): Expression {
    const cursor = this.#cursor;
    const number = cursor.take(/0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?/y);
    if (number !== undefined) return { kind: "number", value: Number(number[0]) };
    const text = cursor.take(/"([^"\n]*)"|'([^'\n]*)'/y);
    if (text !== undefined) return { kind: "text", value: text[1] ?? text[2] ?? "" };
    if (cursor.take(/\(/y) !== undefined) {
      const inner = this.#list();
      // A tuple is the list of values of a format: its first stands for it.
      return inner[0] ?? cursor.fail("an expression");
    }
    const name = cursor.expect(/[A-Za-z_][A-Za-z0-9_]*/y, "a number, a name or (")[0];
    if (cursor.take(/\(/y) === undefined) return { kind: "name", name };
    return { kind: "function", name, parameters: this.#list() };
  }

  #list(): Expression[] {
    const items: Expression[] = [];
    if (this.#cursor.take(/\)/y) !== undefined) return items;
    do items.push(this.parse());
    while (this.#cursor.take(/,/y) !== undefined);
    this.#cursor.expect(/\)/y, ")");
    return items;
  }
}

/** Lines that end within brackets or in a backslash go on in the next one (Python's rules). */
function statements(text: string): { text: string; line: number }[] {
  const found: { text: string; line: number }[] = [];
  let depth = 0;
  let part = "";
  let line = 0;
  let start = 0;
  for (const one of `${text}\n`) {
    if (one === "(") depth += 1;
    if (one === ")") depth -= 1;
    const goesOn = depth > 0 || /\\[ \t]*$/.test(part);
    const isEnd = !goesOn && (one === "\n" || one === ";");
    const content = part.replace(/\\[ \t]*\n/g, " ").trim();
    if (isEnd && content !== "") found.push({ text: content, line: start });
    if (isEnd) part = "";
    else if (part.trim() !== "" || one.trim() !== "") {
      if (part === "") start = line;
      part += one;
    }
    if (one === "\n") line += 1;
  }
  return found;
}

/** Undefined for what says nothing. */
function parseStatement(file: string, text: string, line: number): Statement | undefined {
  const cursor = new Cursor(file, "\n".repeat(line - 1) + text);
  const parser = new ExpressionParser(cursor);
  if (cursor.take(/print(?=\s*\()/y) !== undefined) {
    parser.parse();
    if (!cursor.ended) cursor.fail("the end of print()");
    return undefined;
  }
  const assigned = cursor.take(/([A-Za-z_][A-Za-z0-9_]*)\s*([-+*]?)=(?!=)/y);
  if (assigned !== undefined) {
    const [, name = "", operator = ""] = assigned;
    const right = parser.parse();
    if (!cursor.ended) cursor.fail("the end of the expression");
    const left: Expression = { kind: "name", name };
    return { line, name, value: operator ? { kind: "binary", operator, left, right } : right };
  }
  cursor.expect(/assert\b/y, "assert");
  const condition = parser.parse();
  const message = cursor.take(/,/y) === undefined ? undefined : parser.parse();
  if (!cursor.ended) cursor.fail("the end of the assertion");
  return { line, text: text.replace(/^assert\s*/, ""), condition, message };
}

/** Comments become blanks; places in the text stay. */
function withoutComments(text: string): string {
  return text.replace(/#[^\n"']*$/gm, (found) => " ".repeat(found.length));
}

export function parseAssertions(cursor: Cursor, time: EventTime): AssertionEvent {
  const { file, line } = cursor;
  // The text between keeps its lines: the cursor would skip them.
  const found = cursor.expect(/%\{([\s\S]*?)\}%/y, "%{ assertions }%");
  const parts = statements(withoutComments(found[1] as string));
  if (parts.length === 0) throw new ScriptError(file, line, "expected assert within %{ }%");
  const read = parts.map((part) => parseStatement(file, part.text, line + part.line));
  return { kind: "assertions", line, time, statements: read.filter((one) => one !== undefined) };
}
