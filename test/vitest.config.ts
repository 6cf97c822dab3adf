/**
 * Projects: `release` and `debug`, the same tests over the two Wasm builds of FlexTOE; `laminar`,
 * `laminar-relaxed` and their debug builds, the tests above the data path over Laminar's. Tests
 * that load no Wasm run once, under `release`.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./support/count-reporter.ts";
import { splitTests } from "./support/wasm-tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const { plain } = splitTests(root);

/** Tests that load Wasm and say the same twice: their builds or their code are of their own. */
const ONCE = [
  "test/workers/mutants.test.ts",
  "test/unit/rmt/lines.test.ts",
  "test/unit/fuzz/live-mutants.test.ts",
  "test/lab/laminar-figures.test.ts",
  "test/laminar/shared-log.test.ts",
  "test/packetdrill/interpreter.test.ts",
  "test/packetdrill/mutation.test.ts",
];

const project = (build: "release" | "debug") => ({
  extends: true as const,
  test: {
    name: build,
    env: { TOELOOP_BUILD: build },
    include: ["test/**/*.test.ts"],
    exclude: build === "debug" ? [...plain, ...ONCE] : [],
  },
});

/** What knows sockets, streams, peers and threats, and nothing of how a data path is made. */
const ABOVE = [
  "test/fuzz/**",
  "test/rfc/**",
  "test/stack/**",
  "test/threats/**",
  "test/simulate/**",
  "test/unit/control-plane/**",
  "test/unit/libtoe/**",
  "test/unit/{driver,world}.test.ts",
  "test/packetdrill/scripts.test.ts",
];

const laminar = (name: "laminar" | "laminar-relaxed", build: "release" | "debug") => ({
  extends: true as const,
  test: {
    name: build === "debug" ? `${name}-debug` : name,
    env: { TOELOOP_BUILD: build, TOELOOP_DATAPATH: name },
    include: ABOVE.map((path) => path.replace(/\*\*$/, "**/*.test.ts")),
    exclude: plain,
    // Relaxed mode has none.
    setupFiles: name === "laminar" ? ["test/support/expect-differences.ts"] : [],
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
    projects: [
      project("release"),
      project("debug"),
      laminar("laminar", "release"),
      laminar("laminar", "debug"),
      laminar("laminar-relaxed", "release"),
      laminar("laminar-relaxed", "debug"),
    ],
  },
});
