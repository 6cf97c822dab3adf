/**
 * What can be said of the requirements without running the stack: the tables are whole, each id is
 * named by a test, excepted or open, each mutant still applies; and the command's own judgement,
 * over planted results.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { COLUMNS, filesWithIds, scriptFiles, type TestResult } from "./collect-results.ts";
import { complaints, judge } from "./judge-requirements.ts";
import { changed } from "../support/repository-copy.ts";
import { idsIn, mutantFor, parseRequirements, readRequirements } from "./read-requirements.ts";
import { OPEN } from "./requirements/open.ts";

const all = readRequirements();
const known = new Set(all.map(({ id }) => id));
/** Names ids that it plants. */
const OWN = "test/rfc/requirements.test.ts";
const read = (path: string): string => readFileSync(ROOT + path, "utf8");

test("119 ids of RFC 9293, 263 of the others and 26 besides, none twice", () => {
  const first = all.filter(({ table }) => table === "rfc9293");
  const besides = all.filter(({ table }) => table === "spurious" || table === "ipv6").length;
  const others = all.length - first.length - besides;
  expect([first.length, others, besides, known.size]).toEqual([119, 263, 26, 408]);
  const levels = ["MUST", "SHOULD", "MAY", "RECOMMENDED"];
  const count = (level: string) => first.filter((one) => one.level === level).length;
  expect(levels.map(count)).toEqual([69, 31, 18, 1]);
  expect(all.filter(({ summary }) => summary.length < 10)).toEqual([]);
});

test("each id is named in a test, or has an exception, or is open", () => {
  const files = [...filesWithIds(), ...scriptFiles()].filter((path) => path !== OWN);
  const named = new Set(files.flatMap((path) => idsIn(read(path))));
  expect([...named].filter((id) => !known.has(id))).toEqual([]);
  const accounted = (id: string): boolean => named.has(id) || Object.hasOwn(OPEN, id);
  const excepted = all.filter(({ deviations }) =>
    deviations.some(({ kind, column }) => kind === "exception" && column === undefined),
  );
  const exceptions = new Set(excepted.map(({ id }) => id));
  expect([...known].filter((id) => !accounted(id) && !exceptions.has(id))).toEqual([]);
  expect(Object.keys(OPEN).filter((id) => !known.has(id))).toEqual([]);
});

test("each id that FlexTOE keeps has a mutant", () => {
  const kept = all.filter(({ deviations }) => {
    return !deviations.some(({ kind, column }) => kind === "exception" && column !== "laminar");
  });
  const without = kept.filter((one) => mutantFor(one, "flextoe") === undefined);
  expect(without.map(({ id }) => id)).toEqual([]);
});

test("each mutant changes one line that is there once", () => {
  const bad = all.filter(({ mutants }) =>
    mutants.some((mutant) => {
      const text = changed(read(mutant.file), mutant);
      return text === undefined || mutant.find === mutant.replace;
    }),
  );
  expect(bad.map(({ id }) => id)).toEqual([]);
});

const TABLE = `# A table.

WS-1 | 7323 2.2 | MUST
  One line,
  and another.
  exception (laminar): it has
  no options
  mutant host/a.ts
  - a < b
  + a <= b

WS-2 | 7323 2.2 | MAY
  Nothing.
  exception:
  mutant assembly/flextoe/a.ts
  - c
  +
  mutant assembly/laminar/b.ts
  - d
  + e
`;

test("a table is read, and what it says wrong is refused", () => {
  const [one, other] = parseRequirements("planted", TABLE);
  expect(one).toMatchObject({ id: "WS-1", source: "7323 2.2", summary: "One line, and another." });
  expect(one?.deviations).toEqual([
    { kind: "exception", column: "laminar", reason: "it has no options" },
  ]);
  const shared = { file: "host/a.ts", find: "a < b", replace: "a <= b" };
  expect(one?.mutants).toEqual([shared]);
  const laminar = { file: "assembly/laminar/b.ts", find: "d", replace: "e" };
  const found = COLUMNS.map((column) => [one, other].map((id) => id && mutantFor(id, column)));
  const own = { file: "assembly/flextoe/a.ts", find: "c", replace: "" };
  expect(found).toEqual([
    [shared, own],
    [shared, laminar],
    [shared, laminar],
  ]);
  expect(other?.deviations).toEqual([{ kind: "exception", reason: "" }]);
  for (const bad of ["WS-1 7323", "WS-1 | 1 | MUST\n  x\n  mutant a\n  - b"]) {
    expect(() => parseRequirements("planted", bad)).toThrow("planted.txt: expected");
  }
  expect(idsIn("WS-1 to WS-3, TS-4 and WS-2")).toEqual(["WS-1", "WS-2", "WS-3", "TS-4"]);
});

test("what is missing, failed, unknown, stale or without a reason is a complaint", () => {
  const rows = parseRequirements("planted", TABLE);
  const result = (fields: Partial<TestResult>): TestResult => {
    const basis = { column: "flextoe" as const, file: "a.test.ts", name: "WS-1: x", passed: true };
    return { ...basis, ids: ["WS-1"], ...fields };
  };
  const judged = (results: readonly TestResult[], open = {}) => {
    const verdicts = judge(rows, results, open);
    return { verdicts, said: complaints(rows, results, verdicts, open) };
  };
  const everywhere = COLUMNS.map((column) => result({ column }));
  const good = judged(everywhere);
  expect(good.verdicts.map(({ status }) => status)).toEqual(["met", "exception"]);
  expect(good.verdicts[0]?.cells.laminar).toBe("exception");
  expect(good.said).toEqual(["WS-2: exception without a reason"]);
  expect(judged([result({})]).verdicts[0]?.status).toBe("missing");
  const red = judged([...everywhere, result({ passed: false })]);
  expect(red.verdicts[0]?.status).toBe("failed");
  expect(red.said[1]).toContain("WS-1: failed");
  expect(judged([...everywhere, result({ ids: ["WS-99"] })]).said[0]).toContain(
    "no requirement WS-99",
  );
  expect(judged(everywhere, { "XY-1": "?" }).said).toContain("open.ts: no requirement XY-1");
  const differing = everywhere.map((one) => ({ ...one, differs: "5.3" }));
  expect(judged(differing).verdicts[0]?.status).toBe("exception");
});
