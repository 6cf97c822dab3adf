/**
 * A full-duplex link between two netifs, with rate, delay, a drop-tail queue and faults for each
 * direction. Invariants: a frame that is neither dropped nor held back keeps its place in line;
 * deliveries are ordered by (time, sequence); memory is bounded and taken at the start; all
 * randomness comes from the seed.
 *
 * ```ts
 * const link = createLink({ rate: 1e9, delay: 1e6, faults: { loss: 0.01 }, seed: 42 });
 * const client = new Stack({ netifs: [link.ends[0]], ... });
 * const server = new Stack({ netifs: [link.ends[1]], ... });
 * // 10 Mbit/s up, 100 Mbit/s down, and nothing at all for a while:
 * createLink({ rate: 10e6, delay: 20e6, reverse: { rate: 100e6 } }).down = true;
 * ```
 */
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import { Prng } from "../prng.ts";
import { FaultInjector, type FaultOptions, markCongestion } from "./fault-injector.ts";
import { FrameStore } from "./frame-store.ts";
import type { DropCause, FrameTap } from "./frame-tap.ts";
import type { Burst, Medium, Netif } from "./netif.ts";

const MTU_DEFAULT = 1500;
const QUEUE_BYTES_DEFAULT = 256 * 1024;
/** Bytes on an Ethernet wire beside the frame: preamble 8, FCS 4, gap 12. */
const ETHERNET_OVERHEAD = 24;
/** Store of a direction without a rate, where nothing else bounds what is on its way. */
const STORE_BYTES_DEFAULT = 4 * 1024 * 1024;
const STORE_BYTES_MAX = 256 * 1024 * 1024;
/** What credit() answers when the link takes everything, dropping what it cannot hold. */
const CREDIT_MAX = 65_536;

export interface QueueLimit {
  /** Bytes waiting for the wire; default 262,144. */
  readonly bytes?: number;
  /** Frames waiting for the wire; default unlimited. */
  readonly frames?: number;
  /**
   * A frame that finds more than so many bytes waiting is marked Congestion Experienced, if it is
   * ECN-capable: DCTCP's threshold on the instantaneous queue (RFC 8257, 3.1); default never.
   */
  readonly markBytes?: number;
}

/** One direction. Unset: the default, or for `reverse` the value of the forward direction. */
export interface DirectionOptions {
  /** bits per second; default Infinity. */
  readonly rate?: number;
  /** Propagation delay in ns; default 0. */
  readonly delay?: number;
  /** Of the queue in front of the wire, drop-tail. */
  readonly queue?: QueueLimit;
  /** True: a full queue takes away credit, as a host's own NIC does, and never drops. */
  readonly backpressure?: boolean;
  readonly faults?: FaultOptions;
}

export interface LinkOptions extends DirectionOptions {
  /** Names of the two ends; default "link0" and "link1". */
  readonly names?: readonly [string, string];
  /** Default "ethernet". */
  readonly medium?: Medium;
  /** Bytes, default 1500. */
  readonly mtu?: number;
  /** 6 bytes for each end; default locally administered addresses. */
  readonly hardwareAddresses?: readonly [Uint8Array, Uint8Array];
  /** From the second end to the first, where it differs. */
  readonly reverse?: DirectionOptions;
  /** Number, or a stream to fork from; default 0. */
  readonly seed?: number | Prng;
  /** Watchers of both directions. */
  readonly taps?: readonly FrameTap[];
}

/** Counters of one direction; `dropped` by cause. */
export interface LinkCounters {
  frames: number;
  bytes: number;
  delivered: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  marked: number;
  readonly dropped: Record<DropCause, number>;
}

interface DirectionShape {
  readonly medium: Medium;
  readonly mtu: number;
  readonly side: number;
  readonly taps: FrameTap[];
  readonly isDown: () => boolean;
}

/** One direction: the queue, the wire, and the frames on it. */
class Direction {
  readonly counters: LinkCounters = {
    frames: 0,
    bytes: 0,
    delivered: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    marked: 0,
    dropped: { loss: 0, "burst loss": 0, queue: 0, size: 0, down: 0, rule: 0 },
  };
  readonly #shape: DirectionShape;
  readonly #frameBytes: number;
  readonly #overhead: number;
  readonly #nsPerByte: number;
  readonly #delay: number;
  readonly #queueBytes: number;
  readonly #queueFrames: number;
  readonly #markBytes: number;
  readonly #backpressure: boolean;
  readonly #store: FrameStore;
  readonly #waiting: Float64Array;
  #faults: FaultInjector;
  #waitingHead = 0;
  #waitingTail = 0;
  /** Time at which the wire is free again; never falls. */
  #freeAt = 0;
  /** Delivery time of the last frame that kept the order. */
  #lastArrival = 0;
  #starved = false;
  readonly #prng: Prng;

  constructor(shape: DirectionShape, options: DirectionOptions, prng: Prng) {
    checkDirection(options);
    this.#shape = shape;
    this.#prng = prng;
    const ethernet = shape.medium === "ethernet";
    this.#frameBytes = shape.mtu + (ethernet ? ETHERNET_SIZE + VLAN_SIZE : 0);
    this.#overhead = ethernet ? ETHERNET_OVERHEAD : 0;
    const rate = options.rate ?? Number.POSITIVE_INFINITY;
    this.#nsPerByte = 8e9 / rate;
    this.#delay = options.delay ?? 0;
    // An idle wire takes a frame however short the queue is.
    this.#queueBytes = Math.max(options.queue?.bytes ?? QUEUE_BYTES_DEFAULT, this.#wireBytes());
    this.#queueFrames = options.queue?.frames ?? Number.POSITIVE_INFINITY;
    this.#markBytes = options.queue?.markBytes ?? Number.POSITIVE_INFINITY;
    this.#backpressure = options.backpressure ?? false;
    this.#faults = new FaultInjector(options.faults ?? {}, prng);
    const frames = Number.isFinite(this.#queueFrames) ? this.#queueFrames : 0;
    this.#waiting = new Float64Array(frames + 1);
    this.#store = new FrameStore(this.#storeBytes(rate, options.faults));
  }

  /** All that rate, delay and queue can have on the way, doubled for padding and duplicates. */
  #storeBytes(rate: number, faults: FaultOptions | undefined): number {
    if (!Number.isFinite(rate)) return STORE_BYTES_DEFAULT;
    const time = this.#delay + this.#faults.delayMax;
    const once = (rate * time) / 8e9 + this.#queueBytes + 2 * this.#frameBytes;
    const copies = (faults?.duplicate ?? 0) > 0 ? 2 : 1;
    return Math.min(2 * copies * once + 65_536, STORE_BYTES_MAX);
  }

  setFaults(faults: FaultOptions): void {
    this.#faults = new FaultInjector(faults, this.#prng);
  }

  credit(now: number): number {
    if (!this.#backpressure) return CREDIT_MAX;
    const free = this.#queueBytes - this.#waitingBytes(now);
    const frames = this.#queueFrames - this.#waitingFrames(now);
    const credit = Math.max(0, Math.min(Math.floor(free / this.#wireBytes()), frames));
    this.#starved = credit === 0;
    return Math.min(credit, CREDIT_MAX);
  }

  /** When credit comes back after credit() said 0; Infinity when nobody waits for it. */
  creditTime(): number {
    if (!this.#starved) return Number.POSITIVE_INFINITY;
    const byBytes = this.#freeAt - (this.#queueBytes - this.#wireBytes()) * this.#nsPerByte;
    const full = this.#waitingHead - this.#waitingTail >= this.#queueFrames;
    const byFrames = full ? (this.#waiting[this.#waitingTail % this.#waiting.length] as number) : 0;
    // One ns more than needed: rounding must not find the queue full again at that time.
    return Math.ceil(Math.max(byBytes, byFrames)) + 1;
  }

  nextTime(): number {
    return this.#store.nextTime();
  }

  deliver(now: number, ingress: Burst, netif: number): void {
    this.counters.delivered += this.#store.deliver(now, ingress, netif);
  }

  send(bytes: Uint8Array, offset: number, length: number, now: number): void {
    this.counters.frames += 1;
    this.counters.bytes += length;
    this.#faults.judge(bytes, offset, length, now);
    const congested = this.#waitingBytes(now) > this.#markBytes;
    const cause = this.#refusal(length, now);
    const at = cause === undefined ? this.#store.place(length) : -1;
    if (at < 0) {
      const dropped = cause ?? "queue";
      this.counters.dropped[dropped] += 1;
      this.#tap(now, bytes, offset, length, `dropped: ${dropped}`);
      return;
    }
    this.#store.bytes.set(bytes.subarray(offset, offset + length), at);
    const note = this.#alter(at, length, congested);
    this.#tap(now, bytes, offset, length, note);
    this.#launch(at, length, now);
  }

  /** Why the frame does not get through, if so. A lost frame has used the wire all the same. */
  #refusal(length: number, now: number): DropCause | undefined {
    if (length > this.#frameBytes) return "size";
    if (this.#shape.isDown()) return "down";
    const size = length + this.#overhead;
    const waiting = this.#waitingBytes(now);
    const tooLong = waiting > 0 && waiting + size > this.#queueBytes;
    if (tooLong || this.#waitingFrames(now) >= this.#queueFrames) return "queue";
    this.#freeAt = Math.max(this.#freeAt, now) + Math.ceil(size * this.#nsPerByte);
    if (Number.isFinite(this.#queueFrames)) {
      this.#waiting[this.#waitingHead % this.#waiting.length] = this.#freeAt;
      this.#waitingHead += 1;
    }
    return this.#faults.drop;
  }

  /** Applies marks and bit errors to the stored copy; says what it did. */
  #alter(at: number, length: number, congested: boolean): string {
    const faults = this.#faults;
    const bytes = this.#store.bytes;
    let note = "";
    const mark = faults.mark || congested;
    if (mark && markCongestion(bytes, at, length, this.#shape.medium)) {
      this.counters.marked += 1;
      note = "marked: CE";
    }
    if (faults.corruptBit >= 0) {
      const where = at + (faults.corruptBit >>> 3);
      bytes[where] = (bytes[where] as number) ^ (1 << (faults.corruptBit & 7));
      this.counters.corrupted += 1;
      note = `corrupted: bit ${faults.corruptBit}`;
    }
    if (faults.late > 0) note ||= "reordered";
    if (faults.duplicate) note ||= "duplicated";
    return note;
  }

  #launch(at: number, length: number, now: number): void {
    const faults = this.#faults;
    let arrival = Math.max(this.#freeAt, now) + this.#delay + faults.jitter;
    if (faults.late > 0) {
      this.counters.reordered += 1;
      arrival += faults.late;
    } else {
      arrival = Math.max(arrival, this.#lastArrival);
      this.#lastArrival = arrival;
    }
    this.#store.commit(at, length, arrival, faults.late > 0);
    if (!faults.duplicate) return;
    const copy = this.#store.place(length);
    if (copy < 0) return;
    this.#store.bytes.copyWithin(copy, at, at + length);
    this.#store.commit(copy, length, arrival, faults.late > 0);
    this.counters.duplicated += 1;
  }

  #wireBytes(): number {
    return this.#frameBytes + this.#overhead;
  }

  #waitingBytes(now: number): number {
    return this.#freeAt > now ? (this.#freeAt - now) / this.#nsPerByte : 0;
  }

  #waitingFrames(now: number): number {
    while (this.#waitingTail < this.#waitingHead) {
      const departure = this.#waiting[this.#waitingTail % this.#waiting.length] as number;
      if (departure > now) break;
      this.#waitingTail += 1;
    }
    return this.#waitingHead - this.#waitingTail;
  }

  #tap(now: number, bytes: Uint8Array, offset: number, length: number, note: string): void {
    const taps = this.#shape.taps;
    for (let i = 0; i < taps.length; i += 1) {
      (taps[i] as FrameTap).frame(now, this.#shape.side, bytes, offset, length, note);
    }
  }
}

function checkDirection(options: DirectionOptions): void {
  const rate = options.rate ?? Number.POSITIVE_INFINITY;
  if (!(rate > 0)) throw new RangeError(`link.rate: expected bits/s above 0, got ${rate}`);
  const delay = options.delay ?? 0;
  if (!(delay >= 0 && Number.isFinite(delay))) {
    throw new RangeError(`link.delay: expected ns >= 0, got ${delay}`);
  }
  const { bytes = 1, frames = 1, markBytes = 0 } = options.queue ?? {};
  if (!(markBytes >= 0)) {
    throw new RangeError(`link.queue.markBytes: expected at least 0, got ${markBytes}`);
  }
  if (!(bytes >= 1)) throw new RangeError(`link.queue.bytes: expected at least 1, got ${bytes}`);
  const whole = Number.isInteger(frames) && frames >= 1 && frames <= 1_000_000;
  if (!whole && frames !== Number.POSITIVE_INFINITY) {
    throw new RangeError(`link.queue.frames: expected 1..1000000, got ${frames}`);
  }
}

/** One end of a link: sends into one direction, receives from the other. */
class LinkNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  readonly #out: Direction;
  readonly #in: Direction;
  #ingress: Burst | undefined;
  #index = 0;

  constructor(name: string, address: Uint8Array, shape: DirectionShape, ways: Direction[]) {
    this.name = name;
    this.medium = shape.medium;
    this.mtu = shape.mtu;
    this.hardwareAddress = address;
    this.#out = ways[shape.side] as Direction;
    this.#in = ways[1 - shape.side] as Direction;
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(now: number): number {
    return this.#out.credit(now);
  }

  send(burst: Burst, index: number, now: number): void {
    this.#out.send(burst.bytes, burst.offset(index), burst.length(index), now);
  }

  receive(now: number): void {
    if (this.#ingress !== undefined) this.#in.deliver(now, this.#ingress, this.#index);
  }

  creditDeadline(): number {
    return this.#out.creditTime();
  }

  /** The next arrival, or the return of credit when the sender has run out of it. */
  nextDeadline(): number {
    return Math.min(this.#in.nextTime(), this.#out.creditTime());
  }
}

/** A link: two netifs and what happens between them. Made by createLink(). */
export class Link {
  readonly ends: readonly [Netif, Netif];
  /** True: every frame is dropped ("down"); frames on their way still arrive. */
  down = false;
  readonly #directions: readonly [Direction, Direction];
  readonly #taps: FrameTap[];

  constructor(options: LinkOptions) {
    const seed = options.seed ?? 0;
    const prng = typeof seed === "number" ? new Prng(seed) : seed;
    const medium = options.medium ?? "ethernet";
    const mtu = options.mtu ?? MTU_DEFAULT;
    this.#taps = [...(options.taps ?? [])];
    const isDown = (): boolean => this.down;
    const shapes = [0, 1].map((side) => ({ medium, mtu, side, taps: this.#taps, isDown }));
    const [there, back] = shapes as [DirectionShape, DirectionShape];
    this.#directions = [
      new Direction(there, options, prng.fork("forward")),
      new Direction(back, { ...options, ...options.reverse }, prng.fork("reverse")),
    ];
    const end = (shape: DirectionShape): Netif => {
      const name = options.names?.[shape.side] ?? `link${shape.side}`;
      const given = options.hardwareAddresses?.[shape.side];
      const local = medium === "ethernet" ? [2, 0, 0, 0, 0, shape.side + 1] : [0, 0, 0, 0, 0, 0];
      const address = given ?? Uint8Array.from(local);
      return new LinkNetif(name, address, shape, [...this.#directions]);
    };
    this.ends = [end(there), end(back)];
  }

  /** Counters of what the given end (0 or 1) has sent. */
  counters(side: 0 | 1): LinkCounters {
    return this.#directions[side].counters;
  }

  /** Changes the faults of what the given end sends; its streams start anew from the seed. */
  setFaults(side: 0 | 1, faults: FaultOptions): void {
    this.#directions[side].setFaults(faults);
  }

  addTap(tap: FrameTap): void {
    this.#taps.push(tap);
  }
}

/** Makes a link; throws RangeError on an option outside its range. */
export function createLink(options: LinkOptions = {}): Link {
  return new Link(options);
}
