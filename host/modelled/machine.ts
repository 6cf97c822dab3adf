/**
 * What a machine is to the modelled executor: plain data, one file for each machine under
 * machines/. Every number says where it comes from; a number that was fitted says to which figure.
 */
import type { DmaQueue, PcieDescription } from "./pcie-timing.ts";

/** `paper`: printed there. `fitted`: chosen so that our figure meets one of the paper's. */
export type ConstantOrigin = "paper" | "fitted" | "assumed";

export interface Constant {
  readonly value: number;
  readonly origin: ConstantOrigin;
  /** Section or figure of the dissertation, or the reason for an assumption. */
  readonly source: string;
}

/** What of a connection (or of an item) a stage has to have near. */
export const RECORD_GROUPS = [
  "lookup",
  "identification",
  "protocol",
  "application",
  "scheduler",
  "frame",
] as const;
export type RecordGroup = (typeof RECORD_GROUPS)[number];

/** One memory on the way to a record, nearest first. */
export interface Level {
  readonly name: string;
  /** `lru` and `direct` hold records, `lines` 64-byte lines of all groups, `home` everything. */
  readonly form: "lru" | "direct" | "lines" | "home";
  /** Records or lines; of no meaning for `home`. */
  readonly entries: number;
  /** Who shares it. */
  readonly scope: "core" | "island" | "machine";
  readonly cycles: number;
  readonly source: string;
}

export interface MachinePcie {
  readonly latencyNs: Constant;
  readonly gigabitsPerSecond: Constant;
  readonly headerBytes: Constant;
  readonly payloadBytes: Constant;
  readonly inFlight: Constant;
  readonly queues: Readonly<Record<DmaQueue, Constant>>;
}

export interface Machine {
  readonly name: string;
  readonly title: string;
  readonly clockMhz: Constant;
  /** Cores that stages may be placed on, hardware threads of each, and islands of cores. */
  readonly cores: Constant;
  readonly threads: Constant;
  readonly islands: Constant;
  /** Cycles for each counted instruction of 32 bits. */
  readonly cyclesPerInstruction: Constant;
  /** Instructions that a counted one of 64 and of 128 bits is made of. */
  readonly wideInstructions: Constant;
  readonly vectorInstructions: Constant;
  /** True: checksums and copies are not a core's work. */
  readonly payloadHardware: boolean;
  /** True: the connection database is searched by an engine, whose time is the level's. */
  readonly lookupHardware: boolean;
  /** True: the time wheel's lists are kept by a queue engine. */
  readonly wheelHardware: boolean;
  readonly hardwareSource: string;
  readonly records: Readonly<Record<RecordGroup, readonly Level[]>>;
  /** Cycles to take an item from a queue of the same island, and of another. */
  readonly islandQueueCycles: Constant;
  readonly machineQueueCycles: Constant;
  readonly pcie: MachinePcie;
  readonly lineGigabits: Constant;
  /** MAC and network block, each way; ns. */
  readonly netifNs: Constant;
  /** Packets that the NIC holds for reception and for transmission, and descriptors. */
  readonly rxPackets: Constant;
  readonly txPackets: Constant;
  readonly descriptors: Constant;
  /** Turns that the flow scheduler has under way at most. */
  readonly turnsAtOnce: Constant;
  /** Share of a memory's and the bus's time that is random: mean of an exponential. */
  readonly jitter: Constant;
}

/** Cycles as ns. */
export function cyclesToNs(machine: Machine, cycles: number): number {
  return (cycles * 1000) / machine.clockMhz.value;
}

/** Every constant of a machine with its place, for a report. */
export function constantsOf(machine: Machine): (readonly [name: string, constant: Constant])[] {
  const found: (readonly [string, Constant])[] = [];
  const visit = (name: string, value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ("origin" in value && "source" in value) found.push([name, value as Constant]);
    else for (const [key, part] of Object.entries(value)) visit(`${name}.${key}`, part);
  };
  for (const [key, part] of Object.entries(machine)) visit(key, part);
  return found;
}

/** The machine's bus as PcieLink wants it. */
export function pcieOf({ pcie }: Machine): PcieDescription {
  return {
    latencyNs: pcie.latencyNs.value,
    bytesPerNs: pcie.gigabitsPerSecond.value / 8,
    headerBytes: pcie.headerBytes.value,
    payloadBytes: pcie.payloadBytes.value,
    inFlight: pcie.inFlight.value,
    queues: {
      atx: pcie.queues.atx.value,
      arx: pcie.queues.arx.value,
      tx: pcie.queues.tx.value,
      rx: pcie.queues.rx.value,
    },
  };
}
