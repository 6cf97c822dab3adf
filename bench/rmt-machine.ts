/**
 * TCP's stage program over its Wasm, one packet at a time: header vectors by field name, registers
 * by name and index.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as R from "../bindings/abi/rmt.ts";
import { groupsOf, registersOf, rowBytes } from "../host/rmt/generate.ts";
import type { Program } from "../host/rmt/program.ts";
import { readProgram } from "../host/rmt/read-program.ts";
import { repositoryRoot } from "./harness.ts";

const PAGE = 65_536;
const PAGES_MAX = 65_535;
const STATE = 1024;
const VECTORS = 2048;

/** Which of the two forms runs. */
export type Form = "stagewise" | "fused";
export const FORMS: readonly Form[] = ["stagewise", "fused"];

interface Exports {
  egressStagewise(vector: number, state: number): void;
  egressFused(vector: number, state: number): void;
  ingressStagewise(vector: number, state: number): void;
  ingressFused(vector: number, state: number): void;
  parse(vector: number, packet: number, bytes: number): number;
  exactSlot(state: number, table: number, k0: number, k1: number, k2: number, k3: number): number;
}

const TABLE = STATE + R.STATE_SIZE + 16;
const PACKET = 4096;
/** Of the table of connections: slots, and an entry of 3 words of key, 6 given and one mark. */
const SLOTS = 64;
const ENTRIES = 8192;
const KEYS = 3;
const GIVES = 6;
const ENTRY = 4 * (KEYS + GIVES + 1);

const INGRESS = { stagewise: "ingressStagewise", fused: "ingressFused" } as const;
const EGRESS = { stagewise: "egressStagewise", fused: "egressFused" } as const;

/** The text of a program of assembly/laminar. */
export function programText(name: string): string {
  return readFileSync(join(repositoryRoot(), "assembly/laminar/programs", `${name}.rmt`), "utf8");
}

let read: Program | undefined;

function tcpProgram(): Program {
  read ??= readProgram("tcp.rmt", programText("tcp"));
  return read;
}

/** TCP's program with memory of its own, for one packet at a time. */
export class RmtMachine {
  readonly program: Program = tcpProgram();
  readonly #exports: Exports;
  readonly #words: Uint32Array;
  readonly #form: Form;
  /** The header vector, a word for each field of the program. */
  readonly vector: Uint32Array;
  readonly #rows = PAGE;
  readonly #end: number;
  readonly #rowBytes: number;
  readonly #registers: ReadonlyMap<string, number>;
  readonly #offsets: ReadonlyMap<string, number>;

  /** `entries`: rows of registers. */
  constructor(module: WebAssembly.Module, form: Form, entries = 16) {
    this.#form = form;
    const groups = groupsOf(this.program);
    const registers = registersOf(this.program, groups[0] as string);
    const bytes = rowBytes(registers.length);
    this.#rowBytes = bytes;
    this.#registers = new Map(registers.map(({ name }, i) => [name, i]));
    this.#end = this.#rows + entries * bytes;
    const pages = 1 + Math.ceil((entries * bytes) / PAGE);
    const memory = new WebAssembly.Memory({ initial: 1 + pages, maximum: PAGES_MAX });
    const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
    const abort = (): never => {
      throw new Error("assertion failed");
    };
    const imports = { env: { memory, table, abort } };
    this.#exports = new WebAssembly.Instance(module, imports).exports as never;
    this.#words = new Uint32Array(memory.buffer);
    this.#offsets = new Map(this.program.fields.map(({ name }, i) => [name, i]));
    const first = VECTORS / 4;
    this.vector = this.#words.subarray(first, first + this.#offsets.size);
    this.#words[(STATE + R.STATE_GROUPS) / 4] = this.#rows;
    this.#words[(STATE + R.STATE_GROUPS) / 4 + 1] = entries;
    this.#words[(STATE + R.STATE_TABLES) / 4] = TABLE;
    this.#words[(TABLE + R.MATCH_KIND) / 4] = R.MatchKind.Exact;
    this.#words[(TABLE + R.MATCH_ENTRIES) / 4] = ENTRIES;
    this.#words[(TABLE + R.MATCH_COUNT) / 4] = SLOTS;
    this.#words[(TABLE + R.MATCH_KEYS) / 4] = KEYS;
    this.#words[(TABLE + R.MATCH_ENTRY_SIZE) / 4] = ENTRY;
  }

  constant(name: string): number {
    const value = this.program.constants.get(name);
    if (value === undefined) throw new Error(`RmtMachine: expected a constant, got ${name}`);
    return value;
  }

  /** Runs a packet whose fields are `fields`, the others 0; `result()` reads what became of it. */
  run(fields: Readonly<Record<string, number>>): void {
    this.vector.fill(0);
    for (const name in fields) this.vector[this.at(name)] = fields[name] as number;
    this.pass();
  }

  /** A field of the last packet. */
  result(field: string): number {
    return this.vector[this.at(field)] as number;
  }

  /** Binds a key of the table of connections to what it gives; false when the table is full. */
  bind(key: readonly number[], gives: readonly number[]): boolean {
    const [k0 = 0, k1 = 0, k2 = 0] = key;
    const at = this.#exports.exactSlot(STATE, 0, k0, k1, k2, 0);
    if (at === 0) return false;
    this.#words.set([...key, ...gives, 1], at / 4);
    return true;
  }

  /** A packet through parser and ingress; false when the parser rejects it. */
  receive(packet: Uint8Array): boolean {
    this.vector.fill(0);
    new Uint8Array(this.#words.buffer).set(packet, PACKET);
    if (this.#exports.parse(VECTORS, PACKET, packet.length) === 0) return false;
    this.#exports[INGRESS[this.#form]](VECTORS, STATE);
    return true;
  }

  /** Runs the packet that stands in `vector`. */
  pass(): void {
    this.#exports[EGRESS[this.#form]](VECTORS, STATE);
  }

  /** Where a field stands in the header vector. */
  at(field: string): number {
    const offset = this.#offsets.get(field);
    if (offset === undefined) throw new Error(`RmtMachine: expected a field, got ${field}`);
    return offset;
  }

  #register(name: string, index: number): number {
    const word = this.#registers.get(name);
    if (word === undefined) throw new Error(`RmtMachine: expected a register, got ${name}`);
    return (this.#rows + index * this.#rowBytes) / 4 + word;
  }

  read(register: string, index: number): number {
    return this.#words[this.#register(register, index)] as number;
  }

  write(register: string, index: number, value: number): void {
    this.#words[this.#register(register, index)] = value;
  }

  /** All words of the registers: a view. */
  rows(): Uint32Array {
    return this.#words.subarray(this.#rows / 4, this.#end / 4);
  }

  /** Registers that were used twice by a packet. */
  get faults(): number {
    return this.#words[(STATE + R.STATE_FAULTS) / 4] as number;
  }
}
