/**
 * Tests that need something of the machine: root, a device, a program. Such a test is skipped by
 * name, with the reason in it; TOELOOP_NO_SKIP=1 (CI) turns the skip into a failure of that test.
 *
 * ```ts
 * const tun = requireOrSkip("ping through TUN", () => (isRoot() ? undefined : "not root"));
 * test.skipIf(tun.skip)(tun.name, async () => { ... });
 * ```
 */
import { beforeEach } from "vitest";
import { skipsForbidden } from "./env.ts";

export interface Requirement {
  readonly skip: boolean;
  /** The test's name; when it is skipped, with the reason. */
  readonly name: string;
}

export interface Verdict extends Requirement {
  /** Why the test of that name fails without being run. */
  readonly refusal?: string;
}

/** What becomes of a test; `reason` is undefined when it can run. */
export function judge(name: string, reason: string | undefined, forbidden: boolean): Verdict {
  if (reason === undefined) return { skip: false, name };
  if (!forbidden) return { skip: true, name: `${name} (skipped: ${reason})` };
  const refusal = `${name}: expected to run (TOELOOP_NO_SKIP=1), got: ${reason}`;
  return { skip: false, name, refusal };
}

/**
 * Call it where the test is declared, in the file or in a describe().
 *
 * @param name of the test
 * @param missing what is missing, undefined when the test can run
 */
export function requireOrSkip(name: string, missing: () => string | undefined): Requirement {
  const { skip, name: title, refusal } = judge(name, missing(), skipsForbidden());
  if (refusal !== undefined) {
    // Not thrown here: that would take the file's other tests with it.
    beforeEach(({ task }) => {
      if (task.name === title) throw new Error(refusal);
    });
  }
  return { skip, name: title };
}
