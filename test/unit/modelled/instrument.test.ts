/**
 * Instruction counts, by hand and by machine: a function counted on paper, one that does half its
 * work, widths and accounts apart, the addresses that a trace leaves, and the whole data path with
 * and without counting.
 */
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import openWabt from "wabt";
import { counterName, instrument, TRACE_AT, TRACE_END } from "../../../host/modelled/instrument.ts";
import type { InstrumentOptions } from "../../../host/modelled/instrument.ts";
import { Width } from "../../../host/modelled/wasm-format.ts";
import { ROOT } from "../../support/env.ts";

let wabt: Awaited<ReturnType<typeof openWabt>>;
beforeAll(async () => {
  wabt = await openWabt();
});

type Exports = Record<string, WebAssembly.Global> & Record<string, (...args: number[]) => number>;

interface Counted {
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
  /** Instructions of a width since the last call. */
  take(width: Width, account?: number): number;
}

function counted(source: string, options: InstrumentOptions = {}): Counted {
  const parsed = wabt.parseWat("t.wat", source, { simd: true, bulk_memory: true });
  const { buffer } = parsed.toBinary({ write_debug_names: true });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(instrument(new Uint8Array(buffer), options));
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
  const take = (width: Width, account = 0): number => {
    const global = exports[counterName(account, width)] as WebAssembly.Global;
    const value = global.value as number;
    global.value = 0;
    return value;
  };
  return { exports, memory, take };
}

/** sum of 1..n: by hand, before the loop 0, each turn add, add, lt, br_if = 4, no end costs. */
const SUM = `(module (func (export "sum") (param $n i32) (result i32) (local $i i32) (local $s i32)
  (block $done
    (loop $turn
      local.get $i  i32.const 1  i32.add  local.set $i
      local.get $s  local.get $i i32.add  local.set $s
      local.get $i  local.get $n i32.lt_u
      br_if $turn))
  local.get $s))`;

test("a loop counted by hand", () => {
  const { exports, take } = counted(SUM);
  for (const turns of [1, 2, 10, 1000]) {
    expect(exports.sum?.(turns)).toBe((turns * (turns + 1)) / 2);
    expect(take(Width.Narrow)).toBe(4 * turns);
  }
});

test("half the work is half the count, on top of what does not change", () => {
  const { exports, take } = counted(SUM);
  const count = (turns: number): number => {
    exports.sum?.(turns);
    return take(Width.Narrow);
  };
  expect(count(1000)).toBe(2 * count(500));
});

const BRANCHES = `(module (func (export "f") (param $x i32) (result i32)
  local.get $x
  (if (result i32)
    (then local.get $x i32.const 3 i32.mul i32.const 1 i32.add)
    (else local.get $x i32.eqz (if (then i32.const 7 return)) i32.const 5 i32.ctz))))`;

test.each([
  // if, mul, add.
  [4, 13, 3],
  // if, eqz, if, return.
  [0, 7, 4],
])("the branch that is taken is counted, the other not: f(%i)", (x, result, instructions) => {
  const { exports, take } = counted(BRANCHES);
  expect(exports.f?.(x)).toBe(result);
  expect(take(Width.Narrow)).toBe(instructions);
});

const WIDTHS = `(module (import "env" "memory" (memory 1))
  (func $sum (param i32) (result i64) local.get 0 i64.load offset=8 local.get 0 i64.load i64.add)
  (func (export "f") (param i32) (result i32)
    local.get 0 v128.const i32x4 1 2 3 4 v128.store
    local.get 0 call $sum i32.wrap_i64))`;

test("widths and accounts are kept apart", () => {
  const accountOf = (name: string): number => (name === "sum" ? 1 : 0);
  const { exports, take } = counted(WIDTHS, { accounts: 2, accountOf });
  expect(exports.f?.(64)).toBe(4);
  // call and wrap; the vector's store; two loads and a sum on the other account.
  expect([take(Width.Narrow), take(Width.Wide), take(Width.Vector)]).toEqual([2, 0, 1]);
  expect([take(Width.Narrow, 1), take(Width.Wide, 1), take(Width.Vector, 1)]).toEqual([0, 3, 0]);
});

test("a trace holds the address of every access, as far as its ring goes", () => {
  const { exports, memory, take } = counted(WIDTHS, { trace: true });
  const at = exports[TRACE_AT] as WebAssembly.Global;
  const end = exports[TRACE_END] as WebAssembly.Global;
  at.value = 1024;
  end.value = 1032;
  expect(exports.f?.(64)).toBe(4);
  expect(at.value).toBe(1032);
  // The vector at 64, then the load at 72; the third finds the ring full.
  expect([...new Uint32Array(memory.buffer, 1024, 3)]).toEqual([64, 72, 0]);
  expect(take(Width.Vector)).toBe(1);
});

/** Loads and stores of each kind, and both bulk instructions, at an address. */
const ACCESSES = `(module (import "env" "memory" (memory 1))
  (func (export "load") (param $p i32) (result i32) (i32.load offset=4 (local.get $p)))
  (func (export "byte") (param $p i32) (result i32) (i32.load8_u (local.get $p)))
  (func (export "store") (param $p i32) (result i32)
    (i64.store offset=4 (local.get $p) (i64.const 7)) (i32.const 0))
  (func (export "vector") (param $p i32) (result i32)
    (v128.store (local.get $p) (v128.const i32x4 1 2 3 4)) (i32.const 0))
  (func (export "copy") (param $p i32) (param $n i32) (result i32)
    (memory.copy (i32.const 512) (local.get $p) (local.get $n)) (i32.const 0))
  (func (export "fill") (param $p i32) (param $n i32) (result i32)
    (memory.fill (local.get $p) (i32.const 9) (local.get $n)) (i32.const 0)))`;

test("with a guard's value, what touches a word that holds it traps, and nothing else", () => {
  const guard = 0xdeadc0de;
  const { exports, memory } = counted(ACCESSES, { guard: guard | 0 });
  const at = 256;
  new DataView(memory.buffer).setUint32(at, guard, true);
  const rows: [name: string, clear: number[][], touching: number[][]][] = [
    ["load", [[at - 8], [at]], [[at - 4], [at - 7], [at - 1]]],
    ["byte", [[at - 1], [at + 4]], [[at], [at + 3]]],
    ["store", [[at - 12], [at]], [[at - 11], [at - 8], [at - 1]]],
    ["vector", [[at - 16], [at + 4]], [[at - 15], [at], [at + 3]]],
    [
      "copy",
      [
        [at - 8, 8],
        [at + 4, 8],
        [at, 0],
      ],
      [
        [at - 8, 9],
        [at + 3, 8],
      ],
    ],
    [
      "fill",
      [
        [at - 8, 8],
        [at + 4, 8],
        [at, 0],
      ],
      [
        [at - 8, 9],
        [at + 3, 8],
      ],
    ],
  ];
  for (const [name, clear, touching] of rows) {
    for (const args of clear) expect(exports[name]?.(...args), `${name} ${args}`).toBeDefined();
    for (const args of touching) {
      expect(() => exports[name]?.(...args), `${name} ${args}`).toThrow("unreachable");
    }
  }
  expect(new DataView(memory.buffer).getUint32(at, true)).toBe(guard);
});

test("what is no module, or holds an unknown instruction, is refused by name", () => {
  expect(() => instrument(Uint8Array.of(1, 2, 3))).toThrow("expected a WebAssembly module");
  const { buffer } = wabt.parseWat("t.wat", "(module (func i32.const 1 drop))", {}).toBinary({});
  const broken = new Uint8Array(buffer.slice());
  // i32.const becomes an opcode of the threads proposal.
  broken[broken.lastIndexOf(0x41)] = 0xfe;
  expect(() => instrument(broken)).toThrow("expected a known opcode");
});

test("the data path's builds stay valid modules with the same exports and more", () => {
  for (const name of ["flextoe.wasm", "flextoe.debug.wasm"]) {
    const binary = new Uint8Array(readFileSync(`${ROOT}build/${name}`));
    const names = (bytes: Uint8Array<ArrayBuffer>): string[] =>
      WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map((item) => item.name);
    const before = names(binary);
    for (const trace of [false, true]) {
      const after = names(instrument(binary, { trace }));
      expect(after.slice(0, before.length)).toEqual(before);
      expect(after).toHaveLength(before.length + 5);
    }
  }
});
