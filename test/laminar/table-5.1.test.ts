/**
 * Table 5.1 of the dissertation (5.3.1.5) as a golden vector: after each row the registers are the
 * paper's, and each data row makes the pseudo segment that the paper lists. The same rows also run
 * with sequence numbers that wrap inside the table.
 */
import { describe, expect, test } from "vitest";
import {
  type Outcome,
  type PseudoSegment,
  type Receiver,
  type ReceiverFactory,
  seqMinus,
  seqPlus,
} from "./receiver.ts";
import { ReceiverModel } from "./receiver-model.ts";
import { TABLE_5_1, TABLE_5_1_END, TABLE_5_1_INITIAL, type TableRow } from "./table-5.1.ts";

const RECEIVERS: readonly { readonly name: string; readonly make: ReceiverFactory }[] = [
  { name: "model", make: (initial) => new ReceiverModel(initial) },
];

/** Added to every sequence number of the table: none, and one that wraps inside row #2's data. */
const SHIFTS = [0, 0x100000000 - 1400];

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

for (const { name, make } of RECEIVERS) {
  describe(`table 5.1: ${name}`, () => {
    test.each(SHIFTS)("registers and pseudo segments, row by row, shifted by %i", (shift) => {
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
        if (pseudo === undefined) continue;
        const { rxNextSeq, rxAvail } = receiver.registers();
        expect(pseudo, row.name).toMatchObject({ ack: rxNextSeq, window: rxAvail });
      }
    });

    test("libTOE is told ahead of the merge", () => {
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
