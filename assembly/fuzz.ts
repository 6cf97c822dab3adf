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

/** Runs the input from `input` on, `length` bytes, over a world in its prepared state: FuzzFault. */
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
  for (let i: u32 = 0; i < OPERATIONS_MAX && hasInput(world) && !isSpent(world); i++) operate(world);
}

/** The class of a count as a bit: 1, 2, 3, 4, 8, 16, 32 and 128 times or more. */
// @ts-ignore: decorator
@inline
function classOf(count: u32): u32 {
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  return count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
}

/**
 * Looks at `length` edge counters (a multiple of 8) and clears them: 2 when an edge was taken that
 * `seen` does not know, 1 when only a class of its count is new, else 0. `seen` then knows them.
 */
export function novel(counters: usize, seen: usize, length: u32): u32 {
  let result: u32 = 0;
  for (let at: u32 = 0; at < length; at += 8) {
    if (load<u64>(counters + at) == 0) continue;
    for (let i = at; i < at + 8; i++) {
      const count: u32 = load<u8>(counters + i);
      if (count == 0) continue;
      const before: u32 = load<u8>(seen + i);
      const after = before | classOf(count);
      if (after == before) continue;
      store<u8>(seen + i, <u8>after);
      result = max(result, before == 0 ? 2 : 1);
    }
    store<u64>(counters + at, 0);
  }
  return result;
}
