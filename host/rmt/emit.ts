/**
 * WebAssembly for a stage program, without a compiler: the fused form as bytes, for programs that
 * come when everything is built. The same meaning as generate.ts gives; tests hold both to it. The
 * module imports `env.memory` and `env.match` (assembly/laminar/match.ts) and exports `parse`,
 * `ingress`, `egress` and `deparse_NAME`.
 */
import * as R from "../../bindings/abi/rmt.ts";
import { readsOf, writesOf } from "./check-program.ts";
import { groupsOf, registersOf, rowBytes } from "./generate.ts";
import { emitDeparsers, emitParser } from "./emit-parser.ts";
import { conditionCode, expressionCode, predicateCode, type Locals } from "./emit-text.ts";
import type * as P from "./program.ts";
import { choiceOf, specialise } from "./specialise.ts";
import { type Code, WasmModule } from "./wasm-code.ts";

const PHV = 0;
const STATE = 1;

class PipeEmitter {
  readonly #program: P.Program;
  readonly #pipe: P.Pipe;
  readonly #code: Code;
  readonly #match: number;
  readonly #fields = new Map<string, number>();
  readonly #copies = new Map<string, number>();
  readonly #tests = new Map<string, number>();
  readonly #row: number;
  readonly #old: number;
  readonly #next: number;

  constructor(program: P.Program, pipe: P.Pipe, code: Code, match: number) {
    this.#program = program;
    this.#pipe = pipe;
    this.#code = code;
    this.#match = match;
    [this.#row, this.#old, this.#next] = [code.local(), code.local(), code.local()];
  }

  emit(): void {
    const stages = this.#program.pipes[this.#pipe];
    const written = new Set(stages.flatMap((stage) => [...writesOf(stage)]));
    const used = new Set([...written, ...stages.flatMap((stage) => [...readsOf(stage)])]);
    for (const [i, { name }] of this.#program.fields.entries()) {
      if (!used.has(name)) continue;
      const local = this.#code.local();
      this.#fields.set(name, local);
      this.#code
        .get(PHV)
        .load(32, i * 4)
        .set(local);
    }
    this.#branches(stages);
    for (const [i, { name }] of this.#program.fields.entries()) {
      if (!written.has(name)) continue;
      this.#code
        .get(PHV)
        .get(this.#fields.get(name) as number)
        .store(32, i * 4);
    }
  }

  /** As in generate.ts; every field is read from the vector here, so none is known to be 0. */
  #branches(stages: readonly P.Stage[]): void {
    const choice = choiceOf(stages);
    const values = choice?.values ?? [];
    for (const value of values) {
      const { field } = choice as { field: string };
      this.#code
        .get(this.#fields.get(field) as number)
        .constant(value)
        .op("eq")
        .if();
      for (const stage of specialise(stages, field, value, [])) this.#stage(stage);
      this.#code.op("else");
    }
    for (const stage of stages) this.#stage(stage);
    for (const _ of values) this.#code.op("end");
  }

  #stage(stage: P.Stage): void {
    const reads = readsOf(stage);
    this.#copies.clear();
    for (const field of writesOf(stage)) {
      if (!reads.has(field)) continue;
      const copy = this.#code.local();
      this.#copies.set(field, copy);
      this.#code.get(this.#fields.get(field) as number).set(copy);
    }
    for (const table of stage.tables) this.#table(table);
    for (const register of stage.registers) this.#register(register);
    for (const filter of stage.filters) this.#filter(filter);
    for (const field of new Set(stage.actions.map((action) => action.field))) {
      this.#actions(
        field,
        stage.actions.filter((action) => action.field === field),
      );
    }
  }

  /** What came into the stage. */
  readonly #read = (field: string): number =>
    this.#copies.get(field) ?? (this.#fields.get(field) as number);

  #locals(next: number): Locals {
    return { read: this.#read, old: this.#old, new: next };
  }

  #widthOf(field: string): P.Width {
    return this.#program.fields.find(({ name }) => name === field)?.width ?? 32;
  }

  #cut(field: string): void {
    const width = this.#widthOf(field);
    if (width < 32) this.#code.constant(2 ** width - 1).op("and");
  }

  #table(table: P.MatchTable): void {
    const { ingress, egress } = this.#program.pipes;
    const tables = [...ingress, ...egress].flatMap((stage) => stage.tables);
    const index = tables.findIndex(({ name }) => name === table.name);
    this.#code.get(STATE).constant(index);
    for (let i = 0; i < R.MATCH_KEYS_MAX; i += 1) {
      const field = table.on[i];
      if (field === undefined) this.#code.constant(0);
      else this.#code.get(this.#read(field));
    }
    const entry = this.#row;
    this.#code.call(this.#match).set(entry).get(entry).if();
    for (const [i, field] of table.gives.entries()) {
      this.#code.get(entry).load(32, i * 4);
      this.#cut(field);
      this.#code.set(this.#fields.get(field) as number);
    }
    this.#code.op("end");
  }

  /** The address of a cell's row and what the cell holds, into locals; returns its offset. */
  #cell(cell: P.Cell): number {
    const code = this.#code;
    const group = groupsOf(this.#program).indexOf(cell.by);
    const all = registersOf(this.#program, cell.by);
    const offset = 4 * all.findIndex(({ name }) => name === cell.name);
    const record = R.STATE_GROUPS + group * R.STATE_GROUP_SIZE;
    const index = this.#read(cell.by);
    code
      .get(index)
      .constant(0)
      .get(index)
      .get(STATE)
      .load(32, record + 4)
      .op("ltU")
      .op("select");
    code.constant(rowBytes(all.length)).op("mul");
    code.get(STATE).load(32, record).op("add").set(this.#row);
    code.get(this.#row).load(32, offset).set(this.#old);
    return offset;
  }

  /** As filtered() in assembly/laminar/state.ts: of two values `select` takes by a condition. */
  #filter(filter: P.Filter): void {
    const { gain, on, gives, condition } = filter;
    const code = this.#code;
    const most = 0xffffffff >>> gain;
    const sample = this.#read(on);
    conditionCode(code, condition, this.#read);
    code.if();
    const offset = this.#cell(filter);
    code.get(sample).constant(most).get(sample).constant(most).op("ltU").op("select");
    code.set(this.#next);
    code.get(this.#next).constant(gain).op("shl");
    code.get(this.#old).get(this.#old).constant(gain).op("shrU").op("sub");
    code.get(this.#next).op("add");
    code.get(this.#old).op("eqz").op("select").set(this.#next);
    code.get(this.#row).get(this.#next).store(32, offset);
    code.get(this.#next).constant(gain).op("shrU");
    this.#cut(gives);
    code.set(this.#fields.get(gives) as number).op("end");
  }

  #register(register: P.Register): void {
    const code = this.#code;
    const offset = this.#cell(register);
    for (const each of register.cases) {
      conditionCode(code, each.condition, this.#read);
      code.if();
      this.#case(each, register.width, offset);
      code.op("else");
    }
    for (const _ of register.cases) code.op("end");
  }

  #case(each: P.Case, width: P.Width, offset: number): void {
    const code = this.#code;
    for (const test of each.tests) {
      const local = this.#tests.get(test.name) ?? code.local();
      this.#tests.set(test.name, local);
      conditionCode(code, [test], this.#read, this.#old);
      code.set(local);
    }
    code.get(this.#old).set(this.#next);
    for (const { value, when } of each.updates) {
      predicateCode(code, when, this.#tests);
      code.if();
      expressionCode(code, value, width, this.#locals(this.#old));
      if (width < 32) code.constant(2 ** width - 1).op("and");
      code.set(this.#next).op("else");
    }
    for (const _ of each.updates) code.op("end");
    if (each.updates.length > 0) code.get(this.#row).get(this.#next).store(32, offset);
    for (const { field, value, when } of each.outputs) {
      predicateCode(code, when, this.#tests);
      code.if();
      expressionCode(code, value, this.#widthOf(field), this.#locals(this.#next));
      this.#cut(field);
      code.set(this.#fields.get(field) as number).op("end");
    }
  }

  #actions(field: string, actions: readonly P.Action[]): void {
    const code = this.#code;
    for (const { value, condition } of actions) {
      conditionCode(code, condition, this.#read);
      code.if();
      expressionCode(code, value, this.#widthOf(field), this.#locals(this.#old));
      this.#cut(field);
      code.set(this.#fields.get(field) as number).op("else");
    }
    for (const _ of actions) code.op("end");
  }
}

/** The module of a checked program. */
export function emitProgram(program: P.Program): Uint8Array<ArrayBuffer> {
  const module = new WasmModule();
  const match = module.import("match", 2 + R.MATCH_KEYS_MAX, 1);
  const offsets = new Map(program.fields.map(({ name }, i) => [name, i * 4]));
  emitParser(module.function("parse", 3, 1), program.parser, offsets);
  for (const pipe of ["ingress", "egress"] as const) {
    new PipeEmitter(program, pipe, module.function(pipe, 2, 0), match).emit();
  }
  emitDeparsers(module, program.deparsers, offsets);
  return module.bytes();
}
