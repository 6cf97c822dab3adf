/**
 * The counts at the end of a run, from made-up results: what counts as passed, failed, skipped.
 */
import { expect, test } from "vitest";
import type { TestModule } from "vitest/node";
import { countTests } from "../../support/count-reporter.ts";

type State = "passed" | "failed" | "skipped" | "pending";

function moduleWith(states: readonly State[], errors = 0): TestModule {
  const tests = states.map((state) => ({ result: () => ({ state }) }));
  const module = {
    errors: () => Array.from({ length: errors }, () => new Error("planted")),
    children: { allTests: () => tests },
  };
  return module as unknown as TestModule;
}

const ROWS: readonly (readonly [string, TestModule[], number, readonly number[]])[] = [
  ["nothing", [], 0, [0, 0, 0]],
  ["all passed", [moduleWith(["passed", "passed"])], 0, [2, 0, 0]],
  ["one of each", [moduleWith(["passed", "failed", "skipped"])], 0, [1, 1, 1]],
  ["a test that never ended", [moduleWith(["pending"])], 0, [0, 0, 1]],
  ["a module that did not load", [moduleWith(["passed"]), moduleWith([], 1)], 0, [1, 1, 0]],
  ["an error outside of tests", [moduleWith(["passed"])], 1, [1, 1, 0]],
];

test.each(ROWS)("%s", (_title, modules, errors, [passed, failed, skipped]) => {
  expect(countTests(modules, errors)).toEqual({ passed, failed, skipped });
});
