/**
 * Goal: the lab runs, repeats itself, compares only with what was published, and its figures keep
 * the relations that the paper states. Method: every experiment's --quick run, once, read back as
 * the JSON that the command prints; tables of bad command lines and bad anchor files.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { anchor, anchors, parseAnchors } from "../../../bench/lab/anchors.ts";
import { main } from "../../../bench/lab/command.ts";
import { renderSvg } from "../../../bench/lab/plot.ts";
import { EXPERIMENTS, experiment } from "../../../bench/lab/registry.ts";
import { figure, hasMetAll, NOT_PUBLISHED } from "../../../bench/lab/report.ts";
import { reportLines, reportValues } from "../../../bench/lab/report.ts";
import { parseRecords } from "../../../bench/lab/state-fields.ts";
import { differences, jainIndex, percentile } from "../../../bench/lab/statistics.ts";
import { compareStates } from "../../../bench/lab/table-4-1.ts";
import { ROOT } from "../../support/env.ts";

const TIMEOUT_MS = 240_000;

interface Row {
  readonly name: string;
  readonly ours: number;
  readonly paper: number | null;
  readonly ratio: number | null;
  readonly anchor: string | null;
  readonly origin: string;
}

interface Outcome {
  readonly status: number;
  readonly lines: string[];
  readonly files: Map<string, string>;
}

async function command(...args: string[]): Promise<Outcome> {
  const lines: string[] = [];
  const files = new Map<string, string>();
  const status = await main(args, {
    print: (line) => lines.push(line),
    write: (path, text) => files.set(path, text),
    say: () => {},
  });
  return { status, lines, files };
}

const runs = new Map<string, Promise<Outcome>>();

/** `--quick --json --svg plot.svg`, run once for all tests. */
function quick(name: string): Promise<Outcome> {
  const known = runs.get(name) ?? command(name, "--quick", "--json", "--svg", "plot.svg");
  runs.set(name, known);
  return known;
}

async function rowsOf(name: string): Promise<Row[]> {
  const { lines } = await quick(name);
  return (JSON.parse(lines.at(-1) as string) as { rows: Row[] }).rows;
}

async function oursOf(name: string): Promise<(row: string) => number> {
  const rows = await rowsOf(name);
  return (wanted) => {
    const found = rows.find((row) => row.name === wanted);
    if (found === undefined)
      throw new Error(`expected row ${wanted} of ${rows.map((r) => r.name)}`);
    return found.ours;
  };
}

/** Names of open elements at the end and of a wrong end tag: well-formed XML has none. */
function unbalanced(svg: string): string[] {
  const open: string[] = [];
  for (const [, end, name, rest] of svg.matchAll(/<(\/?)([A-Za-z][\w:]*)([^<>]*)>/g)) {
    if (end === "/") {
      if (open.pop() !== name) return [`</${name}>`];
    } else if (!(rest as string).endsWith("/")) {
      open.push(name as string);
    }
  }
  return open;
}

test("names are the paper's, once each", () => {
  const names = EXPERIMENTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, title, section } of EXPERIMENTS) {
    expect(name).toMatch(/^(table|figure)-[45]\.\d+$/);
    expect(section).toContain(name.replace(/^(.)(.*)-/, (_, a, b) => `${a.toUpperCase()}${b} `));
    expect(title).not.toBe("");
    expect(experiment(name).name).toBe(name);
  }
  expect(names).toEqual(
    expect.arrayContaining(["table-4.1", "table-4.5", "figure-4.16", "figure-4.17"]),
  );
});

/** Names of the experiments that a script of CI runs. */
function listIn(script: string): string[] {
  const [, list = ""] = /^LAB=\(([^)]*)\)$/m.exec(readFileSync(ROOT + script, "utf8")) ?? [];
  return list.trim().split(/\s+/).sort();
}

test("the night runs every experiment in full, CI some from the shell and, here, all", () => {
  const names = EXPERIMENTS.map(({ name }) => name).sort();
  expect(listIn(".ci/nightly")).toEqual(names);
  const some = listIn(".ci/run");
  expect(some.length).toBeGreaterThan(2);
  expect(some.filter((name) => !names.includes(name))).toEqual([]);
});

for (const { name } of EXPERIMENTS) {
  test(`${name} --quick: rows, JSON and a plot`, { timeout: TIMEOUT_MS }, async () => {
    const { status, lines, files } = await quick(name);
    expect(status).toBe(0);
    const rows = await rowsOf(name);
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const row of rows) {
      expect(["calibrated", "predicted", "counted"]).toContain(row.origin);
      expect(row.ours === null || Number.isFinite(row.ours)).toBe(true);
      if (row.anchor === null) {
        expect([row.paper, row.ratio]).toEqual([null, null]);
      } else {
        expect(row.paper).toBe(anchor(row.anchor).value);
        // Nothing is so many times 0.
        if (row.paper === 0) expect(row.ratio).toBeNull();
        else expect(row.ratio).toBeCloseTo(row.ours / (row.paper as number), 9);
      }
      const line = lines.find((text) => text.startsWith(`${row.name} `)) as string;
      expect(line.includes(NOT_PUBLISHED)).toBe(row.anchor === null);
    }
    const svg = files.get("plot.svg") as string;
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(unbalanced(svg)).toEqual([]);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
}

test("the same seed prints the same bytes", { timeout: TIMEOUT_MS }, async () => {
  const first = await quick("table-4.5");
  const again = await command("table-4.5", "--quick", "--json", "--svg=plot.svg", "--seed=1");
  expect(again.lines).toEqual(first.lines);
});

test("another seed is another run", { timeout: TIMEOUT_MS }, async () => {
  const { lines } = await command("figure-4.16", "--quick", "--json", "--seed", "2");
  const { rows } = JSON.parse(lines.at(-1) as string) as { rows: Row[] };
  const first = await rowsOf("figure-4.16");
  expect(rows.map(({ name }) => name)).toEqual(first.map(({ name }) => name));
  expect(rows).not.toEqual(first);
});

test("4.5.3 incast: rate control keeps the tail and the shares", {
  timeout: TIMEOUT_MS,
}, async () => {
  const ours = await oursOf("table-4.5");
  const crowd = "degree 4, 64 conn.";
  expect(ours(`${crowd}, on: 99.99 % latency`)).toBeLessThan(
    ours(`${crowd}, off: 99.99 % latency`) / 2,
  );
  expect(ours(`${crowd}, on: JFI`)).toBeGreaterThan(ours(`${crowd}, off: JFI`));
  const last = "degree 20, 20 conn.";
  expect(ours(`${last}, on: 99.99 % latency`)).toBeLessThan(ours(`${last}, off: 99.99 % latency`));
  for (const mode of ["on", "off", "window"]) {
    // No more than the port carries: 1448 of 1538 bytes are payload; answers may straddle the ends.
    expect(ours(`${crowd}, ${mode}: throughput`)).toBeLessThan(10.2);
    expect(ours(`${last}, ${mode}: throughput`)).toBeGreaterThan(1);
  }
});

test("4.5.3 loss: an interval beats none, and all reach line rate without", {
  timeout: TIMEOUT_MS,
}, async () => {
  const ours = await oursOf("figure-4.16");
  const at = (name: string, loss: number): number => ours(`bulk, ${name}, ${loss} % loss`);
  expect(at("paper", 2)).toBeGreaterThan(1.1 * at("no interval", 2));
  for (const name of ["paper", "datacenter", "no interval", "TAS-like"]) {
    expect(at(name, 0)).toBeGreaterThan(37);
    expect(at(name, 2)).toBeLessThan(0.9 * at(name, 0));
  }
  expect(ours("echo, 2 % loss: paper / TAS-like")).toBeGreaterThan(1.3);
});

test("4.5.3 fairness: the flow scheduler shares what a port alone does not", {
  timeout: TIMEOUT_MS,
}, async () => {
  const ours = await oursOf("figure-4.17");
  expect(ours("512 conn., window: JFI")).toBeGreaterThan(0.9);
  expect(ours("512 conn., shared queue: JFI")).toBeLessThan(0.7);
  expect(ours("64 conn., window: 1st percentile / median")).toBeGreaterThan(0.67);
});

const BAD: [string[], RegExp][] = [
  [[], /^lab: expected a name of table-4\.1, .*, got ""$/],
  [["figure-9.9"], /^lab: expected a name of table-4\.1, .*figure-4\.17.*, got "figure-9\.9"$/],
  [["table-4.1", "table-4.5"], /got "table-4\.1 table-4\.5"$/],
  [["table-4.1", "--seed", "x"], /^--seed: expected an integer 0\.\.4294967295, got "x"$/],
  [["table-4.1", "--svg"], /^--svg: expected a value, got none$/],
  [["table-4.1", "--fast"], /^--fast: expected one of --seed --svg --json --quick --bar --help$/],
];

test("a wrong command line ends with status 2 and says what was expected", async () => {
  for (const [args, expected] of BAD) {
    const { status, lines } = await command(...args);
    expect(status).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(expected);
  }
  const { status, lines } = await command("--help");
  expect(status).toBe(0);
  expect(lines).toHaveLength(EXPERIMENTS.length + 1);
});

test("anchors are numbers of chapters 2, 4 and 5; a bad file or id is an error", () => {
  for (const [id, { value, section }] of anchors()) {
    expect(id).toMatch(/^[a-z0-9_.A-Z]+$/);
    expect(Number.isFinite(value)).toBe(true);
    expect(section).toMatch(/^(2\.1|[45]\.[1-5](\.\d)*)$/);
  }
  expect(anchor("t4.5.deg4.conn16.tput_on")).toMatchObject({ value: 9.51, where: "Table 4.5" });
  expect(anchor("nfp.cls").unit).toBe("KB, <=100 cycles");
  expect(() => anchor("t9.9")).toThrow('figures.csv: expected an id, got "t9.9"');
  const head = "id,value,unit,where,section,note\n";
  expect(() => parseAnchors("id,value\n")).toThrow(":1: expected id,value,unit");
  expect(() => parseAnchors(`${head}a,1,,,,\na,2,,,,\n`)).toThrow(":3: expected a new id, got a");
  for (const row of ["a,,,,,", "a,x,,,,", ",1,,,,", "a,1,,,"]) {
    expect(() => parseAnchors(`${head}${row}\n`)).toThrow(":2: expected 6 cells");
  }
});

test("a row that names an unknown anchor, or a name twice, cannot be printed", () => {
  const row = { name: "x", ours: 1, unit: "", origin: "predicted" } as const;
  const report = { given: [], plots: [], notes: [] };
  const [first] = EXPERIMENTS;
  if (first === undefined) throw new Error("expected an experiment");
  expect(() => reportLines(first, { ...report, rows: [{ ...row, anchor: "no" }] })).toThrow(
    "an id",
  );
  expect(() => reportLines(first, { ...report, rows: [row, row] })).toThrow("a row's name twice");
  expect(() => renderSvg([])).toThrow("expected at least one plot");
});

test("a bar is met at its bound and missed beyond it", () => {
  const bar = (relation: "at-least" | "at-most", ours: number) =>
    ({ name: "b", ours, relation, bound: 1.5 }) as const;
  const bars = [1.4, 1.5, 1.6].flatMap((ours) => [bar("at-least", ours), bar("at-most", ours)]);
  const report = { rows: [], given: [], plots: [], notes: [], bars };
  const [first] = EXPERIMENTS;
  if (first === undefined) throw new Error("expected an experiment");
  const lines = reportLines(first, report).filter((line) => line.startsWith("bar: "));
  expect(lines).toEqual([
    "bar: b: 1.4, at least 1.5: missed",
    "bar: b: 1.4, at most 1.5: met",
    "bar: b: 1.5, at least 1.5: met",
    "bar: b: 1.5, at most 1.5: met",
    "bar: b: 1.6, at least 1.5: met",
    "bar: b: 1.6, at most 1.5: missed",
  ]);
  expect(hasMetAll(report)).toBe(false);
  expect(hasMetAll({ ...report, bars: bars.slice(1, 5) })).toBe(true);
  expect(hasMetAll({ ...report, bars: undefined })).toBe(true);
  const { bars: judged } = reportValues(first, report, 1, true);
  expect((judged as { met: boolean }[]).map(({ met }) => met)).toEqual(
    lines.map((line) => line.endsWith(": met")),
  );
});

test("Table 4.1: a field that nobody accounts for ends the run", () => {
  const record = (name: string, lines: string): string =>
    `${lines}export const ${name}_SIZE: u32 = 64;\n`;
  const field = (name: string, offset: number, width: string): string =>
    `export const ${name}: u32 = ${offset}; // ${width}\n`;
  const text = record("PRE", field("PRE_NEW", 0, "2 x 8 bytes: what") + field("PRE_B", 16, "u8"));
  const [pre] = parseRecords(text);
  expect(pre?.fields).toMatchObject([
    { name: "PRE_NEW", offset: 0, bits: 128 },
    { name: "PRE_B", offset: 16, bits: 8 },
  ]);
  expect(() => parseRecords(field("PRE_A", 0, "u32") + field("PRE_B", 2, "u32"))).toThrow("PRE_B");
  expect(() => parseRecords(field("PRE_A", 0, "something"))).toThrow("a width behind PRE_A");
  expect(() => parseRecords(record("POST", field("POST_A", 62, "u32")))).toThrow("POST ends at 66");
  expect(() => compareStates(parseRecords(text))).toThrow("expected a field once");
});

test("Jain's index and nearest-rank percentiles", () => {
  expect(jainIndex([5, 5, 5, 5])).toBe(1);
  expect(jainIndex([8, 0, 0, 0])).toBe(0.25);
  expect(() => jainIndex([0, 0])).toThrow("expected a positive value");
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([0, 0.01, 0.5, 0.9999, 1].map((p) => percentile(values, p))).toEqual([1, 1, 50, 100, 100]);
  expect(() => percentile([], 0.5)).toThrow("expected a value");
  expect(differences(Float64Array.of(3, 5), Float64Array.of(1, 5))).toEqual(Float64Array.of(2, 0));
  expect([0, 1, 0.12345, 9.514, 12345.6, 2e10, 1e-6].map(figure)).toEqual([
    "0",
    "1",
    "0.1235",
    "9.514",
    "12345.6",
    "2.00e+10",
    "1.00e-6",
  ]);
});
