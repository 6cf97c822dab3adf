/**
 * The requirement ids that tests are named by, as requirements/*.txt has them. A record is
 *
 *     ID | RFC and section | level
 *       what it asks for, in our own words
 *       reduced: | substitute: | not offered: | exception: | exception (laminar): why
 *       mutant path/of/file.ts
 *       - what stands there exactly once
 *       + what makes the id's tests fail in its place
 *
 * There may be a second one behind it, for the other data path: mutantFor().
 * Levels in capitals are RFC 2119 keywords; `plain` has none; `own` is no RFC's rule but ours.
 */
import { readdirSync, readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";

/** One line changed: `npm run rfc -- --mutants` sees the id's tests go red. */
export interface Mutant {
  /** Of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** How an id is not met in full. Those of the first three kinds have a test all the same. */
export interface Deviation {
  readonly kind: "reduced" | "substitute" | "not offered" | "exception";
  readonly reason: string;
  /** The one data path that it is about; undefined: all. */
  readonly column?: string;
}

export interface Requirement {
  readonly id: string;
  /** Base name of its file in requirements/. */
  readonly table: string;
  /** RFC and section. */
  readonly source: string;
  readonly level: string;
  readonly summary: string;
  readonly deviations: readonly Deviation[];
  /** See mutantFor(). */
  readonly mutants: readonly Mutant[];
}

const FOLDER = `${ROOT}test/rfc/requirements/`;
const HEAD = /^([A-Z]+-\d+) \| (.+) \| (.+)$/;
const DEVIATION = /^(reduced|substitute|not offered|exception)(?: \(([a-z-]+)\))?: ?(.*)$/;
const PREFIXES =
  "MUST|SHLD|MAY|REC|WS|TS|PAWS|RTO|CC|SK|BA|ISN|PORT|ECN|DC|RACK|TLP|SP|SC|UTO|PM|MS|TW|DAD|FR";

/** What looks like an id. */
export const ID_PATTERN = new RegExp(`\\b(?:${PREFIXES})-[0-9]+\\b`, "g");
const RANGE = new RegExp(`\\b(${PREFIXES})-([0-9]+) to \\1-([0-9]+)\\b`, "g");

/** Ids that a text names, in order and once each; `A-1 to A-3` names three. */
export function idsIn(text: string): string[] {
  const spelled = text.replace(RANGE, (_, prefix: string, from: string, to: string) => {
    const count = Math.max(0, Number(to) - Number(from) + 1);
    return Array.from({ length: count }, (_one, i) => `${prefix}-${Number(from) + i}`).join(" ");
  });
  return [...new Set(spelled.match(ID_PATTERN) ?? [])];
}

function fail(table: string, record: string, expected: string): never {
  throw new Error(`${table}.txt: expected ${expected}, got ${JSON.stringify(record)}`);
}

/** Blocks of three lines, each a mutant. */
function readMutants(table: string, lines: readonly string[]): Mutant[] {
  const mutants: Mutant[] = [];
  for (let at = 0; at < lines.length; at += 3) {
    const [head = "", find, replace] = lines.slice(at, at + 3);
    const isHead = head.startsWith("mutant ");
    if (!isHead || find?.startsWith("- ") !== true || replace?.startsWith("+") !== true) {
      return fail(table, lines.join("\n"), 'blocks of "mutant ", one "- " and one "+ "');
    }
    const file = head.slice("mutant ".length);
    mutants.push({ file, find: find.slice(2), replace: replace.slice(2) });
  }
  return mutants;
}

/** Folders whose files are one data path's alone. */
const OWN_FOLDER = /^assembly\/(flextoe|laminar)\//;

/**
 * The mutant of a file in a data path's own folder, or else of one that all have. Both modes of
 * Laminar have the same files.
 */
export function mutantFor({ mutants }: Requirement, column: string): Mutant | undefined {
  const folderOf = ({ file }: Mutant) => OWN_FOLDER.exec(file)?.[1];
  const own = mutants.find((one) => column.startsWith(folderOf(one) ?? "none"));
  return own ?? mutants.find((one) => folderOf(one) === undefined);
}

function readRecord(table: string, record: string): Requirement {
  const [head = "", ...body] = record.split("\n");
  const found = HEAD.exec(head);
  if (found === null) return fail(table, head, "ID | RFC and section | level");
  const [, id = "", source = "", level = ""] = found;
  const lines = body.map((line) => line.replace(/^ {2}/, ""));
  const at = lines.findIndex((line) => line.startsWith("mutant "));
  const prose = at < 0 ? lines : lines.slice(0, at);
  const deviations: Deviation[] = [];
  let summary = "";
  for (const line of prose) {
    const [, kind, column, reason = ""] = DEVIATION.exec(line) ?? [];
    const last = deviations.pop();
    if (kind !== undefined) {
      if (last !== undefined) deviations.push(last);
      const of = column === undefined ? {} : { column };
      deviations.push({ kind: kind as Deviation["kind"], reason, ...of });
    } else if (last !== undefined) deviations.push({ ...last, reason: `${last.reason} ${line}` });
    else summary = `${summary} ${line}`.trim();
  }
  const mutants = at < 0 ? [] : readMutants(table, lines.slice(at));
  return { id, table, source, level, summary, deviations, mutants };
}

/** The records of one text; `table` is for messages. */
export function parseRequirements(table: string, text: string): Requirement[] {
  const records = text
    .replace(/^#.*\n/gm, "")
    .split(/\n{2,}/)
    .map((record) => record.trim());
  return records.filter((record) => record !== "").map((record) => readRecord(table, record));
}

/** Names of the tables, RFC 9293 first. */
export function tables(): string[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));
  const names = files.map((name) => name.replace(/\.txt$/, "")).sort();
  return ["rfc9293", ...names.filter((name) => name !== "rfc9293" && name !== "collisions")];
}

/** Every requirement, in the order of the tables. */
export function readRequirements(): Requirement[] {
  return tables().flatMap((name) =>
    parseRequirements(name, readFileSync(`${FOLDER}${name}.txt`, "utf8")),
  );
}
