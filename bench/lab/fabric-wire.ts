/**
 * One direction of a link of a modelled network: a queue in front of the wire, the wire, and what
 * is under way on it. The queue of a switch's port takes from a buffer that all ports of the switch
 * share, by dynamic thresholds (Choudhury and Hahne 1998): a port may hold alpha times what is
 * free. Invariants: frames leave in the order in which they came; a buffer's bytes are those that
 * have not left its ports.
 */
import { ETHERNET_SIZE } from "../../bindings/abi/ethernet.ts";

/** Bytes of a frame in a buffer beside the IP packet: header and FCS. */
const FRAME_MORE = ETHERNET_SIZE + 4;
/** Bytes on the wire beside those: preamble 8, gap 12. */
const WIRE_MORE = 20;
const RING_LEAST = 64;

/** The buffer of one switch. */
export class SharedBuffer {
  readonly bytes: number;
  readonly alpha: number;
  used = 0;
  readonly #wires: Wire[] = [];

  constructor(bytes: number, alpha: number) {
    this.bytes = bytes;
    this.alpha = alpha;
  }

  add(wire: Wire): void {
    this.#wires.push(wire);
  }

  /** Forgets what has left its ports by now. */
  settle(now: number): void {
    for (const wire of this.#wires) wire.settle(now);
  }
}

export class Wire {
  /** Frames that the queue did not take. */
  dropped = 0;
  marked = 0;
  readonly #nsPerByte: number;
  readonly #delay: number;
  readonly #buffer: SharedBuffer | undefined;
  /** A ring of frames: slot, bytes in the queue, when the last byte leaves. */
  #slots = new Uint32Array(RING_LEAST);
  #sizes = new Uint16Array(RING_LEAST);
  #departures = new Float64Array(RING_LEAST);
  /** Free-running counts: arrived <= left <= taken. */
  #arrived = 0;
  #left = 0;
  #taken = 0;
  #queued = 0;
  #freeAt = 0;

  /** `rate` in bits/s, `delay` in ns; without a buffer the sender watches `waiting`. */
  constructor(rate: number, delay: number, buffer?: SharedBuffer) {
    this.#nsPerByte = 8e9 / rate;
    this.#delay = delay;
    this.#buffer = buffer;
    buffer?.add(this);
  }

  /** When the first frame under way arrives; Infinity without one. */
  get nextArrival(): number {
    if (this.#arrived === this.#taken) return Number.POSITIVE_INFINITY;
    const at = this.#arrived & (this.#slots.length - 1);
    return (this.#departures[at] as number) + this.#delay;
  }

  /** When the last byte of all that waits has left. */
  get freeAt(): number {
    return this.#freeAt;
  }

  /** ns that a frame of `length` bytes of IP takes of the wire. */
  timeOf(length: number): number {
    return (length + FRAME_MORE + WIRE_MORE) * this.#nsPerByte;
  }

  /** Bytes in the queue, the frame that is being sent among them. */
  waiting(now: number): number {
    this.settle(now);
    return this.#queued;
  }

  /** Forgets what has left by now. */
  settle(now: number): void {
    const mask = this.#slots.length - 1;
    while (this.#left !== this.#taken && (this.#departures[this.#left & mask] as number) <= now) {
      const size = this.#sizes[this.#left & mask] as number;
      this.#queued -= size;
      if (this.#buffer !== undefined) this.#buffer.used -= size;
      this.#left += 1;
    }
  }

  /** True when the shared buffer takes a frame of so many bytes of IP; else it is counted. */
  admits(length: number, now: number): boolean {
    const buffer = this.#buffer;
    if (buffer === undefined) return true;
    buffer.settle(now);
    const size = length + FRAME_MORE;
    if (this.#queued + size <= buffer.alpha * (buffer.bytes - buffer.used)) return true;
    this.dropped += 1;
    return false;
  }

  /** Puts a frame into the queue. */
  push(slot: number, length: number, now: number): void {
    if (this.#taken - this.#arrived === this.#slots.length) this.#grow();
    const at = this.#taken & (this.#slots.length - 1);
    const size = length + FRAME_MORE;
    this.#slots[at] = slot;
    this.#sizes[at] = size;
    this.#freeAt = Math.max(this.#freeAt, now) + this.timeOf(length);
    this.#departures[at] = this.#freeAt;
    this.#taken += 1;
    this.#queued += size;
    if (this.#buffer !== undefined) this.#buffer.used += size;
  }

  /** The first frame that has arrived by now; -1 without one. */
  take(now: number): number {
    if (this.nextArrival > now) return -1;
    this.settle(now);
    const slot = this.#slots[this.#arrived & (this.#slots.length - 1)] as number;
    this.#arrived += 1;
    return slot;
  }

  /** A ring of twice the size, counts from 0. */
  #grow(): void {
    const mask = this.#slots.length - 1;
    const count = this.#taken - this.#arrived;
    const order = Array.from({ length: count }, (_, i) => (this.#arrived + i) & mask);
    const size = 2 * this.#slots.length;
    const [slots, sizes, departures] = [this.#slots, this.#sizes, this.#departures];
    this.#slots = new Uint32Array(size);
    this.#sizes = new Uint16Array(size);
    this.#departures = new Float64Array(size);
    order.forEach((from, to) => {
      this.#slots[to] = slots[from] as number;
      this.#sizes[to] = sizes[from] as number;
      this.#departures[to] = departures[from] as number;
    });
    this.#left -= this.#arrived;
    this.#taken = count;
    this.#arrived = 0;
  }
}
