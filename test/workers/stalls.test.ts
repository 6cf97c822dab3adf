/** The workers executor under stalls at every stage (stall-run.ts); `npm run stalls` for more. */
import { expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { stallRun } from "./stall-run.ts";

const SEED = seedOf(9000);
const RUNS = 8;
const SEGMENTS = 2000;

for (let i = 0; i < RUNS; i += 1) {
  const seed = SEED + i;
  test(`streams are whole and every number is released, seed ${seed}`, async () => {
    const { failures, segments } = await stallRun(seed, SEGMENTS);
    expect([seed, failures]).toEqual([seed, []]);
    expect(segments).toBeGreaterThanOrEqual(SEGMENTS);
  });
}
