/** The arithmetic of `bench -- NAME --before DIR`; every figure's slices run on this build. */
import { describe, expect, test } from "vitest";
import { compareBuilds, intervalOf } from "../../../bench/before-after.ts";
import { repositoryRoot } from "../../../bench/harness.ts";
import { FIGURES, sliceOf } from "../../../bench/slices.ts";

const TIMEOUT_MS = 60_000;

describe("intervalOf", () => {
  test("of equal ratios it is that ratio", () => {
    const { low, mean, high } = intervalOf([1.25, 1.25, 1.25]);
    for (const value of [low, mean, high]) expect(value).toBeCloseTo(1.25, 12);
  });

  test("two ratios: 12.706 standard errors of their logarithms", () => {
    const { low, mean, high } = intervalOf([Math.exp(0.01), Math.exp(0.03)]);
    expect(Math.log(mean)).toBeCloseTo(0.02, 12);
    expect(Math.log(high) - Math.log(mean)).toBeCloseTo(12.706 * 0.01, 12);
    expect(Math.log(mean) - Math.log(low)).toBeCloseTo(12.706 * 0.01, 12);
  });

  test("twenty ratios have 19 degrees of freedom", () => {
    const logs = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0.01 : -0.01));
    const error = Math.sqrt((20 * 0.01 ** 2) / 19 / 20);
    expect(Math.log(intervalOf(logs.map(Math.exp)).high)).toBeCloseTo(2.093 * error, 12);
  });

  test("one ratio has no interval", () => {
    expect(() => intervalOf([1])).toThrow("expected at least 2 pairs, got 1");
  });
});

for (const [bench, figures] of Object.entries(FIGURES)) {
  for (const name of Object.keys(figures)) {
    test(`${bench}, ${name}: a slice takes time`, { timeout: TIMEOUT_MS }, async () => {
      const slice = await sliceOf(repositoryRoot(), bench, name);
      expect(await slice()).toBeGreaterThan(0);
    });
  }
}

test("a build beside itself: one ratio for each figure, and its bar", {
  timeout: TIMEOUT_MS,
}, async () => {
  const { ratios, bars, lines } = await compareBuilds("segment", repositoryRoot(), 2, () => {}, 2);
  expect(Object.keys(ratios)).toEqual(Object.keys(FIGURES["segment"] ?? {}));
  for (const { low, mean, high } of Object.values(ratios)) {
    expect(low).toBeLessThanOrEqual(mean);
    expect(mean).toBeGreaterThan(0.1);
    expect(mean).toBeLessThan(10);
    expect(high).toBeGreaterThanOrEqual(mean);
  }
  expect(bars.map(({ ratio }) => ratio)).toEqual(Object.values(ratios).map(({ low }) => low));
  expect(lines).toHaveLength(1 + bars.length);
});

test("a figure that is not there, and a folder without a build, are errors", async () => {
  await expect(sliceOf(repositoryRoot(), "rpc", "none")).rejects.toThrow("expected a figure");
  await expect(compareBuilds("rpc", "/nowhere", 2, () => {})).rejects.toThrow("a build in");
});
