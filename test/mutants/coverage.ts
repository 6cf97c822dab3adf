/**
 * Which tests reach which points: a build that notes, at each point, that it was there. The notes
 * are globals that the module imports; note-points.ts gives them to every instance of a process.
 * Tests that no note tells of cannot notice a mutant of that point, and are not asked.
 */
import {
  Reader,
  SectionId,
  sectionsOf,
  text,
  u32,
  Writer,
} from "../../host/modelled/wasm-format.ts";
import type { Point } from "./operators.ts";
import { edited, type Layout } from "./wasm-layout.ts";

/** Module name of the imported globals; they are called "0", "1" and so on. */
export const POINTS_MODULE = "points";

const I32 = 0x7f;
const MUTABLE = 1;
const KIND_GLOBAL = 3;
const I32_CONST = 0x41;
const GLOBAL_SET = 0x24;

/** The import section with so many mutable globals behind what it has. */
function withGlobals(contents: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const reader = new Reader(contents);
  const before = reader.u32();
  const writer = new Writer();
  writer.put(u32(before + count));
  writer.put(contents.subarray(reader.at));
  for (let i = 0; i < count; i += 1) {
    writer.put([...text(POINTS_MODULE), ...text(`${i}`), KIND_GLOBAL, I32, MUTABLE]);
  }
  return writer.taken();
}

/**
 * The binary that notes the points, numbered as they are given. Throws Error when it has globals
 * of its own, whose numbers would move.
 */
export function noting(layout: Layout, points: readonly Point[]): Uint8Array<ArrayBuffer> {
  const sections = sectionsOf(layout.binary);
  const imports = sections.find(({ id }) => id === SectionId.Import);
  if (imports === undefined || sections.some(({ id }) => id === SectionId.Global)) {
    throw new Error("mutants: expected a build with imports and without globals");
  }
  const edits = points.map(({ body, start }, index) => {
    const bytes = [I32_CONST, 1, GLOBAL_SET, ...u32(index)];
    return { body, start, end: start, bytes };
  });
  edits.sort((one, other) => one.start - other.start);
  return edited(layout, edits, withGlobals(imports.bytes, points.length));
}
