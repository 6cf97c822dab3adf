/**
 * Everything that a Transmitter has to pass, for the model and the real data path alike: the rules
 * of dissertation 5.3.2 for single segments, random connections beside the model, and runs against
 * a peer whose window must be kept.
 */
import { describe, expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { seqPlus } from "./receiver.ts";
import { TransmitModel } from "./transmit-model.ts";
import {
  START_CREDITS,
  START_WINDOW,
  TRANSMIT_RULES,
  type TransmitStep,
} from "./transmit-rules.ts";
import { describeTransmitVerdict, runTransmit } from "./transmit-run.ts";
import type { Transmitter, TransmitterFactory } from "./transmitter.ts";

const WRAP = 0x100000000;

/** What the step returns, with sequence numbers relative to `origin`. */
function applyStep(transmitter: Transmitter, step: TransmitStep, origin: number): unknown {
  if (step.acknowledge !== undefined) {
    const ack = seqPlus(origin, step.acknowledge.ack);
    const outcome = transmitter.acknowledge({ ...step.acknowledge, ack });
    if (outcome.fastRetransmit === undefined) return outcome;
    return { ...outcome, fastRetransmit: seqPlus(outcome.fastRetransmit, -origin) };
  }
  if (step.transmit !== undefined) {
    return transmitter.transmit(seqPlus(origin, step.transmit[0]), step.transmit[1]);
  }
  if (step.timeout !== undefined) return seqPlus(transmitter.timeout(step.timeout), -origin);
  if (step.grant !== undefined) transmitter.grant(...step.grant);
  return undefined;
}

/** The rules of 5.3.2 for single segments, at 0, inside, and across the wrap. */
export function describeTransmitRules(name: string, make: TransmitterFactory): void {
  describe(`transmission rules: ${name}`, () => {
    test.each(TRANSMIT_RULES)("$name", ({ steps }) => {
      for (const origin of [0, 0x7fffff80, WRAP - 1, WRAP - 110, WRAP - 450]) {
        const txRemoteEdge = seqPlus(origin, START_WINDOW);
        const start = { txNextAck: origin, txCredits: START_CREDITS, txRemoteEdge };
        const transmitter = make(start);
        steps.forEach((step, index) => {
          const where = `step ${index}, tx-next-ack at first ${origin}`;
          expect(applyStep(transmitter, step, origin), where).toEqual(step.outcome);
          const seen = transmitter.registers();
          const next = seqPlus(seen.txNextAck, -origin);
          const edge = seqPlus(seen.txRemoteEdge, -origin);
          const row = [next, seen.txDupackCnt, seen.txAvail, seen.txCredits, edge];
          expect(row, where).toEqual(step.registers);
        });
      }
    });
  });
}

const ORDERS = ["in-order", "in-order", "duplicate", "out-of-order", "out-of-window"] as const;

/** One random step; `model` says what is near. An ACK of unsent bytes ends a connection. */
function randomStep(random: Random, model: Transmitter): TransmitStep {
  const { txAvail } = model.registers();
  const registers = [0, 0, 0, 0, 0] as const;
  switch (random.below(8)) {
    case 0:
      return { grant: [random.below(200), 600], registers };
    case 1:
      return random.oneIn(8) ? { timeout: random.below(300), registers } : { registers };
    case 2:
    case 3:
    case 4:
      return { transmit: [random.between(-5, txAvail + 5), random.between(1, 60)], registers };
    default: {
      const ack = random.oneIn(3) ? 0 : random.between(-5, txAvail);
      const length = random.below(3) * 10;
      const order = random.pick(ORDERS);
      return { acknowledge: { ack, window: random.below(400), length, order }, registers };
    }
  }
}

/** Throws at the first difference between the model and another transmitter. */
export function runBesideTransmitModel(
  make: TransmitterFactory,
  seed: number,
  steps: number,
): void {
  const random = new Random(seed);
  const txNextAck = seqPlus(0, -random.below(600));
  const start = { txNextAck, txCredits: 300, txRemoteEdge: seqPlus(txNextAck, 400) };
  const model = new TransmitModel(start);
  const other = make(start);
  for (let at = 0; at < steps; at += 1) {
    const step = randomStep(random, model);
    const origin = model.registers().txNextAck;
    const expected = applyStep(model, step, origin);
    const where = `seed ${seed}, step ${at}`;
    expect(applyStep(other, step, origin), where).toEqual(expected);
    expect(other.registers(), where).toEqual(model.registers());
  }
}

/** Random connections to the model and to another transmitter. */
export function describeBesideTransmitModel(
  name: string,
  make: TransmitterFactory,
  runs: number,
): void {
  const seed = seedOf(20261206);
  test(`transmission beside the model: ${name}, ${runs} connections, seed ${seed}`, () => {
    for (let i = 0; i < runs; i += 1) runBesideTransmitModel(make, (seed + i) >>> 0, 200);
  });
}

/** Streams to a peer that judges every segment. */
export function describeTransmitRuns(name: string, make: TransmitterFactory, runs: number): void {
  const seed = seedOf(1);
  test(`transmission to a peer: ${name}, ${runs} seeds from ${seed}`, () => {
    let fastRetransmits = 0;
    let refused = 0;
    for (let i = 0; i < runs; i += 1) {
      const verdict = runTransmit(make, (seed + i) >>> 0);
      expect(verdict.ok, describeTransmitVerdict(verdict)).toBe(true);
      fastRetransmits += verdict.fastRetransmits;
      refused += verdict.refused;
    }
    expect(fastRetransmits, "fast retransmits").toBeGreaterThan(runs / 2);
    expect(refused, "segments dropped for window or credits").toBeGreaterThan(runs);
  });
}
