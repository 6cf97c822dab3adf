/**
 * Edge counters for guided fuzzing: a Wasm build in which every place that a branch can lead to
 * counts itself in a byte of the module's own memory, below everything that a map lays out there
 * (bindings/layout.ts keeps the first 32 KiB free). Nothing else of the code changes.
 */
import { MAGIC, nextInstruction, Reader, s32, SectionId } from "../../host/modelled/wasm-format.ts";
import { sectionsOf, u32, Writer } from "../../host/modelled/wasm-format.ts";

/** Address of the first counter, and how many there may be. */
export const COUNTERS_AT = 4096;
export const COUNTERS_MAX = 28672;

export interface Counted {
  readonly binary: Uint8Array<ArrayBuffer>;
  /** Counters in use, rounded up to a multiple of 16. */
  readonly edges: number;
}

const [LOOP, IF, ELSE, END, BR_IF] = [0x03, 0x04, 0x05, 0x0b, 0x0d];
const I32_CONST = 0x41;
const I32_LOAD8_U = 0x2d;
const I32_STORE8 = 0x3a;
const I32_ADD = 0x6a;

/** One more in the counter's byte; the stack is as before. */
function increment(edge: number): number[] {
  const place = [0, ...u32(COUNTERS_AT + edge)];
  const value = [I32_CONST, 0, I32_LOAD8_U, ...place, I32_CONST, ...s32(1), I32_ADD];
  return [I32_CONST, 0, ...value, I32_STORE8, ...place];
}

function countedBody(body: Uint8Array, first: number): { body: Uint8Array; edges: number } {
  const reader = new Reader(body);
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    reader.u32();
    reader.byte();
  }
  const code = new Writer();
  code.put(body.subarray(0, reader.at));
  let edges = 0;
  code.put(increment(first + edges++));
  while (reader.at < body.length) {
    const { opcode, start, end } = nextInstruction(reader);
    code.put(body.subarray(start, end));
    // The last end is the function's own.
    if (end === body.length) break;
    const leads = [LOOP, IF, ELSE, END, BR_IF].includes(opcode);
    if (leads) code.put(increment(first + edges++));
  }
  return { body: code.taken(), edges };
}

/** Puts counters into a build. Throws Error on an instruction that is not known. */
export function countEdges(binary: Uint8Array): Counted {
  const writer = new Writer();
  writer.put(MAGIC);
  let edges = 0;
  for (const { id, bytes } of sectionsOf(binary)) {
    const section = new Writer();
    if (id === SectionId.Code) {
      const reader = new Reader(bytes);
      const functions = reader.u32();
      section.put(u32(functions));
      for (let i = 0; i < functions; i += 1) {
        const length = reader.u32();
        const counted = countedBody(bytes.subarray(reader.at, reader.at + length), edges);
        reader.at += length;
        edges += counted.edges;
        section.put(u32(counted.body.length));
        section.put(counted.body);
      }
    } else {
      section.put(bytes);
    }
    writer.put([id, ...u32(section.length)]);
    writer.put(section.taken());
  }
  if (edges > COUNTERS_MAX) {
    throw new Error(`countEdges: expected at most ${COUNTERS_MAX} edges, got ${edges}`);
  }
  return { binary: writer.taken(), edges: (edges + 15) & ~15 };
}

/** Which class a count is of: 1, 2, 3, 4, 8, 16, 32 and 128 times or more; a bit each. */
function classOf(count: number): number {
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  return count < 32 ? 32 : count < 128 ? 64 : 128;
}

/** What was seen of the edges of cores that each have a memory of their own. */
export class EdgeMap {
  readonly #seen: Uint8Array;
  /** Edges that were taken at least once. */
  taken = 0;

  constructor(edges: number) {
    this.#seen = new Uint8Array(edges);
  }

  /** Looks at a memory's counters and clears them; true when some were new. */
  novel(memory: WebAssembly.Memory): boolean {
    const words = new Uint32Array(memory.buffer, COUNTERS_AT, this.#seen.length / 4);
    const bytes = new Uint8Array(memory.buffer, COUNTERS_AT, this.#seen.length);
    let found = false;
    words.forEach((word, i) => {
      if (word === 0) return;
      for (let at = 4 * i; at < 4 * i + 4; at += 1) {
        if (this.#note(at, bytes[at] as number)) found = true;
      }
    });
    bytes.fill(0);
    return found;
  }

  #note(edge: number, count: number): boolean {
    if (count === 0) return false;
    const before = this.#seen[edge] as number;
    const after = before | classOf(count);
    if (after === before) return false;
    if (before === 0) this.taken += 1;
    this.#seen[edge] = after;
    return true;
  }
}
