/**
 * AssemblyScript for a stage program, in two forms of the same meaning: a function for each stage,
 * which sees the header vector in memory and its own registers, and one fused function, whose
 * header vector is local variables. Every field is a word of the vector in the program's order,
 * every register a word of the row of its index (assembly/laminar/state.ts).
 */
import { readsOf, writesOf } from "./check-program.ts";
import { deparserLines, parserLines } from "./generate-parser.ts";
import { comparisonText, conditionText, expressionText } from "./generate-text.ts";
import type * as P from "./program.ts";
import { choiceOf, specialise } from "./specialise.ts";

/** Bytes of a row of registers: what `count` of them need, a power of two. */
export function rowBytes(count: number): number {
  return Math.max(16, 2 ** Math.ceil(Math.log2(count * 4)));
}

/** Registers and filters, in the order of their stages. */
function cellsOf(stages: readonly P.Stage[]): P.Cell[] {
  return stages.flatMap(({ registers, filters }) => [...registers, ...filters]);
}

/** Fields that index cells, in the order in which they come; each has a table of rows. */
export function groupsOf(program: P.Program): string[] {
  return [...new Set(cellsOf(program.pipes.egress).map(({ by }) => by))];
}

/** Cells of a group, in the order of their stages: word i of a row is the i-th one. */
export function registersOf(program: P.Program, group: string): P.Cell[] {
  return cellsOf(program.pipes.egress).filter(({ by }) => by === group);
}

/** Which form is written: how a field is read and written. */
interface Form {
  /** Asserts that no register is used twice. */
  readonly asserts: boolean;
  read(field: string): string;
  write(field: string, value: string): string;
}

class Generator {
  readonly #program: P.Program;
  readonly #widths: ReadonlyMap<string, number>;
  readonly #groups: readonly string[];
  readonly #tables: readonly P.MatchTable[];
  readonly #cells: readonly P.Cell[];
  /** Fields that the parser fills. */
  readonly #extracted: ReadonlySet<string>;
  readonly #lines: string[] = [];

  constructor(program: P.Program) {
    this.#program = program;
    this.#widths = new Map(program.fields.map(({ name, width }) => [name, width]));
    this.#groups = groupsOf(program);
    const extracts = program.parser.flatMap((state) => state.extracts);
    this.#extracted = new Set(extracts.map(({ field }) => field));
    const stages = [...program.pipes.ingress, ...program.pipes.egress];
    this.#tables = stages.flatMap(({ tables }) => tables);
    this.#cells = cellsOf(stages);
  }

  write(): string {
    this.#header();
    this.#lines.push(...parserLines(this.#program.parser));
    this.#lines.push(...deparserLines(this.#program.deparsers));
    for (const pipe of ["ingress", "egress"] as const) {
      const stages = this.#program.pipes[pipe];
      for (const [index, stage] of stages.entries()) this.#stageFunction(pipe, index, stage);
      this.#stagewise(pipe, stages.length);
      this.#fused(pipe, stages);
    }
    return `${this.#lines.join("\n")}\n`;
  }

  #line(depth: number, text: string): void {
    this.#lines.push("  ".repeat(depth) + text);
  }

  #header(): void {
    const { name, fields } = this.#program;
    this.#line(0, `/** Stage program ${name}: made from programs/${name}.rmt, not edited. */`);
    this.#line(0, 'import { match } from "../match.ts";');
    const filtered = this.#cells.some((cell) => "gain" in cell) ? "filtered, " : "";
    this.#line(0, `import { beginPass, ${filtered}rowOf, touch } from "../state.ts";`);
    for (const [i, field] of fields.entries()) {
      this.#line(0, `export const ${field.name.toUpperCase()}: u32 = ${i * 4};`);
    }
    const bytes = 32 * Math.ceil(fields.length / 8);
    this.#line(0, `/** Of a header vector: whole blocks of 32. */`);
    this.#line(0, `export const HEADER_BYTES: u32 = ${bytes};`);
    for (const [constant, value] of this.#program.constants) {
      this.#line(0, `export const C_${constant}: u32 = ${value};`);
    }
    for (const [i, group] of this.#groups.entries()) {
      for (const [word, register] of registersOf(this.#program, group).entries()) {
        this.#line(0, `export const R_${register.name.toUpperCase()}: u32 = ${word * 4};`);
      }
      const row = rowBytes(registersOf(this.#program, group).length);
      this.#line(0, `export const GROUP_${i}: u32 = ${i};`);
      this.#line(0, `/** Bytes of a row of registers by ${group}. */`);
      this.#line(0, `export const ROW_${i}: u32 = ${row};`);
    }
  }

  /** A stage by itself: fields are read at its beginning and written at its end. */
  #stageFunction(pipe: P.Pipe, index: number, stage: P.Stage): void {
    const registers = stage.registers.map(({ name }) => name).join(", ");
    this.#line(0, "");
    this.#line(0, `/** Stage ${stage.name}${registers === "" ? "" : `: ${registers}`}. */`);
    this.#line(0, `export function ${pipe}${index}(phv: usize, state: usize): void {`);
    const writes = writesOf(stage);
    for (const field of new Set([...readsOf(stage), ...writes])) {
      this.#line(1, `const f_${field}: u32 = load<u32>(phv, ${field.toUpperCase()});`);
    }
    for (const field of writes) this.#line(1, `let n_${field}: u32 = f_${field};`);
    this.#body(stage, {
      asserts: true,
      read: (field) => `f_${field}`,
      write: (field, value) => `n_${field} = ${value};`,
    });
    for (const field of writes) {
      this.#line(1, `store<u32>(phv, n_${field}, ${field.toUpperCase()});`);
    }
    this.#line(0, "}");
  }

  /** All stages, one after the other. */
  #stagewise(pipe: P.Pipe, stages: number): void {
    this.#line(0, "");
    this.#line(0, `/** A header vector through all stages of ${pipe}. */`);
    this.#line(0, `export function ${pipe}Stagewise(phv: usize, state: usize): void {`);
    this.#line(1, "beginPass(state);");
    for (let i = 0; i < stages; i += 1) this.#line(1, `${pipe}${i}(phv, state);`);
    this.#line(0, "}");
  }

  /** One function: what a stage reads is what stood there before the stage. */
  #fused(pipe: P.Pipe, stages: readonly P.Stage[]): void {
    this.#line(0, "");
    this.#line(0, `/** The same at once; of the header vector only what has a role is stored. */`);
    this.#line(0, `export function ${pipe}Fused(phv: usize, state: usize): void {`);
    const written = new Set(stages.flatMap((stage) => [...writesOf(stage)]));
    const used = new Set([...written, ...stages.flatMap((stage) => [...readsOf(stage)])]);
    for (const { name, role } of this.#program.fields.filter((field) => used.has(field.name))) {
      const first = role === "scratch" && pipe === "egress" && !this.#crosses(name) ? "0" : "";
      const value = first === "" ? `load<u32>(phv, ${name.toUpperCase()})` : first;
      this.#line(1, `let f_${name}: u32 = ${value};`);
    }
    this.#branches(stages);
    for (const { name, role } of this.#program.fields) {
      if (!written.has(name) || (role === "scratch" && !this.#crosses(name))) continue;
      this.#line(1, `store<u32>(phv, f_${name}, ${name.toUpperCase()});`);
    }
    this.#line(0, "}");
  }

  /** One copy of the stages for each kind of packet, if a field tells kinds apart. */
  #branches(stages: readonly P.Stage[]): void {
    const choice = choiceOf(stages);
    const zero = this.#program.fields.filter(({ name, role }) => {
      return role !== "parsed" && !this.#crosses(name) && !this.#extracted.has(name);
    });
    const names = zero.map(({ name }) => name);
    for (const value of choice?.values ?? []) {
      const { field } = choice as { field: string };
      this.#line(1, `if (f_${field} == ${value}) {`);
      for (const stage of specialise(stages, field, value, names)) this.#fusedStage(stage);
      this.#line(1, "} else");
    }
    this.#line(1, "{");
    for (const stage of stages) this.#fusedStage(stage);
    this.#line(1, "}");
  }

  /** True for a field that ingress writes and egress reads. */
  #crosses(field: string): boolean {
    const { ingress, egress } = this.#program.pipes;
    return (
      ingress.some((stage) => writesOf(stage).has(field)) &&
      egress.some((stage) => readsOf(stage).has(field) || writesOf(stage).has(field))
    );
  }

  #fusedStage(stage: P.Stage): void {
    const reads = readsOf(stage);
    const kept = [...writesOf(stage)].filter((field) => reads.has(field));
    this.#line(1, `{ // ${stage.name}`);
    for (const field of kept) this.#line(2, `const w_${field}: u32 = f_${field};`);
    this.#body(stage, {
      asserts: false,
      read: (field) => (kept.includes(field) ? `w_${field}` : `f_${field}`),
      write: (field, value) => `f_${field} = ${value};`,
    });
    this.#line(1, "}");
  }

  #body(stage: P.Stage, form: Form): void {
    for (const table of stage.tables) this.#table(table, form);
    for (const register of stage.registers) this.#register(register, form);
    for (const filter of stage.filters) this.#filter(filter, form);
    for (const field of new Set(stage.actions.map((action) => action.field))) {
      this.#actions(
        field,
        stage.actions.filter((action) => action.field === field),
        form,
      );
    }
  }

  #table(table: P.MatchTable, form: Form): void {
    const index = this.#tables.findIndex(({ name }) => name === table.name);
    const key = [0, 1, 2, 3].map((i) =>
      i < table.on.length ? form.read(table.on[i] as string) : "0",
    );
    this.#line(1, "{");
    this.#line(2, `const entry = match(state, ${index}, ${key.join(", ")});`);
    this.#line(2, "if (entry != 0) {");
    for (const [i, field] of table.gives.entries()) {
      this.#line(3, form.write(field, this.#cut(field, `load<u32>(entry, ${i * 4})`)));
    }
    this.#line(2, "}");
    this.#line(1, "}");
  }

  /** The row of a cell as `row`; returns the cell's offset in it. */
  #row(cell: P.Cell, form: Form): string {
    const group = this.#groups.indexOf(cell.by);
    const same = ({ name }: P.Cell): boolean => name === cell.name;
    const word = registersOf(this.#program, cell.by).findIndex(same);
    const row = `rowOf(state, GROUP_${group}, ROW_${group}, ${form.read(cell.by)})`;
    this.#line(2, `const row = ${row};`);
    if (form.asserts) this.#line(2, `touch(state, ${this.#cells.findIndex(same)});`);
    return `<u32>${word * 4}`;
  }

  #filter(filter: P.Filter, form: Form): void {
    const { name, gain, on, gives, condition } = filter;
    this.#line(1, `if (${conditionText(condition, form.read)}) { // filter ${name}`);
    const offset = this.#row(filter, form);
    const average = `filtered(row + ${offset}, ${gain}, ${form.read(on)})`;
    this.#line(2, form.write(gives, this.#cut(gives, average)));
    this.#line(1, "}");
  }

  /** One read-modify-write, by the first case that holds. */
  #register(register: P.Register, form: Form): void {
    this.#line(1, `{ // register ${register.name}`);
    const offset = this.#row(register, form);
    this.#line(2, `const old: u32 = load<u32>(row + ${offset});`);
    for (const [i, each] of register.cases.entries()) {
      const condition = conditionText(each.condition, form.read);
      const open = i === 0 ? `if (${condition}) {` : `} else if (${condition}) {`;
      this.#line(2, open);
      this.#case(each, register.width, offset, form);
    }
    this.#line(2, "}");
    this.#line(1, "}");
  }

  #case(each: P.Case, width: P.Width, offset: string, form: Form): void {
    for (const test of each.tests) {
      this.#line(3, `const t_${test.name}: bool = ${comparisonText(test, form.read)};`);
    }
    const names = new Map([
      ["old", "old"],
      ["new", each.updates.length === 0 ? "old" : "next"],
    ]);
    if (each.updates.length > 0) {
      this.#line(3, "let next: u32 = old;");
      for (const [i, { value, when }] of each.updates.entries()) {
        const guard = this.#predicates(when);
        const text = this.#masked(expressionText(value, width, form.read, names), width);
        this.#line(3, `${i === 0 ? "" : "else "}if (${guard}) next = ${text};`);
      }
      this.#line(3, `store<u32>(row + ${offset}, next);`);
    }
    for (const { field, value, when } of each.outputs) {
      const text = expressionText(value, this.#widthOf(field), form.read, names);
      this.#line(3, `if (${this.#predicates(when)}) ${form.write(field, this.#cut(field, text))}`);
    }
  }

  #actions(field: string, actions: readonly P.Action[], form: Form): void {
    for (const [i, { value, condition }] of actions.entries()) {
      const text = expressionText(value, this.#widthOf(field), form.read, new Map());
      const write = form.write(field, this.#cut(field, text));
      const guard = conditionText(condition, form.read);
      this.#line(1, `${i === 0 ? "" : "else "}if (${guard}) { ${write} }`);
    }
  }

  #widthOf(field: string): P.Width {
    return (this.#widths.get(field) ?? 32) as P.Width;
  }

  #cut(field: string, text: string): string {
    return this.#masked(text, this.#widthOf(field));
  }

  #masked(text: string, width: P.Width): string {
    return width === 32 ? text : `(${text}) & ${2 ** width - 1}`;
  }

  #predicates(when: readonly P.Predicate[]): string {
    const terms = when.map(({ test, negated }) => `${negated ? "!" : ""}t_${test}`);
    return terms.length === 0 ? "true" : terms.join(" && ");
  }
}

/** The module of a checked program. */
export function generate(program: P.Program): string {
  return new Generator(program).write();
}
