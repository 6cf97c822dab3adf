/**
 * Interrupts: MSI-X vectors with masks, the pending bit array and moderation (PCIe Base
 * Specification, 6.1.4), and the arming handshake in front of them (CONTEXT_EVENT_STATE): an
 * application that polls costs no interrupt, one that sleeps costs one.
 *
 * Invariants: an interrupt that a mask or moderation holds back is sent when the hold ends, where
 * FlexTOE's firmware forgets an event inside the interval; a notification that is written before
 * or after arming always either is seen by the look that follows or fires.
 */
import { EventState } from "../../bindings/abi/descriptor.ts";

/** A function's table has at most this many entries (7.7.2.2: 11 bits). */
export const MSIX_VECTORS_MAX = 2048;

/** Vectors of one device. Time is an argument, ns; the caller writes the messages. */
export class MsixTable {
  readonly vectors: number;
  /** Requests, messages sent for them, and requests that one message answered together. */
  raised = 0;
  sent = 0;
  coalesced = 0;
  readonly #intervalNs: number;
  readonly #masked: Uint8Array;
  readonly #pending: Uint32Array;
  readonly #nextAt: Float64Array;
  #waiting = 0;

  /** `intervalNs`: least time between two messages of one vector. */
  constructor(vectors: number, intervalNs: number = 0) {
    const inRange = Number.isInteger(vectors) && vectors >= 1 && vectors <= MSIX_VECTORS_MAX;
    if (!inRange) throw new RangeError(`pcie: expected 1..2048 vectors, got ${vectors}`);
    if (!(intervalNs >= 0)) throw new RangeError(`pcie: expected interval >= 0, got ${intervalNs}`);
    this.vectors = vectors;
    this.#intervalNs = intervalNs;
    this.#masked = new Uint8Array(vectors);
    this.#pending = new Uint32Array(Math.ceil(vectors / 32));
    this.#nextAt = new Float64Array(vectors).fill(Number.NEGATIVE_INFINITY);
  }

  /** The pending bit array, 32 vectors a word. */
  get pending(): Uint32Array {
    return this.#pending;
  }

  isPending(vector: number): boolean {
    return (((this.#pending[vector >>> 5] as number) >>> (vector & 31)) & 1) !== 0;
  }

  #setPending(vector: number, on: boolean): void {
    if (this.isPending(vector) === on) return;
    this.#pending[vector >>> 5] = (this.#pending[vector >>> 5] as number) ^ (1 << (vector & 31));
    this.#waiting += on ? 1 : -1;
  }

  #send(vector: number, now: number): true {
    this.#setPending(vector, false);
    this.#nextAt[vector] = now + this.#intervalNs;
    this.sent += 1;
    return true;
  }

  #mayGo(vector: number, now: number): boolean {
    return this.#masked[vector] === 0 && (this.#nextAt[vector] as number) <= now;
  }

  /** An interrupt is asked for: true when its message is to be sent now. */
  raise(vector: number, now: number): boolean {
    this.raised += 1;
    if (this.isPending(vector)) this.coalesced += 1;
    else if (this.#mayGo(vector, now)) return this.#send(vector, now);
    this.#setPending(vector, true);
    return false;
  }

  /** True when unmasking lets a message go that is to be sent now. */
  mask(vector: number, on: boolean, now: number): boolean {
    this.#masked[vector] = on ? 1 : 0;
    return this.isPending(vector) && this.#mayGo(vector, now) && this.#send(vector, now);
  }

  /** When moderation next lets a message go: ns; Infinity when none waits for time. */
  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#waiting === 0) return next;
    for (let vector = 0; vector < this.vectors; vector += 1) {
      const due = this.isPending(vector) && this.#masked[vector] === 0;
      if (due) next = Math.min(next, this.#nextAt[vector] as number);
    }
    return next;
  }

  /** Calls `onSend` for each vector whose interval is over. */
  advance(now: number, onSend: (vector: number) => void): void {
    if (this.#waiting === 0) return;
    for (let vector = 0; vector < this.vectors; vector += 1) {
      if (!this.isPending(vector) || !this.#mayGo(vector, now)) continue;
      this.#send(vector, now);
      onSend(vector);
    }
  }
}

/**
 * The arming handshake over one word that host and device share (a context's
 * CONTEXT_EVENT_STATE). Host: finds its ring empty, arm(), looks at the ring once more, and sleeps
 * only if it is still empty; disarm() otherwise and on waking. Device: shows the notification,
 * then interrupts if fire() says so. Whichever of "shows" and "arms" comes second sees the other.
 */
export class EventLatch {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  arm(): void {
    Atomics.store(this.#words, this.#index, EventState.Armed);
  }

  /** Back to polling; true when an interrupt was asked for meanwhile. */
  disarm(): boolean {
    return Atomics.exchange(this.#words, this.#index, EventState.Polling) === EventState.Fired;
  }

  /** True once for each arming: the device is to raise the interrupt. */
  fire(): boolean {
    const armed: number = EventState.Armed;
    return Atomics.compareExchange(this.#words, this.#index, armed, EventState.Fired) === armed;
  }
}
