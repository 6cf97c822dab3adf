/**
 * The model of the transmission logic over the rules of dissertation 5.3.2 and against a peer; and
 * that a tx-remote-avail relative to tx-next-ack is found to break the peer's window.
 */
import { expect, test } from "vitest";
import { TransmitModel } from "./transmit-model.ts";
import { runTransmit } from "./transmit-run.ts";
import type { TransmitterFactory } from "./transmitter.ts";
import {
  describeTransmitRules,
  describeTransmitRuns,
  runBesideTransmitModel,
} from "./transmitter-suites.ts";

const model: TransmitterFactory = (start) => new TransmitModel(start);
const relative: TransmitterFactory = (start) => new TransmitModel(start, { relativeWindow: true });

describeTransmitRules("model", model);
describeTransmitRuns("model", model, 300);

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

test("planted: a relative tx-remote-avail sends beyond the peer's window", () => {
  const findings = SEEDS.map((seed) => runTransmit(relative, seed).finding ?? "");
  expect(findings.filter((finding) => finding.includes("window ended at")).length).toBeGreaterThan(
    5,
  );
});

test("beside the model, a difference is seen, and none with the model", () => {
  const different = SEEDS.filter((seed) => {
    try {
      runBesideTransmitModel(relative, seed, 200);
      return false;
    } catch {
      return true;
    }
  });
  expect(different.length).toBeGreaterThan(10);
  for (const seed of SEEDS) runBesideTransmitModel(model, seed, 200);
});
