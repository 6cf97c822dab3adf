/**
 * Reading and writing the WebAssembly binary format (Core Specification 2.0, chapter 5): LEB128
 * numbers, sections, and the length of every instruction that asc emits. What the instrumenter
 * needs and no more; an opcode that is not known is an error, never skipped over.
 */

export const MAGIC: readonly number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Sections by their numbers (5.5.2). */
export enum SectionId {
  Custom = 0,
  Type = 1,
  Import = 2,
  Function = 3,
  Global = 6,
  Export = 7,
  Code = 10,
}

/** What a counted instruction works on; a machine says what each costs. */
export enum Width {
  /** Names a register, an immediate or a place: no instruction of a register machine. */
  None = 0,
  /** 32 bits, and control flow. */
  Narrow = 1,
  Wide = 2,
  Vector = 3,
}
export const WIDTHS = 3;

/** A reader over bytes; `at` is the next one. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new Error(`instrument: expected a byte at ${this.at}, got none`);
    this.at += 1;
    return value;
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error(`instrument: expected a number of 5 bytes at most, got more at ${this.at}`);
  }

  /** Steps over a LEB128 of any kind. */
  skipLeb(): void {
    while (this.byte() >= 0x80);
  }

  name(): string {
    const length = this.u32();
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return text;
  }
}

export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

/** A signed LEB128 of 32 bits: the operand of i32.const. */
export function s32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const byte = rest & 0x7f;
    if ((rest >> 6 === 0 && (byte & 0x40) === 0) || (rest >> 6 === -1 && (byte & 0x40) !== 0)) {
      bytes.push(byte);
      return bytes;
    }
    bytes.push(byte | 0x80);
  }
}

export function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...u32(bytes.length), ...bytes];
}

/** A binary of unknown size; appending a span costs its length and no more. */
export class Writer {
  #bytes = new Uint8Array(4096);
  length = 0;

  put(bytes: ArrayLike<number>): void {
    while (this.length + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  taken(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
}

export interface Section {
  readonly id: number;
  /** Contents, without the id and the length. */
  readonly bytes: Uint8Array;
}

export function sectionsOf(binary: Uint8Array): Section[] {
  if (MAGIC.some((byte, i) => binary[i] !== byte)) {
    throw new Error("instrument: expected a WebAssembly module of version 1");
  }
  const reader = new Reader(binary, MAGIC.length);
  const sections: Section[] = [];
  while (reader.at < binary.length) {
    const id = reader.byte();
    const length = reader.u32();
    sections.push({ id, bytes: binary.subarray(reader.at, reader.at + length) });
    reader.at += length;
  }
  return sections;
}

/** Memory instructions: what they move, and whether they write. */
export interface Access {
  readonly offset: number;
  readonly bytes: number;
  /** Type of the value that a store takes: 0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64, 0x7b v128. */
  readonly stored: number;
  readonly isStore: boolean;
}

/** One instruction as it stands in a body. */
export interface Instruction {
  readonly opcode: number;
  /** Second number of a prefixed opcode. */
  readonly sub: number;
  readonly start: number;
  readonly end: number;
  readonly width: Width;
  readonly access: Access | undefined;
}

const I32 = 0x7f;
const I64 = 0x7e;
const F32 = 0x7d;
const F64 = 0x7c;
const V128 = 0x7b;

/** Types that the stores 0x36 .. 0x3e take. */
const STORED = [I32, I64, F32, F64, I32, I32, I64, I64, I64];
/** Bytes of what 0x28 .. 0x3e and 0xfd 0 .. 11 and 84 .. 93 move. */
const LOADED = [4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4];
const MOVED = [...LOADED, 4, 8, 4, 8, 1, 2, 1, 2, 4];
const VECTORS_MOVED = [16, 8, 8, 8, 8, 8, 8, 1, 2, 4, 8, 16];
const LANES_MOVED = [1, 2, 4, 8, 1, 2, 4, 8, 4, 8];

/** Control, variables and parametric instructions (5.4.1 to 5.4.5). */
function skipPlain(reader: Reader, opcode: number): Width {
  if (opcode === 0x02 || opcode === 0x03 || opcode === 0x04) {
    reader.skipLeb();
    return opcode === 0x04 ? Width.Narrow : Width.None;
  }
  if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) {
    reader.skipLeb();
    return Width.Narrow;
  }
  if (opcode === 0x0e) {
    for (let left = reader.u32() + 1; left > 0; left -= 1) reader.skipLeb();
    return Width.Narrow;
  }
  if (opcode === 0x11) {
    reader.skipLeb();
    reader.skipLeb();
    return Width.Narrow;
  }
  if (opcode >= 0x20 && opcode <= 0x22) {
    reader.skipLeb();
    return Width.None;
  }
  if (opcode === 0x23 || opcode === 0x24) {
    reader.skipLeb();
    return Width.Narrow;
  }
  if (opcode === 0x3f || opcode === 0x40) {
    reader.skipLeb();
    return Width.Narrow;
  }
  if (opcode === 0x41 || opcode === 0x42) reader.skipLeb();
  else if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  if (opcode >= 0x41 && opcode <= 0x44) return Width.None;
  if (opcode === 0x00 || opcode === 0x0f || opcode === 0x1b) return Width.Narrow;
  if (opcode === 0x01 || opcode === 0x05 || opcode === 0x0b || opcode === 0x1a) return Width.None;
  return skipNumeric(opcode, reader.at);
}

/** Instructions without immediates; 64-bit ones by their place in the table of 5.4.7. */
function skipNumeric(opcode: number, at: number): Width {
  if (opcode < 0x45 || opcode > 0xc4) {
    throw new Error(`instrument: expected a known opcode at ${at - 1}, got ${opcode}`);
  }
  const wide =
    (opcode >= 0x50 && opcode <= 0x5a) ||
    (opcode >= 0x61 && opcode <= 0x66) ||
    (opcode >= 0x79 && opcode <= 0x8a) ||
    (opcode >= 0x99 && opcode <= 0xa6) ||
    (opcode >= 0xac && opcode <= 0xb1) ||
    (opcode >= 0xb7 && opcode <= 0xbd) ||
    opcode >= 0xc2;
  return wide ? Width.Wide : Width.Narrow;
}

/** A load or store of 5.4.6. */
function memoryAccess(reader: Reader, opcode: number): readonly [Width, Access] {
  reader.skipLeb();
  const offset = reader.u32();
  const isStore = opcode >= 0x36;
  const wide = [0x29, 0x2b, 0x37, 0x39].includes(opcode);
  const stored = isStore ? (STORED[opcode - 0x36] as number) : 0;
  const bytes = MOVED[opcode - 0x28] as number;
  return [wide ? Width.Wide : Width.Narrow, { offset, bytes, stored, isStore }];
}

/** Saturating truncation and bulk memory (5.4.6, 5.4.7). */
function skipMiscellaneous(reader: Reader, sub: number): Width {
  if (sub <= 7) return Width.Wide;
  const immediates = sub === 9 || sub === 11 || sub === 13 ? 1 : 2;
  if (sub > 14) throw new Error(`instrument: expected 0xfc 0..14, got ${sub}`);
  for (let i = 0; i < immediates; i += 1) reader.skipLeb();
  return Width.Vector;
}

/** Vector instructions (5.4.8). */
function skipVector(reader: Reader, sub: number): readonly [Width, Access | undefined] {
  const isMemory = sub <= 11 || (sub >= 84 && sub <= 93);
  if (isMemory) {
    reader.skipLeb();
    const offset = reader.u32();
    if (sub >= 84 && sub <= 91) reader.at += 1;
    const isStore = sub === 11 || (sub >= 88 && sub <= 91);
    // Lane loads have a vector above the address, as stores do.
    const above = isStore || (sub >= 84 && sub <= 87);
    const bytes = (sub <= 11 ? VECTORS_MOVED[sub] : LANES_MOVED[sub - 84]) as number;
    return [Width.Vector, { offset, bytes, stored: above ? V128 : 0, isStore }];
  }
  if (sub === 12) {
    reader.at += 16;
    return [Width.None, undefined];
  }
  if (sub === 13) reader.at += 16;
  else if (sub >= 21 && sub <= 34) reader.at += 1;
  return [Width.Vector, undefined];
}

/** The instruction at the reader's place; the reader then stands behind it. */
export function nextInstruction(reader: Reader): Instruction {
  const start = reader.at;
  const opcode = reader.byte();
  let sub = 0;
  let width: Width;
  let access: Access | undefined;
  if (opcode >= 0x28 && opcode <= 0x3e) {
    [width, access] = memoryAccess(reader, opcode);
  } else if (opcode === 0xfc) {
    sub = reader.u32();
    width = skipMiscellaneous(reader, sub);
  } else if (opcode === 0xfd) {
    sub = reader.u32();
    [width, access] = skipVector(reader, sub);
  } else {
    width = skipPlain(reader, opcode);
  }
  return { opcode, sub, start, end: reader.at, width, access };
}
