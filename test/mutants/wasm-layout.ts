/**
 * Where the function bodies of a WebAssembly binary stand, what its name section calls them, and
 * the binary with some bytes of one body replaced by others, of whatever length.
 */
import {
  MAGIC,
  Reader,
  SectionId,
  sectionsOf,
  u32,
  Writer,
} from "../../host/modelled/wasm-format.ts";

export interface Body {
  readonly name: string;
  /** Offsets in the file: of the body's size, of its first byte and behind its last. */
  readonly sizeAt: number;
  readonly start: number;
  readonly end: number;
}

export interface Layout {
  readonly binary: Uint8Array;
  /** Offsets of the code section's contents. */
  readonly codeAt: number;
  readonly codeEnd: number;
  readonly bodies: readonly Body[];
}

const NAME_SECTION = "name";
const FUNCTION_NAMES = 1;

/** Names by function index, imports first, from the contents of a name section. */
function namesIn(reader: Reader, end: number): Map<number, string> {
  const names = new Map<number, string>();
  while (reader.at < end) {
    const kind = reader.byte();
    const size = reader.u32();
    const next = reader.at + size;
    if (kind === FUNCTION_NAMES) {
      const count = reader.u32();
      for (let i = 0; i < count; i += 1) names.set(reader.u32(), reader.name());
    }
    reader.at = next;
  }
  return names;
}

function bodiesIn(reader: Reader): Omit<Body, "name">[] {
  const count = reader.u32();
  return Array.from({ length: count }, () => {
    const sizeAt = reader.at;
    const size = reader.u32();
    const start = reader.at;
    reader.at += size;
    return { sizeAt, start, end: reader.at };
  });
}

/**
 * Reads a binary; functions without a name are called by their index. Throws Error when it has no
 * code. Binaries that import functions are read as if they did not: ours import memory and table.
 */
export function layoutOf(binary: Uint8Array): Layout {
  const reader = new Reader(binary, MAGIC.length);
  let bodies: Omit<Body, "name">[] = [];
  let names = new Map<number, string>();
  let code = { at: 0, end: 0 };
  while (reader.at < binary.length) {
    const id = reader.byte();
    const size = reader.u32();
    const [at, end] = [reader.at, reader.at + size];
    if (id === SectionId.Code) {
      code = { at, end };
      bodies = bodiesIn(reader);
    } else if (id === SectionId.Custom && reader.name() === NAME_SECTION) {
      names = namesIn(reader, end);
    }
    reader.at = end;
  }
  if (bodies.length === 0) throw new Error("mutants: expected a binary with code, got none");
  const named = bodies.map((body, index) => ({ ...body, name: names.get(index) ?? `${index}` }));
  return { binary, codeAt: code.at, codeEnd: code.end, bodies: named };
}

/** True when two binaries have the same code at the same offsets. */
export function sameCode(one: Layout, other: Layout): boolean {
  if (one.codeAt !== other.codeAt || one.codeEnd !== other.codeEnd) return false;
  const code = ({ binary, codeAt, codeEnd }: Layout): Uint8Array =>
    binary.subarray(codeAt, codeEnd);
  return Buffer.compare(code(one), code(other)) === 0;
}

/** Bytes of one body that others take the place of. */
export interface Edit {
  readonly body: Body;
  readonly start: number;
  readonly end: number;
  readonly bytes: readonly number[];
}

function editedBody(binary: Uint8Array, body: Body, edits: readonly Edit[]): Uint8Array {
  const writer = new Writer();
  let at = body.start;
  for (const { start, end, bytes } of edits) {
    writer.put(binary.subarray(at, start));
    writer.put(bytes);
    at = end;
  }
  writer.put(binary.subarray(at, body.end));
  return writer.taken();
}

/**
 * The binary with edits made, which are in the order of the binary. `imports`: contents of the
 * import section in place of those that it has.
 */
export function edited(
  layout: Layout,
  edits: readonly Edit[],
  imports?: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const { binary, codeAt, bodies } = layout;
  const code = new Writer();
  code.put(binary.subarray(codeAt, (bodies[0] as Body).sizeAt));
  for (const body of bodies) {
    const own = edits.filter((edit) => edit.body === body);
    const bytes = editedBody(binary, body, own);
    code.put(u32(bytes.length));
    code.put(bytes);
  }
  const whole = new Writer();
  whole.put(MAGIC);
  for (const { id, bytes } of sectionsOf(binary)) {
    let contents: ArrayLike<number> = bytes;
    if (id === SectionId.Code) contents = code.taken();
    else if (id === SectionId.Import && imports !== undefined) contents = imports;
    whole.put([id, ...u32(contents.length)]);
    whole.put(contents);
  }
  return whole.taken();
}
