/** Which tests run on both builds: those that reach the loader, directly or through others. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/env.ts";
import { splitTests } from "../../support/wasm-tests.ts";

const FILES: Readonly<Record<string, string>> = {
  "test/support/load-core.ts": "",
  "test/support/raw.ts": 'import { a } from "./load-core.ts";',
  "test/support/cycle.ts": 'import { a } from "./cycle-back.ts";',
  "test/support/cycle-back.ts": 'import { a } from "./cycle.ts";',
  "test/direct.test.ts": 'import { a } from "./support/load-core.ts";',
  "test/unit/through.test.ts": 'import { a } from "../support/raw.ts";',
  "test/unit/dynamic.test.ts": 'const a = await import("../support/raw.ts");',
  "test/unit/plain.test.ts": 'import { expect } from "vitest";',
  "test/unit/cycle.test.ts": 'import { a } from "../support/cycle.ts";',
  "test/unit/lost.test.ts": 'import { a } from "../support/missing.ts";',
};

test("a test that reaches the loader runs on both builds", () => {
  const root = `${mkdtempSync(join(tmpdir(), "toeloop-split-"))}/`;
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, text);
  }
  const { wasm, plain } = splitTests(root);
  rmSync(root, { recursive: true });
  const unit = (names: string[]): string[] => names.map((name) => `test/unit/${name}.test.ts`);
  expect(wasm.toSorted()).toEqual(["test/direct.test.ts", ...unit(["dynamic", "through"])]);
  expect(plain.toSorted()).toEqual(unit(["cycle", "lost", "plain"]));
});

test("this repository's own split: tidy runs once", () => {
  const { wasm, plain } = splitTests(ROOT);
  expect(plain).toContain("test/tidy.test.ts");
  expect(wasm.filter((path) => plain.includes(path))).toEqual([]);
});
