/**
 * Goal: fused forms of a program, compiled and emitted, are the stage-by-stage form. Method: 10^6
 * random packets, in and around the windows of a few connections, go through both; all result
 * fields are compared after each and all registers too, and what they became is counted: nothing
 * is compared that never happens.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { RmtTcp } from "../../support/rmt.ts";
import { Packets } from "../../support/rmt-packets.ts";

const SEED = seedOf(20261122);
const PACKETS = 1_000_000;

function different(left: Uint32Array, right: Uint32Array, words: readonly number[]): number {
  for (const word of words) if (left[word] !== right[word]) return word;
  return -1;
}

for (const other of ["fused", "emitted"] as const) {
  test(`${PACKETS} random packets, stage by stage and ${other}, seed ${SEED}`, () => {
    compare(new RmtTcp(other));
  }, 300_000);
}

/** Throws unless both leave the same in fields and registers, and everything has happened. */
function compare(fused: RmtTcp): void {
  const stagewise = new RmtTcp("stagewise");
  const packets = new Packets(new Random(SEED), stagewise);
  const { fields } = stagewise.program;
  const results = fields.flatMap(({ role }, i) => (role === "scratch" ? [] : [i]));
  const rows = [...stagewise.rows().keys()];
  const seen = new Map(["class", "reason", "merge", "fast"].map((f) => [f, new Set<number>()]));
  for (let i = 0; i < PACKETS; i += 1) {
    packets.write();
    fused.vector.set(stagewise.vector);
    stagewise.pass();
    fused.pass();
    const field = different(stagewise.vector, fused.vector, results);
    if (field >= 0) expect.fail(`seed ${SEED}, packet ${i}: field ${fields[field]?.name} differs`);
    const row = different(stagewise.rows(), fused.rows(), rows);
    if (row >= 0) expect.fail(`seed ${SEED}, packet ${i}: word ${row} of the registers differs`);
    for (const [name, values] of seen) values.add(stagewise.vector[stagewise.at(name)] as number);
  }
  expect(stagewise.faults).toBe(0);
  expect([...seen].map(([name, values]) => [name, [...values].sort()])).toEqual([
    ["class", [0, 1, 2, 3]],
    ["reason", [0, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["merge", [0, 1]],
    ["fast", [0, 1]],
  ]);
}
