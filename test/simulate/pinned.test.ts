/**
 * I14: the pinned seeds have their trace hashes on the build under test, release and debug, and a
 * seed does the same again. Other runtimes: test/runtimes/simulate.test.ts.
 */
import { expect, test } from "vitest";
import { dataPathUnderTest } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { drawPlan } from "./draw.ts";
import { hashesNow, hashesPinned, PINNED_SEEDS } from "./pinned.ts";
import { simulateTwice } from "./simulation.ts";

test("I14 the pinned seeds have the pinned hashes (to change them: pinned.ts)", () => {
  expect(hashesPinned(dataPathUnderTest())).toHaveLength(PINNED_SEEDS.length);
  expect(hashesNow(loadModule(), dataPathUnderTest())).toEqual(hashesPinned(dataPathUnderTest()));
});

test("I14 a seed is the same twice, and another is another", () => {
  const [one, two] = PINNED_SEEDS.slice(-2).map((seed) => {
    return simulateTwice(loadModule(), drawPlan(seed, dataPathUnderTest()));
  });
  expect([one?.violations, two?.violations]).toEqual([[], []]);
  expect(one?.hash).not.toBe(two?.hash);
});

test("plans differ from seed to seed, and are the same for a seed", () => {
  const plans = PINNED_SEEDS.map((seed) => JSON.stringify(drawPlan(seed, "flextoe")));
  expect(new Set(plans).size).toBe(PINNED_SEEDS.length);
  expect(plans).toEqual(PINNED_SEEDS.map((seed) => JSON.stringify(drawPlan(seed, "flextoe"))));
});
