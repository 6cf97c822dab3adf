/**
 * Loops inside Wasm around the functions of build/testing.wasm, so that a call from JavaScript
 * (2 ns) is not what a figure of 5 ns consists of. A direct call between instances remains, about
 * 1.5 ns; the bound, memory.copy, is in the loop itself.
 */
import wabt from "wabt";
import { loadModule } from "./harness.ts";

/** Two buffers, taken in turn; the loop's calls of one function. */
export interface WasmLoops {
  sum(from: number, other: number, length: number, times: number): number;
  copyAndSum(to: number, from: number, length: number, times: number): number;
  copy(to: number, from: number, length: number, times: number): number;
}

/** What build/testing.wasm exports for this: partial sums of little-endian 16-bit words. */
export interface ChecksumExports {
  sumWords(address: number, length: number): bigint;
  copyAndSum(to: number, from: number, length: number): bigint;
}

/** A loop named `name`; `body` runs with $a, $b, $n on the locals and leaves an i32. */
function loop(name: string, body: string): string {
  return `(func (export "${name}") (param $a i32) (param $b i32) (param $n i32) (param $times i32)
    (result i32) (local $sum i32) (local $swap i32)
    (loop $again
      (local.set $sum (i32.xor (local.get $sum) ${body}))
      (local.set $swap (local.get $a))
      (local.set $a (local.get $b))
      (local.set $b (local.get $swap))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sum))`;
}

const COPY = `(block (result i32)
  (memory.copy (local.get $a) (local.get $b) (local.get $n)) (local.get $n))`;

const COPY_AND_SUM = `(i32.wrap_i64
  (call $copyAndSum (local.get $a) (local.get $b) (local.get $n)))`;

const SOURCE = `(module
  (import "env" "memory" (memory 1 65535))
  (import "testing" "sumWords" (func $sum (param i32 i32) (result i64)))
  (import "testing" "copyAndSum" (func $copyAndSum (param i32 i32 i32) (result i64)))
  ${loop("sum", "(i32.wrap_i64 (call $sum (local.get $a) (local.get $n)))")}
  ${loop("copyAndSum", COPY_AND_SUM)}
  ${loop("copy", COPY)})`;

/** One vector's eight words, less 32,768 each, onto an accumulator of four lanes. */
function addVector(lanes: string, offset: number): string {
  return `(local.set $${lanes} (i32x4.add (local.get $${lanes}) (i32x4.dot_i16x8_s
    (v128.xor (v128.load offset=${offset} (local.get $at)) (local.get $bias)) (local.get $ones))))`;
}

/** Blocks of 64 bytes, then vectors; what was taken off each word is put back at the end. */
const SUM_SOURCE = `(module
  (import "env" "memory" (memory 1 65535))
  (func (export "sum") (param $at i32) (param $length i32) (result i64)
    (local $end i32) (local $blocks i32)
    (local $even v128) (local $odd v128) (local $bias v128) (local $ones v128)
    (local.set $bias (i16x8.splat (i32.const -32768)))
    (local.set $ones (i16x8.splat (i32.const 1)))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (local.set $blocks
      (i32.add (local.get $at) (i32.and (local.get $length) (i32.const -64))))
    (block $done (loop $again
      (br_if $done (i32.ge_u (local.get $at) (local.get $blocks)))
      ${addVector("even", 0)} ${addVector("odd", 16)}
      ${addVector("even", 32)} ${addVector("odd", 48)}
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br $again)))
    (block $over (loop $rest
      (br_if $over (i32.ge_u (local.get $at) (local.get $end)))
      ${addVector("even", 0)}
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $rest)))
    (local.set $even (i32x4.add (local.get $even) (local.get $odd)))
    (local.set $even (i64x2.add (i64x2.extend_low_i32x4_s (local.get $even))
      (i64x2.extend_high_i32x4_s (local.get $even))))
    (i64.add
      (i64.mul (i64.extend_i32_u (i32.shr_u (local.get $length) (i32.const 1))) (i64.const 32768))
      (i64.add (i64x2.extract_lane 0 (local.get $even))
        (i64x2.extract_lane 1 (local.get $even))))))`;

/** Sum of the little-endian 16-bit words of `length` bytes, a multiple of 16 up to 64 KiB. */
export type WordSum = (at: number, length: number) => bigint;

let summing: WebAssembly.Module | undefined;

export async function assembleWordSum(): Promise<void> {
  summing ??= await assemble("sum.wat", SUM_SOURCE);
}

/** The summing application's code, over a memory that it shares with a stack. */
export function wordSum(memory: WebAssembly.Memory): WordSum {
  if (summing === undefined) throw new Error("bench: expected assembleWordSum() first");
  return new WebAssembly.Instance(summing, { env: { memory } }).exports["sum"] as WordSum;
}

/** Assembles a module in the text format; wabt itself is only used before anything is measured. */
export async function assemble(name: string, source: string): Promise<WebAssembly.Module> {
  const { parseWat } = await wabt();
  const parsed = parseWat(name, source, { bulk_memory: true, simd: true });
  const module = new WebAssembly.Module(Uint8Array.from(parsed.toBinary({}).buffer));
  parsed.destroy();
  return module;
}

/** build/testing.wasm over a memory of its own, and the loops over the same memory. */
export interface LoopedChecksum {
  readonly bytes: Uint8Array;
  readonly functions: ChecksumExports;
  readonly loops: WasmLoops;
}

let assembled: WebAssembly.Module | undefined;

/** Assembles the loops. */
export async function assembleLoops(): Promise<void> {
  if (assembled !== undefined) return;
  assembled = await assemble("loops.wat", SOURCE);
}

/** build/testing.wasm over a memory of its own. */
export function instantiateTesting(pages: number): {
  readonly memory: WebAssembly.Memory;
  readonly testing: WebAssembly.Instance;
} {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65535 });
  const table = new WebAssembly.Table({ initial: 16, element: "anyfunc" });
  const abort = (): never => {
    throw new Error("testing.wasm: assertion failed");
  };
  const module = loadModule("testing.wasm");
  return { memory, testing: new WebAssembly.Instance(module, { env: { memory, table, abort } }) };
}

/** Instantiates both. Throws Error before assembleLoops(), or when testing.wasm is not built. */
export function loopedChecksum(pages = 16): LoopedChecksum {
  if (assembled === undefined) throw new Error("bench: expected assembleLoops() first");
  const { memory, testing } = instantiateTesting(pages);
  const looped = new WebAssembly.Instance(assembled, {
    env: { memory },
    testing: testing.exports,
  });
  return {
    bytes: new Uint8Array(memory.buffer),
    functions: testing.exports as unknown as ChecksumExports,
    loops: looped.exports as unknown as WasmLoops,
  };
}
