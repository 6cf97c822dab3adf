/**
 * Goal: a stream over a path that reorders neither waits for a timeout nor loses half of it to a
 * receiver that keeps too few intervals. Method: toeloop's side of `npm run bench -- loss`, a few
 * seconds of virtual time; what it did before is beside the bounds.
 */
import { expect, test } from "vitest";
import { runStacks } from "../../../bench/loss-stacks.ts";

const FAULTS = { reorder: 0.05, reorderDelay: 0.5e6 };

test("1 Gbit/s, 5 % reordered: no timeout, more than 80 % of the link", () => {
  const wire = { rate: 1e9, delay: 1e6, faults: FAULTS, buffer: 1 << 22 };
  const { goodput, timeouts } = runStacks({ wire, seconds: 4, seed: 1 });
  // 8 with a recovery point that outlived a recovery for nothing.
  expect(timeouts).toBe(0);
  // 425 Mbit/s with four intervals.
  expect(goodput).toBeGreaterThan(800e6);
});
