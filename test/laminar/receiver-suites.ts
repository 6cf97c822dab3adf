/**
 * Everything that a Receiver has to pass, for the model and the real data path alike: table 5.1,
 * the rules of single segments, the same segments beside the model, and the robustness runs. A
 * test file names the receiver and calls these.
 */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import {
  type Outcome,
  type PseudoSegment,
  type Receiver,
  type ReceiverFactory,
  type ReceiveWindow,
  seqMinus,
  seqPlus,
} from "./receiver.ts";
import { ReceiverModel } from "./receiver-model.ts";
import { RECEIVER_RULES, type RuleStep } from "./receiver-rules.ts";
import { type Counts, describeVerdict, runRobustness, type Setting } from "./robustness.ts";
import { TABLE_5_1, TABLE_5_1_END, TABLE_5_1_INITIAL, type TableRow } from "./table-5-1.ts";

const WRAP = 0x100000000;

/** Added to every sequence number of the table: none, and one that wraps inside row #2's data. */
const TABLE_SHIFTS = [0, WRAP - 1400];

/** The pseudo segments made so far, by the name of their row. */
type Made = Map<string, PseudoSegment>;

function runRow(receiver: Receiver, row: TableRow, shift: number, made: Made): Outcome {
  const seq = seqPlus(row.seq, shift);
  if (!row.name.startsWith("P")) {
    const outcome = receiver.data(seq, row.plen);
    if (outcome.pseudo !== undefined) made.set(`P${row.name}`, outcome.pseudo);
    return outcome;
  }
  const pseudo = made.get(row.name);
  expect(pseudo, `${row.name} was made`).toMatchObject({ seq, length: row.plen, merge: true });
  if (row.registers === undefined) return {};
  return receiver.pseudo(pseudo as PseudoSegment);
}

function checkMerge(row: TableRow, outcome: Outcome, shift: number): void {
  if (row.merge === undefined) return;
  if (row.merge === "none") expect(outcome.pseudo?.merge, row.name).toBe(false);
  else if (row.merge === "unlisted") {
    // The interval has no room for #7; what it mirrors again covers nothing that is not there.
    expect(outcome.drop).toBe("out-of-order");
    const { seq, length } = outcome.pseudo ?? { seq: 0, length: 0 };
    const end = seqPlus(TABLE_5_1_END, shift);
    if (length > 0) expect(seqMinus(seqPlus(seq, length), end)).toBeLessThanOrEqual(0);
  } else {
    const { seq, length } = row.merge;
    const expected = { seq: seqPlus(seq, shift), length, merge: true };
    expect(outcome.pseudo, row.name).toMatchObject(expected);
  }
}

/** Table 5.1 (5.3.1.5): the registers behind each row, and the pseudo segments that it lists. */
export function describeTable51(name: string, make: ReceiverFactory): void {
  describe(`table 5.1: ${name}`, () => {
    test.each(TABLE_SHIFTS)("registers and pseudo segments, row by row, shifted by %i", (shift) => {
      const initial = { ...TABLE_5_1_INITIAL };
      initial.rxNextSeq = seqPlus(initial.rxNextSeq, shift);
      const receiver = make(initial);
      const made: Made = new Map();
      for (const row of TABLE_5_1) {
        const outcome = runRow(receiver, row, shift, made);
        checkMerge(row, outcome, shift);
        if (row.registers === undefined) continue;
        const rxNextSeq = seqPlus(row.registers.rxNextSeq, shift);
        expect(receiver.registers(), row.name).toEqual({ ...row.registers, rxNextSeq });
      }
    });

    test("each ACK carries rx-next-seq and rx-avail of its row", () => {
      const receiver = make(TABLE_5_1_INITIAL);
      const made: Made = new Map();
      for (const row of TABLE_5_1) {
        const { pseudo } = runRow(receiver, row, 0, made);
        if (row.name.startsWith("P")) expect(pseudo, row.name).toBe(undefined);
        else {
          const { rxNextSeq, rxAvail } = receiver.registers();
          expect(pseudo, row.name).toMatchObject({ ack: rxNextSeq, window: rxAvail });
        }
      }
    });

    test("libTOE is told ahead of the merge (5.3.1.6)", () => {
      const receiver = make(TABLE_5_1_INITIAL);
      const made: Made = new Map();
      const told: [string, number][] = [];
      for (const row of TABLE_5_1) {
        const { notify } = runRow(receiver, row, 0, made);
        // A merge may say again what was said ahead of it.
        const before = told.at(-1)?.[1] ?? TABLE_5_1_INITIAL.rxNextSeq;
        if (notify !== undefined && notify > before) told.push([row.name, notify]);
      }
      expect(told).toEqual([
        ["#2", 2000],
        ["#4", 2500],
        ["#6", 2600],
      ]);
    });
  });
}

/** The outcome of a step in the case's relative numbers, in the shape of the step. */
function seenBy(receiver: Receiver, step: RuleStep, origin: number): Partial<RuleStep> {
  const outcome = applyStep(receiver, step, origin);
  const { placed, notify, drop, rollback, pseudo } = outcome;
  const relative = (seq: number): number => seqMinus(seq, origin);
  const { rxNextSeq, rxAvail, rxOooTail, rxOooHead } = receiver.registers();
  return {
    ...(placed && { placed: [relative(placed.seq), placed.length] }),
    ...(notify !== undefined && { notify: relative(notify) }),
    ...(drop && { drop }),
    ...(rollback && { restores: [relative(rollback.rxNextSeq), rollback.rxAvail] }),
    ...(pseudo && { ack: [relative(pseudo.ack), pseudo.window] }),
    ...(pseudo?.merge && { merge: [relative(pseudo.seq), pseudo.length] }),
    registers: [relative(rxNextSeq), rxAvail, rxOooTail, rxOooHead],
  };
}

function applyStep(receiver: Receiver, step: RuleStep, origin: number): Outcome {
  if (step.data !== undefined) return receiver.data(seqPlus(origin, step.data[0]), step.data[1]);
  if (step.pseudo !== undefined) {
    const seq = seqPlus(origin, step.pseudo[0]);
    return receiver.pseudo({ seq, length: step.pseudo[1], ack: seq, window: 0, merge: true });
  }
  if (step.ackOnly !== undefined) {
    const seq = seqPlus(origin, step.ackOnly);
    return receiver.pseudo({ seq, length: 0, ack: seq, window: 0, merge: false });
  }
  if (step.sync !== undefined) receiver.sync(step.sync);
  if (step.rollback !== undefined) {
    const [next, rxAvail] = step.rollback;
    receiver.rollback({ rxNextSeq: seqPlus(origin, next), rxAvail });
  }
  return {};
}

/** What is put in, without what comes out. */
const INPUTS: readonly (keyof RuleStep)[] = ["data", "pseudo", "ackOnly", "sync", "rollback"];

function expectedOf(step: RuleStep): Partial<RuleStep> {
  return Object.fromEntries(
    Object.entries(step).filter(([key]) => !INPUTS.includes(key as keyof RuleStep)),
  );
}

/** The rules of 5.3.1 for single segments, at 0, inside, and across the wrap. */
export function describeReceiverRules(name: string, make: ReceiverFactory): void {
  describe(`reassembly rules: ${name}`, () => {
    test.each(RECEIVER_RULES)("$name", ({ avail, steps }) => {
      for (const origin of [0, 0x7fffffa0, WRAP - 1, WRAP - 256, WRAP - 100]) {
        const receiver = make({ rxNextSeq: origin, rxAvail: avail });
        steps.forEach((step, index) => {
          const where = `step ${index}, rx-next-seq at first ${origin}`;
          expect(seenBy(receiver, step, origin), where).toEqual(expectedOf(step));
        });
      }
    });
  });
}

type Step = (receiver: Receiver) => Outcome;

/** Changes a receiver without an outcome. */
const silently =
  (change: (receiver: Receiver) => void): Step =>
  (receiver) => {
    change(receiver);
    return {};
  };

/** As toEqual, at a tenth of its cost when there is no difference. */
function expectSame(seen: unknown, expected: unknown, where: string): void {
  if (!isDeepStrictEqual(seen, expected)) expect(seen, where).toEqual(expected);
}

/** One random step; `model` says what is near. No SYNC while a roll-back is open. */
function randomStep(random: Random, model: Receiver, open: boolean): Step {
  const { rxNextSeq, rxAvail, rxOooTail } = model.registers();
  const seq = seqPlus(rxNextSeq, random.between(-40, rxOooTail + 40));
  const length = random.between(0, random.oneIn(8) ? rxAvail + 40 : 40);
  if (open || !random.oneIn(4)) return (receiver) => receiver.data(seq, length);
  const freed = random.below(40);
  return silently((receiver) => receiver.sync(freed));
}

/**
 * The steps of one random connection to the model and to another receiver: throws at the first
 * difference. The mirrored come by late or never, roll-backs are late.
 */
export function runBesideModel(make: ReceiverFactory, seed: number, steps: number): void {
  const random = new Random(seed);
  const initial = { rxNextSeq: seqPlus(0, -random.below(600)), rxAvail: random.below(300) };
  const model = new ReceiverModel(initial);
  const other = make(initial);
  const mirrored: PseudoSegment[] = [];
  let open: ReceiveWindow | undefined;
  for (let at = 0; at < steps; at += 1) {
    const same = (step: Step): void => {
      const expected = step(model);
      expectSame(step(other), expected, `seed ${seed}, step ${at}`);
      expectSame(other.registers(), model.registers(), `seed ${seed}, step ${at}`);
      if (expected.pseudo !== undefined && !random.oneIn(3)) mirrored.push(expected.pseudo);
      open ??= expected.rollback;
    };
    same(randomStep(random, model, open !== undefined));
    const due = mirrored.length > 0 && random.oneIn(2) ? mirrored.shift() : undefined;
    if (due !== undefined) same((receiver) => receiver.pseudo(due));
    if (open === undefined || !random.oneIn(3)) continue;
    const to = open;
    open = undefined;
    same(silently((receiver) => receiver.rollback(to)));
  }
}

/** Random segments to the model and to another receiver: same outcomes, same registers. */
export function describeBesideModel(name: string, make: ReceiverFactory, runs: number): void {
  const seed = seedOf(20261205);
  test(`beside the model: ${name}, ${runs} connections, seed ${seed}`, () => {
    for (let i = 0; i < runs; i += 1) runBesideModel(make, (seed + i) >>> 0, 200);
  });
}

/** Things of which every setting must have had some, over all of its runs. */
function expectExercised(setting: Setting, counts: readonly Readonly<Counts>[]): void {
  const sum = (key: keyof Counts): number => counts.reduce((all, one) => all + one[key], 0);
  expect(sum("merges"), "merges").toBeGreaterThan(0);
  expect(sum("outOfOrderPlaced"), "placed out of order").toBeGreaterThan(0);
  expect(sum("syncs"), "syncs").toBeGreaterThan(0);
  expect(sum("wraps"), "wraps").toBe(setting.wrap ? counts.length : 0);
  const lost = sum("pseudosLost") / sum("pseudos");
  expect(Math.abs(lost - setting.mirrorLoss), "share of pseudo segments lost").toBeLessThan(0.04);
  if (setting.readAhead) expect(sum("readAheadBytes"), "read ahead").toBeGreaterThan(0);
  const { probe, overrunBytes, hostile } = setting;
  const refused = probe === "beyond" || overrunBytes > 0 || hostile > 0;
  if (refused) expect(sum("rollbacks"), "roll-backs").toBeGreaterThan(0);
  else expect(sum("rollbacks"), "roll-backs of a well-behaved sender").toBe(0);
}

/** All runs of all settings end with the stream read; the first that does not is printed. */
export function describeRobustness(
  title: string,
  make: ReceiverFactory,
  settings: readonly Setting[],
  runsPerSetting: number,
): void {
  const seed = seedOf(1000);
  describe(`${title}, ${runsPerSetting} seeds from ${seed}`, () => {
    test.each(settings)("$name", (setting) => {
      const counts: Readonly<Counts>[] = [];
      for (let i = 0; i < runsPerSetting; i += 1) {
        const verdict = runRobustness(make, setting, (seed + i) >>> 0);
        expect(verdict.ok, describeVerdict(verdict)).toBe(true);
        counts.push(verdict.counts);
      }
      expectExercised(setting, counts);
    });
  });
}
