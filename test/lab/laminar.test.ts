/**
 * Chapter 5's experiments: Table 5.1 comes out of the stage program row by row, Table 5.2 is
 * counted from its text and follows it.
 */
import { expect, test } from "vitest";
import { ratio } from "../../bench/lab/report.ts";
import { TABLE_5_1 } from "../../bench/lab/table-5-1.ts";
import { resourceReport } from "../../bench/lab/table-5-2.ts";
import { programText } from "../../bench/rmt-machine.ts";

const QUICK = { quick: true, seed: 1, say: () => {} };

test("table-5.1: every register and pseudo segment is the paper's", async () => {
  const { rows } = await TABLE_5_1.run(QUICK);
  expect(rows).toHaveLength(54);
  for (const row of rows) {
    const same = ratio(row);
    if (same === undefined) expect([row.name, row.ours]).toEqual([row.name, 0]);
    else expect([row.name, same]).toEqual([row.name, 1]);
  }
});

const TCP = programText("tcp");
const rowsOf = (text: string): Map<string, number> =>
  new Map(resourceReport(text).rows.map(({ name, ours }) => [name, ours]));

test("table-5.2: TCP takes no more stages, ALUs, time and memory than the paper's", () => {
  const { rows } = resourceReport(TCP);
  const shared = rows.filter(({ anchor }) => anchor?.startsWith("t5.2.") === true);
  expect(shared).toHaveLength(9);
  for (const row of shared) expect([row.name, (ratio(row) ?? 0) <= 1]).toEqual([row.name, true]);
});

test("table-5.2: extensions take no more than the paper's, nor many more lines", () => {
  const { rows } = resourceReport(TCP);
  const shared = rows.filter(({ anchor }) => anchor?.startsWith("ext.") === true);
  const of = (kind: RegExp): typeof shared => shared.filter((row) => kind.test(row.anchor ?? ""));
  const [shares, lines] = [of(/sram$|resources$/), of(/loc$/)];
  expect([lines.length, shares.length]).toEqual([3, 2]);
  for (const row of shares) expect([row.name, (ratio(row) ?? 0) <= 1]).toEqual([row.name, true]);
  for (const row of lines) expect([row.name, (ratio(row) ?? 0) < 1.1]).toEqual([row.name, true]);
  // The log stands beside T1 to T5; Timely's filter is no stateful ALU.
  const ours = new Map(rows.map((row) => [row.name, row.ours]));
  const added = (name: string): number | undefined => ours.get(`${name} added`);
  expect(added("shared-log: stages")).toBe(0);
  expect(added("timely: low-pass filters")).toBe(1);
  expect(added("timely: stateful ALUs")).toBe(2);
});

test("table-5.2 follows the text: without a register its ALU, memory and stage are gone", () => {
  const before = rowsOf(TCP);
  const rest = TCP.slice(TCP.indexOf("# T3:")).replaceAll("dupacks == 3 & ", "");
  const after = rowsOf(TCP.slice(0, TCP.indexOf("stage tx_dupacks")) + rest);
  for (const name of ["stages", "latency", "SRAM", "map RAM", "stateful ALU", "gateway"]) {
    expect([name, (after.get(name) ?? 0) < (before.get(name) ?? 0)]).toEqual([name, true]);
  }
});

const DECLARED = ["field", "parser", "extract", "length", "goto", "deparser", "emit", "pipe"];
const STAGED = ["stage", "table", "set", "register", "case", "test", "new", "out"];
const STATEMENT = new RegExp(`^\\s*(${[...DECLARED, ...STAGED].join("|")}) `);

test("without any one of its lines a program is refused, or table-5.2 is another", () => {
  const before = [...rowsOf(TCP)];
  const lines = TCP.split("\n");
  const silent = lines.filter((line, i) => {
    if (!STATEMENT.test(line)) return false;
    try {
      const after = rowsOf([...lines.slice(0, i), ...lines.slice(i + 1)].join("\n"));
      return before.every(([name, ours]) => after.get(name) === ours);
    } catch (error) {
      expect((error as Error).message).toMatch(/^tcp\.rmt:\d+: expected /);
      return false;
    }
  });
  expect(silent).toEqual([]);
});
