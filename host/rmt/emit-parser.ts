/** Parser and deparsers of a stage program as instructions; see generate-parser.ts. */
import { conditionCode } from "./emit-text.ts";
import { bytesOf, leastOf } from "./generate-parser.ts";
import type * as P from "./program.ts";
import type { AccessBits, Code, WasmModule } from "./wasm-code.ts";

const PHV = 0;
const PACKET = 1;
const BYTES = 2;

type Offsets = ReadonlyMap<string, number>;

/** The bytes of a word of `bits` on the stack, put the other way round. */
function swap(code: Code, bits: AccessBits, scratch: number): void {
  if (bits === 8) return;
  code.set(scratch);
  const bytes = bits / 8;
  for (let i = 0; i < bytes; i += 1) {
    code
      .get(scratch)
      .constant(8 * i)
      .op("shrU")
      .constant(0xff)
      .op("and");
    code.constant(8 * (bytes - 1 - i)).op("shl");
    if (i > 0) code.op("or");
  }
}

function extract(code: Code, { at, bits }: P.Extract, header: number, scratch: number): void {
  const first = at & 7;
  const loaded: AccessBits = first + bits <= 8 ? 8 : first + bits <= 16 ? 16 : 32;
  code.get(header).load(loaded, Math.floor(at / 8));
  swap(code, loaded, scratch);
  const shift = loaded - first - bits;
  if (shift > 0) code.constant(shift).op("shrU");
  if (bits < 32) code.constant(2 ** bits - 1).op("and");
}

interface ParserLocals {
  readonly header: number;
  readonly left: number;
  readonly next: number;
  readonly length: number;
  readonly scratch: number;
}

function goto(code: Code, name: string, names: readonly string[], next: number): void {
  if (name === "accept" || name === "reject") {
    code.constant(name === "accept" ? 1 : 0).op("return");
    return;
  }
  code.constant(names.indexOf(name)).set(next);
}

function state(
  code: Code,
  each: P.ParserState,
  names: readonly string[],
  locals: ParserLocals,
  offsets: Offsets,
): void {
  const { header, left, next, length, scratch } = locals;
  const fields = new Map<string, number>();
  const field = (name: string): number => {
    const local = fields.get(name) ?? code.local();
    fields.set(name, local);
    return local;
  };
  const needed = bytesOf(each.extracts);
  code.get(next).constant(names.indexOf(each.name)).op("eq").if();
  code.get(left).constant(needed).op("ltU").if().constant(0).op("return").op("end");
  for (const one of each.extracts) {
    extract(code, one, header, scratch);
    code.set(field(one.field));
    code
      .get(PHV)
      .get(field(one.field))
      .store(32, offsets.get(one.field) as number);
  }
  const named = each.length.field;
  if (named === undefined) code.constant(each.length.bytes);
  else
    code
      .get(PHV)
      .load(32, offsets.get(named) as number)
      .constant(each.length.bytes)
      .op("mul");
  code
    .set(length)
    .get(length)
    .constant(leastOf(each))
    .op("ltU")
    .get(length)
    .get(left)
    .op("gtU")
    .op("or");
  code.if().constant(0).op("return").op("end");
  code.get(header).get(length).op("add").set(header).get(left).get(length).op("sub").set(left);
  const read = (name: string): number => {
    const local = code.local();
    code
      .get(PHV)
      .load(32, offsets.get(name) as number)
      .set(local);
    return local;
  };
  for (const { state: name, condition } of each.gotos) {
    // Fields are fetched before the condition is put together.
    const asked = new Map<string, number>();
    for (const term of condition) {
      const name = "values" in term ? term.field : term.left.kind === "field" ? term.left.name : "";
      if (name !== "") asked.set(name, read(name));
    }
    conditionCode(code, condition, (name) => asked.get(name) as number);
    code.if();
    goto(code, name, names, next);
    code.op("else");
  }
  for (const _ of each.gotos) code.op("end");
  code.op("end");
}

/** `parse(phv, packet, bytes)`: 0 for a packet that is rejected. */
export function emitParser(code: Code, states: readonly P.ParserState[], offsets: Offsets): void {
  const names = states.map(({ name }) => name);
  const [header, left, next] = [code.local(), code.local(), code.local()];
  const locals = { header, left, next, length: code.local(), scratch: code.local() };
  code.get(PACKET).set(header).get(BYTES).set(left);
  for (const each of states) state(code, each, names, locals, offsets);
  code.constant(0);
}

/** `deparse_NAME(phv, header)` for each header. */
export function emitDeparsers(
  module: WasmModule,
  deparsers: readonly P.Deparser[],
  offsets: Offsets,
): void {
  for (const { name, emits } of deparsers) {
    const code = module.function(`deparse_${name}`, 2, 0);
    const scratch = code.local();
    for (const { value, bits, at } of emits) {
      const width = bits as AccessBits;
      code.get(1);
      if (value.kind === "field") code.get(PHV).load(32, offsets.get(value.name) as number);
      else code.constant(value.kind === "number" ? value.value : 0);
      swap(code, width, scratch);
      code.store(width, at / 8);
    }
  }
}
