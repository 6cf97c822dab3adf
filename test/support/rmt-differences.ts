/**
 * Whether a program does what another does: random segments through parser and ingress, random
 * header vectors through egress and deparsers, until a result field, a register, a header or the
 * parser's verdict differs. Used with programs of which a line was left out.
 */
import { laminarOver } from "../../bench/rmt-machine.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { loadProgram, type ProgramMachine } from "../../host/rmt/program-machine.ts";
import { loadRmtModule } from "./load-core.ts";
import { Random } from "./random.ts";
import { bindExtension, type Extension, HANDED } from "./rmt-extensions.ts";
import { writeExtension, writeOptions } from "./rmt-extensions.ts";
import { type Binding, binding, Packets, segment } from "./rmt-packets.ts";

/** At most; most lines are seen within a hundred. */
const PACKETS = 60_000;
const SEGMENTS = 3000;
const HEADER = 32;
/** Packets after which headers are looked at too. */
const HEADERS = 100;

export function loadText(text: string): ProgramMachine {
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
  const written = machine.program.deparsers.map(({ name }) => {
    const header = new Uint8Array(HEADER).fill(0xee);
    machine.deparse(name, header);
    return header.join();
  });
  return written.join("/");
}

/** A program with and without something. */
export interface Pair {
  readonly whole: ProgramMachine;
  readonly less: ProgramMachine;
  /** What it was extended by. */
  readonly extension?: Extension;
}

export function ingressDiffers({ whole, less, extension }: Pair, seed: number): boolean {
  const random = new Random(seed);
  const all = bindings(random);
  for (const machine of [whole, less]) {
    bindAll(machine, all);
    if (extension !== undefined) bindExtension(machine, extension);
  }
  const handed = ["connection", "context", "seq", "ack", "length", "end", "edge", "has_ack"];
  const more = extension === undefined ? [] : HANDED[extension];
  for (let i = 0; i < SEGMENTS; i += 1) {
    const { bytes, view } = segment(random, random.pick(all));
    const at = 4 * (view.getUint8(0) & 15);
    if (extension !== undefined) writeOptions(random, view, at);
    // Now and then no such packet.
    if (random.oneIn(8)) view.setUint8(0, random.below(256));
    if (random.oneIn(8)) view.setUint8(9, random.below(8));
    if (random.oneIn(8)) view.setUint8(at + 12, random.below(256));
    const packet = random.oneIn(8) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const taken = whole.receive(packet);
    if (less.receive(packet) !== taken) return true;
    if (taken && sees(whole, less, [...handed, ...more, "address"])) return true;
  }
  return false;
}

/** Every cell of a row: registers and filters. */
function cellsOf({ program }: ProgramMachine): { name: string; by: string }[] {
  return program.pipes.egress.flatMap(({ registers, filters }) => [...registers, ...filters]);
}

export function egressDiffers({ whole, less, extension }: Pair, seed: number): boolean {
  const random = new Random(seed);
  const packets = new Packets(random, whole);
  const { fields } = whole.program;
  const results = fields.filter(({ role }) => role === "result").map(({ name }) => name);
  // One that was left out is missed by what it did, not by its name.
  const kept = new Set(cellsOf(less).map(({ name }) => name));
  const cells = cellsOf(whole).filter(({ name }) => kept.has(name));
  for (let i = 0; i < PACKETS; i += 1) {
    packets.write();
    if (extension !== undefined) writeExtension(random, whole, extension);
    less.vector.set(whole.vector);
    const rows = cells.map(({ by }) => whole.result(by));
    whole.pass();
    less.pass();
    if (sees(whole, less, results)) return true;
    const row = (j: number): number => rows[j] as number;
    if (cells.some(({ name }, j) => whole.read(name, row(j)) !== less.read(name, row(j))))
      return true;
    if (i < HEADERS && headers(whole) !== headers(less)) return true;
  }
  return false;
}

/** True when random packets see that `less` is not `whole`; each begins anew. */
export function differs(whole: string, less: string, seed: number, extension?: Extension): boolean {
  const pair = (): Pair => {
    const machines = { whole: loadText(whole), less: loadText(less) };
    return extension === undefined ? machines : { ...machines, extension };
  };
  return ingressDiffers(pair(), seed) || egressDiffers(pair(), seed);
}
