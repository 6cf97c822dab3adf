/**
 * Table 5.1 of the dissertation as data: the out-of-order merge by pseudo segments, row by row,
 * with the registers behind each row and the pseudo segment that each data row makes. Any Receiver
 * can be run over it.
 */
import type { Range, ReceiveWindow, Registers } from "./receiver.ts";

export const TABLE_5_1_INITIAL: ReceiveWindow = { rxNextSeq: 1000, rxAvail: 10000 };

export interface TableRow {
  /** The paper's name: "#4" is a received segment, "P#4" the pseudo segment that it made. */
  readonly name: string;
  readonly seq: number;
  readonly plen: number;
  /** Behind the row. Absent in P#3: the segment is lost. */
  readonly registers?: Registers;
  /**
   * Data rows only: the merging pseudo segment that the table lists for this row. "unlisted" where
   * the table lists none and a full duplicate would do no harm.
   */
  readonly merge?: Range | "none" | "unlisted";
}

const registers = (next: number, avail: number, tail: number, head: number): Registers => ({
  rxNextSeq: next,
  rxAvail: avail,
  rxOooTail: tail,
  rxOooHead: head,
});

const range = (seq: number, length: number): Range => ({ seq, length });

export const TABLE_5_1: readonly TableRow[] = [
  { name: "#1", seq: 1500, plen: 500, registers: registers(1000, 10000, 1000, 500), merge: "none" },
  {
    name: "#2",
    seq: 1000,
    plen: 500,
    registers: registers(1500, 9500, 500, 0),
    merge: range(1500, 500),
  },
  {
    name: "#3",
    seq: 2000,
    plen: 500,
    registers: registers(1500, 9500, 1000, 0),
    merge: range(1500, 1000),
  },
  {
    name: "#4",
    seq: 1500,
    plen: 100,
    registers: registers(1600, 9400, 900, 0),
    merge: range(1600, 900),
  },
  { name: "P#2", seq: 1500, plen: 500, registers: registers(2000, 9000, 500, 0) },
  { name: "P#3", seq: 1500, plen: 1000 },
  {
    name: "#5",
    seq: 2500,
    plen: 100,
    registers: registers(2000, 9000, 600, 0),
    merge: range(2000, 600),
  },
  {
    name: "#6",
    seq: 2000,
    plen: 100,
    registers: registers(2100, 8900, 500, 0),
    merge: range(2100, 500),
  },
  {
    name: "#7",
    seq: 3000,
    plen: 100,
    registers: registers(2100, 8900, 500, 0),
    merge: "unlisted",
  },
  { name: "P#4", seq: 1600, plen: 900, registers: registers(2500, 8500, 100, 0) },
  { name: "P#5", seq: 2000, plen: 600, registers: registers(2600, 8400, 0, 0) },
  { name: "P#6", seq: 2100, plen: 500, registers: registers(2600, 8400, 0, 0) },
];

/** The sequence number behind everything that the table's segments bring, #7 aside. */
export const TABLE_5_1_END = 2600;
