/**
 * What can be fuzzed. A target makes inputs from random numbers, judges them, and says what it
 * has reached; run.ts drives it and corpus.test.ts replays the inputs that are worth keeping.
 */
import type { Core } from "../../bindings/core.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import type { Random } from "../support/random.ts";
import { hostTarget } from "./targets/host.ts";
import { liveTarget } from "./targets/live.ts";
import { optionsTarget } from "./targets/options.ts";
import { parseTarget } from "./targets/parse.ts";

/** The build under test, and what a session needs beside it. */
export interface FuzzBuild {
  readonly module: WebAssembly.Module;
  /** build/fuzz.wasm: runs the cases of target `live`. */
  readonly harness: WebAssembly.Module;
  /** Edge counters in the module (edge-counters.ts); 0 when it has none: inputs are not guided. */
  readonly edges: number;
  /** Makes a fresh core; every core of a run comes from the same module. */
  makeCore(layout?: Partial<LayoutOptions>): Core;
}

/** A run of one target. Inputs are bytes, so that any of them can be kept and replayed. */
export interface FuzzSession {
  /** Makes the next group of inputs, at most `limit`; none when there is no other input. */
  generate(random: Random, limit: number): Uint8Array[];
  /** Runs one group; the first disagreement found, or undefined. Never throws for an input. */
  check(inputs: readonly Uint8Array[]): Disagreement | undefined;
  /** What was reached and how often; a name with 0 has not been reached. */
  coverage(): ReadonlyMap<string, number>;
  /** Inputs that took an edge first, or so often first: empty without edge counters. */
  corpus?(): readonly Uint8Array[];
  /** Runs inputs that are known, so that mutants of them are made. */
  learn?(inputs: readonly Uint8Array[]): void;
}

export interface Disagreement {
  readonly message: string;
  /** The input that shows it alone on a fresh core; unset when only the whole run does. */
  readonly input?: Uint8Array;
}

export interface FuzzTarget {
  readonly name: string;
  readonly description: string;
  /** The first so many names of coverage() must be reached by the corpus. */
  readonly required: number;
  /** True when a burst of inputs must be of one set-up, that of their first byte. */
  readonly grouped?: boolean;
  /** Inputs of the run that `npm test` makes. */
  readonly shortRun: number;
  start(build: FuzzBuild): FuzzSession;
}

export const TARGETS: readonly FuzzTarget[] = [parseTarget, liveTarget, hostTarget, optionsTarget];

export function findTarget(name: string): FuzzTarget | undefined {
  return TARGETS.find((target) => target.name === name);
}
