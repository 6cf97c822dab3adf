/**
 * Goal: the same seed gives the same numbers on every runtime, and forked streams are independent
 * of each other. Method: pinned outputs (drawn once with this code under Node 20), means.
 */
import { expect, test } from "vitest";
import { Prng } from "../../host/prng.ts";

test("the same seed draws the same, another seed does not", () => {
  const draw = (seed: number): number[] => {
    const prng = new Prng(seed);
    return Array.from({ length: 8 }, () => prng.uint32());
  };
  for (const seed of [0, 1, -1, 42, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    expect(draw(seed)).toEqual(draw(seed));
    expect(draw(seed)).not.toEqual(draw(seed === 0 ? 2 : 0));
  }
  expect(draw(1)).not.toEqual(draw(1 + 2 ** 32));
});

test("the outputs of seed 42 are these", () => {
  const prng = new Prng(42);
  const drawn = Array.from({ length: 4 }, () => prng.uint32());
  expect(drawn).toEqual([2398997364, 3558817603, 1937052467, 4210571492]);
});

test("forks depend on seed and label only", () => {
  const used = new Prng(7);
  for (let i = 0; i < 100; i += 1) used.uint32();
  expect(used.fork("loss").uint32()).toBe(new Prng(7).fork("loss").uint32());
  const labels = ["", "a", "b", "ab", "ba", "loss", "jitter", "forward", "reverse"];
  const firsts = labels.map((label) => new Prng(7).fork(label).uint32());
  expect(new Set(firsts).size).toBe(labels.length);
  const nested = new Prng(7).fork("a").fork("b").uint32();
  expect(nested).not.toBe(new Prng(7).fork("b").fork("a").uint32());
});

test("float() lies in [0, 1) with mean 1/2, below(n) reaches every value", () => {
  const prng = new Prng(3);
  let sum = 0;
  for (let i = 0; i < 20_000; i += 1) {
    const value = prng.float();
    expect(value >= 0 && value < 1).toBe(true);
    sum += value;
  }
  expect(Math.abs(sum / 20_000 - 0.5)).toBeLessThan(0.01);
  for (const n of [1, 2, 3, 7, 256]) {
    const seen = new Set(Array.from({ length: n * 40 }, () => prng.below(n)));
    expect(seen.size).toBe(n);
    expect(Math.max(...seen)).toBe(n - 1);
  }
  expect(prng.below(2 ** 32)).toBeGreaterThanOrEqual(0);
});

test("fill() writes every byte, whatever the length", () => {
  for (const length of [0, 1, 3, 4, 5, 64]) {
    const bytes = new Uint8Array(length);
    new Prng(9).fill(bytes);
    const longer = new Uint8Array(64);
    new Prng(9).fill(longer);
    expect([...bytes]).toEqual([...longer.subarray(0, length)]);
  }
});

test("bad arguments are named", () => {
  expect(() => new Prng(0.5)).toThrow("prng: expected a safe integer as seed, got 0.5");
  expect(() => new Prng(1).below(0)).toThrow("prng.below: expected 1..4294967296, got 0");
});
