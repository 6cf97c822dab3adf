/**
 * The robustness harness sees what it says it watches: for each kind of finding the model is
 * tampered with in one place, and some seed must come upon exactly that.
 */
import { expect, test } from "vitest";
import type { Outcome, PseudoSegment, Receiver, ReceiveWindow, Registers } from "./receiver.ts";
import { seqPlus } from "./receiver.ts";
import { ReceiverModel } from "./receiver-model.ts";
import { type FindingKind, runRobustness } from "./robustness.ts";
import { OUT_OF_WINDOW_SETTINGS, SHORT_SETTINGS } from "./settings.ts";

/** What is done to the answers of a faultless receiver. */
interface Tampering {
  readonly kind: FindingKind;
  readonly outcome?: (outcome: Outcome) => Outcome;
  readonly registers?: (registers: Registers) => Registers;
  readonly freed?: (bytes: number) => number;
  readonly rollback?: (to: ReceiveWindow) => ReceiveWindow;
}

class Tampered implements Receiver {
  readonly #inner: Receiver;
  readonly #tampering: Tampering;

  constructor(initial: ReceiveWindow, tampering: Tampering) {
    this.#inner = new ReceiverModel(initial);
    this.#tampering = tampering;
  }

  data(seq: number, length: number): Outcome {
    const outcome = this.#inner.data(seq, length);
    return this.#tampering.outcome?.(outcome) ?? outcome;
  }

  pseudo(segment: PseudoSegment): Outcome {
    return this.#inner.pseudo(segment);
  }

  sync(freed: number): void {
    this.#inner.sync(this.#tampering.freed?.(freed) ?? freed);
  }

  rollback(to: ReceiveWindow): void {
    this.#inner.rollback(this.#tampering.rollback?.(to) ?? to);
  }

  registers(): Registers {
    const registers = this.#inner.registers();
    return this.#tampering.registers?.(registers) ?? registers;
  }
}

/** Changes the placed range where there is one. */
const placed =
  (before: number, behind: number) =>
  (outcome: Outcome): Outcome => {
    if (outcome.placed === undefined) return outcome;
    const { seq, length } = outcome.placed;
    const range = { seq: seqPlus(seq, -before), length: length + before + behind };
    return { ...outcome, placed: range };
  };

const pseudo =
  (change: (segment: PseudoSegment) => PseudoSegment) =>
  (outcome: Outcome): Outcome =>
    outcome.pseudo === undefined ? outcome : { ...outcome, pseudo: change(outcome.pseudo) };

const TAMPERINGS: readonly Tampering[] = [
  {
    kind: "ack-of-missing-bytes",
    outcome: pseudo((segment) => ({ ...segment, ack: seqPlus(segment.ack, 1) })),
  },
  {
    kind: "ack-of-unsent-bytes",
    outcome: pseudo((segment) => ({ ...segment, ack: seqPlus(segment.ack, 2000) })),
  },
  {
    kind: "interval-with-hole",
    registers: (all) => ({ ...all, rxOooTail: all.rxOooTail > 0 ? all.rxOooTail + 1 : 0 }),
  },
  {
    kind: "merge-of-missing-bytes",
    outcome: pseudo((all) => ({ ...all, length: all.merge ? all.length + 1 : 0 })),
  },
  {
    kind: "next-seq-beyond-data",
    registers: (all) => ({
      ...all,
      rxNextSeq: seqPlus(all.rxNextSeq, 1),
      rxAvail: all.rxAvail - 1,
    }),
  },
  {
    kind: "notified-of-missing-bytes",
    outcome: (outcome) =>
      outcome.notify === undefined ? outcome : { ...outcome, notify: seqPlus(outcome.notify, 1) },
  },
  { kind: "placed-below-window", outcome: placed(1, 0) },
  { kind: "placed-beyond-window", outcome: placed(0, 400) },
  { kind: "placed-outside-of-segment", outcome: placed(0, 1) },
  {
    kind: "rollback-not-taken",
    rollback: (to) => ({ ...to, rxNextSeq: seqPlus(to.rxNextSeq, 1) }),
  },
  { kind: "rx-avail-above-buffer", freed: (bytes) => bytes + 400 },
  {
    kind: "stalled",
    outcome: (outcome) => ({ ...outcome, notify: undefined }),
  },
  { kind: "window-edge-moved", freed: (bytes) => bytes - 1 },
];

test.each(TAMPERINGS)("seen: $kind", (tampering) => {
  const settings = [...SHORT_SETTINGS, ...OUT_OF_WINDOW_SETTINGS];
  const seen = settings.some((setting) => {
    const run = runRobustness((initial) => new Tampered(initial, tampering), setting, 1);
    return run.findings.has(tampering.kind);
  });
  expect(seen).toBe(true);
});
