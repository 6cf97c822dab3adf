/**
 * The paper's published numbers (figures.csv: id, value, unit, where, section, note).
 * Invariant: an id that is not in the file is an error, so that no row compares with nothing.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../harness.ts";

export const FIGURES = "bench/lab/figures.csv";
const HEADER = "id,value,unit,where,section,note";

export interface Anchor {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
  /** "Table 4.5", "Figure 4.16"; "" for the text. */
  readonly where: string;
  readonly section: string;
  readonly note: string;
}

/** Cells of one line; a cell in double quotes may hold commas. Quotes inside of cells: none. */
function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^",]*))/g)].map(([, a, b]) => a ?? b ?? "");
}

/** Reads a file's text. Throws Error with the line on a bad row or an id given twice. */
export function parseAnchors(text: string): ReadonlyMap<string, Anchor> {
  const [head, ...lines] = text.trimEnd().split("\n");
  if (head !== HEADER) throw new Error(`${FIGURES}:1: expected ${HEADER}, got ${head}`);
  const anchors = new Map<string, Anchor>();
  lines.forEach((line, index) => {
    const where = `${FIGURES}:${index + 2}`;
    const row = cells(line);
    const [id = "", value = "", unit = "", place = "", section = "", note = ""] = row;
    if (row.length !== 6 || id === "" || value.trim() === "" || !Number.isFinite(Number(value))) {
      throw new Error(`${where}: expected 6 cells with an id and a number, got ${line}`);
    }
    if (anchors.has(id)) throw new Error(`${where}: expected a new id, got ${id} again`);
    anchors.set(id, { id, value: Number(value), unit, where: place, section, note });
  });
  return anchors;
}

let loaded: ReadonlyMap<string, Anchor> | undefined;

/** All anchors, read once. */
export function anchors(): ReadonlyMap<string, Anchor> {
  loaded ??= parseAnchors(readFileSync(join(repositoryRoot(), FIGURES), "utf8"));
  return loaded;
}

/** The anchor of an id. Throws Error when the file has none. */
export function anchor(id: string): Anchor {
  const found = anchors().get(id);
  if (found === undefined) throw new Error(`${FIGURES}: expected an id, got ${JSON.stringify(id)}`);
  return found;
}
