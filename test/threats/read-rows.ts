/**
 * The rows of rows.txt, and which of them the names of tests hold. An id counts when a string says
 * `threats/ID`, or `threats ID`, or a list or range of ids behind that; and where a table of cases,
 * whose names are put together, says `id: "ID"`. Comments do not count.
 */
import { readdirSync, readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";

export interface ThreatRow {
  readonly id: string;
  readonly what: string;
  readonly expected: string;
  /** Why no test holds it. */
  readonly exception?: string;
}

const HEAD = /^([HOQRBSCTUPDWL]\d{1,2}) \| (.+) \| (.+)$/;
const ID = "[HOQRBSCTUPDWL]\\d{1,2}";
const NAMED = new RegExp(`\\bthreats[ /](${ID}(?:(?:, | to | and )${ID})*)\\b`, "g");
const RANGE = /([A-Z])(\d+) to [A-Z](\d+)/g;
const CASE = new RegExp(`\\bid: "(${ID})"`, "g");
/** A string or template of one line. */
const LITERAL = /"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

/** The records of a text. Throws Error when a line is none. */
export function parseRows(text: string): ThreatRow[] {
  const rows: ThreatRow[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, id, what, expected] = HEAD.exec(line) ?? [];
    const last = rows.at(-1);
    if (id !== undefined && what !== undefined && expected !== undefined) {
      rows.push({ id, what, expected });
    } else if (last !== undefined && line.startsWith("  exception:")) {
      rows[rows.length - 1] = { ...last, exception: line.slice("  exception:".length).trim() };
    } else if (last?.exception !== undefined && line.startsWith("  ")) {
      rows[rows.length - 1] = { ...last, exception: `${last.exception} ${line.trim()}` };
    } else throw new Error(`rows.txt: expected ID | what | expected, got ${JSON.stringify(line)}`);
  }
  return rows;
}

export function readRows(): ThreatRow[] {
  return parseRows(readFileSync(`${ROOT}test/threats/rows.txt`, "utf8"));
}

/** Ids in the names of a test file's tests, once each. */
export function idsNamed(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found = [...code.matchAll(CASE)].map(([, id = ""]) => id);
  for (const [literal] of code.matchAll(LITERAL)) {
    for (const [, list = ""] of literal.matchAll(NAMED)) {
      const spelled = list.replace(RANGE, (_, letter: string, from: string, to: string) =>
        Array.from({ length: Math.max(0, Number(to) - Number(from) + 1) }, (_one, i) => {
          return letter + String(Number(from) + i).padStart(from.length, "0");
        }).join(" "),
      );
      found.push(...(spelled.match(new RegExp(ID, "g")) ?? []));
    }
  }
  return [...new Set(found)];
}

function filesBelow(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Files of tests and of their tables. */
export function filesThatName(): string[] {
  return filesBelow("test").filter((path) => /\.ts$/.test(path));
}
