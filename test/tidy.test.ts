/**
 * Repository rules that a machine can check. A rule that is not here is advice. Idea from
 * TigerBeetle's tidy.zig: style is a unit test, so it cannot rot. The second half plants violations
 * and expects each to be reported, and checks that clean code passes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "./support/env.ts";
import { importsOf, mayImport, resolved } from "./tidy-imports.ts";
import { parse, tidyErrors } from "./tidy-rules.ts";

/** Not ours: installed, generated or fetched. */
const FOREIGN = new Set([
  "node_modules",
  "build",
  "dist",
  "coverage",
  ".git",
  "bench/peers/lwip-src",
  "bench/peers/build",
  "assembly/laminar/generated",
  "bindings/wasm-bytes.ts",
  "bindings/workers-bytes.ts",
  "bindings/laminar-bytes.ts",
  "bindings/relaxed-bytes.ts",
]);
const TEXT = /(\.(ts|mjs|js|json|md|sh|yml|yaml|html|c|h)|^\.ci\/\w+|^\.gitignore|^LICENSE)$/;
const TOP_LEVEL = [
  ".ci",
  ".gitignore",
  "ARCHITECTURE.md",
  "LICENSE",
  "README.md",
  "SECURITY.md",
  "STYLE.md",
  "asconfig.json",
  "assembly",
  "bench",
  "bindings",
  "biome.json",
  "examples",
  "host",
  "package-lock.json",
  "package.json",
  "scripts",
  "test",
  "tsconfig.json",
];
const GENERATED = /^(\.git|node_modules|build|dist|coverage|.*\.pcapng|.*\.tgz)$/;

function filesBelow(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (FOREIGN.has(path)) return [];
    if (entry.isDirectory()) return filesBelow(path);
    return TEXT.test(path) && path !== "package-lock.json" ? [path] : [];
  });
}

const files = filesBelow("");
const read = (path: string): string => readFileSync(ROOT + path, "utf8");

test("every file keeps the rules", () => {
  expect(files.flatMap((path) => tidyErrors(path, read(path)))).toEqual([]);
});

test("the top level holds what the layout names and nothing else", () => {
  const present = readdirSync(ROOT).filter((name) => !GENERATED.test(name));
  expect(present.filter((name) => !TOP_LEVEL.includes(name))).toEqual([]);
});

/** Programs and files that a tool or a user opens by name. */
const ENTRIES = [
  /^assembly\/(fuzz|index|laminar|modelled|rmt|testing|workers)\.ts$/,
  // Imported by what is made from the stage programs.
  /^assembly\/laminar\/(match|state)\.ts$/,
  /^bindings\/[\w-]+\.ts$/,
  /^bindings\/abi\/portable\.d\.ts$/,
  /^host\/index\.ts$/,
  /^host\/netif\/tun\.ts$/,
  /^test\/(.*\.test|.*\.config|workers\/stalls)\.ts$/,
  /^test\/(differential|fuzz|mutants|packetdrill|rfc|runtimes|simulate)\/run\.ts$/,
  /^test\/(fuzz\/native|model\/search)\/run\.ts$/,
  /^test\/differential\/inside\.ts$/,
  // Started, or named by a configuration.
  /^test\/mutants\/(try-seeds|note-points-setup)\.ts$/,
  /^test\/platform\//,
  /^test\/support\/expect-differences\.ts$/,
  /^bench\//,
  /^examples\//,
];
const isEntry = (path: string): boolean => ENTRIES.some((entry) => entry.test(path));

test("every source file is imported by another or is an entry", () => {
  const sources = files.filter((path) => path.endsWith(".ts"));
  const used = new Set(
    sources.flatMap((path) =>
      importsOf(parse(path, read(path)).tree).map(([, name]) => resolved(path, name)),
    ),
  );
  expect(sources.filter((path) => !isEntry(path) && !used.has(path))).toEqual([]);
});

test("package.json pins every version and runs nothing at installation", () => {
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
  const versions = Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
  });
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  expect(manifest.dependencies ?? {}).toEqual({});
  expect(manifest.optionalDependencies ?? {}).toEqual({});
  const hooks = Object.keys(manifest.scripts ?? {}).filter((name) => /install|prepare/.test(name));
  expect(hooks).toEqual([]);
});

const HEADER = "/** A planted file that says what it is. */\n";
const lines = (count: number, line: string): string => `${line}\n`.repeat(count);
const marker = ["TO", "DO"].join("");

/** path, text after the header, the complaint's beginning (after `path:line: `). */
const PLANTED: readonly (readonly [path: string, text: string, complaint: string])[] = [
  // Direction of imports, one row for each line of the table.
  ["bindings/abi/a.ts", 'import { x } from "../core.ts";', "must not import bindings/core.ts"],
  ["bindings/layout.ts", 'import { x } from "../host/a.ts";', "must not import host/a.ts"],
  ["bindings/core.ts", 'import { x } from "../host/stack.ts";', "must not import host/stack.ts"],
  ["bindings/core.ts", 'import { x } from "node:fs";', "must not import node:fs"],
  ["bindings/node.ts", 'import { x } from "../host/index.ts";', "must not import host/index.ts"],
  ["bindings/node.ts", 'import { x } from "../assembly/index.ts";', "must not import assembly"],
  ["assembly/base/a.ts", 'import { x } from "../wire/tcp.ts";', "must not import assembly/wire"],
  ["assembly/base/a.ts", 'import { x } from "../../host/a.ts";', "must not import host/a.ts"],
  ["assembly/wire/a.ts", 'import { x } from "../tcp/window.ts";', "must not import assembly/tcp"],
  ["assembly/wire/a.ts", 'import { x } from "../flow/a.ts";', "must not import assembly/flow"],
  ["assembly/flow/a.ts", 'import { x } from "../flextoe/dma.ts";', "must not import assembly/fl"],
  ["assembly/tcp/a.ts", 'import { x } from "../wire/tcp.ts";', "must not import assembly/wire"],
  ["assembly/tcp/a.ts", 'import { x } from "../nic/dma.ts";', "must not import assembly/nic"],
  ["assembly/nic/dma.ts", 'import { x } from "./connection.ts";', "must not import assembly/nic"],
  ["assembly/nic/dma.ts", 'import { x } from "../flextoe/protocol.ts";', "must not import"],
  ["assembly/laminar/pipeline.ts", 'import { x } from "../flextoe/pipeline.ts";', "must not"],
  ["assembly/flextoe/dma.ts", 'import { x } from "./protocol.ts";', "must not import assembly/fl"],
  ["assembly/flextoe/dma.ts", 'export * from "./protocol.ts";', "must not import assembly/fl"],
  ["assembly/flextoe/dma.ts", 'import { x } from "./protocol-loss.ts";', "must not import"],
  ["assembly/flextoe/dma.ts", 'import { x } from "./pipeline.ts";', "must not import"],
  ["assembly/flextoe/dma.ts", 'import { x } from "../laminar/phv.ts";', "must not import"],
  ["assembly/laminar/phv.ts", 'import { x } from "./parser.ts";', "must not import assembly/lam"],
  ["assembly/flextoe/pipeline.ts", 'import { x } from "../laminar/pipeline.ts";', "must not"],
  ["assembly/index.ts", 'import { x } from "../host/index.ts";', "must not import host/index.ts"],
  ["host/errors.ts", 'import { x } from "./stack.ts";', "must not import host/stack.ts"],
  ["host/wire/arp.ts", 'import { x } from "../libtoe/socket.ts";', "must not import host/libtoe"],
  ["host/pcie/a.ts", 'import { x } from "../control-plane/a.ts";', "must not import host/control"],
  ["host/netif/a.ts", 'import { x } from "../libtoe/socket.ts";', "must not import host/libtoe"],
  ["host/netif/a.ts", 'import { x } from "koffi";', "must not import koffi"],
  ["host/netif/a.ts", 'const x = import("node:fs");', "must not import node:fs"],
  ["host/control-plane/a.ts", 'import { x } from "../libtoe/a.ts";', "must not import host/libtoe"],
  ["host/libtoe/a.ts", 'import { x } from "../wire/arp.ts";', "must not import host/wire/arp.ts"],
  ["host/libtoe/a.ts", 'import { x } from "../pcie/a.ts";', "must not import host/pcie/a.ts"],
  ["host/libtoe/a.ts", 'import { x } from "../control-plane/arp.ts";', "must not import host/con"],
  ["host/stack.ts", 'import { x } from "node:net";', "must not import node:net"],
  ["host/stack.ts", 'import { x } from "../assembly/index.ts";', "must not import assembly"],
  ["host/stack.ts", 'let x: import("../test/a.ts").X;', "must not import test/a.ts"],
  ["host/stack.ts", 'import { x } from "./errors";', "import ./errors: relative imports name"],
  ["test/a.test.ts", 'import { x } from "fs";', "import fs: write node:fs"],
  ["test/rfc/states/table/a.ts", 'import { x } from "../scene.ts";', "must not import test/rfc"],
  ["test/rfc/states/table/a.ts", 'import { x } from "../../../../host/a.ts";', "must not import"],
  ["elsewhere/a.ts", 'import { x } from "./b.ts";', "must not import elsewhere/b.ts"],
  // Time, chance and the outside world.
  ["host/a.ts", "setTimeout(f, 1);", "setTimeout: return a deadline"],
  ["host/a.ts", "const f = setInterval;", "setInterval: return a deadline"],
  ["host/a.ts", "setImmediate(f);", "setImmediate: return a deadline"],
  ["host/a.ts", "const x = Date.now();", "Date: take `now`"],
  ["host/a.ts", "const x = new Date();", "Date: take `now`"],
  ["host/a.ts", "const x = performance.now();", "performance: take `now`"],
  ["host/a.ts", "const x = Math.random();", "Math.random: take a seeded generator"],
  ["host/a.ts", "crypto.getRandomValues(x);", "crypto: take entropy"],
  ["host/a.ts", "const x = process.env;", "process: take options"],
  ["host/a.ts", "const x = Buffer.from(y);", "Buffer: use Uint8Array"],
  ["host/a.ts", 'const x = require("y");', "require: import at the top"],
  ["host/a.ts", "globalThis.x = 1;", "globalThis: take what you need"],
  ["host/a.ts", "console.log(1);", "console: return or count"],
  ["assembly/base/a.ts", "const x = Date.now();", "Date: take `now`"],
  // Shape.
  ["host/a.ts", `const x = "${"y".repeat(100)}";`, "line exceeds 100 columns"],
  ["host/a.ts", "const x = 1; ", "trailing whitespace"],
  ["host/a.ts", "\tconst x = 1;", "tab: indent with two spaces"],
  ["host/a.ts", `// ${marker}: later`, "leftover marker"],
  ["README.md", `${marker} later`, "leftover marker"],
  ["host/a.ts", `function f(): void {\n${lines(70, "  g();")}}`, "function has 72 lines"],
  ["host/a.ts", `const f = (): void => {\n${lines(70, "  g();")}};`, "function has 72 lines"],
  ["host/a.ts", `class A {\n  f(): void {\n${lines(70, "    g();")}  }\n}`, "function has 72"],
  ["host/a.ts", lines(450, "export const x = 1;"), "file has 451 lines, at most 450"],
  ["test/a.test.ts", lines(600, "export const x = 1;"), "file has 601 lines, at most 600"],
  ["host/utils.ts", "export const x = 1;", "name says nothing: utils"],
  ["host/flowInstaller.ts", "export const x = 1;", "file names are kebab-case"],
  ["host/a.ts", "const x: any = 1;", "`any`: use `unknown`"],
  ["host/a.ts", "const x = y as any;", "`any`: use `unknown`"],
  ["host/a.ts", "export default 1;", "default export"],
  ["host/a.ts", "export default function f(): void {}", "default export"],
  ["host/a.ts", "const x = 1;\nexport { x as default };", "default export"],
  ["host/a.ts", "// @ts-ignore: why not\nconst x = 1;", "compiler silenced"],
  ["assembly/base/a.ts", "// @ts-nocheck", "compiler silenced"],
  // Tests that do not run.
  ["test/a.test.ts", 'test.only("x", f);', "test.only: every test runs"],
  ["test/a.test.ts", 'test.skip("x", f);', "test.skip: every test runs"],
  ["test/a.test.ts", 'it.todo("x");', "it.todo: every test runs"],
  ["test/a.test.ts", 'describe.skip("x", f);', "describe.skip: every test runs"],
  ["test/a.test.ts", 'test.each(rows).only("x", f);', "test.each(rows).only: every test runs"],
  ["test/a.test.ts", 'test.skipIf(x)("x", f);', "test.skipIf: state the need"],
  [
    "test/a.test.ts",
    'import { r } from "./support/requirement.ts";\ntest.skipIf(process.env.CI)("x", f);',
    "test.skipIf: state the need",
  ],
  ["test/a.test.ts", 'xit("x", f);', "xit: every test runs"],
  // Paths of one machine, put together so that this file has none.
  ["host/a.ts", `const x = "/${"work"}/main";`, "path of one machine"],
  ["test/a.test.ts", `const x = "/${"tmp"}/x";`, "path of one machine"],
  ["README.md", `see ../sha${"red"}/design`, "path of one machine"],
  // The data path's subset.
  ["assembly/base/a.ts", "let x: u32 = 0;", "module state"],
  ["assembly/base/a.ts", "const x = [1, 2];", "array: memory"],
  ["assembly/base/a.ts", "const x = new Thing();", "`new`: memory"],
  ["assembly/base/a.ts", 'const x = "text";', "string: no strings"],
  ["assembly/base/a.ts", "const f = (x: u32): u32 => x;", "closure: name the function"],
  ["assembly/base/a.ts", "function f(): void { throw x; }", "exception: count"],
  ["assembly/base/a.ts", "function f(): void { while (true) g(); }", "loop without bound"],
  ["assembly/base/a.ts", "function f(): void { for (;;) g(); }", "loop without bound"],
  ["assembly/base/a.ts", "function f(x: f64): void {}", "float: convert it at the edge"],
  ["assembly/base/a.ts", 'import { x } from "./b.ts";', "unused import x"],
  ["assembly/base/a.ts", 'import * as x from "./b.ts";', "unused import x"],
  // The contract's subset.
  ["bindings/abi/a.ts", "const X = 1;", "a shared constant is u32"],
  ["bindings/abi/a.ts", "export const X = 1;", "a shared constant is u32"],
  ["bindings/abi/a.ts", "export const x: u32 = 1;", "constants: UPPER_CASE"],
  ["bindings/abi/a.ts", "export const X: u32 = <u32>1;", "outside the shared subset: <u32>1"],
  ["bindings/abi/a.ts", 'export const X: u32 = "a";', 'outside the shared subset: "a"'],
  ["bindings/abi/a.ts", "export let X: u32 = 1;", "a shared constant is const"],
  ["bindings/abi/a.ts", "export enum X { A }", "outside the shared subset: write `const enum`"],
  ["bindings/abi/a.ts", "export class X {}", "outside the shared subset"],
  ["bindings/abi/a.ts", "export function f(a: number): u32 { return a >>> 0; }", "parameters and"],
  ["bindings/abi/a.ts", "export function f(a: u32): u32 { return a + 1; }", "a shared function f"],
  ["bindings/abi/a.ts", "export function f(a: u32): bool { return a >>> 0 < 5; }", "signed comp"],
  ["bindings/abi/a.ts", "export function f(a: u32): u32 { g(); return a >>> 0; }", "a shared fun"],
];

const planted = PLANTED.map(([path, text, complaint]) => ({ path, text, complaint }));

test.each(planted)("reported in $path: $complaint", ({ path, text, complaint }) => {
  const header = path.endsWith(".ts") ? HEADER : "";
  const errors = tidyErrors(path, `${header}${text.replace(/\n$/, "")}\n`);
  expect(errors.length).toBeGreaterThan(0);
  const at = (error: string): string => error.replace(/^[^:]+:\d+: /, "");
  expect(
    errors.map(at).some((error) => error.startsWith(complaint)),
    errors.join("\n"),
  ).toBe(true);
});

test("a file without a header, or with an empty one, is reported", () => {
  expect(tidyErrors("host/a.ts", "export const x = 1;\n")).toHaveLength(1);
  expect(tidyErrors("host/a.ts", "/** x */\nexport const x = 1;\n")).toHaveLength(1);
  expect(tidyErrors("host/a.ts", `${HEADER}export const x = 1;`)).toHaveLength(1);
});

const CLEAN: readonly (readonly [path: string, text: string])[] = [
  ["host/stack.ts", 'import { x } from "./libtoe/socket.ts";\nimport { y } from "#platform";'],
  ["host/libtoe/a.ts", 'import { x } from "../control-plane/interface.ts";'],
  ["host/netif/tun.ts", 'const koffi = await import("koffi");'],
  ["host/a.ts", "// Date and setTimeout are fine in a comment."],
  ["host/a.ts", 'const text = "Date.now() in a string";'],
  ["host/a.ts", "const x = packet.process;\nconst y = { crypto: 1 };"],
  ["host/a.ts", "function process(row: number): number {\n  return row;\n}\nprocess(1);"],
  ["host/a.ts", "switch (x) {\n  default:\n    f();\n}"],
  ["host/a.ts", `function f(): void {\n${lines(68, "  g();")}}`],
  ["test/a.test.ts", `describe("x", () => {\n${lines(100, "  g();")}});`],
  ["test/a.config.ts", "export default {};"],
  [
    "test/a.test.ts",
    'import { r } from "./support/requirement.ts";\nconst n = r();\ntest.skipIf(n.skip)("x", f);',
  ],
  ["assembly/flextoe/pipeline.ts", 'import { x } from "./protocol.ts";\nx();'],
  ["assembly/flextoe/protocol-loss.ts", 'import { x } from "./protocol-state.ts";\nx();'],
  ["assembly/flextoe/flow-scheduler.ts", 'import { x } from "./carousel.ts";\nx();'],
  ["assembly/base/a.ts", 'assert(x < 5, "index");\nif (x != 4) ERROR("moved");'],
  ["assembly/base/a.ts", "// @ts-ignore: decorator\n@inline\nfunction f(): void {}"],
  ["assembly/index.ts", "export function step(now: f64): u32 {\n  return now as u32;\n}"],
  ["bindings/abi/a.ts", "const A: u32 = 4;\nexport const B: u32 = A + (1 << 3);"],
  ["bindings/abi/a.ts", "export function f(a: u32): bool {\n  return (a - 1) >>> 31 != 0;\n}"],
];

const clean = CLEAN.map(([path, text]) => ({ path, text }));

test.each(clean)("clean code passes in $path ($#)", ({ path, text }) => {
  expect(tidyErrors(path, `${HEADER}${text}\n`)).toEqual([]);
});

test("the longest prefix decides who may import whom", () => {
  expect(mayImport("assembly/flextoe/pipeline.ts")).toContain("assembly/flextoe/");
  expect(mayImport("assembly/flextoe/dma.ts")).not.toContain("assembly/flextoe/");
  expect(mayImport("nowhere/a.ts")).toEqual([]);
});
