/**
 * Goal: a stream over a path that reorders neither waits for a timeout nor loses half of it to a
 * receiver that keeps too few intervals. Method: toeloop's side of `npm run bench -- loss`, a few
 * seconds of virtual time; what it did before is beside the bounds.
 */
import { expect, test } from "vitest";
import { runStacks } from "../../../bench/loss-stacks.ts";

const REORDER = 0.05;
const BUFFER = 1 << 22;

test("1 Gbit/s, 5 % reordered: more than 80 % of the link", () => {
  const faults = { reorder: REORDER, reorderDelay: 0.5e6 };
  const wire = { rate: 1e9, delay: 1e6, faults, buffer: BUFFER };
  // 425 Mbit/s with four intervals.
  expect(runStacks({ wire, seconds: 2, seed: 1 }).goodput).toBeGreaterThan(800e6);
});

test("100 Mbit/s, 5 % reordered: a loss behind a recovery for nothing waits for no timer", () => {
  const faults = { reorder: REORDER, reorderDelay: 5e6 };
  const wire = { rate: 100e6, delay: 10e6, faults, buffer: BUFFER };
  // 2 with a recovery point that outlived a recovery for nothing.
  expect(runStacks({ wire, seconds: 10, seed: 2 }).timeouts).toBe(0);
});
