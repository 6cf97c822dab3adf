/**
 * Threats W5: the build under test, each of whose loads and stores traps at a guard strip
 * (test/support/guarded-module.ts), over seeds of the simulator. At night all tests of the debug
 * builds load such modules (test/support/load-core.ts).
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CORE_NOW, GUARD_VALUE } from "../../bindings/abi/memory-map.ts";
import { drawPlan } from "../simulate/draw.ts";
import { hashesPinned, PINNED_SEEDS } from "../simulate/pinned.ts";
import { simulate } from "../simulate/simulation.ts";
import { buildUnderTest, dataPathUnderTest, ROOT } from "../support/env.ts";
import { guarded } from "../support/guarded-module.ts";
import { testCore } from "../support/load-core.ts";

const SUFFIX = buildUnderTest() === "debug" ? ".debug" : "";
const MODULE = guarded(readFileSync(`${ROOT}build/${dataPathUnderTest()}${SUFFIX}.wasm`));
const SEEDS = PINNED_SEEDS.slice(0, 3);

test.each(SEEDS)("threats/W5: no load and no store touches a guard strip, seed %i", (seed) => {
  const datapath = dataPathUnderTest();
  const { hash, violations } = simulate(MODULE, drawPlan(seed, datapath));
  expect(violations).toEqual([]);
  expect(hash).toBe(hashesPinned(datapath)[seed - 1]);
});

test("threats/W5: one that does is a trap at once", () => {
  const core = testCore({}, MODULE);
  const word = (core.address + CORE_NOW) >>> 2;
  core.exports.step(core.address, 1);
  // As if the word were a strip's: the step writes it.
  core.words[word] = GUARD_VALUE;
  expect(() => core.exports.step(core.address, 2)).toThrow("unreachable");
});
