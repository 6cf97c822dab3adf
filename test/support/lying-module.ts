/**
 * The build under test over a ring that lies: each 32-bit word of it says the truth once. When the
 * next word is read, or the same one again, LIE stands in its place, as another thread would write
 * it at the worst moment (threats D04). Who copies a word once and judges the copy sees no lie.
 *
 * Made of the instrumented build (host/modelled/instrument.ts), whose loads and stores call a
 * function with their address first: that function is exchanged here for one that lies.
 */
import { readFileSync } from "node:fs";
import { instrument, TRACE_AT } from "../../host/modelled/instrument.ts";
import { MAGIC, Reader, s32, SectionId, sectionsOf } from "../../host/modelled/wasm-format.ts";
import { u32, Writer } from "../../host/modelled/wasm-format.ts";
import { buildUnderTest, dataPathUnderTest, ROOT } from "./env.ts";

/** No connection, generation, length, opcode or flags that anybody may have. */
export const LIE = 0xffffffff;

/** A range of the module's memory, in bytes. */
export interface LyingRange {
  readonly base: number;
  readonly bytes: number;
}

const [IF, END, EMPTY_TYPE, I32_TYPE] = [0x04, 0x0b, 0x40, 0x7f];
const [LOCAL_GET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET] = [0x20, 0x22, 0x23, 0x24];
const [I32_STORE, I32_CONST, I32_LT_U, I32_ADD, I32_SUB] = [0x36, 0x41, 0x49, 0x6a, 0x6b];

/** (address, offset) -> address: the word of the range that was touched before becomes a lie. */
function lyingBody({ base, bytes }: LyingRange, last: readonly number[]): number[] {
  const at = [LOCAL_GET, 0, LOCAL_GET, 1, I32_ADD, LOCAL_TEE, 2];
  const isWithin = [I32_CONST, ...s32(base), I32_SUB, I32_CONST, ...s32(bytes), I32_LT_U];
  const lie = [GLOBAL_GET, ...last, I32_CONST, ...s32(LIE | 0), I32_STORE, 2, 0];
  const lied = [GLOBAL_GET, ...last, IF, EMPTY_TYPE, ...lie, END];
  const kept = [LOCAL_GET, 2, GLOBAL_SET, ...last];
  const body = [...at, ...isWithin, IF, EMPTY_TYPE, ...lied, ...kept, END, LOCAL_GET, 0, END];
  return [1, 1, I32_TYPE, ...body];
}

/** The number of an exported global. */
function globalOf(exported: Uint8Array, wanted: string): number[] {
  const reader = new Reader(exported);
  for (let left = reader.u32(); left > 0; left -= 1) {
    const name = reader.name();
    const kind = reader.byte();
    const index = reader.u32();
    if (kind === 3 && name === wanted) return u32(index);
  }
  throw new Error(`lying module: expected a global ${wanted}`);
}

/** A code section with another last body. */
function withLast(section: Uint8Array, body: readonly number[]): Uint8Array {
  const reader = new Reader(section);
  const count = reader.u32();
  for (let left = count - 1; left > 0; left -= 1) {
    const length = reader.u32();
    reader.at += length;
  }
  const writer = new Writer();
  writer.put(section.subarray(0, reader.at));
  writer.put([...u32(body.length), ...body]);
  return writer.taken();
}

/** The build under test; the words of the range lie. */
export function lyingModule(range: LyingRange): WebAssembly.Module {
  const suffix = buildUnderTest() === "debug" ? ".debug" : "";
  const file = readFileSync(`${ROOT}build/${dataPathUnderTest()}${suffix}.wasm`);
  const sections = sectionsOf(instrument(file, { trace: true }));
  const exported = sections.find(({ id }) => id === SectionId.Export)?.bytes ?? new Uint8Array(1);
  const body = lyingBody(range, globalOf(exported, TRACE_AT));
  const writer = new Writer();
  writer.put(MAGIC);
  for (const { id, bytes } of sections) {
    const contents = id === SectionId.Code ? withLast(bytes, body) : bytes;
    writer.put([id, ...u32(contents.length)]);
    writer.put(contents);
  }
  return new WebAssembly.Module(writer.taken());
}

/** Forgets which word was touched last: what is written now is true once. */
export function tellTruth(exports: object): void {
  const last = (exports as Record<string, WebAssembly.Global>)[TRACE_AT];
  if (last === undefined) throw new Error("lying module: expected its own exports");
  last.value = 0;
}
