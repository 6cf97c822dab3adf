/** What becomes of a test whose requirement is met, missing, or missing where nothing may be. */
import { expect, test } from "vitest";
import { judge, type Verdict } from "../../support/requirement.ts";

const ROWS: readonly (readonly [string | undefined, boolean, Verdict])[] = [
  [undefined, false, { skip: false, name: "ping" }],
  [undefined, true, { skip: false, name: "ping" }],
  ["not root", false, { skip: true, name: "ping (skipped: not root)" }],
  [
    "not root",
    true,
    {
      skip: false,
      name: "ping",
      refusal: "ping: expected to run (TOELOOP_NO_SKIP=1), got: not root",
    },
  ],
];

test.each(ROWS)("missing %s, skipping forbidden %s", (reason, forbidden, verdict) => {
  expect(judge("ping", reason, forbidden)).toEqual(verdict);
});
