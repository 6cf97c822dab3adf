/**
 * AssemblyScript for the parser and the deparsers of a stage program: states in their order, each
 * entered once at most, so a packet is read from its beginning to its end without a loop.
 */
import { conditionText, type ReadField } from "./generate-text.ts";
import type * as P from "./program.ts";

/** Bytes from the beginning of a header that its extracts reach. */
export function bytesOf(extracts: readonly P.Extract[]): number {
  return Math.max(0, ...extracts.map(({ at, bits }) => Math.ceil((at + bits) / 8)));
}

/** Bytes that a header has at least; one without a length only looks ahead. */
export function leastOf({ length, extracts }: P.ParserState): number {
  return length.bytes === 0 ? 0 : bytesOf(extracts);
}

/** A big-endian bit field at `header`. */
function extractText({ at, bits }: P.Extract): string {
  const first = at & 7;
  const offset = Math.floor(at / 8);
  const loaded = first + bits <= 8 ? 8 : first + bits <= 16 ? 16 : 32;
  const word =
    loaded === 8
      ? `<u32>load<u8>(header + ${offset})`
      : `<u32>bswap<u${loaded}>(load<u${loaded}>(header + ${offset}))`;
  const shift = loaded - first - bits;
  const moved = shift === 0 ? word : `(${word} >>> ${shift})`;
  return bits === loaded ? moved : `${moved} & ${2 ** bits - 1}`;
}

function stateLines(state: P.ParserState, index: number, names: readonly string[]): string[] {
  const own = new Set(state.extracts.map(({ field }) => field));
  const read: ReadField = (field) =>
    own.has(field) ? `p_${field}` : `load<u32>(phv, ${field.toUpperCase()})`;
  const needed = bytesOf(state.extracts);
  const { field, bytes } = state.length;
  const length = field === undefined ? `<u32>${bytes}` : `${read(field)} * ${bytes}`;
  const target = (name: string): string => {
    if (name === "accept") return "return true;";
    return name === "reject" ? "return false;" : `next = ${names.indexOf(name)};`;
  };
  return [
    `  if (next == ${index}) { // ${state.name}`,
    `    if (left < ${needed}) return false;`,
    ...state.extracts.flatMap((each) => [
      `    const p_${each.field}: u32 = ${extractText(each)};`,
      `    store<u32>(phv, p_${each.field}, ${each.field.toUpperCase()});`,
    ]),
    `    const length: u32 = ${length};`,
    `    if (length < ${leastOf(state)} || length > left) return false;`,
    "    header += length;",
    "    left -= length;",
    ...state.gotos.map(
      ({ state: name, condition }, i) =>
        `    ${i === 0 ? "" : "else "}if (${conditionText(condition, read)}) ${target(name)}`,
    ),
    "  }",
  ];
}

/** `parse(phv, packet, bytes)`: false for a packet that the parser rejects. */
export function parserLines(states: readonly P.ParserState[]): string[] {
  if (states.length === 0) return [];
  const names = states.map(({ name }) => name);
  return [
    "",
    "/** Reads a packet's headers into a cleared header vector; false when they are no such. */",
    "export function parse(phv: usize, packet: usize, bytes: u32): bool {",
    "  let header: usize = packet;",
    "  let left: u32 = bytes;",
    "  let next: u32 = 0;",
    ...states.flatMap((state, index) => stateLines(state, index, names)),
    "  return false;",
    "}",
  ];
}

function emitText({ value, bits, at }: P.Emit): string {
  const word =
    value.kind === "field"
      ? `load<u32>(phv, ${value.name.toUpperCase()})`
      : `<u32>${value.kind === "number" ? value.value : 0}`;
  const swapped = bits === 8 ? `<u8>${word}` : `bswap<u${bits}>(<u${bits}>${word})`;
  return `  store<u${bits}>(header, ${swapped}, ${at / 8});`;
}

/** `deparse_NAME(phv, header)` for each header. */
export function deparserLines(deparsers: readonly P.Deparser[]): string[] {
  return deparsers.flatMap(({ name, emits }) => [
    "",
    `/** Writes the fields of ${name}. */`,
    `export function deparse_${name}(phv: usize, header: usize): void {`,
    ...emits.map(emitText),
    "}",
  ]);
}
