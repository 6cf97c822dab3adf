/**
 * A stage program for an RMT pipeline (dissertation 5.1.1), as read from its text: the one source
 * that the checker, the stage-by-stage form and the fused form are made from. The language is
 * described in docs of `read-program.ts`.
 *
 * Within a stage everything happens at once: conditions, match tables, actions and stateful ALUs
 * read the header vector as it came in, and what they write is seen from the next stage on.
 */

/** Where in the text, for messages. */
export interface Placed {
  /** 1 for the first line. */
  readonly line: number;
}

/** Bits of a field or register. */
export type Width = 8 | 16 | 32;

/** What an expression is made of: `old` and `new` are the register of the stateful ALU. */
export type Operand =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "old" | "new" };

/** Modulo 2^32; `+|` and `-|` saturate at the register's or field's largest value and at 0. */
export type Operator = "+" | "-" | "+|" | "-|" | "&" | "|" | "^" | "<<" | ">>";

/** One operand, or two with an operator: what one ALU does. */
export interface Expression {
  readonly left: Operand;
  readonly operator?: Operator;
  readonly right?: Operand;
}

/** Unsigned, or by the sign of the difference (sequence numbers): `before`, `upto`, ... */
export type Relation = "==" | "!=" | "<" | "<=" | ">" | ">=" | "before" | "upto" | "after" | "from";

/** One comparison, of a gateway or of a stateful ALU. */
export interface Comparison extends Placed {
  readonly left: Operand;
  readonly relation: Relation;
  readonly right: Operand;
}

/** A field that has one of several values. */
export interface Membership extends Placed {
  readonly field: string;
  readonly values: readonly number[];
}

/** All of these hold; none: always. Gateways compare fields with constants. */
export type Condition = readonly (Comparison | Membership)[];

/** A named comparison of a stateful ALU. */
export interface Test extends Comparison {
  readonly name: string;
}

/** Which tests of a case hold: all of these. */
export interface Predicate {
  readonly test: string;
  readonly negated: boolean;
}

/** `new = ... if ...`: the first whose tests hold is what the register becomes. */
export interface Update extends Placed {
  readonly value: Expression;
  readonly when: readonly Predicate[];
}

/** `out FIELD = ... if ...`: a result of the stateful ALU. */
export interface Output extends Update {
  readonly field: string;
}

/** One way of using a register: a packet takes one at most, the first whose condition holds. */
export interface Case extends Placed {
  readonly condition: Condition;
  readonly tests: readonly Test[];
  readonly updates: readonly Update[];
  readonly outputs: readonly Output[];
}

/** A word for each index in a stage's own memory. */
export interface Cell extends Placed {
  readonly name: string;
  readonly entries: number;
  /** The field that indexes it. */
  readonly by: string;
}

/** Cells and their stateful ALU. */
export interface Register extends Cell {
  readonly width: Width;
  readonly cases: readonly Case[];
}

/**
 * A low-pass filter, which is no stateful ALU: packets for which the condition holds move the
 * cell's average by 2^-gain of what the sample differs from it; the first sample, of an empty cell,
 * is the average. A cell is the average with `gain` bits below the point.
 */
export interface Filter extends Cell {
  /** 1 to GAIN_MAX. */
  readonly gain: number;
  /** The field that is the sample; cut to what a cell has room for, 2^(32 - gain) - 1. */
  readonly on: string;
  /** The field that becomes the average; without a sample it stays. */
  readonly gives: string;
  readonly condition: Condition;
}

export const GAIN_MAX = 16;

/** `set FIELD = ... if ...`: an action; of several for a field the first that holds. */
export interface Action extends Placed {
  readonly field: string;
  readonly value: Expression;
  readonly condition: Condition;
}

export type MatchKind = "exact" | "ternary" | "longest" | "range";

/** A match table: the entry that matches gives values to fields; without one they stay. */
export interface MatchTable extends Placed {
  readonly name: string;
  readonly kind: MatchKind;
  readonly entries: number;
  readonly on: readonly string[];
  readonly gives: readonly string[];
}

/** `extract FIELD BITS at BIT`: most significant bit first, from the header's beginning. */
export interface Extract extends Placed {
  readonly field: string;
  readonly bits: number;
  readonly at: number;
}

/** `goto STATE if CONDITION`: a later state; `accept` and `reject` are states as well. */
export interface Goto extends Placed {
  readonly state: string;
  readonly condition: Condition;
}

/** A state of the parser: a header's fields, its length, and what comes behind it. */
export interface ParserState extends Placed {
  readonly name: string;
  readonly extracts: readonly Extract[];
  /**
   * Bytes of the header: so many, or a field's value times so many. 0: the state looks ahead, and
   * the next one begins where it did.
   */
  readonly length: { readonly field?: string; readonly bytes: number };
  readonly gotos: readonly Goto[];
}

/** `emit OPERAND BITS at BIT`: a field or a number into a header. */
export interface Emit extends Placed {
  readonly value: Operand;
  readonly bits: number;
  readonly at: number;
}

/** A header that the deparser writes. */
export interface Deparser extends Placed {
  readonly name: string;
  readonly emits: readonly Emit[];
}

export interface Stage extends Placed {
  readonly name: string;
  readonly tables: readonly MatchTable[];
  readonly registers: readonly Register[];
  readonly filters: readonly Filter[];
  readonly actions: readonly Action[];
}

export interface Field extends Placed {
  readonly name: string;
  readonly width: Width;
  /**
   * `parsed`: filled by the parser or the host; others are 0 until a stage writes them. `result`:
   * the deparser or the host looks at it.
   */
  readonly role: "parsed" | "result" | "scratch";
}

/** Ingress is read only: no registers. */
export type Pipe = "ingress" | "egress";

export interface Program {
  readonly name: string;
  readonly constants: ReadonlyMap<string, number>;
  readonly fields: readonly Field[];
  /** The first is where a packet begins. */
  readonly parser: readonly ParserState[];
  readonly deparsers: readonly Deparser[];
  readonly pipes: Readonly<Record<Pipe, readonly Stage[]>>;
}

/** A program that cannot be read, or breaks a limit. `message`: `NAME:LINE: expected X, got Y`. */
export class ProgramError extends Error {
  readonly line: number;

  constructor(name: string, line: number, expected: string, got: string) {
    super(`${name}:${line}: expected ${expected}, got ${got}`);
    this.name = "ProgramError";
    this.line = line;
  }
}
