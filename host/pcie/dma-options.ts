/**
 * What a DMA engine is made of: queues with caps and priorities, flow-control credits, times.
 * The defaults are FlexTOE's on an NFP-4000 (its firmware's dma.h; dissertation 4.1.1).
 */
import type { AddressSpace } from "./address-space.ts";
import { LATENCY_DEFAULTS, type Latencies, type LinkTiming } from "./link-timing.ts";
import type { Pcie, TlpCounters } from "./tlp.ts";

/** Urgency of a queue: the slow path's is high, descriptors' is medium, payload's is low. */
export const Priority = { High: 0, Medium: 1, Low: 2 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];
export const PRIORITIES = 3;

export interface DmaQueueOptions {
  readonly name: string;
  /** Transactions that the queue holds, from submit() to their completion. */
  readonly cap: number;
  readonly priority: Priority;
  /** Completions are told in the order of submission: one FIFO, as FlexTOE's rings rely on. */
  readonly inOrder?: boolean;
}

/** FlexTOE's queues, in the order of FLEXTOE_QUEUES. */
export const DmaQueue = { SlowOut: 0, SlowIn: 1, Atx: 2, Arx: 3, Tx: 4, Rx: 5 } as const;

/** Caps together are more than the engine's 256: then credits and priorities decide. */
export const FLEXTOE_QUEUES: readonly DmaQueueOptions[] = [
  { name: "slow path to host", cap: 8, priority: Priority.High },
  { name: "slow path from host", cap: 8, priority: Priority.High },
  { name: "ATX", cap: 32, priority: Priority.Medium },
  { name: "ARX", cap: 64, priority: Priority.Medium, inOrder: true },
  { name: "TX payload", cap: 120, priority: Priority.Low },
  { name: "RX payload", cap: 120, priority: Priority.Low, inOrder: true },
];

/** Flow control (2.6): headers are TLPs, data is in units of 16 bytes. */
export interface Credits {
  /** Writes and messages that the host takes without having dealt with the ones before. */
  readonly postedHeaders: number;
  readonly postedData: number;
  /** Read requests likewise. */
  readonly nonPostedHeaders: number;
  /** The device's own room for what it reads. */
  readonly completionData: number;
}

export const CREDIT_BYTES = 16;

/** Enough for a round trip at full rate: 256 TLPs each way, 32 KiB of writes, 64 KiB of reads. */
export const CREDIT_DEFAULTS: Credits = {
  postedHeaders: 256,
  postedData: 2048,
  nonPostedHeaders: 256,
  completionData: 4096,
};

export interface DmaOptions {
  readonly pcie: Pcie;
  readonly queues?: readonly DmaQueueOptions[];
  /** Transactions on their way at once (4.1.1: 256). */
  readonly outstanding?: number;
  readonly credits?: Partial<Credits>;
  readonly latencies?: Partial<Latencies>;
  /** TLPs of others after which a queue that waits goes first, whatever its priority. */
  readonly patience?: number;
  /** Checks and translates addresses; without it every address is good. */
  readonly memory?: AddressSpace;
  readonly link?: LinkTiming;
  readonly counters?: TlpCounters;
}

export interface DmaChoice {
  readonly queues: readonly DmaQueueOptions[];
  readonly outstanding: number;
  readonly credits: Credits;
  readonly latencies: Latencies;
  readonly patience: number;
}

function positive(name: string, least: number, got: number): void {
  if (Number.isInteger(got) && got >= least) return;
  throw new RangeError(`pcie: expected ${name} of ${least} or more, got ${got}`);
}

/** The options with their defaults. Throws RangeError for an engine that could never finish. */
export function chooseDma(options: DmaOptions): DmaChoice {
  const { pcie, queues = FLEXTOE_QUEUES, outstanding = 256, patience = 16 } = options;
  const credits = { ...CREDIT_DEFAULTS, ...options.credits };
  const { maxPayload, maxReadRequest } = pcie.options;
  positive("queues", 1, queues.length);
  for (const { name, cap } of queues) positive(`a cap of ${name}`, 1, cap);
  positive("outstanding transactions", 1, outstanding);
  positive("patience", 1, patience);
  positive("posted header credits", 1, credits.postedHeaders);
  positive("non-posted header credits", 1, credits.nonPostedHeaders);
  // The largest TLP must fit, or it would wait for ever.
  positive("posted data credits", maxPayload / CREDIT_BYTES, credits.postedData);
  positive("completion data credits", maxReadRequest / CREDIT_BYTES, credits.completionData);
  const latencies = { ...LATENCY_DEFAULTS, ...options.latencies };
  return { queues, outstanding, credits, latencies, patience };
}
