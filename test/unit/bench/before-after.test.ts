/** The arithmetic of `bench -- NAME --before DIR`; each report has the figures that it takes. */
import { describe, expect, test } from "vitest";
import { COMPARABLE, compareBuilds, figuresOf, intervalOf } from "../../../bench/before-after.ts";
import { BENCHES } from "../../../bench/command.ts";
import { QUICK, SMOKE } from "../../../bench/harness.ts";

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

for (const name of COMPARABLE) {
  test(`${name}: the figures are in its report`, { timeout: TIMEOUT_MS }, async () => {
    // With little work `segment` leaves rows out.
    const report = await BENCHES.get(name)?.(name === "segment" ? QUICK : SMOKE);
    const figures = figuresOf(name, report?.values ?? {});
    expect(figures.size).toBeGreaterThan(0);
    for (const value of figures.values()) expect(value).toBeGreaterThan(0);
  });
}

test("a figure that is not there, and a folder without a build, are errors", () => {
  expect(() => figuresOf("connect", {})).toThrow("expected a figure at connectionsPerSecond");
  expect(() => compareBuilds("rpc", "/nowhere", 2, () => {})).toThrow("expected a build in");
});
