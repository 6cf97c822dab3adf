/**
 * The fields of our connection state as bindings/abi/flow-state.ts declares them: offsets from its
 * constants, widths from the comments behind them. Invariant: fields of a record do not overlap and
 * lie within it; a constant without a width is an error, so that none goes uncounted.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../harness.ts";

const SOURCE = "bindings/abi/flow-state.ts";
/** Owner by owner, in the order of the abi. */
export const RECORDS = ["PRE", "PROTOCOL", "RECOVERY", "POST", "SCHEDULER"] as const;
export type RecordName = (typeof RECORDS)[number];

export interface StateField {
  readonly record: RecordName;
  readonly name: string;
  readonly offset: number;
  readonly bits: number;
}

export interface StateRecord {
  readonly name: RecordName;
  readonly bytes: number;
  readonly fields: readonly StateField[];
}

const LINE = /^export const ((PRE|PROTOCOL|RECOVERY|POST|SCHEDULER)_\w+): u32 = (\d+);(.*)$/gm;
const WIDTH = /^ \/\/ (?:u(\d+)|(?:(\d+) x )?(\d+) bytes)\b/;
/** Sizes and a limit beside the offsets. */
const NOT_A_FIELD = /_SIZE$|^PRE_TEMPLATE_MAX$/;

function bitsOf(name: string, comment: string): number {
  const match = WIDTH.exec(comment);
  if (match === null) throw new Error(`${SOURCE}: expected a width behind ${name}, got${comment}`);
  const [, integer, count, bytes] = match;
  return integer === undefined ? Number(count ?? 1) * Number(bytes) * 8 : Number(integer);
}

function checkRecord(record: StateRecord): void {
  let end = 0;
  for (const { name, offset, bits } of record.fields) {
    if (offset < end)
      throw new Error(`${SOURCE}: expected ${name} at ${end} or later, got ${offset}`);
    end = offset + bits / 8;
  }
  if (end > record.bytes) throw new Error(`${SOURCE}: ${record.name} ends at ${end}`);
}

/** Reads the records out of the source text; throws Error where it does not add up. */
export function parseRecords(text: string): StateRecord[] {
  const lines = [...text.matchAll(LINE)];
  return RECORDS.map((name) => {
    const own = lines.filter(([, , record]) => record === name);
    const size = own.find(([, field]) => field === `${name}_SIZE`);
    const fields = own
      .filter(([, field]) => !NOT_A_FIELD.test(field as string))
      .map(([, field = "", , offset, comment = ""]) => ({
        record: name,
        name: field,
        offset: Number(offset),
        bits: bitsOf(field, comment),
      }))
      .sort((a, b) => a.offset - b.offset);
    const record = { name, bytes: Number(size?.[3]), fields };
    checkRecord(record);
    return record;
  });
}

/** The records of this checkout. */
export function stateRecords(): StateRecord[] {
  return parseRecords(readFileSync(join(repositoryRoot(), SOURCE), "utf8"));
}
