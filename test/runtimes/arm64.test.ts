/**
 * What `npm run arm64` sees and what it does not let pass, over made-up comparisons: the emulator
 * itself takes minutes and runs at night.
 */
import { afterEach, expect, test, vi } from "vitest";
import { compareAll, main } from "./arm64.ts";
import { pinned } from "./pinned-program.ts";
import { inNodeForArm64 } from "./run-in.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const answers = (name: string, expected: unknown, got: unknown) => ({
  name,
  expected: async () => expected,
  got: async () => got,
});

test("threats/W10 arm64: a hash that differs, or does not come, is a failure", async () => {
  const said: string[] = [];
  const stopped = async (): Promise<never> => {
    throw new Error("expected exit 0, got 1");
  };
  const comparisons = [
    answers("same", ["a", "b"], ["a", "b"]),
    answers("other", ["a", "b"], ["a", "c"]),
    answers("less", ["a", "b"], ["a"]),
    { ...answers("none", ["a"], []), got: stopped },
  ];
  expect(await compareAll(comparisons, (line) => said.push(line))).toBe(3);
  expect(said).toEqual([
    "ok      same",
    'FAILED  other: expected ["a","b"], got ["a","c"]',
    'FAILED  less: expected ["a","b"], got ["a"]',
    "FAILED  none: expected exit 0, got 1",
    "1 passed, 3 failed",
  ]);
});

test("without an emulator it is skipped by name, and in CI that is a failure", async () => {
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(text));
  vi.stubEnv("TOELOOP_NO_SKIP", "");
  expect(await main([], "no emulator")).toBe(0);
  expect(said).toEqual(["arm64 skipped: no emulator", "0 passed, 0 failed"]);
  vi.stubEnv("TOELOOP_NO_SKIP", "1");
  expect(await main([], "no emulator")).toBe(1);
  expect(said.at(-1)).toBe("0 passed, 1 failed");
});

test("a Node for this processor is not taken for one of arm64's", async () => {
  const native = inNodeForArm64([process.execPath], pinned("flextoe", 0));
  await expect(native).rejects.toThrow("expected process.arch");
});

test.each([
  [["--runs", "0"], "arm64: expected --runs 1..1000000000, got 0"],
  [["--seed", "x"], "arm64: expected --seed 0..4294967295, got x"],
  [["--what"], "--what"],
])("refuses %j", async (words, message) => {
  await expect(main(words, "no emulator")).rejects.toThrow(message);
});
