/**
 * Tests that need something of the machine: root, a device, a program. Such a test is skipped by
 * name, with the reason in it; TOELOOP_NO_SKIP=1 (CI) turns the skip into a failure.
 *
 * ```ts
 * const tun = requireOrSkip("ping through TUN", () => (isRoot() ? undefined : "not root"));
 * test.skipIf(tun.skip)(tun.name, async () => { ... });
 * ```
 */

export interface Requirement {
  readonly skip: boolean;
  /** The test's name; when it is skipped, with the reason. */
  readonly name: string;
}

/**
 * @param name of the test
 * @param missing what is missing, undefined when the test can run
 * @throws Error when something is missing and skipping is forbidden
 */
export function requireOrSkip(name: string, missing: () => string | undefined): Requirement {
  const reason = missing();
  if (reason === undefined) return { skip: false, name };
  if (process.env.TOELOOP_NO_SKIP === "1") {
    throw new Error(`${name}: expected to run (TOELOOP_NO_SKIP=1), got: ${reason}`);
  }
  return { skip: true, name: `${name} (skipped: ${reason})` };
}
