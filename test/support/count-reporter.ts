/**
 * Vitest reporter: ends a run with `N passed, N failed` on a line of its own, for scripts. A module
 * that fails to load, or an error outside any test, is one failure. With TOELOOP_NO_SKIP=1 a
 * skipped test is a failure too.
 */
import type { Reporter, TestModule } from "vitest/node";
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

/** Prints the counts last. */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const { passed, failed, skipped } = countTests(modules, errors.length);
    const forbidden = skipsForbidden() ? skipped : 0;
    if (skipped > 0) console.log(`${skipped} skipped${forbidden > 0 ? ", not allowed here" : ""}`);
    console.log(`${passed} passed, ${failed + forbidden} failed`);
    if (forbidden > 0) process.exitCode = 1;
  }
}
