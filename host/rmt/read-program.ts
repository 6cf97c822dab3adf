/**
 * Reads a stage program from its text. A line is a statement, words are separated by spaces, `#`
 * begins a comment. Statements, in the order in which they may nest:
 *
 *   program NAME
 *   constant NAME = NUMBER
 *   field NAME BITS [parsed | result]
 *   parser NAME
 *     extract FIELD BITS at BIT
 *     length BYTES | length FIELD * BYTES
 *     goto NAME | accept | reject [if CONDITION]
 *   deparser NAME
 *     emit OPERAND BITS at BIT
 *   pipe ingress | egress
 *   stage NAME
 *     table NAME exact | ternary | longest | range of ENTRIES on FIELD ... gives FIELD ...
 *     set FIELD = EXPRESSION [if CONDITION]
 *     filter NAME GAIN of ENTRIES by FIELD on FIELD gives FIELD [if CONDITION]
 *     register NAME BITS of ENTRIES by FIELD
 *       case CONDITION | case always
 *         test NAME : OPERAND RELATION OPERAND
 *         new = EXPRESSION [if TESTS]
 *         out FIELD = EXPRESSION [if TESTS]
 *
 * EXPRESSION: OPERAND [OPERATOR OPERAND]. CONDITION: FIELD RELATION OPERAND or FIELD in VALUE ...,
 * joined by `&`. TESTS: names, `!` before one negates it, joined by `&`. What the words mean is
 * said in program.ts. Throws ProgramError with the line for what is not of this form.
 */
import type * as P from "./program.ts";
import { GAIN_MAX } from "./program.ts";
import { Words } from "./words.ts";

const RELATIONS = ["==", "!=", "<", "<=", ">", ">=", "before", "upto", "after", "from"] as const;
const OPERATORS = ["+", "-", "+|", "-|", "&", "|", "^", "<<", ">>"] as const;
const KINDS = ["exact", "ternary", "longest", "range"] as const;
const ROLES = ["parsed", "result"] as const;
const PIPES = ["ingress", "egress"] as const;

/** A case to which statements are still added. */
interface OpenCase extends P.Case {
  readonly tests: P.Test[];
  readonly updates: P.Update[];
  readonly outputs: P.Output[];
}

interface OpenParser extends P.ParserState {
  readonly extracts: P.Extract[];
  length: P.ParserState["length"];
  readonly gotos: P.Goto[];
}

interface OpenDeparser extends P.Deparser {
  readonly emits: P.Emit[];
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** Reads statement by statement; keeps what is open. */
class Reader {
  readonly #file: string;
  /** Lines of all registers: what a message about one that is used elsewhere says. */
  readonly #registers: ReadonlyMap<string, number>;
  #name = "";
  readonly #constants = new Map<string, number>();
  readonly #fields: P.Field[] = [];
  readonly #pipes: Record<P.Pipe, P.Stage[]> = { ingress: [], egress: [] };
  readonly #parser: OpenParser[] = [];
  readonly #deparsers: OpenDeparser[] = [];
  #pipe: P.Pipe | undefined;
  #stage: Open<P.Stage> | undefined;
  #register: Open<P.Register> | undefined;
  #case: OpenCase | undefined;
  readonly #statements = new Map<string, (words: Words) => void>([
    ["program", (words) => this.#program(words)],
    ["constant", (words) => this.#constant(words)],
    ["field", (words) => this.#field(words)],
    ["parser", (words) => this.#openParser(words)],
    ["extract", (words) => this.#extract(words)],
    ["length", (words) => this.#length(words)],
    ["goto", (words) => this.#goto(words)],
    ["deparser", (words) => this.#openDeparser(words)],
    ["emit", (words) => this.#emit(words)],
    ["pipe", (words) => this.#openPipe(words)],
    ["stage", (words) => this.#openStage(words)],
    ["table", (words) => this.#table(words)],
    ["set", (words) => this.#set(words)],
    ["filter", (words) => this.#filter(words)],
    ["register", (words) => this.#openRegister(words)],
    ["case", (words) => this.#openCase(words)],
    ["test", (words) => this.#test(words)],
    ["new", (words) => this.#update(words)],
    ["out", (words) => this.#output(words)],
  ]);

  constructor(file: string, registers: ReadonlyMap<string, number>) {
    this.#file = file;
    this.#registers = registers;
  }

  statement(line: number, text: string): void {
    const all = text
      .replace(/#.*/, "")
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "");
    const [first] = all;
    if (first === undefined) return;
    const words = new Words(this.#file, line, all);
    const known = [...this.#statements.keys()].join(" | ");
    const statement = this.#statements.get(first) ?? words.fail(known);
    words.take(first);
    statement(words);
    words.end();
  }

  finish(): P.Program {
    return {
      name: this.#name,
      constants: this.#constants,
      fields: this.#fields,
      parser: this.#parser,
      deparsers: this.#deparsers,
      pipes: this.#pipes,
    };
  }

  #program(words: Words): void {
    this.#name = words.name("the program's name");
  }

  #constant(words: Words): void {
    const name = words.name("a constant's name");
    if (this.#constants.has(name)) words.fail("a new name", name);
    words.expect("=");
    this.#constants.set(name, words.number("a number of 32 bits"));
  }

  #field(words: Words): void {
    const name = words.name("a field's name");
    if (this.#fields.some((field) => field.name === name)) words.fail("a new name", name);
    const width = this.#width(words);
    const role = words.done ? "scratch" : words.oneOf(ROLES);
    this.#fields.push({ name, width, role, line: words.line });
  }

  #width(words: Words): P.Width {
    return Number(words.oneOf(["8", "16", "32"])) as P.Width;
  }

  #openParser(words: Words): void {
    const name = words.name("a state's name");
    if (this.#parser.some((state) => state.name === name)) words.fail("a new name", name);
    this.#parser.push({ name, extracts: [], length: { bytes: 0 }, gotos: [], line: words.line });
  }

  #inParser(words: Words): OpenParser {
    return this.#parser.at(-1) ?? words.fail("a parser state before it", "none");
  }

  #extract(words: Words): void {
    const state = this.#inParser(words);
    const field = this.#fieldName(words);
    const { bits, at } = this.#place(words);
    state.extracts.push({ field, bits, at, line: words.line });
  }

  /** Bits that one load reaches. */
  #place(words: Words): { bits: number; at: number } {
    const bits = words.number("a number of bits");
    words.expect("at");
    const at = words.number("a bit");
    if (bits < 1 || (at & 7) + bits > 32) words.fail("1 to 32 bits within four bytes", `${bits}`);
    return { bits, at };
  }

  #length(words: Words): void {
    const state = this.#inParser(words);
    if (/^\d/.test(words.peek())) {
      state.length = { bytes: words.number("bytes") };
      return;
    }
    const field = this.#fieldName(words);
    words.expect("*");
    state.length = { field, bytes: words.number("bytes") };
  }

  #goto(words: Words): void {
    const state = this.#inParser(words);
    const name = words.name("a state's name");
    const condition = words.accept("if") ? this.#condition(words) : [];
    state.gotos.push({ state: name, condition, line: words.line });
  }

  #openDeparser(words: Words): void {
    const name = words.name("a header's name");
    this.#deparsers.push({ name, emits: [], line: words.line });
  }

  #emit(words: Words): void {
    const open = this.#deparsers.at(-1) ?? words.fail("a deparser before it", "none");
    const value = this.#operand(words);
    open.emits.push({ value, ...this.#place(words), line: words.line });
  }

  #openPipe(words: Words): void {
    this.#pipe = words.oneOf(PIPES);
    this.#stage = undefined;
    this.#register = undefined;
    this.#case = undefined;
  }

  #openStage(words: Words): void {
    if (this.#pipe === undefined) words.fail("pipe ingress | egress before a stage", "stage");
    const name = words.name("a stage's name");
    const line = words.line;
    const none = { tables: [], registers: [], filters: [], actions: [] };
    const stage: Open<P.Stage> = { name, ...none, line };
    this.#stage = stage;
    this.#register = undefined;
    this.#case = undefined;
    this.#pipes[this.#pipe].push(stage);
  }

  #inStage(words: Words): Open<P.Stage> {
    return this.#stage ?? words.fail("a stage before it", "none");
  }

  #inCase(words: Words): OpenCase {
    return this.#case ?? words.fail("a case before it", "none");
  }

  #table(words: Words): void {
    const stage = this.#inStage(words);
    const name = words.name("a table's name");
    const kind = words.oneOf(KINDS);
    words.expect("of");
    const entries = words.number("a number of entries");
    words.expect("on");
    const on: string[] = [];
    while (words.peek() !== "gives") on.push(this.#fieldName(words));
    words.expect("gives");
    const gives: string[] = [];
    while (!words.done) gives.push(this.#fieldName(words));
    if (on.length === 0 || gives.length === 0) words.fail("fields on both sides of gives", "none");
    stage.tables.push({ name, kind, entries, on, gives, line: words.line });
  }

  #set(words: Words): void {
    const stage = this.#inStage(words);
    const field = this.#fieldName(words);
    words.expect("=");
    const value = this.#expression(words);
    const condition = words.accept("if") ? this.#condition(words) : [];
    stage.actions.push({ field, value, condition, line: words.line });
  }

  #filter(words: Words): void {
    const stage = this.#inStage(words);
    const name = this.#cellName(words);
    const gain = words.number("a gain");
    if (gain < 1 || gain > GAIN_MAX) words.fail(`a gain of 1 to ${GAIN_MAX}`, `${gain}`);
    const cells = this.#cells(words);
    words.expect("on");
    const on = this.#fieldName(words);
    words.expect("gives");
    const gives = this.#fieldName(words);
    const condition = words.accept("if") ? this.#condition(words) : [];
    stage.filters.push({ name, gain, ...cells, on, gives, condition, line: words.line });
  }

  #cellName(words: Words): string {
    const name = words.name("a register's name");
    const first = this.#registers.get(name) as number;
    if (first !== words.line) words.fail(`one use of register ${name} (line ${first})`, "another");
    return name;
  }

  #cells(words: Words): { entries: number; by: string } {
    words.expect("of");
    const entries = words.number("a number of entries");
    words.expect("by");
    return { entries, by: this.#fieldName(words) };
  }

  #openRegister(words: Words): void {
    const stage = this.#inStage(words);
    const name = this.#cellName(words);
    const width = this.#width(words);
    this.#register = { name, width, ...this.#cells(words), cases: [], line: words.line };
    this.#case = undefined;
    stage.registers.push(this.#register);
  }

  #openCase(words: Words): void {
    const register = this.#register ?? words.fail("a register before it", "none");
    const condition = words.accept("always") ? [] : this.#condition(words);
    const open: OpenCase = { condition, tests: [], updates: [], outputs: [], line: words.line };
    this.#case = open;
    register.cases.push(open);
  }

  #test(words: Words): void {
    const open = this.#inCase(words);
    const name = words.name("a test's name");
    if (open.tests.some((test) => test.name === name)) words.fail("a new name", name);
    words.expect(":");
    open.tests.push({ name, ...this.#comparison(words) });
  }

  #update(words: Words): void {
    const open = this.#inCase(words);
    words.expect("=");
    open.updates.push({
      value: this.#expression(words),
      when: this.#predicates(words, open),
      line: words.line,
    });
  }

  #output(words: Words): void {
    const open = this.#inCase(words);
    const field = this.#fieldName(words);
    words.expect("=");
    const value = this.#expression(words);
    open.outputs.push({ field, value, when: this.#predicates(words, open), line: words.line });
  }

  #predicates(words: Words, open: OpenCase): P.Predicate[] {
    if (!words.accept("if")) return [];
    const found: P.Predicate[] = [];
    do {
      const word = words.take("a test");
      const negated = word.startsWith("!");
      const test = negated ? word.slice(1) : word;
      if (!open.tests.some(({ name }) => name === test)) words.fail("a test of this case", word);
      found.push({ test, negated });
    } while (words.accept("&"));
    return found;
  }

  #condition(words: Words): P.Condition {
    const terms: (P.Comparison | P.Membership)[] = [];
    do {
      terms.push(this.#term(words));
    } while (words.accept("&"));
    return terms;
  }

  #term(words: Words): P.Comparison | P.Membership {
    const left = this.#operand(words);
    if (!words.accept("in")) return this.#relation(words, left);
    if (left.kind !== "field") words.fail("a field before in", left.kind);
    const values: number[] = [];
    while (!words.done && words.peek() !== "&") values.push(this.#value(words));
    if (values.length === 0) words.fail("values after in");
    return { field: left.name, values, line: words.line };
  }

  #comparison(words: Words): P.Comparison {
    return this.#relation(words, this.#operand(words));
  }

  #relation(words: Words, left: P.Operand): P.Comparison {
    const relation = words.oneOf(RELATIONS);
    return { left, relation, right: this.#operand(words), line: words.line };
  }

  #expression(words: Words): P.Expression {
    const left = this.#operand(words);
    if (words.done || words.peek() === "if") return { left };
    return { left, operator: words.oneOf(OPERATORS), right: this.#operand(words) };
  }

  #operand(words: Words): P.Operand {
    const word = words.peek();
    if (/^\d/.test(word)) return { kind: "number", value: this.#value(words) };
    const constant = this.#constants.get(word);
    if (constant !== undefined) return { kind: "number", value: this.#value(words) };
    if (word === "old" || word === "new") {
      words.take(word);
      return { kind: word };
    }
    return { kind: "field", name: this.#fieldName(words) };
  }

  #value(words: Words): number {
    const constant = this.#constants.get(words.peek());
    if (constant === undefined) return words.number("a number or a constant");
    words.take("a constant");
    return constant;
  }

  #fieldName(words: Words): string {
    const word = words.peek();
    const line = this.#registers.get(word);
    if (line !== undefined) {
      const own = this.#stage?.registers.some(({ name }) => name === word) === true;
      const rule = own ? "old or new" : "a field: a register is read in its own stage alone";
      words.fail(rule, `register ${word} of line ${line}`);
    }
    if (!this.#fields.some(({ name }) => name === word)) words.fail("a field, declared before");
    return words.take("a field");
  }
}

function registerLines(lines: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const name = /^\s*(?:register|filter)\s+(\S+)/.exec(line)?.[1];
    if (name !== undefined && !found.has(name)) found.set(name, index + 1);
  }
  return found;
}

/** The program in `text`. `file` names it in messages. Throws ProgramError. */
export function readProgram(file: string, text: string): P.Program {
  const lines = text.split("\n");
  const reader = new Reader(file, registerLines(lines));
  for (const [index, line] of lines.entries()) reader.statement(index + 1, line);
  return reader.finish();
}
