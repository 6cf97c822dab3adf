/**
 * The interconnect between a data path and its host, whatever it is made of: each thing that the
 * two do together (an operation) is a list of steps on the wires. FlexTOE's context queues over
 * PCIe are one such table (context-queue-pairs.ts); a pipe without MMIO, rings in the NIC's memory
 * or coherent lines are others. An executor with time takes the steps to its DMA engine; `batch`
 * only counts, and every kind has the same counters.
 */
import type { DmaKind } from "./dma-engine.ts";
import { LATENCY_DEFAULTS, type Latencies } from "./link-timing.ts";
import { COMBINE_BYTES, LOAD_BYTES } from "./mmio.ts";
import { Direction, Pcie, type PcieOptions, TLP_NAMES, Tlp, TlpCounters } from "./tlp.ts";
import type { TlpName } from "./tlp.ts";

/** What host and data path do together. */
export const OPERATIONS = [
  /** The application tells of descriptors: one for all that it wrote. */
  "doorbell",
  /** The data path takes a descriptor, and its place is free again. */
  "fetch",
  /** The data path gives a notification. */
  "notify",
  /** The application tells how many notifications it has taken. */
  "consume",
  /** An application that sleeps is woken. */
  "interrupt",
  /** Payload of one segment, to the host and from it. */
  "payloadIn",
  "payloadOut",
  // The control plane's:
  "command",
  "event",
  /** A frame that it handles itself, to it and from it. */
  "frameIn",
  "frameOut",
  /** A connection's state into the data path, and its statistics out of it. */
  "install",
  "inspect",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** One step: who moves how many bytes, and how. */
export interface Step {
  /** DMA is the device's; MMIO is the host's; a line goes from cache to cache. */
  readonly by: "dma-read" | "dma-write" | "interrupt" | "mmio-write" | "mmio-read" | "line";
  /** "payload": as many as the operation carries. */
  readonly bytes: number | "payload";
  /** Queue of the DMA engine (DmaQueue). */
  readonly queue?: number;
}

/** Steps of a DMA engine as it names them. */
export const DMA_STEPS: Readonly<Partial<Record<Step["by"], DmaKind>>> = {
  "dma-write": 0,
  "dma-read": 1,
  interrupt: 2,
};

export interface InterconnectDescription {
  readonly name: string;
  readonly steps: Readonly<Record<Operation, readonly Step[]>>;
  readonly pcie?: Partial<PcieOptions>;
  readonly latencies?: Partial<Latencies>;
  /** Moving one line from one cache to the other, for interconnects that have lines. */
  readonly lineNs?: number;
}

/** A snapshot; the same for every kind of interconnect. */
export interface InterconnectCounters {
  readonly operations: Readonly<Record<Operation, number>>;
  readonly tlps: Readonly<Record<TlpName, number>>;
  readonly tlpTotal: number;
  readonly wireBytesToDevice: number;
  readonly wireBytesToHost: number;
  /** Payload of connections, each way. */
  readonly payloadBytesIn: number;
  readonly payloadBytesOut: number;
  readonly mmioWrites: number;
  readonly mmioReads: number;
  readonly interrupts: number;
  readonly lineTransfers: number;
  /** Time that the link is taken up, each direction. */
  readonly busyNsToDevice: number;
  readonly busyNsToHost: number;
  /** Time of all steps on an idle link, one after the other: what nothing hides. */
  readonly modelledNs: number;
}

/** What a data path asks of its interconnect. */
export interface Interconnect {
  readonly name: string;
  /** For an executor with time. */
  steps(operation: Operation): readonly Step[];
  /** An operation was done `times` over; its payload, when it has any, has `bytes` in all. */
  count(operation: Operation, times: number, bytes?: number): void;
  counters(): InterconnectCounters;
}

/** What steps have cost so far. */
class Cost {
  readonly tlps: TlpCounters;
  mmioWrites = 0;
  mmioReads = 0;
  interrupts = 0;
  lines = 0;
  ns = 0;

  constructor(pcie: Pcie) {
    this.tlps = new TlpCounters(pcie);
  }

  add(other: Cost, times: number): void {
    this.tlps.addAll(other.tlps, times);
    this.mmioWrites += other.mmioWrites * times;
    this.mmioReads += other.mmioReads * times;
    this.interrupts += other.interrupts * times;
    this.lines += other.lines * times;
    this.ns += other.ns * times;
  }
}

/** An interconnect that counts. Counting allocates nothing. */
export class CountedInterconnect implements Interconnect {
  readonly name: string;
  readonly pcie: Pcie;
  readonly #description: InterconnectDescription;
  readonly #latencies: Latencies;
  readonly #total: Cost;
  /** Fixed steps of each operation, once. */
  readonly #fixed = {} as Record<Operation, Cost>;
  readonly #times = Object.fromEntries(OPERATIONS.map((o) => [o, 0])) as Record<Operation, number>;
  readonly #bytes = Object.fromEntries(OPERATIONS.map((o) => [o, 0])) as Record<Operation, number>;

  /** Throws RangeError when the link cannot be. */
  constructor(description: InterconnectDescription) {
    this.name = description.name;
    this.pcie = new Pcie(description.pcie);
    this.#description = description;
    this.#latencies = { ...LATENCY_DEFAULTS, ...description.latencies };
    this.#total = new Cost(this.pcie);
    for (const operation of OPERATIONS) {
      const cost = new Cost(this.pcie);
      for (const { by, bytes } of this.steps(operation)) {
        // Rings are aligned to their entries, so that no entry crosses a boundary.
        if (bytes !== "payload") this.#step(cost, by, 0, bytes);
      }
      this.#fixed[operation] = cost;
    }
  }

  steps(operation: Operation): readonly Step[] {
    return this.#description.steps[operation];
  }

  count(operation: Operation, times: number, bytes: number = 0): void {
    if (times === 0 && bytes === 0) return;
    this.#times[operation] += times;
    this.#total.add(this.#fixed[operation], times);
    const steps = this.steps(operation);
    for (let i = 0; i < steps.length; i += 1) {
      const step = steps[i] as Step;
      if (step.bytes === "payload") this.#payload(step.by, operation, times, bytes);
    }
    this.#bytes[operation] += bytes;
  }

  /**
   * `bytes` in `times` pieces that differ by one at most, where the stream of all payload stands:
   * exact for segments of one length, and in between for others.
   */
  #payload(by: Step["by"], operation: Operation, times: number, bytes: number): void {
    let at = this.#bytes[operation];
    let left = bytes;
    for (let piece = Math.min(times, bytes); piece > 0; piece -= 1) {
      const length = Math.ceil(left / piece);
      this.#step(this.#total, by, at, length);
      at += length;
      left -= length;
    }
  }

  #step(cost: Cost, by: Step["by"], address: number, bytes: number): void {
    if (by === "line") {
      const lines = Math.ceil(bytes / COMBINE_BYTES);
      cost.lines += lines;
      cost.ns += lines * (this.#description.lineNs ?? 0);
    } else if (by === "mmio-read") {
      for (let at = 0; at < bytes; at += LOAD_BYTES) {
        cost.tlps.read(Direction.ToDevice, address + at, Math.min(LOAD_BYTES, bytes - at));
        cost.mmioReads += 1;
        cost.ns += this.#latencies.mmioReadNs;
      }
    } else if (by === "mmio-write") {
      for (let at = 0; at < bytes; at += COMBINE_BYTES) {
        const piece = Math.min(COMBINE_BYTES, bytes - at);
        this.#oneWay(cost, cost.tlps.write(Direction.ToDevice, address + at, piece));
        cost.mmioWrites += 1;
      }
    } else if (by === "dma-read") {
      const { oneWayNs, hostReadNs, deviceNsPerByte } = this.#latencies;
      const wire = cost.tlps.read(Direction.ToHost, address, bytes) + this.pcie.header(Tlp.MRd);
      cost.ns += 2 * oneWayNs + hostReadNs + bytes * deviceNsPerByte + this.pcie.wireNs(wire);
    } else {
      if (by === "interrupt") cost.interrupts += 1;
      this.#oneWay(cost, cost.tlps.write(Direction.ToHost, address, bytes));
    }
  }

  #oneWay(cost: Cost, wireBytes: number): void {
    cost.ns += this.#latencies.oneWayNs + this.pcie.wireNs(wireBytes);
  }

  counters(): InterconnectCounters {
    const { tlps, mmioWrites, mmioReads, interrupts, lines, ns } = this.#total;
    const wireBytesToDevice = tlps.wireBytes(Direction.ToDevice);
    const wireBytesToHost = tlps.wireBytes(Direction.ToHost);
    const byName = TLP_NAMES.map((name) => [name, tlps.tlps(Tlp[name])]);
    return {
      operations: { ...this.#times },
      tlps: Object.fromEntries(byName) as Record<TlpName, number>,
      tlpTotal: tlps.total(),
      wireBytesToDevice,
      wireBytesToHost,
      payloadBytesIn: this.#bytes.payloadIn,
      payloadBytesOut: this.#bytes.payloadOut,
      mmioWrites,
      mmioReads,
      interrupts,
      lineTransfers: lines,
      busyNsToDevice: this.pcie.wireNs(wireBytesToDevice),
      busyNsToHost: this.pcie.wireNs(wireBytesToHost),
      modelledNs: ns,
    };
  }
}
