/**
 * Goal: the forms of an extended program are one program. Method: TCP with each extension is
 * generated and compiled as the build does it for TCP alone; random segments and packets go
 * through it stage by stage, fused and emitted; all result fields and registers are compared after
 * each. What the packets became is counted: nothing is compared that never happens.
 */
import { expect, test } from "vitest";
import { extendedText, type Form, RmtMachine } from "../../../bench/rmt-machine.ts";
import { generate } from "../../../host/rmt/generate.ts";
import type { Program } from "../../../host/rmt/program.ts";
import { readProgram } from "../../../host/rmt/read-program.ts";
import { seedOf } from "../../support/env.ts";
import { changedBinary } from "../../support/mutant.ts";
import { Random } from "../../support/random.ts";
import { bindExtension, EXTENSIONS, type Extension } from "../../support/rmt-extensions.ts";
import { writeExtension, writeOptions } from "../../support/rmt-extensions.ts";
import { binding, Packets, segment } from "../../support/rmt-packets.ts";

const SEED = seedOf(20_261_122);
const PACKETS = 200_000;
const SEGMENTS = 5000;
const COMPILE_MS = 120_000;

/** Fields that have to take so many values at least: what the extension is about. */
const HAPPENS: Readonly<Record<Extension, readonly (readonly [field: string, most: number])[]>> = {
  "delayed-ack": [
    ["unacked", 2],
    ["mirror", 2],
  ],
  sack: [
    ["sack", 2],
    ["sack_from", 100],
  ],
  timely: [
    ["rtt", 100],
    ["ts_echo", 100],
  ],
  "shared-log": [
    ["log_do", 4],
    ["grown", 100],
    ["gap", 20],
  ],
};

/** build/rmt.wasm with an extended program in TCP's place. */
function compiled(program: Program): WebAssembly.Module {
  const made = "assembly/laminar/generated/tcp.ts";
  const binary = changedBinary("assembly/rmt.ts", "release", made, () => generate(program));
  return new WebAssembly.Module(binary);
}

/** Random segments through parser and ingress; throws unless all forms find the same. */
function compareIngress(forms: readonly RmtMachine[], extension: Extension): void {
  const [first, ...others] = forms as readonly [RmtMachine, ...RmtMachine[]];
  const random = new Random(SEED);
  const bindings = Array.from({ length: 12 }, (_, i) => binding(random, i + 1));
  for (const machine of forms) {
    for (const { key, connection, scale, origin, mask, base } of bindings)
      machine.bind("connections", key, [connection, connection, scale, origin, mask, base]);
    bindExtension(machine, extension);
  }
  const words = first.program.fields.flatMap(({ role }, i) => (role === "scratch" ? [] : [i]));
  let rejected = 0;
  for (let i = 0; i < SEGMENTS; i += 1) {
    const { bytes, view } = segment(random, random.pick(bindings));
    writeOptions(random, view, 4 * (view.getUint8(0) & 15));
    const packet = random.oneIn(4) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const taken = first.receive(packet);
    if (!taken) rejected += 1;
    for (const other of others) {
      expect([i, other.receive(packet)]).toEqual([i, taken]);
      const word = taken ? different(first.vector, other.vector, words) : -1;
      if (word >= 0) expect.fail(`segment ${i}: ${first.program.fields[word]?.name} differs`);
    }
  }
  expect(rejected).toBeGreaterThan(SEGMENTS / 20);
  expect(rejected).toBeLessThan(SEGMENTS / 2);
}

function different(left: Uint32Array, right: Uint32Array, words: readonly number[]): number {
  return words.find((word) => left[word] !== right[word]) ?? -1;
}

/** Throws unless all forms leave the same; returns how many values the fields took. */
function compare(forms: readonly RmtMachine[], extension: Extension): number[] {
  const [first, ...others] = forms as readonly [RmtMachine, ...RmtMachine[]];
  const random = new Random(SEED);
  const packets = new Packets(random, first);
  const { fields } = first.program;
  const results = fields.flatMap(({ role }, i) => (role === "scratch" ? [] : [i]));
  const rows = [...first.rows().keys()];
  const seen = HAPPENS[extension].map(([field]) => ({ field, values: new Set<number>() }));
  for (let i = 0; i < PACKETS; i += 1) {
    packets.write();
    writeExtension(random, first, extension);
    for (const other of others) other.vector.set(first.vector);
    first.pass();
    for (const [j, other] of others.entries()) {
      other.pass();
      const field = different(first.vector, other.vector, results);
      const where = `seed ${SEED}, packet ${i}, form ${j + 1}`;
      if (field >= 0) expect.fail(`${where}: field ${fields[field]?.name} differs`);
      const row = different(first.rows(), other.rows(), rows);
      if (row >= 0) expect.fail(`${where}: word ${row} of the registers differs`);
    }
    for (const { field, values } of seen) values.add(first.result(field));
  }
  expect(first.faults).toBe(0);
  return seen.map(({ values }) => values.size);
}

for (const extension of EXTENSIONS) {
  test(
    `${extension}: ${PACKETS} random packets through all forms, seed ${SEED}`,
    () => {
      const program = readProgram(`tcp+${extension}.rmt`, extendedText(extension));
      const module = compiled(program);
      const forms: readonly Form[] = ["stagewise", "fused", "emitted"];
      const machines = forms.map((form) => new RmtMachine(module, form, 16, program));
      compareIngress(machines, extension);
      const counts = compare(machines, extension);
      for (const [i, [field, most]] of HAPPENS[extension].entries()) {
        expect([field, (counts[i] as number) >= most]).toEqual([field, true]);
      }
    },
    COMPILE_MS,
  );
}
