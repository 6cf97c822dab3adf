/**
 * The checker: refuses a program that a machine cannot run, with the line and the limit, and counts
 * what one takes of it (dissertation 5.1.1; the rows of Table 5.2).
 */
import type { Limit, RmtMachine } from "./machine.ts";
import type * as P from "./program.ts";
import { ProgramError } from "./program.ts";

/** What a program takes, summed over its stages; memory in blocks, match keys in bytes. */
export interface Resources {
  /** The longer of the two pipes: they share the machine's stages. */
  readonly stages: number;
  readonly latencyNs: number;
  readonly sramBlocks: number;
  readonly mapRamBlocks: number;
  readonly tcamBlocks: number;
  readonly actions: number;
  readonly statefulAlus: number;
  readonly lowPassFilters: number;
  readonly crossbarBytes: number;
  readonly gateways: number;
  /** Of all stateful ALUs: ways of using a register, comparisons, updates and results. */
  readonly statefulActions: number;
  readonly comparators: number;
  readonly operations: number;
  /** Fields that actions and tables write. */
  readonly fieldActions: number;
  readonly headerBits: number;
  /** What parser and deparser do: fields read and written, steps from state to state. */
  readonly parserSteps: number;
}

function fieldsOf(operands: readonly (P.Operand | undefined)[]): string[] {
  return operands.flatMap((each) => (each?.kind === "field" ? [each.name] : []));
}

function operandsOf({ left, right }: P.Expression): (P.Operand | undefined)[] {
  return [left, right];
}

function isMembership(term: P.Comparison | P.Membership): term is P.Membership {
  return "values" in term;
}

/** Fields that a condition looks at. */
export function conditionFields(condition: P.Condition): string[] {
  return condition.flatMap((term) =>
    isMembership(term) ? [term.field] : fieldsOf([term.left, term.right]),
  );
}

/** Fields that a case of a register hands to its stateful ALU. */
export function inputsOf(each: P.Case): string[] {
  const values = [...each.updates, ...each.outputs].flatMap(({ value }) => operandsOf(value));
  const compared = each.tests.flatMap(({ left, right }) => [left, right]);
  return [...new Set(fieldsOf([...values, ...compared]))];
}

/** Operations of a case: one for each value that the register may become, and for each result. */
function operationsOf(each: P.Case): number {
  const updates = new Set(each.updates.map(({ value }) => JSON.stringify(value)));
  return updates.size + each.outputs.length;
}

/** Fields that a stage reads. */
export function readsOf(stage: P.Stage): Set<string> {
  return new Set([
    ...stage.tables.flatMap(({ on }) => on),
    ...stage.actions.flatMap(({ value }) => fieldsOf(operandsOf(value))),
    ...stage.actions.flatMap(({ condition }) => conditionFields(condition)),
    ...stage.filters.flatMap(({ by, on, condition }) => [by, on, ...conditionFields(condition)]),
    ...stage.registers.flatMap(({ by, cases }) => [
      by,
      ...cases.flatMap((each) => [...conditionFields(each.condition), ...inputsOf(each)]),
    ]),
  ]);
}

/** Fields that a stage writes. */
export function writesOf(stage: P.Stage): Set<string> {
  return new Set([
    ...stage.tables.flatMap(({ gives }) => gives),
    ...stage.actions.map(({ field }) => field),
    ...stage.filters.map(({ gives }) => gives),
    ...stage.registers.flatMap(({ cases }) =>
      cases.flatMap(({ outputs }) => outputs.map(({ field }) => field)),
    ),
  ]);
}

/** The same text for conditions that say the same. */
function formOf(condition: P.Condition): string {
  return JSON.stringify(condition.map((term) => ({ ...term, line: 0 })));
}

/** Conditions of a stage, each once: one gateway each. */
function gatewaysOf(stage: P.Stage): number {
  const conditions = [
    ...stage.actions.map(({ condition }) => condition),
    ...stage.filters.map(({ condition }) => condition),
    ...stage.registers.flatMap(({ cases }) => cases.map(({ condition }) => condition)),
  ];
  return new Set(conditions.map(formOf).filter((text) => text !== "[]")).size;
}

/** Instruction words of a stage: what is done under one condition is one. */
function wordsOf({ actions }: P.Stage): number {
  return new Set(actions.map(({ condition }) => formOf(condition))).size;
}

class Checker {
  readonly #file: string;
  readonly #program: P.Program;
  readonly #machine: RmtMachine;
  readonly #widths: ReadonlyMap<string, number>;
  /** Fields that have a value so far. */
  readonly #written: Set<string>;

  constructor(file: string, program: P.Program, machine: RmtMachine) {
    this.#file = file;
    this.#program = program;
    this.#machine = machine;
    this.#widths = new Map(program.fields.map(({ name, width }) => [name, width]));
    const extracted = program.parser.flatMap(({ extracts }) => extracts.map(({ field }) => field));
    const given = program.fields.filter(({ role }) => role === "parsed").map(({ name }) => name);
    this.#written = new Set([...extracted, ...given]);
  }

  check(): Resources {
    const { ingress, egress } = this.#program.pipes;
    const last = egress.at(-1) ?? ingress.at(-1);
    this.#limit("bits of header vector", this.#machine.headerBits, this.#headerBits(), 1);
    this.#parser();
    for (const stage of ingress) this.#readOnly(stage);
    for (const [pipe, stages] of Object.entries(this.#program.pipes)) {
      const excess = stages[this.#machine.stages.value ?? stages.length];
      const line = excess?.line ?? last?.line ?? 1;
      this.#limit(`stages of ${pipe}`, this.#machine.stages, stages.length, line);
      for (const stage of stages) this.#stage(stage);
    }
    for (let i = 0; i < Math.max(ingress.length, egress.length); i += 1) {
      this.#shared([ingress[i], egress[i]].filter((stage) => stage !== undefined));
    }
    return this.#resources();
  }

  #headerBits(): number {
    return this.#program.fields.reduce((sum, { width }) => sum + width, 0);
  }

  /** A parser looks at a packet once, from its beginning on: states lead to later states alone. */
  #parser(): void {
    const { parser } = this.#program;
    for (const [index, state] of parser.entries()) {
      for (const goto of state.gotos) {
        this.#gateway(goto.condition);
        const later = parser.slice(index + 1).some(({ name }) => name === goto.state);
        if (later || goto.state === "accept" || goto.state === "reject") continue;
        this.#fail(goto.line, "accept, reject or a later state", goto.state);
      }
      const last = state.gotos.at(-1);
      if (last === undefined || last.condition.length > 0) {
        this.#fail(state.line, "a last goto without a condition", "none");
      }
    }
    for (const { bits, at, line } of this.#program.deparsers.flatMap(({ emits }) => emits)) {
      if ([8, 16, 32].includes(bits) && at % 8 === 0) continue;
      this.#fail(line, "whole bytes to emit", `${bits} bits at ${at}`);
    }
  }

  #fail(line: number, expected: string, got: string): never {
    throw new ProgramError(this.#file, line, expected, got);
  }

  #limit(what: string, limit: Limit, got: number, line: number): void {
    if (limit.value === undefined || got <= limit.value) return;
    this.#fail(line, `at most ${limit.value} ${what} (${this.#machine.name})`, `${got}`);
  }

  /** What ingress drops in the traffic manager must leave no trace (5.2, drop resistance). */
  #readOnly(stage: P.Stage): void {
    const [cell] = [...stage.registers, ...stage.filters];
    if (cell === undefined) return;
    this.#fail(cell.line, "a read-only ingress, registers in egress", cell.name);
  }

  #stage(stage: P.Stage): void {
    for (const action of stage.actions) this.#action(action);
    this.#oneWriter(stage);
    for (const register of stage.registers) this.#register(register);
    for (const { condition } of stage.filters) this.#gateway(condition);
    for (const field of readsOf(stage)) this.#hasValue(field, stage);
    for (const field of writesOf(stage)) this.#written.add(field);
  }

  /** Units of a stage work at once: two that write a field would leave one of two values. */
  #oneWriter(stage: P.Stage): void {
    const owners = new Map<string, string>();
    const claim = (field: string, unit: string, line: number): void => {
      const owner = owners.get(field) ?? unit;
      if (owner !== unit) this.#fail(line, `field ${field} to be written by ${owner} alone`, unit);
      owners.set(field, unit);
    };
    for (const { name, gives, line } of stage.tables)
      for (const field of gives) claim(field, name, line);
    for (const { field, line } of stage.actions) claim(field, "an action", line);
    for (const { name, gives, line } of stage.filters) claim(gives, name, line);
    for (const { name, cases } of stage.registers) {
      for (const { field, line } of cases.flatMap(({ outputs }) => outputs))
        claim(field, name, line);
    }
  }

  /** A stage of ingress and one of egress share the machine's; the later one is over the limit. */
  #shared(stages: readonly P.Stage[]): void {
    const machine = this.#machine;
    const limits: readonly (readonly [string, Limit, (stage: P.Stage) => number])[] = [
      ["stateful ALUs", machine.statefulAlus, ({ registers }) => registers.length],
      ["low-pass filters", machine.lowPassFilters, ({ filters }) => filters.length],
      [
        "stateful ALUs and low-pass filters",
        machine.statefulAlus,
        ({ registers, filters }) => registers.length + filters.length,
      ],
      ["gateways", machine.gateways, gatewaysOf],
      ["instruction words", machine.actions, wordsOf],
      ["SRAM blocks", machine.sramBlocks, (stage) => this.#sramOf(stage)],
      ["map RAM blocks", machine.mapRamBlocks, (stage) => this.#cellBlocks(stage)],
      ["TCAM blocks", machine.tcamBlocks, (stage) => this.#tcamOf(stage)],
      ["bytes of match keys", machine.crossbarBytes, (stage) => this.#crossbarOf(stage)],
    ];
    for (const [what, limit, of] of limits) {
      let used = 0;
      for (const stage of stages) {
        used += of(stage);
        this.#limit(`${what} a stage`, limit, used, stage.line);
      }
    }
  }

  #hasValue(field: string, stage: P.Stage): void {
    if (this.#written.has(field)) return;
    this.#fail(
      stage.line,
      `field ${field} to be parsed, or written by an earlier stage`,
      "neither",
    );
  }

  #action(action: P.Action): void {
    this.#gateway(action.condition);
    const { operator, right } = action.value;
    for (const operand of [action.value.left, right]) {
      if (operand?.kind !== "old" && operand?.kind !== "new") continue;
      this.#fail(action.line, "fields and constants in an action", operand.kind);
    }
    this.#shift(operator, right, action.line);
  }

  #shift(operator: P.Operator | undefined, by: P.Operand | undefined, line: number): void {
    if ((operator !== "<<" && operator !== ">>") || by?.kind === "number") return;
    this.#fail(line, "a shift by a constant", "one by a field");
  }

  /** A gateway compares fields with constants; sequence numbers after a subtraction, with 0. */
  #gateway(condition: P.Condition): void {
    for (const term of condition) {
      if (isMembership(term)) continue;
      if (term.left.kind === "field" && term.right.kind === "number") continue;
      this.#fail(term.line, "a condition that compares a field with a constant", "two fields");
    }
  }

  #register(register: P.Register): void {
    const { registerBits } = this.#machine;
    this.#limit("bits a register", registerBits, register.width, register.line);
    if (register.cases.length === 0) this.#fail(register.line, "a case", "none");
    for (const each of register.cases) this.#case(each);
  }

  #case(each: P.Case): void {
    const { comparators, arithmetic, statefulInputs } = this.#machine;
    this.#gateway(each.condition);
    this.#limit("comparators a stateful ALU", comparators, each.tests.length, each.line);
    this.#limit("arithmetic operations a stateful ALU", arithmetic, operationsOf(each), each.line);
    this.#limit("inputs a stateful ALU", statefulInputs, inputsOf(each).length, each.line);
    for (const { left, right, line } of each.tests) {
      for (const operand of [left, right]) this.#notNew(operand, line);
    }
    for (const { value, line } of each.updates) {
      for (const operand of operandsOf(value)) this.#notNew(operand, line);
    }
    for (const { value, line } of [...each.updates, ...each.outputs]) {
      this.#shift(value.operator, value.right, line);
    }
  }

  /** One read-modify-write: what is written cannot be read for it. */
  #notNew(operand: P.Operand | undefined, line: number): void {
    if (operand?.kind === "new") this.#fail(line, "old: a register is read once", "new");
  }

  #blocks(bits: number, block: Limit): number {
    return block.value === undefined ? 0 : Math.ceil(bits / block.value);
  }

  #cellBlocks(stage: P.Stage): number {
    const { sramBlockBits, filterBits } = this.#machine;
    const bits = [
      ...stage.registers.map(({ width, entries }) => width * entries),
      ...stage.filters.map(({ entries }) => (filterBits.value ?? 0) * entries),
    ];
    return bits.reduce((sum, each) => sum + this.#blocks(each, sramBlockBits), 0);
  }

  #bitsOf(fields: readonly string[]): number {
    return fields.reduce((sum, field) => sum + (this.#widths.get(field) ?? 0), 0);
  }

  /** Registers and filters, exact tables, and what the entries of other tables give. */
  #sramOf(stage: P.Stage): number {
    const tables = stage.tables.reduce((sum, { kind, entries, on, gives }) => {
      const key = kind === "exact" ? this.#bitsOf(on) : 0;
      return sum + this.#blocks(entries * (key + this.#bitsOf(gives)), this.#machine.sramBlockBits);
    }, 0);
    return this.#cellBlocks(stage) + tables;
  }

  /** A value and a mask for each bit; a range takes twice the key's bits. */
  #tcamOf(stage: P.Stage): number {
    return stage.tables.reduce((sum, { kind, entries, on }) => {
      if (kind === "exact") return sum;
      const bits = this.#bitsOf(on) * (kind === "range" ? 2 : 1);
      return sum + this.#blocks(entries * bits, this.#machine.tcamBlockBits);
    }, 0);
  }

  #crossbarOf(stage: P.Stage): number {
    return this.#bitsOf([...readsOf(stage)]) / 8;
  }

  #resources(): Resources {
    const { ingress, egress } = this.#program.pipes;
    const all = [...ingress, ...egress];
    const sum = (of: (stage: P.Stage) => number): number =>
      all.reduce((total, stage) => total + of(stage), 0);
    return {
      stages: Math.max(ingress.length, egress.length),
      latencyNs: this.#latency(Math.max(ingress.length, egress.length)),
      sramBlocks: sum((stage) => this.#sramOf(stage)),
      mapRamBlocks: sum((stage) => this.#cellBlocks(stage)),
      tcamBlocks: sum((stage) => this.#tcamOf(stage)),
      actions: sum(wordsOf),
      statefulAlus: sum(({ registers }) => registers.length),
      lowPassFilters: sum(({ filters }) => filters.length),
      crossbarBytes: sum((stage) => this.#crossbarOf(stage)),
      gateways: sum(gatewaysOf),
      ...this.#units(all.flatMap(({ registers }) => registers.flatMap(({ cases }) => cases))),
      fieldActions: sum(({ actions, tables }) => {
        return actions.length + tables.reduce((n, { gives }) => n + gives.length, 0);
      }),
      headerBits: this.#headerBits(),
      parserSteps: this.#parserSteps(),
    };
  }

  #units(
    cases: readonly P.Case[],
  ): Pick<Resources, "statefulActions" | "comparators" | "operations"> {
    const sum = (of: (each: P.Case) => number): number => cases.reduce((n, c) => n + of(c), 0);
    return {
      statefulActions: cases.length,
      comparators: sum(({ tests }) => tests.length),
      operations: sum(({ updates, outputs }) => updates.length + outputs.length),
    };
  }

  #parserSteps(): number {
    const { parser, deparsers } = this.#program;
    const states = parser.map(({ extracts, gotos, length }) => {
      return extracts.length + gotos.length + (length.bytes > 0 ? 1 : 0);
    });
    const emits = deparsers.map(({ emits: each }) => each.length);
    return [...states, ...emits].reduce((n, each) => n + each, 0);
  }

  #latency(stages: number): number {
    const { stageCycles, fixedCycles, clockMhz } = this.#machine;
    const cycles = (fixedCycles.value ?? 0) + stages * (stageCycles.value ?? 0);
    return (cycles * 1000) / (clockMhz.value ?? 1000);
  }
}

/** What `program` takes of `machine`. Throws ProgramError: the first broken limit's line. */
export function checkProgram(file: string, program: P.Program, machine: RmtMachine): Resources {
  return new Checker(file, program, machine).check();
}
