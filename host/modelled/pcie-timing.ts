/**
 * What a modelled machine needs to know of PCIe: latency, bandwidth of each direction, and how
 * many transactions are in flight, in all (4.1.1) and of each queue. An interface of times only,
 * so that a model of TLPs and credits can stand behind it.
 */
import type { Simulation } from "./simulation.ts";

/** Which queue of the DMA engine; each has its own bound. */
export type DmaQueue = "atx" | "arx" | "tx" | "rx";

export interface PcieDescription {
  readonly latencyNs: number;
  /** Of one direction. */
  readonly bytesPerNs: number;
  /** Header bytes for each `payloadBytes` of a transfer. */
  readonly headerBytes: number;
  readonly payloadBytes: number;
  readonly inFlight: number;
  readonly queues: Readonly<Record<DmaQueue, number>>;
}

/** What the executor asks of an interconnect. */
export interface PcieTiming {
  /** Moves bytes; `done` runs when they have arrived. `extraNs`: a stall of this one transfer. */
  transfer(queue: DmaQueue, bytes: number, extraNs: number, done: () => void): void;
}

interface Transfer {
  readonly queue: DmaQueue;
  readonly bytes: number;
  readonly extraNs: number;
  readonly done: () => void;
}

/** Reads fetch from the host, writes go to it: each direction has its own wire. */
const READS: Readonly<Record<DmaQueue, boolean>> = { atx: true, tx: true, arx: false, rx: false };
/** Descriptors before payload, as FlexTOE's priorities are. */
const ORDER: readonly DmaQueue[] = ["atx", "arx", "tx", "rx"];

export class PcieLink implements PcieTiming {
  readonly #simulation: Simulation;
  readonly #description: PcieDescription;
  readonly #waiting: Record<DmaQueue, Transfer[]> = { atx: [], arx: [], tx: [], rx: [] };
  readonly #flying: Record<DmaQueue, number> = { atx: 0, arx: 0, tx: 0, rx: 0 };
  #total = 0;
  /** When the wire of reads and that of writes are free. */
  readonly #free: [number, number] = [0, 0];
  /** Most transactions that were in flight at once. */
  peak = 0;

  constructor(simulation: Simulation, description: PcieDescription) {
    this.#simulation = simulation;
    this.#description = description;
  }

  transfer(queue: DmaQueue, bytes: number, extraNs: number, done: () => void): void {
    this.#waiting[queue].push({ queue, bytes, extraNs, done });
    this.#issue();
  }

  #issue(): void {
    const { inFlight, queues } = this.#description;
    for (const queue of ORDER) {
      const waiting = this.#waiting[queue];
      while (waiting.length > 0 && this.#total < inFlight && this.#flying[queue] < queues[queue]) {
        this.#start(waiting.shift() as Transfer);
      }
    }
  }

  #start({ queue, bytes, extraNs, done }: Transfer): void {
    const { bytesPerNs, headerBytes, payloadBytes, latencyNs } = this.#description;
    const packets = Math.max(1, Math.ceil(bytes / payloadBytes));
    const wire = READS[queue] ? 0 : 1;
    const start = Math.max(this.#simulation.now, this.#free[wire]);
    this.#free[wire] = start + (bytes + packets * headerBytes) / bytesPerNs;
    this.#total += 1;
    this.#flying[queue] += 1;
    this.peak = Math.max(this.peak, this.#total);
    this.#simulation.at(this.#free[wire] + latencyNs + extraNs, () => {
      this.#total -= 1;
      this.#flying[queue] -= 1;
      done();
      this.#issue();
    });
  }
}
