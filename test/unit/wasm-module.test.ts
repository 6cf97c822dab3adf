/**
 * What the release module may be made of, read from the binary with wabt: nothing imported but
 * memory and table, no mutable global, no data segment, no allocator, no floating-point arithmetic
 * beyond converting an argument, a declared maximum of memory, exactly the exports of the contract.
 * The judge is tried on planted modules too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import openWabt from "wabt";
import { CORE_EXPORT_NAMES } from "../../bindings/core.ts";
import { ROOT } from "../support/env.ts";

type Wabt = Awaited<ReturnType<typeof openWabt>>;

const FEATURES = { simd: true, bulk_memory: true, sat_float_to_int: true, threads: true };

/** Moving a float and converting it; everything else on floats is arithmetic. */
const FLOAT_MOVES = /^f64\.(const|load|store|convert_i32_[su]|convert_i64_[su])$/;
const FLOAT_OPERATION = /\b(f(?:32|64|32x4|64x2)\.[a-z0-9_]+)/g;

let wabt: Wabt;

beforeAll(async () => {
  wabt = await openWabt();
});

function textOf(binary: Uint8Array): string {
  const module = wabt.readWasm(binary, { ...FEATURES, readDebugNames: true });
  module.applyNames();
  return module.toText({ foldExprs: false, inlineExport: false });
}

function importErrors(text: string): string[] {
  const imports = [...text.matchAll(/\(import "([^"]*)" "([^"]*)" \((\w+)(.*)/g)];
  return imports.flatMap(([, from, name, kind, rest]) => {
    if (from !== "env" || kind !== name || (kind !== "memory" && kind !== "table")) {
      return [`import ${from}.${name}`];
    }
    const maximum = /\s\d+ (\d+)/.exec(rest as string)?.[1];
    if (kind === "memory" && maximum === undefined) return ["memory without a maximum"];
    return kind === "memory" && Number(maximum) > 65535 ? ["memory may reach 4 GiB"] : [];
  });
}

/** Everything a module contains that the data path must not. */
function judge(text: string): string[] {
  const errors = importErrors(text);
  const say = (pattern: RegExp, message: string): void => {
    if (pattern.test(text)) errors.push(message);
  };
  say(/^\s*\(memory /m, "memory of its own");
  say(/^\s*\(data /m, "data segment");
  say(/^\s*\(start /m, "start function");
  say(/^\s*\(global .*\(mut /m, "mutable global");
  say(/\bmemory\.grow\b/, "memory.grow");
  say(/\(func \S*~lib\/rt/, "allocator");
  for (const name of exportsOf(text)) if (name.startsWith("__")) errors.push(`export ${name}`);
  const floats = [...text.matchAll(FLOAT_OPERATION)].map(([, operation]) => operation as string);
  const wrong = floats.filter((operation) => !FLOAT_MOVES.test(operation));
  return [...errors, ...new Set(wrong)];
}

function exportsOf(text: string): string[] {
  return [...text.matchAll(/\(export "([^"]*)"/g)].map(([, name]) => name as string);
}

// A Buffer is a window of a larger ArrayBuffer, which wabt would read from its start.
const built = (name: string): string =>
  textOf(new Uint8Array(readFileSync(`${ROOT}build/${name}`)));
const release = (): string => built("flextoe.wasm");

/** What the package carries as text, by file. */
function shipped(name: string): string {
  const source = readFileSync(`${ROOT}bindings/${name}`, "utf8");
  const [, base64 = ""] = /"([A-Za-z0-9+/=]{100,})"/.exec(source) ?? [];
  return textOf(new Uint8Array(Buffer.from(base64, "base64")));
}

test("threats/W1: no shipped module contains anything that it must not, and imports memory", () => {
  const names = readdirSync(`${ROOT}bindings`).filter((name) => name.endsWith("-bytes.ts"));
  const known = ["laminar", "relaxed", "wasm", "workers"];
  expect(names.sort()).toEqual(known.map((name) => `${name}-bytes.ts`));
  for (const text of [release(), ...names.map(shipped)]) {
    expect(judge(text)).toEqual([]);
    const imports = [...text.matchAll(/\(import "([^"]*)" "([^"]*)"/g)];
    expect(imports.map(([, from, name]) => `${from}.${name}`)).toEqual(["env.memory"]);
  }
});

test("the release module exports the contract and nothing else", () => {
  expect(exportsOf(release()).toSorted()).toEqual([...CORE_EXPORT_NAMES].toSorted());
});

test("threats/W3: no build links the allocator, and each declares a maximum of memory", () => {
  const names = readdirSync(`${ROOT}build`).filter((name) => name.endsWith(".wasm"));
  // FlexTOE, its threads, Laminar's two modes, at least; each with its debug build.
  expect(names).toEqual(expect.arrayContaining(["flextoe.wasm", "workers.wasm", "laminar.wasm"]));
  expect(names.length).toBeGreaterThanOrEqual(8);
  for (const name of names) {
    const text = built(name);
    expect(text, name).not.toMatch(/\(func \S*~lib\/rt/);
    expect(text, name).not.toMatch(/\bmemory\.grow\b/);
    expect(importErrors(text).filter((error) => error.startsWith("memory"))).toEqual([]);
  }
});

test("the embedded copies are the release modules", async () => {
  const { FLEXTOE_WASM_BASE64 } = await import("../../bindings/wasm-bytes.ts");
  const { WORKERS_WASM_BASE64 } = await import("../../bindings/workers-bytes.ts");
  const bytes = (name: string): string => readFileSync(`${ROOT}build/${name}`).toString("base64");
  expect(FLEXTOE_WASM_BASE64).toBe(bytes("flextoe.wasm"));
  expect(WORKERS_WASM_BASE64).toBe(bytes("workers.wasm"));
});

const MEMORY = '(import "env" "memory" (memory 16 65535))';

/** Body of a module, and what the judge says of it. */
const PLANTED: readonly (readonly [body: string, complaints: readonly string[]])[] = [
  [MEMORY, []],
  [`${MEMORY} (import "env" "table" (table 1 funcref))`, []],
  [`${MEMORY} (func (param f64) (result i64) local.get 0 i64.trunc_sat_f64_u)`, []],
  [`${MEMORY} (func (param i64) (result f64) local.get 0 f64.convert_i64_u)`, []],
  [`${MEMORY} (global i32 (i32.const 1))`, []],
  ['(import "env" "memory" (memory 16))', ["memory without a maximum"]],
  ['(import "env" "memory" (memory 16 65536))', ["memory may reach 4 GiB"]],
  [`${MEMORY} (import "env" "abort" (func))`, ["import env.abort"]],
  [`${MEMORY} (import "host" "table" (table 1 funcref))`, ["import host.table"]],
  ["(memory 1)", ["memory of its own"]],
  [`${MEMORY} (data (i32.const 8) "x")`, ["data segment"]],
  [`${MEMORY} (func $f) (start $f)`, ["start function"]],
  [`${MEMORY} (global (mut i32) (i32.const 1))`, ["mutable global"]],
  [`${MEMORY} (global $g (mut i32) (i32.const 1))`, ["mutable global"]],
  [`${MEMORY} (func i32.const 1 memory.grow drop)`, ["memory.grow"]],
  [`${MEMORY} (func $~lib/rt/stub/__alloc)`, ["allocator"]],
  [`${MEMORY} (func) (export "__new" (func 0))`, ["export __new"]],
  [`${MEMORY} (func f64.const 1 f64.const 2 f64.add drop)`, ["f64.add"]],
  [`${MEMORY} (func f64.const 1 f64.const 2 f64.lt drop)`, ["f64.lt"]],
  [`${MEMORY} (func f32.const 1 drop)`, ["f32.const"]],
  [`${MEMORY} (func f64.const 1 f64x2.splat drop)`, ["f64x2.splat"]],
];

test.each(PLANTED)("judged: %s", (body, complaints) => {
  const module = wabt.parseWat("planted.wat", `(module ${body})`, FEATURES);
  const { buffer } = module.toBinary({ write_debug_names: true });
  expect(judge(textOf(buffer))).toEqual(complaints);
});
