/** Bad arguments of `npm run fuzz` and `npm run fuzz:native`: status 2, and what was expected. */
import { afterEach, expect, test, vi } from "vitest";
import { main } from "./command.ts";
import { main as mainNative } from "./native/command.ts";

const BAD: readonly (readonly [words: readonly string[], message: string])[] = [
  [["no-such"], "fuzz: expected a target (parse, live, host, options), got no-such"],
  [["live", "--runs", "0"], "fuzz: expected --runs 1..1000000000000, got 0"],
  [["live", "--seed", "4294967296"], "fuzz: expected --seed 0..4294967295, got 4294967296"],
  [["live", "--seed"], "fuzz: expected --seed 0..4294967295, got nothing"],
  [["live", "--replay", "0g"], "fuzz: expected --replay with pairs of hex digits, got 0g"],
  [
    ["parse", "--datapath", "x"],
    "fuzz: expected --datapath flextoe|laminar|laminar-relaxed, got x",
  ],
  [["host", "--no-such"], "fuzz: expected an option (see --help), got --no-such"],
  [
    ["live", "--minimise", "--debug"],
    "fuzz: expected --minimise with guided inputs, got --debug or --unguided",
  ],
];

const BAD_NATIVE: readonly (readonly [words: readonly string[], message: string])[] = [
  [["--runs", "0"], "fuzz:native: expected --runs 1..1000000000000, got 0"],
  [["--seconds", "x"], "fuzz:native: expected --seconds 1..1000000, got x"],
  [["--seed", "0"], "fuzz:native: expected --seed 1..4294967295, got 0"],
  [["--datapath"], "fuzz:native: expected --datapath flextoe|laminar|laminar-relaxed, got nothing"],
  [["live"], "fuzz:native: expected an option (see --help), got live"],
];

function said(run: () => number): [number, string] {
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  const status = run();
  return [status, error.mock.calls.flat().join("\n")];
}

afterEach(() => {
  vi.restoreAllMocks();
});

test.each(BAD)("fuzz %j is refused", (words, message) => {
  expect(said(() => main(words, 1))).toEqual([2, message]);
});

test.each(BAD_NATIVE)("fuzz:native %j is refused", (words, message) => {
  expect(said(() => mainNative(words, 1))).toEqual([2, message]);
});

test("fuzz without a target prints the usage and is status 2; --help is none", () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  expect(main([], 1)).toBe(2);
  expect(main(["--help"], 1)).toBe(0);
  expect(log.mock.calls.flat().join("\n")).toMatch(/parse .*[\s\S]*live .*[\s\S]*host /);
});

test("fuzz live, twice with one seed: the same cases, no disagreement", () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const words = ["live", "--runs", "2000", "--seed", "5", "--json"];
  expect([main(words, 1), main(words, 1)]).toEqual([0, 0]);
  const [first, second] = log.mock.calls.map(([line]) => JSON.parse(line as string).coverage);
  expect(second).toEqual(first);
  expect(first.corpus).toBeGreaterThan(100);
});
