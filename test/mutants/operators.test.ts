/**
 * The machinery of `npm run mutants` over small modules: what each operator makes of an
 * instruction, which points a noting build reports, lines from a source map; and the command's
 * arguments and tables.
 */
import { existsSync, readFileSync } from "node:fs";
import openWabt from "wabt";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { changed } from "../support/repository-copy.ts";
import { choose } from "./command.ts";
import { noting } from "./coverage.ts";
import { provideNotes, takeNotes } from "./note-points.ts";
import { mutated, type Point, pointsIn } from "./operators.ts";
import { failureIn } from "./planted.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import { SourceMap } from "./source-map.ts";
import { REASONS, reasonFor } from "./survivors.ts";
import { type Layout, layoutOf, sameCode } from "./wasm-layout.ts";

let wabt: Awaited<ReturnType<typeof openWabt>>;
beforeAll(async () => {
  wabt = await openWabt();
});

/** A module with one function of two numbers behind another that is left alone. */
function layoutWith(body: string, type = "i32"): Layout {
  const source = `(module (import "env" "memory" (memory 1))
    (func $other (result i32) i32.const 300)
    (func $tried (export "tried") (param ${type} ${type}) (result i32) ${body}))`;
  const { buffer } = wabt.parseWat("t.wat", source, {}).toBinary({ write_debug_names: true });
  return layoutOf(new Uint8Array(buffer));
}

function pointsOf(layout: Layout): Point[] {
  const body = layout.bodies.find(({ name }) => name === "tried");
  if (body === undefined) throw new Error("expected the function's name");
  return pointsIn(layout, body);
}

type Tried = (one: number | bigint, other: number | bigint) => number;

function run(bytes: Uint8Array<ArrayBuffer>): Tried {
  const env = { memory: new WebAssembly.Memory({ initial: 1 }) };
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env }).exports.tried as Tried;
}

const GET = "local.get 0 local.get 1";

//   what               body                                     of        before  after
const CHANGES = [
  ["lt_u > ge_u", `${GET} i32.lt_u`, [1, 2], 1, 0],
  ["lt_u > le_u", `${GET} i32.lt_u`, [2, 2], 0, 1],
  ["gt_s > le_s", `${GET} i32.gt_s`, [-1, 2], 0, 1],
  ["ge_s > gt_s", `${GET} i32.ge_s`, [2, 2], 1, 0],
  ["eq > ne", `${GET} i32.eq`, [5, 5], 1, 0],
  ["eqz > nez", "local.get 0 i32.eqz", [0, 9], 1, 0],
  ["and > left side", `${GET} i32.and`, [7, 4], 4, 7],
  ["add > sub", `${GET} i32.add`, [7, 4], 11, 3],
  ["sub > add", `${GET} i32.sub`, [7, 4], 3, 11],
  ["63 > 64", "i32.const 63", [0, 0], 63, 64],
  ["1 > 0", "i32.const 1", [0, 0], 1, 0],
  ["-1 > 0", "i32.const -1", [0, 0], -1, 0],
  ["2147483647 > -2147483648", "i32.const 0x7fffffff", [0, 0], 2 ** 31 - 1, -(2 ** 31)],
  ["if > if not", "local.get 0 if (result i32) i32.const 1 else i32.const 2 end", [1, 0], 1, 2],
  ["select > not", "i32.const 8 i32.const 9 local.get 1 select", [0, 1], 8, 9],
] as const;

test.each(CHANGES)("%s", (what, body, [one, other], before, after) => {
  const layout = layoutWith(body);
  expect(run(new Uint8Array(layout.binary))(one, other)).toBe(before);
  const point = pointsOf(layout).find((candidate) => candidate.what === what);
  expect(point).toBeDefined();
  expect(run(mutated(layout, point as Point))(one, other)).toBe(after);
});

test("the limit of a minimum is no point, its value is", () => {
  const least = (compare: string) =>
    layoutWith(`i32.const 9 local.get 0 local.get 0 i32.const 9 i32.${compare} select`);
  const constants = (compare: string): number =>
    pointsOf(least(compare)).filter(({ operator }) => operator === "constant").length;
  expect([constants("ge_u"), constants("gt_u"), constants("le_u")]).toEqual([1, 2, 2]);
});

test("64 bits: comparisons, zero, sums, constants", () => {
  const layout = layoutWith(
    `${GET} i64.add i64.const 0x7fffffffffffffff i64.and i64.eqz
     ${GET} i64.lt_u i32.or`,
    "i64",
  );
  const points = pointsOf(layout);
  expect(points.map(({ what }) => what)).toEqual([
    "add > sub",
    "9223372036854775807 > -9223372036854775808",
    "and > left side",
    "eqz > nez",
    "lt_u > ge_u",
    "lt_u > le_u",
  ]);
  const results = points.map((point) => run(mutated(layout, point))(3n, 3n));
  expect(results).toEqual([1, 1, 0, 1, 1, 1]);
});

test("a condition that a comparison has made is the comparison's to change", () => {
  const body = "local.get 0 i32.eqz if (result i32) local.get 0 else local.get 1 end";
  expect(pointsOf(layoutWith(body)).map(({ what }) => what)).toEqual(["eqz > nez"]);
});

//   selects                                         limits to change
const EXTREMES = [
  [`${GET} ${GET} i32.lt_u select`, []],
  [`local.get 0 local.get 1 i32.const 4 i32.add local.tee 1 ${GET} i32.gt_u select`, []],
  ["local.get 0 local.get 1 local.get 1 local.get 0 i32.lt_u select", []],
  // Another number than was compared, before or after.
  ["local.get 0 i32.const 9 local.get 0 local.get 1 i32.lt_u select", ["lt_u > le_u"]],
  [`local.get 0 local.get 1 local.tee 0 ${GET} i32.lt_u select`, ["lt_u > le_u"]],
  [`${GET} i32.lt_u`, ["lt_u > le_u"]],
] as const;

test.each(EXTREMES)("the limit of a minimum is none: %s", (body, limits) => {
  const points = pointsOf(layoutWith(body));
  const found = points.filter(({ operator }) => operator === "limit").map(({ what }) => what);
  expect(found).toEqual(limits);
});

test("a noting build does the same and says where it has been", () => {
  const layout = layoutWith("local.get 0 if (result i32) i32.const 1 else i32.const 2 end");
  const points = pointsOf(layout);
  expect(points.map(({ what }) => what)).toEqual(["if > if not", "1 > 0", "2 > 3"]);
  const Plain = WebAssembly.Instance;
  try {
    provideNotes(points.length);
    const tried = run(noting(layout, points));
    expect([tried(1, 0), takeNotes()]).toEqual([1, [0, 1]]);
    expect([tried(0, 0), takeNotes()]).toEqual([2, [0, 2]]);
    expect(takeNotes()).toEqual([]);
  } finally {
    WebAssembly.Instance = Plain;
  }
});

test("code is the same code or is not", () => {
  const [one, again, other] = ["i32.const 1", "i32.const 1", "i32.const 2"].map((body) =>
    layoutWith(body),
  ) as [Layout, Layout, Layout];
  expect([sameCode(one, again), sameCode(one, other)]).toEqual([true, false]);
});

test("a source map's lines", () => {
  const sources = ["assembly/a.ts", "bindings/abi/b.ts"];
  // Offset 10 is line 1 of the first file, 12 line 5 of the second, 20 line 3 of the first.
  const map = new SourceMap(JSON.stringify({ sources, mappings: "UAAA,ECIA,QDFA" }));
  const all = (): boolean => true;
  const own = (file: string): boolean => file === "assembly/a.ts";
  expect(map.at(9, 0, all)).toBeUndefined();
  expect(map.at(11, 0, all)).toEqual({ file: "assembly/a.ts", line: 1 });
  expect(map.at(12, 0, all)).toEqual({ file: "bindings/abi/b.ts", line: 5 });
  expect(map.at(12, 0, own)).toEqual({ file: "assembly/a.ts", line: 1 });
  expect(map.at(30, 0, own)).toEqual({ file: "assembly/a.ts", line: 3 });
  // Of another function.
  expect(map.at(30, 25, own)).toBeUndefined();
  expect(() => new SourceMap(JSON.stringify({ sources, mappings: "AAAA;AAAA" }))).toThrow("line");
});

//   arguments                                complaint
const WRONG = [
  [["--count", "0"], "mutants: expected --count 1..10000, got 0"],
  [["--count", "x"], "mutants: expected --count 1..10000, got x"],
  [["--least", "101"], "mutants: expected --least 0..100, got 101"],
  [["--seed", "4294967296"], "mutants: expected --seed 0..4294967295, got 4294967296"],
  [["--id", "nothing"], "mutants: expected --id of a planted bug or OFFSET:CHANGE, got nothing"],
  [["--datapath", "x"], "mutants: expected --datapath flextoe|laminar|laminar-relaxed, got x"],
  [["--unknown"], "Unknown option '--unknown'"],
] as const;

test.each(WRONG)("%j: %s", (args, complaint) => {
  expect(() => choose(args)).toThrow(complaint);
});

test("which halves run", () => {
  const halves = (...args: string[]): boolean[] => {
    const { planted, operators } = choose(args);
    return [planted, operators];
  };
  expect(halves()).toEqual([true, true]);
  expect(halves("--planted")).toEqual([true, false]);
  expect(halves("--operators")).toEqual([false, true]);
  expect(halves("--id", "no-karn")).toEqual([true, false]);
  expect(halves("--id", "1a2b:add>sub")).toEqual([false, true]);
  expect(halves("--quick")).toEqual([true, false]);
  expect(choose([])).toMatchObject({ count: 120, seed: 1, least: 90, datapath: "flextoe" });
  expect(choose(["--datapath", "laminar"])).toMatchObject({ datapath: "laminar" });
});

test("planted bugs are many, have names of their own, and apply", () => {
  expect(PLANTED_BUGS.length).toBeGreaterThanOrEqual(20);
  expect(new Set(PLANTED_BUGS.map(({ name }) => name)).size).toBe(PLANTED_BUGS.length);
  const broken = PLANTED_BUGS.filter((bug) => {
    const text = readFileSync(ROOT + bug.file, "utf8");
    const result = changed(text, bug);
    return result === undefined || result === text;
  });
  expect(broken.map(({ name }) => name)).toEqual([]);
  const tests = PLANTED_BUGS.flatMap((bug) => bug.tests ?? []);
  expect(tests.filter((file) => !existsSync(ROOT + file))).toEqual([]);
});

test("what a report of tests says", () => {
  const result = (status: string, message = "") => ({
    name: "a.test.ts",
    message,
    startTime: 0,
    endTime: 1,
    assertionResults: status === "" ? [] : [{ fullName: "a b", title: "b", status }],
  });
  expect(failureIn({ testResults: [result("passed")] })).toBeUndefined();
  expect(failureIn({ testResults: [result("passed"), result("failed")] })).toBe("a b");
  expect(failureIn({ testResults: [result("", "broken")] })).toBe("a.test.ts did not load");
  expect(failureIn(undefined)).toBe("the tests did not start");
  expect(failureIn("late")).toBe("the tests did not end in time");
});

test("the reasons of survivors are of lines that are there", () => {
  const lost = REASONS.filter(
    ({ file, code }) => !readFileSync(ROOT + file, "utf8").includes(code),
  );
  expect(lost).toEqual([]);
  const unknown = { file: "test/mutants/run.ts", line: 1, within: "", what: "add > sub" };
  expect(reasonFor(unknown)).toBeUndefined();
});
