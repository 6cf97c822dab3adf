/** Writes WebAssembly modules as bytes: types, imports, functions, exports, code. i32 alone. */

/** Instructions that take no immediate operand. */
export const OP = {
  else: 0x05,
  end: 0x0b,
  return: 0x0f,
  select: 0x1b,
  eqz: 0x45,
  eq: 0x46,
  ne: 0x47,
  ltS: 0x48,
  ltU: 0x49,
  gtS: 0x4a,
  gtU: 0x4b,
  leS: 0x4c,
  leU: 0x4d,
  geS: 0x4e,
  geU: 0x4f,
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shrU: 0x76,
} as const;

const I32 = 0x7f;
const FUNCTION = 0x60;
const EMPTY_BLOCK = 0x40;
const IF = 0x04;
const CALL = 0x10;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const I32_CONST = 0x41;
const LOAD = { 8: 0x2d, 16: 0x2f, 32: 0x28 } as const;
const STORE = { 8: 0x3a, 16: 0x3b, 32: 0x36 } as const;
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Memory accesses of so many bits. */
export type AccessBits = 8 | 16 | 32;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value >>> 0;
  do {
    const byte = left & 0x7f;
    left >>>= 7;
    bytes.push(left === 0 ? byte : byte | 0x80);
  } while (left !== 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value | 0;
  for (;;) {
    const byte = left & 0x7f;
    left >>= 7;
    const done = (left === 0 && (byte & 0x40) === 0) || (left === -1 && (byte & 0x40) !== 0);
    bytes.push(done ? byte : byte | 0x80);
    if (done) return bytes;
  }
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

/** The body of one function: parameters are its first locals. */
export class Code {
  readonly #bytes: number[] = [];
  readonly #parameters: number;
  #locals: number;

  constructor(parameters: number) {
    this.#parameters = parameters;
    this.#locals = parameters;
  }

  /** A new local; 0 at first. */
  local(): number {
    this.#locals += 1;
    return this.#locals - 1;
  }

  get(local: number): this {
    this.#bytes.push(LOCAL_GET, ...unsigned(local));
    return this;
  }

  set(local: number): this {
    this.#bytes.push(LOCAL_SET, ...unsigned(local));
    return this;
  }

  constant(value: number): this {
    this.#bytes.push(I32_CONST, ...signed(value));
    return this;
  }

  /** Address on the stack; unsigned. */
  load(bits: AccessBits, offset: number): this {
    this.#bytes.push(LOAD[bits], 0, ...unsigned(offset));
    return this;
  }

  /** Address and value on the stack. */
  store(bits: AccessBits, offset: number): this {
    this.#bytes.push(STORE[bits], 0, ...unsigned(offset));
    return this;
  }

  op(name: keyof typeof OP): this {
    this.#bytes.push(OP[name]);
    return this;
  }

  /** Condition on the stack; ends with `end`. */
  if(): this {
    this.#bytes.push(IF, EMPTY_BLOCK);
    return this;
  }

  call(index: number): this {
    this.#bytes.push(CALL, ...unsigned(index));
    return this;
  }

  /** The function's entry in the code section. */
  finish(): number[] {
    const locals = this.#locals - this.#parameters;
    const body = [...vector(locals > 0 ? [[...unsigned(locals), I32]] : []), ...this.#bytes];
    body.push(OP.end);
    return [...unsigned(body.length), ...body];
  }
}

interface Defined {
  readonly name: string;
  readonly type: number;
  readonly code: Code;
}

/** A module over an imported memory, `env.memory`. */
export class WasmModule {
  readonly #types: number[][] = [];
  readonly #imports: number[][] = [[...text("env"), ...text("memory"), 2, 0, 0]];
  readonly #functions: Defined[] = [];
  #imported = 0;

  #type(parameters: number, results: number): number {
    const type = [
      FUNCTION,
      ...vector(Array.from({ length: parameters }, () => [I32])),
      ...vector(Array.from({ length: results }, () => [I32])),
    ];
    const known = this.#types.findIndex((each) => each.join() === type.join());
    return known >= 0 ? known : this.#types.push(type) - 1;
  }

  /** Before the first function. Returns what call() takes. */
  import(name: string, parameters: number, results: number): number {
    const type = this.#type(parameters, results);
    this.#imports.push([...text("env"), ...text(name), 0, ...unsigned(type)]);
    this.#imported += 1;
    return this.#imported - 1;
  }

  /** An exported function; its body is what is added to the code. */
  function(name: string, parameters: number, results: number): Code {
    const code = new Code(parameters);
    this.#functions.push({ name, type: this.#type(parameters, results), code });
    return code;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const section = (id: number, content: readonly number[]): number[] => [
      ...[id, ...unsigned(content.length)],
      ...content,
    ];
    const exported = this.#functions.map(({ name }, i) => [
      ...text(name),
      0,
      ...unsigned(this.#imported + i),
    ]);
    return new Uint8Array([
      ...HEADER,
      ...section(1, vector(this.#types)),
      ...section(2, vector(this.#imports)),
      ...section(3, vector(this.#functions.map(({ type }) => unsigned(type)))),
      ...section(7, vector(exported)),
      ...section(10, vector(this.#functions.map(({ code }) => code.finish()))),
    ]);
  }
}
