/**
 * Goal: the fused form of a program is the stage-by-stage form. Method: 10^6 random packets, in and
 * around the windows of a few connections, go through both; all result fields are compared after
 * each and all registers too, and what they became is counted: nothing is compared that never
 * happens.
 */
import { expect, test } from "vitest";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { RmtTcp } from "../../support/rmt.ts";

const SEED = seedOf(20261122);
const PACKETS = 1_000_000;
const CONNECTIONS = 4;

/** Writes packets into header vectors, near what the registers hold: every case is taken often. */
class Packets {
  readonly #random = new Random(SEED);
  readonly #of: RmtTcp;
  readonly #at: (field: string) => number;

  constructor(of: RmtTcp) {
    this.#of = of;
    const offsets = new Map(of.program.fields.map(({ name }) => [name, of.at(name)]));
    this.#at = (field) => offsets.get(field) as number;
  }

  write(): void {
    const random = this.#random;
    const { vector } = this.#of;
    vector.fill(0);
    const connection = random.below(CONNECTIONS + 1);
    const near = (register: string): number =>
      (this.#of.read(register, connection) + random.between(0, 40) * 10 - 150) >>> 0;
    const kind = random.between(1, 7);
    const seq = near(kind === 3 ? "tx_next_ack" : "rx_next_seq");
    const length = random.oneIn(2) ? 0 : random.between(1, 30) * 10;
    vector[this.#at("kind")] = kind;
    vector[this.#at("connection")] = connection;
    vector[this.#at("seq")] = seq;
    vector[this.#at("length")] = length;
    vector[this.#at("end")] = seq + length;
    // The same once more, often: duplicate acknowledgments.
    const una = this.#of.read("tx_next_ack", connection);
    vector[this.#at("ack")] = random.oneIn(2) ? una : near("tx_next_ack");
    vector[this.#at("edge")] = near("tx_next_ack") + random.between(0, 60) * 10;
    vector[this.#at("has_ack")] = random.oneIn(10) ? 0 : 1;
    vector[this.#at("target")] = random.between(0, 10);
    vector[this.#at("value")] = random.oneIn(4) ? random.u32() : random.between(0, 60) * 10;
    vector[this.#at("keep")] = random.between(0, 100) * 10;
  }
}

function different(left: Uint32Array, right: Uint32Array, words: readonly number[]): number {
  for (const word of words) if (left[word] !== right[word]) return word;
  return -1;
}

test(`${PACKETS} random packets leave the same in both forms, seed ${SEED}`, () => {
  const [stagewise, fused] = [new RmtTcp("stagewise"), new RmtTcp("fused")];
  const packets = new Packets(stagewise);
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
});
