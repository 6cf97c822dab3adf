/**
 * Vitest reporter: ends a run with `N passed, N failed` on a line of its own, for scripts. A module
 * that fails to load, or an error outside any test, is one failure. With TOELOOP_NO_SKIP=1 a
 * skipped test is a failure too.
 */
import type { Reporter, TestModule } from "vitest/node";
import { DIFFERENCES } from "./differences.ts";
import { skipsForbidden } from "./env.ts";

/** Counts of a run; skipped tests are neither passed nor failed. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts the tests of some modules. */
export function countTests(modules: readonly TestModule[], errors: number): Counts {
  let passed = 0;
  let failed = errors;
  let skipped = 0;
  for (const module of modules) {
    failed += module.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "failed") failed += 1;
      else skipped += 1;
    }
  }
  return { passed, failed, skipped };
}

/** Differences whose file has run on Laminar and has no test of that name: they are out of date. */
function staleDifferences(modules: readonly TestModule[]): string[] {
  const ran = modules.filter(({ project }) => /^laminar(-debug)?$/.test(project.name));
  return DIFFERENCES.flatMap(({ tests }) => tests).flatMap(([file, pattern]) => {
    const module = ran.find(({ moduleId }) => moduleId.endsWith(`/test/${file}`));
    if (module === undefined) return [];
    const found = [...module.children.allTests()].some(({ name }) => pattern.test(name));
    return found ? [] : [`differences: expected a test ${pattern} in ${file}, got none`];
  });
}

/** Prints the counts last. */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const stale = staleDifferences(modules);
    for (const complaint of stale) console.log(complaint);
    if (stale.length > 0) process.exitCode = 1;
    const { passed, failed, skipped } = countTests(modules, errors.length + stale.length);
    const forbidden = skipsForbidden() ? skipped : 0;
    if (skipped > 0) console.log(`${skipped} skipped${forbidden > 0 ? ", not allowed here" : ""}`);
    console.log(`${passed} passed, ${failed + forbidden} failed`);
    if (forbidden > 0) process.exitCode = 1;
  }
}
