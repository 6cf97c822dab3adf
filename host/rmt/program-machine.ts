/**
 * A stage program that runs: its registers and match tables in a memory of its own, header vectors
 * by field name. The code is what emit.ts makes of the program when it is loaded, or any other with
 * the same exports.
 */
import * as R from "../../bindings/abi/rmt.ts";
import { checkProgram } from "./check-program.ts";
import { emitProgram } from "./emit.ts";
import { groupsOf, registersOf, rowBytes } from "./generate.ts";
import type { RmtMachine } from "./machine.ts";
import type * as P from "./program.ts";
import { readProgram } from "./read-program.ts";

const PAGE = 65_536;
const PAGES_MAX = 65_535;
const STATE = 1024;
const PACKET = 4096;
/** Largest packet that receive() takes, in bytes. */
export const PACKET_MAX = 12_288;
const FIRST_FREE = PACKET + PACKET_MAX;

/** Code of a program: addresses of header vector, state and packet. */
export interface ProgramCode {
  parse(phv: number, packet: number, bytes: number): number;
  ingress(phv: number, state: number): void;
  egress(phv: number, state: number): void;
  /** `deparse_NAME` for each header of the program. */
  readonly [deparser: `deparse_${string}`]: (phv: number, header: number) => void;
}

/** Match tables of assembly/laminar/match.ts, as build/rmt.wasm exports them. */
export interface MatchCode {
  match(state: number, table: number, k0: number, k1: number, k2: number, k3: number): number;
  exactSlot(state: number, table: number, k0: number, k1: number, k2: number, k3: number): number;
}

/** An entry of a table that is no exact one; `second`: its mask, or the upper bound of a range. */
export interface Rule {
  readonly key: readonly number[];
  readonly second: readonly number[];
  readonly gives: readonly number[];
}

interface Table {
  readonly index: number;
  readonly of: P.MatchTable;
  readonly entries: number;
  readonly entryBytes: number;
  /** Slots of an exact table, rules of another at most. */
  readonly capacity: number;
}

const KINDS: Readonly<Record<P.MatchKind, R.MatchKind>> = {
  exact: R.MatchKind.Exact,
  ternary: R.MatchKind.Ternary,
  longest: R.MatchKind.Longest,
  range: R.MatchKind.Range,
};

function slotsOf(entries: number): number {
  return 2 ** Math.ceil(Math.log2(entries + 1));
}

/** Where tables and rows of a program are, from FIRST_FREE on. */
class Layout {
  readonly tables: readonly Table[];
  /** Addresses of the rows of each group, and how many there are. */
  readonly groups: readonly (readonly [base: number, rows: number])[];
  readonly vector: number;
  readonly records: number;
  readonly bytes: number;
  #free = FIRST_FREE;

  /** `most`: bounds the entries of tables and the rows of registers. */
  constructor(program: P.Program, most: number) {
    this.vector = this.#take(program.fields.length * 4 + 32);
    const stages = [...program.pipes.ingress, ...program.pipes.egress];
    const tables = stages.flatMap((stage) => stage.tables);
    this.records = this.#take(tables.length * R.MATCH_SIZE);
    this.tables = tables.map((of, index) => this.#table(of, index, most));
    this.groups = groupsOf(program).map((group) => {
      const registers = registersOf(program, group);
      const rows = Math.min(most, Math.max(...registers.map(({ entries }) => entries)));
      return [this.#take(rows * rowBytes(registers.length)), rows];
    });
    this.bytes = this.#free;
  }

  registers(program: P.Program): Map<string, Place> {
    const places = groupsOf(program).flatMap((group, i) => {
      const [base, rows] = this.groups[i] as readonly [number, number];
      const all = registersOf(program, group);
      const words = rowBytes(all.length) / 4;
      return all.map(({ name }, w): [string, Place] => [
        name,
        { first: base / 4 + w, words, rows },
      ]);
    });
    return new Map(places);
  }

  #take(bytes: number): number {
    const at = this.#free;
    this.#free = Math.ceil((at + bytes) / 64) * 64;
    return at;
  }

  #table(of: P.MatchTable, index: number, most: number): Table {
    const exact = of.kind === "exact";
    const words = of.on.length * (exact ? 1 : 2) + of.gives.length + (exact ? 1 : 0);
    const count = Math.min(of.entries, most);
    const capacity = exact ? slotsOf(count) : count;
    return {
      index,
      of,
      entries: this.#take(capacity * words * 4),
      entryBytes: words * 4,
      capacity,
    };
  }
}

/** Where a register is: word of row 0, words from row to row. */
interface Place {
  readonly first: number;
  readonly words: number;
  readonly rows: number;
}

/** What a machine is made of, beside its program. */
export interface MachineOptions {
  /** Exports of build/rmt.wasm over `memory`, without anything else running on it. */
  readonly match: (memory: WebAssembly.Memory) => MatchCode;
  /** Other code than that which is emitted. */
  readonly code?: (memory: WebAssembly.Memory) => ProgramCode;
  /** Bounds the entries of tables and the rows of registers; the program's numbers by default. */
  readonly most?: number;
}

/** One program, one packet at a time. */
export class ProgramMachine {
  readonly program: P.Program;
  /** The header vector, a word for each field of the program. */
  readonly vector: Uint32Array;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #layout: Layout;
  readonly #match: MatchCode;
  readonly #code: ProgramCode;
  readonly #offsets: ReadonlyMap<string, number>;
  readonly #registers: ReadonlyMap<string, Place>;

  /** `program`: checked. */
  constructor(program: P.Program, options: MachineOptions) {
    this.program = program;
    this.#layout = new Layout(program, options.most ?? Number.POSITIVE_INFINITY);
    const initial = Math.ceil(this.#layout.bytes / PAGE);
    const memory = new WebAssembly.Memory({ initial, maximum: PAGES_MAX });
    this.#words = new Uint32Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    const first = this.#layout.vector / 4;
    this.vector = this.#words.subarray(first, first + program.fields.length);
    this.#offsets = new Map(program.fields.map(({ name }, i) => [name, i]));
    this.#registers = this.#layout.registers(program);
    this.#match = options.match(memory);
    this.#code = options.code?.(memory) ?? this.#emit(memory);
    this.#writeState();
  }

  #emit(memory: WebAssembly.Memory): ProgramCode {
    const module = new WebAssembly.Module(emitProgram(this.program));
    const imports = { env: { memory, match: this.#match.match } };
    return new WebAssembly.Instance(module, imports).exports as unknown as ProgramCode;
  }

  #writeState(): void {
    const words = this.#words;
    const { groups, tables, records } = this.#layout;
    words[(STATE + R.STATE_TABLES) / 4] = records;
    for (const [i, group] of groups.entries())
      words.set(group, (STATE + R.STATE_GROUPS) / 4 + i * 2);
    for (const { index, of, entries, entryBytes, capacity } of tables) {
      const slots = of.kind === "exact" ? capacity : 0;
      const at = records / 4 + (index * R.MATCH_SIZE) / 4;
      words.set([KINDS[of.kind], entries, slots, of.on.length, entryBytes], at);
    }
  }

  #table(name: string): Table {
    const table = this.#layout.tables.find(({ of }) => of.name === name);
    if (table === undefined) throw new RangeError(`table: expected one, got ${name}`);
    return table;
  }

  /** Binds a key of an exact table to what it gives; false when the table is full. */
  bind(name: string, key: readonly number[], gives: readonly number[]): boolean {
    const { index, of } = this.#table(name);
    if (key.length !== of.on.length || gives.length !== of.gives.length) {
      const expected = `${of.on.length} and ${of.gives.length} numbers`;
      throw new RangeError(
        `bind ${name}: expected ${expected}, got ${key.length}, ${gives.length}`,
      );
    }
    const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = key;
    const at = this.#match.exactSlot(STATE, index, k0, k1, k2, k3);
    if (at === 0) return false;
    this.#words.set([...key, ...gives, 1], at / 4);
    return true;
  }

  /** The rules of a ternary, longest-prefix or range table, in the order of their priority. */
  rules(name: string, rules: readonly Rule[]): void {
    const { index, of, entries, entryBytes, capacity } = this.#table(name);
    if (of.kind === "exact" || rules.length > capacity) {
      throw new RangeError(`rules ${name}: expected ${capacity} at most, and no exact table`);
    }
    const record = this.#layout.records / 4 + (index * R.MATCH_SIZE) / 4;
    for (const [i, { key, second, gives }] of rules.entries()) {
      this.#words.set([...key, ...second, ...gives], (entries + i * entryBytes) / 4);
    }
    this.#words[record + R.MATCH_COUNT / 4] = rules.length;
  }

  constant(name: string): number {
    const value = this.program.constants.get(name);
    if (value === undefined) throw new RangeError(`constant: expected one, got ${name}`);
    return value;
  }

  /** Where a field stands in the header vector. */
  at(field: string): number {
    const offset = this.#offsets.get(field);
    if (offset === undefined) throw new RangeError(`field: expected one, got ${field}`);
    return offset;
  }

  /** A field as the last packet left it. */
  result(field: string): number {
    return this.vector[this.at(field)] as number;
  }

  /** A packet through parser and ingress; false when the parser rejects it. */
  receive(packet: Uint8Array): boolean {
    if (packet.length > PACKET_MAX) {
      throw new RangeError(`receive: expected at most ${PACKET_MAX} bytes, got ${packet.length}`);
    }
    this.vector.fill(0);
    this.#bytes.set(packet, PACKET);
    if (this.#code.parse(this.#layout.vector, PACKET, packet.length) === 0) return false;
    this.#code.ingress(this.#layout.vector, STATE);
    return true;
  }

  /** The header vector as it stands through egress. */
  pass(): void {
    this.#code.egress(this.#layout.vector, STATE);
  }

  /** Writes a header of the program into `header`, which keeps its other bytes. */
  deparse(name: string, header: Uint8Array): void {
    const write = this.#code[`deparse_${name}`];
    if (write === undefined) throw new RangeError(`deparse: expected a header, got ${name}`);
    this.#bytes.set(header, PACKET);
    write(this.#layout.vector, PACKET);
    header.set(this.#bytes.subarray(PACKET, PACKET + header.length));
  }

  /** Egress of a packet whose fields are `fields`, the others 0. */
  run(fields: Readonly<Record<string, number>>): void {
    this.vector.fill(0);
    for (const name in fields) this.vector[this.at(name)] = fields[name] as number;
    this.pass();
  }

  #register(name: string, index: number): number {
    const place = this.#registers.get(name);
    if (place === undefined) throw new RangeError(`register: expected one, got ${name}`);
    if (index >= 0 && index < place.rows) return place.first + index * place.words;
    throw new RangeError(`register ${name}: expected an index below ${place.rows}, got ${index}`);
  }

  read(register: string, index: number): number {
    return this.#words[this.#register(register, index)] as number;
  }

  write(register: string, index: number, value: number): void {
    this.#words[this.#register(register, index)] = value;
  }

  /** All rows of registers: a view. */
  rows(): Uint32Array {
    const from = Math.min(...this.#layout.groups.map(([base]) => base), this.#layout.bytes);
    return this.#words.subarray(from / 4, this.#layout.bytes / 4);
  }

  /** Registers that were used twice by a packet, where the code asserts it. */
  get faults(): number {
    return this.#words[(STATE + R.STATE_FAULTS) / 4] as number;
  }
}

/** Reads, checks and loads a program. Throws ProgramError with line and limit. */
export function loadProgram(
  file: string,
  text: string,
  machine: RmtMachine,
  options: MachineOptions,
): ProgramMachine {
  const program = readProgram(file, text);
  checkProgram(file, program, machine);
  return new ProgramMachine(program, options);
}
