/**
 * startWorkers() in every runtime (4.3): stages on threads echo a mebibyte; one thread is killed
 * and the connection reports ECONNRESET. A page that is not cross-origin isolated gets the
 * single-thread build and is told why. Runs what the build has put into dist/.
 */
import { existsSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { requireOrSkip } from "../support/requirement.ts";
import { CHROMIUM, DENO, DIST, inBun, inChromium, inDeno, inNode, noBun } from "./run-in.ts";
import type { Program } from "./run-in.ts";
import type { ThreadsOutcome } from "./threads-program.ts";

const program: Program = (base, runtime) => `(async () => {
  const { platform } = await import("${base}bindings/${runtime}.js");
  const { runOnThreads } = await import("${base}test/runtimes/threads-program.js");
  return JSON.stringify(await runOnThreads(platform));
})()`;

const onThreads = (runtime: string, fenced: string): Partial<ThreadsOutcome> => ({
  runtime,
  threads: true,
  echoed: 1 << 20,
  afterKill: "ECONNRESET",
  fenced,
});
const DIED = "thread 2 was terminated";
const SILENT = "thread 2 does not answer";

test("Node: stages on threads, and a thread that dies", async () => {
  expect(await inNode(program)).toEqual(onThreads("node", DIED));
});

const deno = requireOrSkip("Deno: stages on threads, and a thread that dies", () =>
  existsSync(DENO) ? undefined : "npm package deno is not installed",
);
test.skipIf(deno.skip)(deno.name, async () => {
  const outcome = await inDeno<ThreadsOutcome>(program);
  expect(outcome).toEqual(onThreads("deno", outcome.fenced ?? "not"));
  expect(outcome.fenced).toMatch(/^thread 2 failed: .*out of bounds/);
});

const bun = requireOrSkip("Bun: stages on threads, and a thread that dies", noBun);
test.skipIf(bun.skip)(bun.name, async () => {
  expect(await inBun(program)).toEqual(onThreads("node", DIED));
});

const why = (): string | undefined => (existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}`);

const page = requireOrSkip("Chromium, an isolated page: stages on threads, one dies", why);
test.skipIf(page.skip)(page.name, async () => {
  const outcome = await inChromium(program, { isolated: true });
  expect(outcome).toEqual(onThreads("browser", SILENT));
});

const worker = requireOrSkip("Chromium, a worker of an isolated page: the same", why);
test.skipIf(worker.skip)(worker.name, async () => {
  const outcome = await inChromium(program, { isolated: true, worker: true });
  expect(outcome).toEqual(onThreads("browser", SILENT));
});

const plain = requireOrSkip("Chromium, a page that is not isolated: one thread, and why", why);
test.skipIf(plain.skip)(plain.name, async () => {
  expect(await inChromium(program)).toEqual({
    runtime: "browser",
    threads: false,
    message:
      "startWorkers: expected a page with Cross-Origin-Opener-Policy: same-origin and " +
      "Cross-Origin-Embedder-Policy: require-corp, got one that is not isolated; " +
      "the data path runs on one thread",
    echoed: 1 << 20,
  });
});

test("the README's example runs, and stands in examples/", () => {
  const file = "echo-on-threads";
  const { stdout } = spawnSync(process.execPath, [join(DIST, `examples/${file}.js`)], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(stdout).toBe("hello, threads on threads\n");
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const block = /```ts\n([^`]*startWorkers[^`]*)```/.exec(readme)?.[1] ?? "nothing";
  const text = readFileSync(join(ROOT, `examples/${file}.ts`), "utf8");
  expect(text).toContain(block.trim());
});
