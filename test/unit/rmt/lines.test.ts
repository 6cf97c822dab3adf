/**
 * Goal: every line of TCP's stage program does something. Method: each is left out in turn; what is
 * left is refused, or random packets see it: a result field, a register, a header or the parser's
 * verdict differs from the whole program's.
 */
import { expect, test } from "vitest";
import { laminarOver } from "../../../bench/rmt-machine.ts";
import { TOFINO2 } from "../../../host/rmt/machines/tofino2.ts";
import { loadProgram, type ProgramMachine } from "../../../host/rmt/program-machine.ts";
import { seedOf } from "../../support/env.ts";
import { loadRmtModule } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";
import { programText } from "../../support/rmt.ts";
import { type Binding, binding, Packets, segment } from "../../support/rmt-packets.ts";

const SEED = seedOf(190);
/** At most; most lines are seen within a hundred. */
const PACKETS = 60_000;
const SEGMENTS = 3000;
const HEADER = 20;
const TCP = programText("tcp");
/** Declarations: without one whatever names it is refused, or nothing does. */
const STATEMENT = /^ *(parser|extract|length|goto|deparser|emit|pipe|stage|table|set|register) /;
const PART = /^ *(case|test|new|out) /;

function load(text: string): ProgramMachine {
  const module = loadRmtModule();
  return loadProgram("tcp.rmt", text, TOFINO2, {
    match: (memory) => laminarOver(module, memory),
    most: 63,
  });
}

const bindings = (random: Random): Binding[] =>
  Array.from({ length: 15 }, (_, i) => binding(random, i + 1));

function bindAll(machine: ProgramMachine, all: readonly Binding[]): void {
  for (const { key, connection, scale, origin, mask, base } of all) {
    machine.bind("connections", key, [connection, connection * 3, scale, origin, mask, base]);
  }
}

/** Fields that somebody looks at behind a pipe. */
function sees(a: ProgramMachine, b: ProgramMachine, names: readonly string[]): boolean {
  return names.some((name) => a.result(name) !== b.result(name));
}

function headers(machine: ProgramMachine): string {
  const header = new Uint8Array(HEADER).fill(0xee);
  machine.deparse("acknowledgment", header);
  return header.join();
}

function ingressDiffers(whole: ProgramMachine, less: ProgramMachine): boolean {
  const random = new Random(SEED);
  const all = bindings(random);
  bindAll(whole, all);
  bindAll(less, all);
  const handed = ["connection", "context", "seq", "ack", "length", "end", "edge", "has_ack"];
  for (let i = 0; i < SEGMENTS; i += 1) {
    const { bytes, view } = segment(random, random.pick(all));
    const at = 4 * (view.getUint8(0) & 15);
    // Now and then no such packet.
    if (random.oneIn(8)) view.setUint8(0, random.below(256));
    if (random.oneIn(8)) view.setUint8(9, random.below(8));
    if (random.oneIn(8)) view.setUint8(at + 12, random.below(256));
    const packet = random.oneIn(8) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const taken = whole.receive(packet);
    if (less.receive(packet) !== taken) return true;
    if (taken && sees(whole, less, [...handed, "address"])) return true;
  }
  return false;
}

function egressDiffers(whole: ProgramMachine, less: ProgramMachine): boolean {
  const packets = new Packets(new Random(SEED), whole);
  const { fields, pipes } = whole.program;
  const results = fields.filter(({ role }) => role === "result").map(({ name }) => name);
  const registers = pipes.egress.flatMap((stage) => stage.registers.map(({ name }) => name));
  for (let i = 0; i < PACKETS; i += 1) {
    packets.write();
    const connection = whole.result("connection");
    less.vector.set(whole.vector);
    whole.pass();
    less.pass();
    if (sees(whole, less, results)) return true;
    if (registers.some((r) => whole.read(r, connection) !== less.read(r, connection))) return true;
    if (i < 100 && headers(whole) !== headers(less)) return true;
  }
  return false;
}

test(`without any one of its lines the program is refused or does otherwise, seed ${SEED}`, () => {
  const lines = TCP.split("\n");
  const silent: string[] = [];
  let refused = 0;
  for (const [i, line] of lines.entries()) {
    if (!STATEMENT.test(line) && !PART.test(line)) continue;
    let less: ProgramMachine;
    try {
      less = load([...lines.slice(0, i), ...lines.slice(i + 1)].join("\n"));
    } catch (error) {
      expect((error as Error).message).toMatch(/^tcp\.rmt:\d+: expected /);
      refused += 1;
      continue;
    }
    const differs = ingressDiffers(load(TCP), less) || egressDiffers(load(TCP), less);
    if (!differs) silent.push(line.trim());
  }
  // Units that need nothing of each other do the same in one stage; table-5.2 sees that.
  expect(silent.filter((line) => !line.startsWith("stage "))).toEqual([]);
  expect(silent.length).toBeLessThan(5);
  // Most lines are seen by what they do.
  expect(refused).toBeLessThan(lines.length / 3);
});
