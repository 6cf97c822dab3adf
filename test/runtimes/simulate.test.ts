/**
 * The simulator's pinned seeds in Deno, Bun and headless Chromium have the trace hashes that they
 * have in Node (threats.md I14, W10), on every data path. Runs what the build has put into dist/.
 * Bun's engine is the one that is not V8. Another processor: arm64.ts.
 */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hashesPinned, PINNED_SEEDS } from "../simulate/pinned.ts";
import { isNight } from "../support/env.ts";
import { requireOrSkip } from "../support/requirement.ts";
import { pinned } from "./pinned-program.ts";
import { CHROMIUM, DENO, inBun, inChromium, inDeno, inNode, noBun } from "./run-in.ts";

/** All are run in Node by pinned.test.ts; what is embedded is the same bytes (threats L5). */
const IN_NODE = isNight() ? PINNED_SEEDS.length : 3;

const deno = requireOrSkip("threats/W10, I14 Deno has the pinned hashes", () =>
  existsSync(DENO) ? undefined : "npm package deno is not installed",
);
const bun = requireOrSkip("threats/W10, I14 Bun has the pinned hashes", noBun);
const browser = requireOrSkip("threats/W10, I14 Chromium has the pinned hashes", () =>
  existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}`,
);

describe.each(["flextoe", "laminar", "laminar-relaxed"] as const)("%s", (datapath) => {
  test("threats/W10, I14 Node has the pinned hashes with the embedded core", async () => {
    const expected = hashesPinned(datapath).slice(0, IN_NODE);
    expect(await inNode(pinned(datapath, IN_NODE))).toEqual(expected);
  });

  test.skipIf(deno.skip)(deno.name, async () => {
    expect(await inDeno(pinned(datapath))).toEqual(hashesPinned(datapath));
  });

  test.skipIf(bun.skip)(bun.name, async () => {
    expect(await inBun(pinned(datapath))).toEqual(hashesPinned(datapath));
  });

  test.skipIf(browser.skip)(browser.name, async () => {
    expect(await inChromium(pinned(datapath))).toEqual(hashesPinned(datapath));
  });
});
