/**
 * What can be fuzzed. A target makes inputs from random numbers, judges them, and says what it
 * has reached; run.ts drives it and corpus.test.ts replays the inputs that are worth keeping.
 */
import type { Core } from "../../bindings/core.ts";
import type { Random } from "../support/random.ts";
import { parseTarget } from "./targets/parse.ts";

/** Makes a fresh core; every core of a run comes from the same module. */
export type MakeCore = () => Core;

/** A run of one target. Inputs are bytes, so that any of them can be kept and replayed. */
export interface FuzzSession {
  /** Makes the next group of inputs, at most `limit`. */
  generate(random: Random, limit: number): Uint8Array[];
  /** Runs one group; the first disagreement found, or undefined. Never throws for an input. */
  check(inputs: readonly Uint8Array[]): Disagreement | undefined;
  /** What was reached and how often; a name with 0 has not been reached. */
  coverage(): ReadonlyMap<string, number>;
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
  start(makeCore: MakeCore): FuzzSession;
}

export const TARGETS: readonly FuzzTarget[] = [parseTarget];

export function findTarget(name: string): FuzzTarget | undefined {
  return TARGETS.find((target) => target.name === name);
}
