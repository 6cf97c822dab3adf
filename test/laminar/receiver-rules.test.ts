/**
 * The rules of dissertation 5.3.1 for single segments, over the model; and that the comparison with
 * the model, to which other receivers are put, sees a difference.
 */
import { expect, test } from "vitest";
import { ReceiverModel } from "./receiver-model.ts";
import { describeReceiverRules, runBesideModel } from "./receiver-suites.ts";

describeReceiverRules("model", (initial) => new ReceiverModel(initial));

const DIFFERENT = [
  { name: "no window compare", faults: { noWindowCompare: true } },
  { name: "all ACKs optimistic", faults: { optimisticAcks: "all" } },
  { name: "ACKs of intervening segments", faults: { optimisticAcks: "intervening" } },
] as const;

test.each(DIFFERENT)("beside the model, a difference is seen: $name", ({ faults }) => {
  const different = (seed: number): boolean => {
    try {
      runBesideModel((initial) => new ReceiverModel(initial, faults), seed, 200);
      return false;
    } catch {
      return true;
    }
  };
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  expect(seeds.filter(different).length).toBeGreaterThan(10);
  for (const seed of seeds) runBesideModel((initial) => new ReceiverModel(initial), seed, 200);
});
