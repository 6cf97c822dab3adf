/**
 * The live target's half in Wasm: one call runs one case over two cores of the same memory, so that
 * a case costs one crossing; and what guides the search, edge counters by class. It runs over every
 * build of the core, and natively by wasm2c: it sees nothing of a core but its exports and the
 * contract (bindings/abi).
 */
import { restore, save } from "./fuzz/image.ts";
import { operate } from "./fuzz/operations.ts";
import { isSpent } from "./fuzz/step.ts";
import { drain, judge } from "./fuzz/verdict.ts";
import { hasInput, nextByte } from "./fuzz/world.ts";
import * as Z from "../bindings/abi/fuzz.ts";

export { restore, save };

/** Operations of one case at most. */
const OPERATIONS_MAX: u32 = 256;

/** Runs the input at `input`, `length` bytes, over a world in its prepared state: FuzzFault. */
export function runCase(world: usize, input: usize, length: u32): u32 {
  operations(world, input, length);
  if ((load<u8>(input) & Z.INPUT_DRAIN) == Z.INPUT_DRAIN) drain(world);
  judge(world);
  return load<u32>(world, Z.WORLD_FAULT);
}

/** The operations alone: how a state is prepared. */
export function operations(world: usize, input: usize, length: u32): void {
  store<u32>(world, <u32>input, Z.WORLD_INPUT);
  store<u32>(world, <u32>input + length, Z.WORLD_END);
  nextByte(world);
  let left = OPERATIONS_MAX;
  for (; left != 0 && hasInput(world) && !isSpent(world); left--) operate(world);
}

/** Classes of 16 counts, a bit each: 1, 2, 3, 4, 8, 16, 32 and 128 times or more. */
// @ts-ignore: decorator
@inline
function classesOf(counts: v128): v128 {
  let classes = v128.and(i8x16.ge_u(counts, i8x16.splat(1)), i8x16.splat(1));
  classes = i8x16.max_u(classes, atLeast(counts, 2, 2));
  classes = i8x16.max_u(classes, atLeast(counts, 3, 4));
  classes = i8x16.max_u(classes, atLeast(counts, 4, 8));
  classes = i8x16.max_u(classes, atLeast(counts, 8, 16));
  classes = i8x16.max_u(classes, atLeast(counts, 16, 32));
  classes = i8x16.max_u(classes, atLeast(counts, 32, 64));
  return i8x16.max_u(classes, atLeast(counts, 128, 128));
}

// @ts-ignore: decorator
@inline
function atLeast(counts: v128, least: u8, bit: u8): v128 {
  return v128.and(i8x16.ge_u(counts, i8x16.splat(least)), i8x16.splat(bit));
}

/**
 * Looks at `length` edge counters (a multiple of 16) and clears them: 1 when an edge was taken that
 * `seen` does not know, or so often first, else 0. `seen` then knows.
 */
export function novel(counters: usize, seen: usize, length: u32): u32 {
  let found: u32 = 0;
  for (let at: u32 = 0; at < length; at += 16) {
    const counts = v128.load(counters + at);
    if (!v128.any_true(counts)) continue;
    v128.store(counters + at, i64x2.splat(0));
    const known = v128.load(seen + at);
    const all = v128.or(known, classesOf(counts));
    if (!v128.any_true(v128.xor(known, all))) continue;
    v128.store(seen + at, all);
    found = 1;
  }
  return found;
}
