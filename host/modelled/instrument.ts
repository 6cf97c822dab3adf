/**
 * Instruments a Wasm build in memory: what runs counts itself. At the head of each basic block
 * the block's instructions are added to mutable globals, so the counts are of what was executed,
 * exact and the same on every runtime. With `trace`, every load and store also leaves its address
 * in a ring of the module's own memory, from which a model of caches is fed. With `guard`, it traps
 * at the first load or store that touches a guard strip.
 *
 * An instruction is what a register machine would execute: `local.get`, constants and block ends
 * name operands and places and count nothing. Widths are kept apart (a 32-bit core needs two
 * instructions for a 64-bit sum), and so are accounts: functions whose work a machine may have
 * hardware for. The code's meaning is not touched; nothing of it is written twice.
 */
import { nextInstruction, Reader, s32, SectionId, sectionsOf, text } from "./wasm-format.ts";
import { type Instruction, MAGIC, type Section, u32, Width, WIDTHS } from "./wasm-format.ts";
import { Writer } from "./wasm-format.ts";

export interface InstrumentOptions {
  /** Accounts that counts are kept by; default 1. */
  readonly accounts?: number;
  /** The account of a function, by its name in the name section; default 0. */
  readonly accountOf?: (name: string) => number;
  /** Leaves the addresses of all loads and stores in a ring (TRACE_*). */
  readonly trace?: boolean;
  /** Traps where an access begins or ends in a 32-bit word that holds this, as guard strips do. */
  readonly guard?: number;
}

/** Exported global: instructions of a width (Width) on an account. */
export function counterName(account: number, width: Width): string {
  return `executed ${account} ${width}`;
}
/** Exported globals: where the next address is written, and the first byte past the ring. */
export const TRACE_AT = "trace at";
export const TRACE_END = "trace end";

const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const I32_CONST = 0x41;
const I32_ADD = 0x6a;
const I32_AND = 0x71;
const I32_EQ = 0x46;
const I32_LOAD = 0x28;
const UNREACHABLE = 0x00;
const IF = 0x04;
const END = 0x0b;
const EMPTY_TYPE = 0x40;
const CALL = 0x10;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const BULK = 0xfc;
const MEMORY_COPY = 10;
const MEMORY_FILL = 11;
const I32_TYPE = 0x7f;
const FUNCTION_TYPE = 0x60;

/** What the rewriting of each body needs to know of the module. */
interface Plan {
  readonly accounts: number;
  readonly account: (index: number) => number;
  /** First of the new globals. */
  readonly globals: number;
  /** Number of the function that keeps an address, or -1. */
  readonly note: number;
  readonly guard: number | undefined;
  /** Parameters of each defined function. */
  readonly parameters: readonly number[];
}

/** Ends of straight lines: a branch arrives behind them, or leaves from them. */
function endsBlock({ opcode }: Instruction): boolean {
  // loop, if, else, end, br, br_if, br_table, return, unreachable.
  return [0x00, 0x03, 0x04, 0x05, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f].includes(opcode);
}

/** `global += amount` for each width that the block has. */
function addition(plan: Plan, account: number, amounts: readonly number[]): number[] {
  return amounts.flatMap((amount, i) => {
    if (amount === 0) return [];
    const index = u32(plan.globals + account * WIDTHS + i);
    const sum = [GLOBAL_GET, ...index, I32_CONST, ...s32(amount), I32_ADD];
    return [...sum, GLOBAL_SET, ...index];
  });
}

/** Keeps the address of an access; a store's value waits in a local meanwhile. */
function noted(plan: Plan, { access }: Instruction, local: Local): number[] {
  if (plan.note < 0 || access === undefined) return [];
  const call = [I32_CONST, ...s32(access.offset), CALL, ...u32(plan.note)];
  if (access.stored === 0) return call;
  const index = local(access.stored);
  return [...setLocal(index), ...call, ...getLocal(index)];
}

/** A local of the rewriting's own: of a type, and one of several that a place needs. */
type Local = (type: number, of?: number) => readonly number[];

const getLocal = (index: readonly number[]): number[] => [LOCAL_GET, ...index];
const setLocal = (index: readonly number[]): number[] => [LOCAL_SET, ...index];

/** Traps when the word that the byte `offset` behind an address lies in is a guard's. */
function checkWord(guard: number, address: readonly number[], offset: number): number[] {
  const at = [...getLocal(address), I32_CONST, ...s32(offset), I32_ADD];
  const word = [...at, I32_CONST, ...s32(-4), I32_AND, I32_LOAD, 2, 0];
  const isGuard = [...word, I32_CONST, ...s32(guard), I32_EQ];
  return [...isGuard, IF, EMPTY_TYPE, UNREACHABLE, END];
}

/** In front of a load or store: traps when it touches a guard. */
function checkAccess(guard: number, { access }: Instruction, local: Local): number[] {
  if (access === undefined) return [];
  const { offset, bytes, stored } = access;
  const address = local(I32_TYPE);
  const value = stored === 0 ? [] : local(stored, 1);
  const ends = bytes === 1 ? [offset] : [offset, offset + bytes - 1];
  return [
    ...(stored === 0 ? [] : setLocal(value)),
    ...setLocal(address),
    ...ends.flatMap((end) => checkWord(guard, address, end)),
    ...getLocal(address),
    ...(stored === 0 ? [] : getLocal(value)),
  ];
}

/** In front of memory.copy and memory.fill; nothing is touched when there are no bytes. */
function checkBulk(guard: number, sub: number, local: Local): number[] {
  const [to, from, bytes] = [0, 1, 2].map((of) => local(I32_TYPE, of)) as [
    number[],
    number[],
    number[],
  ];
  const last = local(I32_TYPE, 3);
  const range = (start: readonly number[]): number[] => [
    ...checkWord(guard, start, 0),
    ...[...getLocal(start), ...getLocal(bytes), I32_ADD, ...setLocal(last)],
    ...checkWord(guard, last, -1),
  ];
  const ranges = [...range(to), ...(sub === MEMORY_COPY ? range(from) : [])];
  return [
    ...[...setLocal(bytes), ...setLocal(from), ...setLocal(to)],
    ...[...getLocal(bytes), IF, EMPTY_TYPE, ...ranges, END],
    ...[...getLocal(to), ...getLocal(from), ...getLocal(bytes)],
  ];
}

/** Traps when the instruction would touch a guard. */
function checked({ guard }: Plan, instruction: Instruction, local: Local): number[] {
  if (guard === undefined) return [];
  const { opcode, sub } = instruction;
  const isBulk = opcode === BULK && (sub === MEMORY_COPY || sub === MEMORY_FILL);
  return isBulk ? checkBulk(guard, sub, local) : checkAccess(guard, instruction, local);
}

/** Locals of a body as declared, and those that the rewriting adds. */
class Locals {
  readonly #groups: number[][] = [];
  readonly #added = new Map<number, readonly number[]>();
  #count: number;

  constructor(reader: Reader, parameters: number) {
    this.#count = parameters;
    for (let left = reader.u32(); left > 0; left -= 1) {
      const count = reader.u32();
      this.#groups.push([...u32(count), reader.byte()]);
      this.#count += count;
    }
  }

  readonly of: Local = (type, of = 0) => {
    const key = type + 256 * of;
    const known = this.#added.get(key);
    if (known !== undefined) return known;
    const index = u32(this.#count);
    this.#count += 1;
    this.#groups.push([1, type]);
    this.#added.set(key, index);
    return index;
  };

  encoded(): number[] {
    return [...u32(this.#groups.length), ...this.#groups.flat()];
  }
}

function instructionsOf(reader: Reader, end: number): Instruction[] {
  const list: Instruction[] = [];
  while (reader.at < end) list.push(nextInstruction(reader));
  return list;
}

/** One function body with its counting. */
function rewriteBody(plan: Plan, body: Uint8Array, index: number): Uint8Array {
  const reader = new Reader(body);
  const locals = new Locals(reader, plan.parameters[index] as number);
  const list = instructionsOf(reader, body.length);
  const account = plan.account(index);
  const code = new Writer();
  for (let first = 0; first < list.length; ) {
    let last = first;
    const amounts = new Array<number>(WIDTHS).fill(0);
    for (; last < list.length; last += 1) {
      const { width } = list[last] as Instruction;
      if (width !== Width.None) amounts[width - 1] = (amounts[width - 1] as number) + 1;
      if (endsBlock(list[last] as Instruction)) break;
    }
    code.put(addition(plan, account, amounts));
    for (let i = first; i <= last && i < list.length; i += 1) {
      const instruction = list[i] as Instruction;
      code.put(checked(plan, instruction, locals.of));
      code.put(noted(plan, instruction, locals.of));
      code.put(body.subarray(instruction.start, instruction.end));
    }
    first = last + 1;
  }
  const whole = new Writer();
  whole.put(locals.encoded());
  whole.put(code.taken());
  return whole.taken();
}

/** (address, offset) -> address: leaves the sum in the ring while there is room. */
function noteBody(at: number): number[] {
  const get = [GLOBAL_GET, ...u32(at)];
  const room = [...get, GLOBAL_GET, ...u32(at + 1), 0x49, 0x04, 0x40];
  const store = [...get, LOCAL_GET, 0, LOCAL_GET, 1, I32_ADD, 0x36, 2, 0];
  const advance = [...get, I32_CONST, 4, I32_ADD, GLOBAL_SET, ...u32(at), 0x0b];
  return [0, ...room, ...store, ...advance, LOCAL_GET, 0, 0x0b];
}

/** Parameters of every function type. */
function typeParameters(section: Section): number[] {
  const reader = new Reader(section.bytes);
  return Array.from({ length: reader.u32() }, () => {
    reader.byte();
    const parameters = reader.u32();
    reader.at += parameters;
    const results = reader.u32();
    reader.at += results;
    return parameters;
  });
}

interface Imports {
  functions: number;
  globals: number;
}

function countImports(section: Section | undefined): Imports {
  const found: Imports = { functions: 0, globals: 0 };
  if (section === undefined) return found;
  const reader = new Reader(section.bytes);
  for (let left = reader.u32(); left > 0; left -= 1) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === 0) {
      found.functions += 1;
      reader.skipLeb();
    } else if (kind === 3) {
      found.globals += 1;
      reader.at += 2;
    } else {
      if (kind === 1) reader.byte();
      const limits = reader.byte();
      reader.skipLeb();
      if ((limits & 1) !== 0) reader.skipLeb();
    }
  }
  return found;
}

/** Names of functions by their number, from the name section; empty when it has none. */
function namesOf(sections: readonly Section[]): Map<number, string> {
  const names = new Map<number, string>();
  for (const { id, bytes } of sections) {
    const reader = new Reader(bytes);
    if (id !== SectionId.Custom || reader.name() !== "name") continue;
    while (reader.at < bytes.length) {
      const kind = reader.byte();
      const length = reader.u32();
      const end = reader.at + length;
      if (kind === 1) {
        for (let left = reader.u32(); left > 0; left -= 1) names.set(reader.u32(), reader.name());
      }
      reader.at = end;
    }
  }
  return names;
}

/** A vector section with entries added behind its own. */
function extended(section: Section | undefined, entries: readonly number[][]): Uint8Array {
  const reader = new Reader(section?.bytes ?? Uint8Array.of(0));
  const count = reader.u32();
  const writer = new Writer();
  writer.put(u32(count + entries.length));
  writer.put(reader.bytes.subarray(reader.at));
  for (const entry of entries) writer.put(entry);
  return writer.taken();
}

function rewriteCode(section: Section, plan: Plan, traced: boolean): Uint8Array {
  const reader = new Reader(section.bytes);
  const count = reader.u32();
  const writer = new Writer();
  writer.put(u32(count + (traced ? 1 : 0)));
  const put = (body: ArrayLike<number>): void => {
    writer.put(u32(body.length));
    writer.put(body);
  };
  for (let index = 0; index < count; index += 1) {
    const length = reader.u32();
    put(rewriteBody(plan, section.bytes.subarray(reader.at, reader.at + length), index));
    reader.at += length;
  }
  if (traced) put(noteBody(plan.globals + plan.accounts * WIDTHS));
  return writer.taken();
}

/** Names of the new globals in their order. */
function globalNames(accounts: number): string[] {
  const names: string[] = [];
  for (let account = 0; account < accounts; account += 1) {
    for (let width = 1; width <= WIDTHS; width += 1) names.push(counterName(account, width));
  }
  return [...names, TRACE_AT, TRACE_END];
}

function planOf(sections: readonly Section[], options: InstrumentOptions): Plan {
  const of = (id: number): Section | undefined => sections.find((section) => section.id === id);
  const imports = countImports(of(SectionId.Import));
  const types = typeParameters(of(SectionId.Type) as Section);
  const functions = new Reader((of(SectionId.Function) as Section).bytes);
  const defined = Array.from({ length: functions.u32() }, () => functions.u32());
  const globals = of(SectionId.Global);
  const names = namesOf(sections);
  const accountOf = options.accountOf ?? (() => 0);
  return {
    accounts: options.accounts ?? 1,
    account: (index) => accountOf(names.get(imports.functions + index) ?? ""),
    globals: imports.globals + (globals === undefined ? 0 : new Reader(globals.bytes).u32()),
    note: options.trace === true ? imports.functions + defined.length : -1,
    guard: options.guard,
    parameters: defined.map((type) => types[type] as number),
  };
}

/** A mutable i32 that starts at 0. */
const FRESH_GLOBAL = [I32_TYPE, 1, I32_CONST, 0, 0x0b];

/** The contents of the sections that change, by their numbers. */
function changed(sections: readonly Section[], plan: Plan): Map<number, Uint8Array> {
  const of = (id: number): Section | undefined => sections.find((section) => section.id === id);
  const fresh = globalNames(plan.accounts);
  const exported = fresh.map((name, i) => [...text(name), 3, ...u32(plan.globals + i)]);
  const traced = plan.note >= 0;
  const types = new Reader((of(SectionId.Type) as Section).bytes).u32();
  const result = new Map<number, Uint8Array>([
    [
      SectionId.Global,
      extended(
        of(SectionId.Global),
        fresh.map(() => FRESH_GLOBAL),
      ),
    ],
    [SectionId.Export, extended(of(SectionId.Export), exported)],
    [SectionId.Code, rewriteCode(of(SectionId.Code) as Section, plan, traced)],
  ]);
  if (!traced) return result;
  const type = [FUNCTION_TYPE, 2, I32_TYPE, I32_TYPE, 1, I32_TYPE];
  result.set(SectionId.Type, extended(of(SectionId.Type), [type]));
  result.set(SectionId.Function, extended(of(SectionId.Function), [u32(types)]));
  return result;
}

/**
 * The module with counting. Throws Error on an instruction that it does not know. Sections keep
 * their order; a module without globals or exports gets those sections.
 */
export function instrument(
  binary: Uint8Array,
  options: InstrumentOptions = {},
): Uint8Array<ArrayBuffer> {
  const sections = sectionsOf(binary);
  const plan = planOf(sections, options);
  const fresh = changed(sections, plan);
  const writer = new Writer();
  writer.put(MAGIC);
  const put = (id: number, bytes: Uint8Array): void => {
    writer.put([id, ...u32(bytes.length)]);
    writer.put(bytes);
    fresh.delete(id);
  };
  for (const { id, bytes } of sections) {
    // What is missing goes before the first section with a higher number.
    for (const missing of [SectionId.Global, SectionId.Export]) {
      const contents = fresh.get(missing);
      const known = sections.some((section) => section.id === missing);
      if (contents !== undefined && !known && id > missing) put(missing, contents);
    }
    put(id, fresh.get(id) ?? bytes);
  }
  return writer.taken();
}
