/**
 * Two projects: `release` and `debug`, the same tests over the two Wasm builds. Tests that load no
 * Wasm run once, under `release`.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./support/count-reporter.ts";
import { splitTests } from "./support/wasm-tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const { plain } = splitTests(root);

/** Makes builds of its own. */
const MUTANTS = "test/workers/mutants.test.ts";

const project = (build: "release" | "debug") => ({
  extends: true as const,
  test: {
    name: build,
    env: { TOELOOP_BUILD: build },
    include: ["test/**/*.test.ts"],
    exclude: build === "debug" ? [...plain, MUTANTS] : [],
  },
});

export default defineConfig({
  root,
  resolve: { alias: { "#platform": `${root}bindings/node.ts` } },
  test: {
    pool: "threads",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", new CountReporter()],
    projects: [project("release"), project("debug")],
  },
});
