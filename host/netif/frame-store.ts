/**
 * Frames on their way along one direction of a link: a ring of bytes, a ring of records over it,
 * and a small queue of frames that were held back. Invariants: nothing is allocated after start
 * except for held-back frames; frames leave by (time, sequence); frames that are not held back
 * have rising times, so that the ring itself is their queue.
 */
import { EventQueue } from "../virtual-clock.ts";
import type { Burst } from "./netif.ts";

const FREE = 0;
const IN_ORDER = 1;
const LATE = 2;
/** Bytes of the ring per record: an ACK frame takes 80. */
const BYTES_PER_RECORD = 64;

export class FrameStore {
  /** The ring: frames are written here by the link, which may then alter them. */
  readonly bytes: Uint8Array;
  readonly #times: Float64Array;
  readonly #offsets: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #states: Uint8Array;
  readonly #mask: number;
  readonly #late = new EventQueue<number>();
  /** Records and bytes as free-running counts; the record's index is count & mask. */
  #tail = 0;
  #head = 0;
  /** First record that may be in order and not delivered: tail <= next <= head. */
  #next = 0;
  #writeAt = 0;

  /** @param capacity bytes; rounded up to a power of two */
  constructor(capacity: number) {
    let size = 4096;
    while (size < capacity) size *= 2;
    const records = size / BYTES_PER_RECORD;
    this.bytes = new Uint8Array(size);
    this.#times = new Float64Array(records);
    this.#offsets = new Uint32Array(records);
    this.#lengths = new Uint32Array(records);
    this.#states = new Uint8Array(records);
    this.#mask = records - 1;
  }

  get frames(): number {
    let count = 0;
    for (let i = this.#tail; i !== this.#head; i += 1) {
      if (this.#states[i & this.#mask] !== FREE) count += 1;
    }
    return count;
  }

  /** Where a frame of `length` bytes may be written, or -1 when the store is full. */
  place(length: number): number {
    if (this.#head - this.#tail > this.#mask) return -1;
    const size = this.bytes.length;
    if (this.#head === this.#tail) this.#writeAt = 0;
    const used = this.#head !== this.#tail;
    const oldest = used ? (this.#offsets[this.#tail & this.#mask] as number) : size;
    const at = this.#writeAt;
    if (used && at <= oldest) return at + length < oldest ? at : -1;
    if (at + length <= size) return at;
    return length < oldest ? 0 : -1;
  }

  /** Puts in the frame that was written at `at`; `late` frames may be overtaken. */
  commit(at: number, length: number, time: number, late: boolean): void {
    const record = this.#head & this.#mask;
    this.#times[record] = time;
    this.#offsets[record] = at;
    this.#lengths[record] = length;
    this.#states[record] = late ? LATE : IN_ORDER;
    if (late) this.#late.push(time, this.#head, this.#head);
    this.#head += 1;
    this.#writeAt = (at + length + 15) & ~15;
  }

  /** Time of the next delivery in ns; Infinity when the store is empty. */
  nextTime(): number {
    return Math.min(this.#inOrderTime(), this.#late.time);
  }

  /** Moves what is due into the burst, as far as it fits; the number of frames moved. */
  deliver(now: number, ingress: Burst, netif: number): number {
    let moved = 0;
    for (;;) {
      const inOrder = this.#inOrderTime();
      const late = this.#late.time;
      if (Math.min(inOrder, late) > now) return moved;
      const lateFirst = late < inOrder || (late === inOrder && this.#late.sequence < this.#next);
      const took = lateFirst ? this.#takeLate(ingress, netif) : this.#takeRun(now, ingress, netif);
      if (took === 0) return moved;
      moved += took;
    }
  }

  #inOrderTime(): number {
    while (this.#next !== this.#head && this.#states[this.#next & this.#mask] !== IN_ORDER) {
      this.#next += 1;
    }
    if (this.#next === this.#head) return Number.POSITIVE_INFINITY;
    return this.#times[this.#next & this.#mask] as number;
  }

  #takeLate(ingress: Burst, netif: number): number {
    // pop() would lose it should the burst be full, so look first.
    const record = this.#late.sequence & this.#mask;
    const length = this.#lengths[record] as number;
    const at = ingress.reserve(length, netif);
    if (at < 0) return 0;
    const from = this.#offsets[record] as number;
    ingress.bytes.set(this.bytes.subarray(from, from + length), at);
    this.#late.pop();
    this.#states[record] = FREE;
    this.#release();
    return 1;
  }

  /** A run of due frames that lie one behind the other, with one copy: the burst packs alike. */
  #takeRun(now: number, ingress: Burst, netif: number): number {
    const first = this.#offsets[this.#next & this.#mask] as number;
    const to = ingress.used;
    let end = first;
    let count = 0;
    while (this.#next !== this.#head) {
      const record = this.#next & this.#mask;
      const due = (this.#times[record] as number) <= now && this.#states[record] === IN_ORDER;
      const from = this.#offsets[record] as number;
      if (!due || from !== ((end + 15) & ~15) || this.#overtaken(record)) break;
      const length = this.#lengths[record] as number;
      if (ingress.reserve(length, netif) < 0) break;
      end = from + length;
      this.#states[record] = FREE;
      this.#next += 1;
      count += 1;
    }
    if (count > 0) ingress.bytes.set(this.bytes.subarray(first, end), to);
    this.#release();
    return count;
  }

  /** A held-back frame is due before this record. */
  #overtaken(record: number): boolean {
    const time = this.#times[record] as number;
    if (this.#late.time !== time) return this.#late.time < time;
    return this.#late.sequence < this.#next;
  }

  #release(): void {
    while (this.#tail !== this.#head && this.#states[this.#tail & this.#mask] === FREE) {
      this.#tail += 1;
    }
    if (this.#next < this.#tail) this.#next = this.#tail;
  }
}
