/**
 * The simulator's pinned seeds in Deno and headless Chromium have the trace hashes that they have
 * in Node (threats.md I14), on every data path. Runs what the build has put into dist/.
 */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { DataPath } from "../../bindings/layout.ts";
import { hashesPinned } from "../simulate/pinned.ts";
import { requireOrSkip } from "../support/requirement.ts";
import { CHROMIUM, DENO, inChromium, inDeno, inNode, type Program } from "./run-in.ts";

/** The pinned seeds on a data path; their hashes. */
const pinned =
  (datapath: DataPath): Program =>
  (base, runtime) =>
    `(async () => {
    const { platform } = await import("${base}bindings/${runtime}.js");
    const { hashesNow } = await import("${base}test/simulate/pinned.js");
    return JSON.stringify(hashesNow(await platform.loadCore("${datapath}"), "${datapath}"));
  })()`;

const deno = requireOrSkip("threats/W10, I14 Deno has the pinned hashes", () =>
  existsSync(DENO) ? undefined : "npm package deno is not installed",
);
const browser = requireOrSkip("threats/W10, I14 Chromium has the pinned hashes", () =>
  existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}`,
);

describe.each(["flextoe", "laminar", "laminar-relaxed"] as const)("%s", (datapath) => {
  test("threats/W10, I14 Node has the pinned hashes with the embedded core", async () => {
    expect(await inNode(pinned(datapath))).toEqual(hashesPinned(datapath));
  });

  test.skipIf(deno.skip)(deno.name, async () => {
    expect(await inDeno(pinned(datapath))).toEqual(hashesPinned(datapath));
  });

  test.skipIf(browser.skip)(browser.name, async () => {
    expect(await inChromium(pinned(datapath))).toEqual(hashesPinned(datapath));
  });
});
