/** Runs the tests whose names hold ids, project by project, and says what became of them. */
import { readdirSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { differenceOf } from "../support/differences.ts";
import { ROOT } from "../support/env.ts";
import { runVitest, type VitestReport } from "../support/run-vitest.ts";
import { splitTests } from "../support/wasm-tests.ts";
import { ID_PATTERN, idsIn } from "./read-requirements.ts";

/** Data paths and their modes: projects of test/vitest.config.ts. */
export const COLUMNS = ["flextoe", "laminar", "laminar-relaxed"] as const;
export type Column = (typeof COLUMNS)[number];

export interface TestResult {
  readonly column: Column;
  /** Of the repository. */
  readonly file: string;
  /** With its groups'. */
  readonly name: string;
  readonly passed: boolean;
  /** Section of the declared difference because of which it must fail, and does. */
  readonly differs?: string;
  readonly ids: readonly string[];
}

export const PROJECT: Readonly<Record<Column, string>> = {
  flextoe: "release",
  laminar: "laminar",
  "laminar-relaxed": "laminar-relaxed",
};
/** Its tests are named by what its scripts say. */
const SCRIPTS = "test/packetdrill/scripts.test.ts";

function filesBelow(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Scripts of packetdrill that have to pass. */
export function scriptFiles(): string[] {
  const scripts = filesBelow("test/packetdrill").filter((path) => path.endsWith(".pkt"));
  return scripts.filter((path) => !path.includes("/findings/"));
}

/** Test files that name an id. */
export function filesWithIds(): string[] {
  const tests = filesBelow("test").filter((path) => path.endsWith(".test.ts"));
  return tests.filter((path) => {
    return path === SCRIPTS || idsIn(readFileSync(ROOT + path, "utf8")).length > 0;
  });
}

function resultsOf(column: Column, report: VitestReport): TestResult[] {
  return report.testResults.flatMap(({ name: path, message, assertionResults }) => {
    const file = relative(ROOT, path);
    if (assertionResults.length === 0) throw new Error(`rfc: ${file} did not load: ${message}`);
    const ran = assertionResults.filter(({ status }) => /^(passed|failed)$/.test(status));
    return ran.map(({ fullName, title, status }) => {
      const difference = column === "laminar" ? differenceOf(path, title) : undefined;
      const differs = difference === undefined ? {} : { differs: difference.section };
      const passed = status === "passed";
      return { column, file, name: fullName, passed, ...differs, ids: idsIn(fullName) };
    });
  });
}

async function reportOf(
  column: Column,
  pattern: string,
  files: readonly string[],
): Promise<VitestReport> {
  const project = PROJECT[column];
  const report = await runVitest({ root: ROOT, project, files, pattern });
  if (typeof report === "object") return report;
  throw new Error(`rfc: expected a report of ${project}`);
}

/** Results on a data path of the tests that name one of these ids. */
export async function collectOf(ids: readonly string[], column: Column): Promise<TestResult[]> {
  const files = filesWithIds().filter((path) => {
    return (
      path === SCRIPTS || idsIn(readFileSync(ROOT + path, "utf8")).some((id) => ids.includes(id))
    );
  });
  return resultsOf(column, await reportOf(column, `\\b(${ids.join("|")})\\b`, files));
}

/** Results of every test that names an id. A test without Wasm is the same on each data path. */
export async function collectResults(): Promise<TestResult[]> {
  const { plain } = splitTests(ROOT);
  const files = filesWithIds();
  const results: TestResult[] = [];
  for (const column of COLUMNS) {
    results.push(...resultsOf(column, await reportOf(column, ID_PATTERN.source, files)));
  }
  const once = results.filter(({ column, file }) => column === "flextoe" && plain.includes(file));
  const others = COLUMNS.filter((column) => column !== "flextoe");
  return [...results, ...others.flatMap((column) => once.map((one) => ({ ...one, column })))];
}
