/**
 * The trace hashes of twenty seeds on each data path. The same seed gives the same frames at the
 * same times in the release and the debug build, in Node, Deno, Bun and Chromium, and on arm64; a
 * hash that moves says that the stack sends other frames than before.
 *
 * Rule for changing them: a change of the stack's behaviour, or of the plans that are drawn, may
 * move hashes, and its commit says which and why; a change that should leave frames as they are (a
 * refactoring, a faster path) must not move any. `npm run simulate -- --pin` prints what moved and
 * writes pinned-hashes.ts; it refuses to pin a seed that fails.
 */
import type { DataPath } from "../../bindings/layout.ts";
import { drawPlan } from "./draw.ts";
import { PINNED_HASHES } from "./pinned-hashes.ts";
import { simulate } from "./simulation.ts";

export const PINNED_SEEDS: readonly number[] = Array.from({ length: 20 }, (_, index) => 1 + index);

/**
 * Hashes of the first `count` pinned seeds on a data path, as they are now. Throws Error when one
 * fails.
 */
export function hashesNow(
  module: WebAssembly.Module,
  datapath: DataPath,
  count = PINNED_SEEDS.length,
): string[] {
  return PINNED_SEEDS.slice(0, count).map((seed) => {
    const { hash, violations } = simulate(module, drawPlan(seed, datapath));
    const first = violations[0];
    if (first === undefined) return hash;
    throw new Error(`seed ${seed} on ${datapath}: ${first.invariant}: ${first.text}`);
  });
}

/** Hashes as they are pinned. */
export function hashesPinned(datapath: DataPath): readonly string[] {
  return PINNED_HASHES[datapath];
}
