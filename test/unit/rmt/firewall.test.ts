/**
 * The example of a stage program of one's own: what it prints, and the program beside a plain
 * firewall over random rules and packets.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { laminarOver } from "../../../bench/rmt-machine.ts";
import { TOFINO2 } from "../../../host/rmt/machines/tofino2.ts";
import { loadProgram, type ProgramMachine } from "../../../host/rmt/program-machine.ts";
import { ROOT, seedOf } from "../../support/env.ts";
import { loadRmtModule } from "../../support/load-core.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(80);
const TEXT = readFileSync(`${ROOT}examples/rmt/counting-firewall.rmt`, "utf8");

function load(): ProgramMachine {
  const module = loadRmtModule();
  const match = (memory: WebAssembly.Memory) => laminarOver(module, memory);
  return loadProgram("counting-firewall.rmt", TEXT, TOFINO2, { match });
}

test("the example prints what it did", () => {
  const file = `${ROOT}dist/examples/rmt/counting-firewall.js`;
  const lines = execFileSync(process.execPath, [file], { encoding: "utf8" }).trim().split("\n");
  expect(lines).toEqual([
    "2 stages, 165 ns, 2 stateful ALUs",
    "web: passed",
    "web from a blocked prefix: dropped",
    "dns 1: passed",
    "dns 2: passed",
    "dns 3: passed",
    "dns 4: dropped",
    "telnet: dropped",
    "icmp: rejected by the parser",
    "rule 1: 1 packets, 1500 bytes",
    "rule 2: 3 packets, 240 bytes",
  ]);
});

interface PortRule {
  readonly from: number;
  readonly to: number;
  readonly most: number;
}

interface Prefix {
  readonly bits: number;
  readonly length: number;
  readonly blocked: number;
}

const maskOf = (length: number): number => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0);

test(`random rules and packets, beside a plain firewall, seed ${SEED}`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 30; round += 1) {
    const ports: PortRule[] = Array.from({ length: random.between(1, 20) }, () => {
      const from = random.below(200);
      return { from, to: from + random.below(20), most: random.below(40) };
    });
    const prefixes: Prefix[] = Array.from({ length: random.between(1, 30) }, () => {
      const length = random.between(0, 8);
      return { bits: (random.u32() & maskOf(length)) >>> 0, length, blocked: random.below(2) };
    }).sort((a, b) => b.length - a.length);
    const machine = load();
    machine.rules(
      "rules",
      ports.map(({ from, to, most }, i) => ({ key: [from], second: [to], gives: [i + 1, most] })),
    );
    machine.rules(
      "prefixes",
      prefixes.map(({ bits, length, blocked }) => ({
        key: [bits],
        second: [maskOf(length)],
        gives: [blocked],
      })),
    );
    const seen = ports.map(() => ({ packets: 0, bytes: 0 }));
    for (let i = 0; i < 300; i += 1) {
      const [source, port, bytes] = [random.u32(), random.below(230), random.between(28, 1500)];
      const packet = new Uint8Array(28);
      const view = new DataView(packet.buffer);
      view.setUint8(0, 0x45);
      view.setUint16(2, bytes);
      view.setUint8(9, random.pick([6, 17]));
      view.setUint32(12, source);
      view.setUint16(22, port);
      expect(machine.receive(packet)).toBe(true);
      machine.pass();
      const rule = ports.findIndex(({ from, to }) => port >= from && port <= to);
      const prefix = prefixes.find((p) => (source & maskOf(p.length)) >>> 0 === p.bits);
      const blocked = prefix?.blocked === 1;
      const counter = seen[rule];
      const spent = counter !== undefined && counter.packets >= (ports[rule]?.most ?? 0);
      if (counter !== undefined && !blocked) {
        counter.bytes += bytes;
        if (!spent) counter.packets += 1;
      }
      const pass = counter !== undefined && !blocked && !spent;
      const verdict = machine.constant(pass ? "PASS" : "DROP");
      expect(machine.result("verdict"), `round ${round}, packet ${i}`).toBe(verdict);
    }
    const counted = seen.map((_, i) => ({
      packets: machine.read("packets", i + 1),
      bytes: machine.read("bytes", i + 1),
    }));
    expect(counted).toEqual(seen);
  }
});

test("wrong keys, rules and names are errors", () => {
  const machine = load();
  expect(() => machine.rules("none", [])).toThrow("table: expected one, got none");
  expect(() => machine.bind("rules", [1, 2], [1])).toThrow(RangeError);
  expect(() => machine.read("packets", 64)).toThrow("expected an index below 64, got 64");
  expect(() => machine.read("none", 0)).toThrow("register: expected one, got none");
  expect(() => machine.result("none")).toThrow("field: expected one, got none");
  expect(() => machine.receive(new Uint8Array(20_000))).toThrow("expected at most 12288 bytes");
  const rule = { key: [1], second: [1], gives: [1, 1] };
  expect(() => machine.rules("rules", Array(65).fill(rule))).toThrow("expected 64 at most");
});
