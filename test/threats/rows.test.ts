/** Each row of rows.txt is held by a test of its name, or says why not; and no name is unknown. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { filesThatName, idsNamed, parseRows, readRows } from "./read-rows.ts";

/** Plants ids. */
const OWN = "test/threats/rows.test.ts";
const COUNTS = { H: 18, O: 13, Q: 16, R: 18, B: 12, S: 7, C: 8, T: 9, U: 14, P: 7, D: 13 };

const rows = readRows();
const named = new Map<string, string>();
for (const path of filesThatName().filter((one) => one !== OWN)) {
  for (const id of idsNamed(readFileSync(ROOT + path, "utf8"))) named.set(id, path);
}

test("157 rows, none twice", () => {
  const count = (letter: string) => rows.filter(({ id }) => id.startsWith(letter)).length;
  const all = { ...COUNTS, W: 10, L: 12 };
  expect(Object.fromEntries(Object.keys(all).map((letter) => [letter, count(letter)]))).toEqual(
    all,
  );
  expect([rows.length, new Set(rows.map(({ id }) => id)).size]).toEqual([157, 157]);
});

test("each row has a test of its name, or an exception with a reason, and not both", () => {
  const held = (id: string): boolean => named.has(id);
  const without = rows.filter(({ id, exception }) => !held(id) && exception === undefined);
  expect(without.map(({ id }) => id)).toEqual([]);
  const bare = rows.filter(({ exception }) => exception !== undefined && exception.length < 10);
  expect(bare.map(({ id }) => id)).toEqual([]);
  const both = rows.filter(({ id, exception }) => held(id) && exception !== undefined);
  expect(both.map(({ id }) => id)).toEqual([]);
});

test("no test names a row that is none", () => {
  const known = new Set(rows.map(({ id }) => id));
  expect([...named].filter(([id]) => !known.has(id))).toEqual([]);
});

test("names are read from strings, lists and tables, not from comments", () => {
  expect(idsNamed('test("threats/O01 to O03, H17: x"); // threats/B01')).toEqual([
    "O01",
    "O02",
    "O03",
    "H17",
  ]);
  expect(idsNamed('/* threats/R01 */ ["threats S04: a", "U01"]')).toEqual(["S04"]);
  expect(idsNamed('{ id: "U01", what: "x" }')).toEqual(["U01"]);
  expect(() => parseRows("X1 | a")).toThrow("rows.txt: expected ID | what | expected");
  expect(parseRows("W1 | a | b\n  exception: one\n  two")[0]?.exception).toBe("one two");
});
