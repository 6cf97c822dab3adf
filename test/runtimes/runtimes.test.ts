/**
 * One program, one seed, one trace (day-one decision 17): the demo world, small, in Node, Deno, Bun
 * and headless Chromium sends the same frames at the same virtual times and delivers the same
 * bytes, on every data path. Runs what the build has put into dist/.
 */
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { requireOrSkip } from "../support/requirement.ts";
import { CHROMIUM, DENO, inBun, inChromium, inDeno, inNode, noBun } from "./run-in.ts";
import type { Program } from "./run-in.ts";

const SEED = seedOf(7);

interface Outcome {
  readonly runtime: string;
  readonly traceHash: string;
  readonly sha256ok: boolean;
  readonly sha256: readonly string[];
  readonly segments: number;
  readonly retransmits: number;
  readonly virtualSeconds: number;
}

type Runs = "flextoe" | "laminar" | "laminar-relaxed";

/** The demo world with a seed, on a data path. */
const demo =
  (seed: number, datapath: Runs): Program =>
  (base, runtime) =>
    `(async () => {
    const { platform } = await import("${base}bindings/${runtime}.js");
    const { DEMO_DEFAULTS, runDemo } = await import("${base}examples/demo-world.js");
    const small = { ...DEMO_DEFAULTS, seed: ${seed}, bulkBytes: 262144, rpcConnections: 4 };
    const result = await runDemo(platform, await platform.loadCore("${datapath}"), small);
    const { traceHash, sha256ok, sha256, segments, retransmits, virtualSeconds } = result;
    const outcome = { traceHash, sha256ok, sha256, segments, retransmits, virtualSeconds };
    return JSON.stringify({ runtime: platform.name, ...outcome });
  })()`;

const deno = requireOrSkip("Deno has the trace of Node", () =>
  existsSync(DENO) ? undefined : "npm package deno is not installed",
);
const bun = requireOrSkip("Bun has the trace of Node", noBun);
const browser = requireOrSkip("Chromium has the trace of Node", () =>
  existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}`,
);

describe.each(["flextoe", "laminar", "laminar-relaxed"] as const)("%s", (datapath) => {
  let reference: Outcome;

  beforeAll(async () => {
    reference = await inNode(demo(SEED, datapath));
  });

  test(`Node: the bytes are whole, and another seed is another trace, seed ${SEED}`, async () => {
    expect(reference).toMatchObject({ runtime: "node", sha256ok: true });
    expect(reference.traceHash).toMatch(/^[0-9a-f]{16}$/);
    expect(reference.retransmits).toBeGreaterThan(0);
    const [again, other] = await Promise.all([
      inNode<Outcome>(demo(SEED, datapath)),
      inNode<Outcome>(demo(SEED + 1, datapath)),
    ]);
    expect(again).toEqual(reference);
    expect(other.traceHash).not.toBe(reference.traceHash);
  });

  test.skipIf(deno.skip)(deno.name, async () => {
    expect(await inDeno(demo(SEED, datapath))).toEqual({ ...reference, runtime: "deno" });
  });

  test.skipIf(bun.skip)(bun.name, async () => {
    // Node's bindings, in another engine (run-in.ts looks).
    expect(await inBun(demo(SEED, datapath))).toEqual(reference);
  });

  test.skipIf(browser.skip)(browser.name, async () => {
    expect(await inChromium(demo(SEED, datapath))).toEqual({ ...reference, runtime: "browser" });
  });
});
