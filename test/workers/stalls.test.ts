/** The workers executor under stalls at every stage (stall-run.ts); `npm run stalls` for more. */
import { expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { overlapRun, statisticsRun } from "./overlap-run.ts";
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

for (let i = 0; i < 4; i += 1) {
  const seed = SEED + i;
  test(`streams are whole while the host works too, seed ${seed}`, async () => {
    expect([seed, await overlapRun(seed, 4, 512 * 1024)]).toEqual([seed, []]);
  });
}

test(`replicas of post-processing lose no count, seed ${SEED}`, async () => {
  expect([SEED, await statisticsRun(SEED, 4 << 20)]).toEqual([SEED, []]);
});
