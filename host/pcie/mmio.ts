/**
 * The host's loads and stores into the device (dissertation 4.4.1: doorbells over MMIO). A store
 * is posted: the core goes on, and the device sees it one way later. A load is not: the core waits
 * for the round trip, which is why a data path should have none; they are counted.
 *
 * Invariants: stores reach the device in program order; a load pushes the stores before it out of
 * the write-combining buffer.
 */
import { LATENCY_DEFAULTS, type Latencies, LinkTiming } from "./link-timing.ts";
import { Direction, type Pcie, Tlp, TlpCounters } from "./tlp.ts";

/** Bytes of a write-combining buffer: one line. */
export const COMBINE_BYTES = 64;
/** The widest load that a core makes from a device's registers. */
export const LOAD_BYTES = 8;

export interface MmioOptions {
  readonly pcie: Pcie;
  /** Stores to one line leave as one TLP: memory of type WC instead of UC. */
  readonly combine?: boolean;
  readonly latencies?: Partial<Latencies>;
  /** Shared with the device's own transactions when there are any. */
  readonly link?: LinkTiming;
  readonly counters?: TlpCounters;
}

export class Mmio {
  readonly counters: TlpCounters;
  /** Stores that left as TLPs of their own or with others, loads, and stores that were merged. */
  writes = 0;
  reads = 0;
  combined = 0;
  readonly #combine: boolean;
  readonly #latencies: Latencies;
  readonly #link: LinkTiming;
  /** The waiting bytes, [from, to); none when equal. */
  #from = 0;
  #to = 0;

  constructor(options: MmioOptions) {
    this.#combine = options.combine ?? false;
    this.#latencies = { ...LATENCY_DEFAULTS, ...options.latencies };
    this.#link = options.link ?? new LinkTiming(options.pcie);
    this.counters = options.counters ?? new TlpCounters(options.pcie);
  }

  /** When the device sees the store: ns; Infinity while it waits to be combined. */
  write(now: number, address: number, bytes: number): number {
    this.writes += 1;
    if (!this.#combine) return this.#send(now, address, bytes);
    if (address === this.#to && this.#from < this.#to) this.combined += 1;
    else {
      this.flush(now);
      this.#from = address;
    }
    this.#to = address + bytes;
    // A line that is full leaves by itself; so does what a store reaches past it.
    return this.#to % COMBINE_BYTES === 0 || this.#spans()
      ? this.flush(now)
      : Number.POSITIVE_INFINITY;
  }

  #spans(): boolean {
    const line = (at: number): number => Math.floor(at / COMBINE_BYTES);
    return line(this.#from) !== line(this.#to - 1);
  }

  /** A store fence: when the device sees all stores made so far; `now` when nothing waited. */
  flush(now: number): number {
    if (this.#from === this.#to) return now;
    const from = this.#from;
    this.#from = this.#to;
    return this.#send(now, from, this.#to - from);
  }

  #send(now: number, address: number, bytes: number): number {
    let seen = now;
    for (let done = 0; done < bytes; ) {
      const at = address + done;
      const piece = Math.min(bytes - done, COMBINE_BYTES - (at % COMBINE_BYTES));
      const wire = this.counters.write(Direction.ToDevice, at, piece);
      seen = this.#link.send(Direction.ToDevice, now, wire) + this.#latencies.oneWayNs;
      done += piece;
    }
    return seen;
  }

  /** When the core has the value and goes on: ns. Wide loads are made one after the other. */
  read(now: number, address: number, bytes: number): number {
    this.flush(now);
    let at = now;
    for (let done = 0; done < bytes; done += LOAD_BYTES) {
      const piece = Math.min(LOAD_BYTES, bytes - done);
      const wire = this.counters.read(Direction.ToDevice, address + done, piece);
      this.#link.send(Direction.ToDevice, at, this.counters.pcie.header(Tlp.MRd));
      this.#link.send(Direction.ToHost, at, wire);
      at += this.#latencies.mmioReadNs;
      this.reads += 1;
    }
    return at;
  }
}
