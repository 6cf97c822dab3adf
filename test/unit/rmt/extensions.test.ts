/**
 * Extensions of TCP's program (dissertation 5.5.3, 5.5.4.3): what each adds happens, what it does
 * not touch stays, and a section that fits nowhere is an error.
 */
import { describe, expect, test } from "vitest";
import { extendedText } from "../../../bench/rmt-machine.ts";
import { extendProgram } from "../../../host/rmt/extend-program.ts";
import type { ProgramMachine } from "../../../host/rmt/program-machine.ts";
import { machineFrom, MachineReceiver } from "../../laminar/machine.ts";
import { describeRobustness, describeTable51 } from "../../laminar/receiver-suites.ts";
import { SHORT_SETTINGS } from "../../laminar/settings.ts";
import { programText } from "../../support/rmt.ts";

const CONNECTION = 1;

function connection(extension: string): ProgramMachine {
  const machine = machineFrom(extendedText(extension));
  machine.write("rx_next_seq", CONNECTION, 1000);
  machine.write("rx_avail", CONNECTION, 10_000);
  machine.write("tx_credits", CONNECTION, 10_000);
  machine.write("tx_remote_avail", CONNECTION, 10_000);
  return machine;
}

/** True when an acknowledgment is mirrored. */
function packet(machine: ProgramMachine, kind: string, seq: number, length: number): boolean {
  const fields = { kind: machine.constant(kind), connection: CONNECTION };
  machine.run({ ...fields, seq, length, end: seq + length });
  return machine.result("mirror") === 1;
}

describe("delayed ACKs", () => {
  test("every second segment in a row", () => {
    const machine = connection("delayed-ack");
    const acks = [0, 1, 2, 3, 4].map((i) => packet(machine, "RX", 1000 + i * 100, 100));
    expect(acks).toEqual([false, true, false, true, false]);
    expect(machine.result("unacked")).toBe(1);
  });

  test("at once: out of order, duplicate, into a gap, beyond the window", () => {
    const machine = connection("delayed-ack");
    expect(packet(machine, "RX", 1200, 100)).toBe(true);
    expect(packet(machine, "RX", 1000, 100)).toBe(true);
    expect(packet(machine, "RX", 900, 100)).toBe(true);
    expect(packet(machine, "RX", 1100, 100)).toBe(true);
    expect([machine.result("merge"), machine.result("span")]).toEqual([1, 100]);
    expect(packet(machine, "RX", 1200, 50_000)).toBe(true);
  });

  test("a transmitted segment and the timer each end the wait", () => {
    const machine = connection("delayed-ack");
    expect(packet(machine, "RX", 1000, 100)).toBe(false);
    packet(machine, "TX", 0, 100);
    expect(machine.result("reason")).toBe(0);
    expect(packet(machine, "ACK_TIMER", 0, 0)).toBe(false);
    expect(packet(machine, "RX", 1100, 100)).toBe(false);
    expect(packet(machine, "ACK_TIMER", 0, 0)).toBe(true);
    expect(machine.result("acknowledgment")).toBe(1200);
    expect(machine.result("window")).toBe(9800);
    expect(packet(machine, "ACK_TIMER", 0, 0)).toBe(false);
  });

  test("the timer is a kind of its own: it moves no other register", () => {
    const machine = connection("delayed-ack");
    const rest = (): number[] => [...machine.rows()].filter((_, i) => i !== unacked);
    machine.write("tx_next_ack", CONNECTION, 0xfffffff0);
    const before = [...machine.rows()];
    machine.write("rx_unacked", CONNECTION, 1);
    const unacked = [...machine.rows()].findIndex((word, i) => word !== before[i]);
    const others = rest();
    expect(packet(machine, "ACK_TIMER", 0, 0)).toBe(true);
    expect(rest()).toEqual(others);
    expect(machine.read("rx_unacked", CONNECTION)).toBe(0);
  });

  test("nothing is acknowledged while a roll-back is open", () => {
    const machine = connection("delayed-ack");
    expect(packet(machine, "RX", 1000, 50_000)).toBe(true);
    expect(packet(machine, "RX", 51_000, 100)).toBe(false);
    expect(packet(machine, "ACK_TIMER", 0, 0)).toBe(false);
  });
});

describe("one-block SACK", () => {
  test("the interval, while there is one with a gap before it", () => {
    const machine = connection("sack");
    packet(machine, "RX", 1500, 500);
    const block = (): number[] =>
      ["sack", "sack_from", "sack_to"].map((name) => machine.result(name));
    expect(block()).toEqual([1, 1500, 2000]);
    const header = new Uint8Array(32);
    machine.deparse("acknowledgment_sack", header);
    const view = new DataView(header.buffer);
    expect([view.getUint32(8), view.getUint8(12) >> 4]).toEqual([1000, 8]);
    expect([20, 24, 28].map((at) => view.getUint32(at))).toEqual([0x0101050a, 1500, 2000]);
    packet(machine, "RX", 1000, 100);
    expect(block()).toEqual([1, 1500, 2000]);
    packet(machine, "RX", 1100, 400);
    expect(block()[0]).toBe(0);
  });
});

describeTable51(
  "SACK",
  (initial) => new MachineReceiver(machineFrom(extendedText("sack")), initial),
);
describeRobustness(
  "short streams: delayed ACKs",
  (initial) => new MachineReceiver(machineFrom(extendedText("delayed-ack")), initial),
  SHORT_SETTINGS.filter(({ name }) => !/95|probe/.test(name)).slice(0, 3),
  10,
);

describeTable51(
  "shared log, a connection without one",
  (initial) => new MachineReceiver(machineFrom(extendedText("shared-log")), initial),
);
describeRobustness(
  "short streams: shared log, a connection without one",
  (initial) => new MachineReceiver(machineFrom(extendedText("shared-log")), initial),
  SHORT_SETTINGS.slice(0, 3),
  10,
);

test("a section that fits nowhere is an error with its line", () => {
  const extend = (text: string) => () => extendProgram(programText("tcp"), "x.rmt", text);
  expect(extend("after stage none\n")).toThrow(
    "x.rmt:1: expected a place in the program, got after stage none",
  );
  expect(extend("after parser none\n")).toThrow("x.rmt:1: expected a place in the program");
  expect(extend("first in parser none\n")).toThrow("x.rmt:1: expected a place in the program");
  expect(extend("\nfirst in register none\n")).toThrow("x.rmt:2: expected a place");
  expect(extend("set mirror = 0\n")).toThrow(
    "x.rmt:1: expected declare, after, in place of or first in, got set mirror = 0",
  );
});
