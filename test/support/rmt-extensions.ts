/**
 * What random packets and segments need for an extension of TCP's stage program: the fields that it
 * reads, and what its own parser and tables find.
 */
import type { ProgramMachine } from "../../host/rmt/program-machine.ts";
import type { Random } from "./random.ts";

export const EXTENSIONS = ["delayed-ack", "sack", "timely", "shared-log"] as const;
export type Extension = (typeof EXTENSIONS)[number];

const LOG_SIZE = 4096;

/** Fields of a header vector that Packets has written, and only an extension knows. */
export function writeExtension(random: Random, machine: ProgramMachine, of: Extension): void {
  const set = (field: string, value: number): void => {
    machine.vector[machine.at(field)] = value;
  };
  // Kinds and registers behind those of TCP.
  if (random.oneIn(8)) set("kind", random.between(8, 9));
  if (random.oneIn(4)) set("target", random.between(10, 11));
  if (of === "timely") writeTimestamps(random, machine, set);
  if (of === "shared-log") writeLog(random, set);
}

type SetField = (field: string, value: number) => void;

function writeTimestamps(random: Random, machine: ProgramMachine, set: SetField): void {
  const recent = machine.read("ts_recent", machine.result("connection"));
  set("now", random.u32());
  set("timed", random.oneIn(4) ? 0 : 1);
  set("tsval", recent + random.between(0, 20) - 5);
  const rtt = random.oneIn(20) ? random.u32() : random.between(0, 2000);
  set("tsecr", machine.result("now") - rtt);
}

function writeLog(random: Random, set: SetField): void {
  const log = random.below(3);
  set("log", log);
  set("log_base", log * LOG_SIZE);
  set("log_mask", LOG_SIZE - 1);
}

/** Timestamps, often where they usually are: `tcp` is the offset of the TCP header. */
export function writeOptions(random: Random, view: DataView, tcp: number): void {
  const words = view.getUint8(tcp + 12) >> 4;
  if (words >= 8 && random.oneIn(2)) view.setUint32(tcp + 20, 0x0101080a);
}

/** Entries of the extension's own tables for the first connections. */
export function bindExtension(machine: ProgramMachine, of: Extension): void {
  const { ingress } = machine.program.pipes;
  const has = ingress.some(({ tables }) => tables.some(({ name }) => name === "logs"));
  if (of !== "shared-log" || !has) return;
  for (let i = 1; i < 8; i += 1) {
    machine.bind("logs", [i], [(i % 3) + 1, i * LOG_SIZE, LOG_SIZE - 1]);
  }
}

/** What ingress hands on beside TCP's. */
export const HANDED: Readonly<Record<Extension, readonly string[]>> = {
  "delayed-ack": [],
  sack: [],
  timely: ["tsval", "tsecr", "timed"],
  "shared-log": ["log", "log_base", "log_mask"],
};
