/**
 * Network interfaces: bursts of frames in, bursts of frames out, with credit. A burst is one
 * contiguous span with a table of {offset, length, netif, connection} (bindings/abi FRAME_*), so
 * that a carrier moves it with one copy.
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import type { Core } from "../../bindings/core.ts";

const WORDS = FRAME_SIZE / 4;

/** Where a frame may begin behind one that ends at `bytes`. */
function rounded(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** A burst over somebody's bytes: a core's ingress or egress span, or a carrier's own buffer. */
export class Burst {
  /** The span; offsets count from its start. */
  readonly bytes: Uint8Array;
  /** The span as words, for short copies; undefined when it does not start on a word. */
  readonly words: Uint32Array | undefined;
  /** FRAME_SIZE / 4 words a frame: offset, length, netif, connection. */
  readonly table: Uint32Array;
  /** Frames that the table holds. */
  readonly capacity: number;
  /** Two words: frames in the burst, and bytes used of the span. */
  readonly #state: Int32Array;
  /** The core whose ingress or egress burst it is. */
  readonly core: Core | undefined;

  /** `state`: the burst's two words in the core's header; its own when left out. */
  constructor(bytes: Uint8Array, table: Uint32Array, core?: Core, state?: Int32Array) {
    this.#state = state ?? new Int32Array(2);
    this.bytes = bytes;
    this.table = table;
    this.core = core;
    this.capacity = table.length / WORDS;
    const whole = bytes.byteOffset % 4 === 0 && bytes.byteLength % 4 === 0;
    this.words = whole
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
      : undefined;
  }

  /** Frames in the burst. */
  get count(): number {
    return this.#state[0] as number;
  }

  set count(frames: number) {
    this.#state[0] = frames;
  }

  /** Bytes used of the span. */
  get used(): number {
    return this.#state[1] as number;
  }

  set used(bytes: number) {
    this.#state[1] = bytes;
  }

  offset(index: number): number {
    return this.table[index * WORDS] as number;
  }

  length(index: number): number {
    return this.table[index * WORDS + 1] as number;
  }

  netif(index: number): number {
    return this.table[index * WORDS + 2] as number;
  }

  /** Frames that still fit the table. */
  room(): number {
    return this.capacity - this.count;
  }

  /** Makes room for one frame and returns its offset, or -1 when the burst is full. */
  reserve(length: number, netif: number): number {
    if (this.room() <= 0 || this.used + length > this.bytes.length) return -1;
    const at = this.used;
    const row = this.count * WORDS;
    this.table[row] = at;
    this.table[row + 1] = length;
    this.table[row + 2] = netif;
    this.table[row + 3] = 0;
    this.count += 1;
    this.used += rounded(length);
    return at;
  }

  /** Copies one frame in; false when the burst is full. */
  push(frame: Uint8Array, netif: number): boolean {
    const at = this.reserve(frame.length, netif);
    if (at < 0) return false;
    this.bytes.set(frame, at);
    return true;
  }

  /** Gives row `index`, one beyond the count, to the next frame of the burst. */
  keep(index: number): void {
    this.table.copyWithin(this.count * WORDS, index * WORDS, (index + 1) * WORDS);
    this.count += 1;
  }

  /** The bytes used by frame `from` and those behind it, and by `used` in front of them. */
  extent(from: number, used: number): number {
    let end = used;
    for (let i = from; i < this.count; i += 1) {
      end = Math.max(end, rounded(this.offset(i) + this.length(i)));
    }
    return end;
  }

  clear(): void {
    this.count = 0;
    this.used = 0;
  }

  /** Takes the first `frames` out, fewer than there are: the others move to the front. */
  drop(frames: number): void {
    const { table, bytes } = this;
    const left = this.count - frames;
    const moved = this.offset(frames);
    bytes.copyWithin(0, moved, this.used);
    table.copyWithin(0, frames * WORDS, this.count * WORDS);
    for (let row = 0; row < left * WORDS; row += WORDS) {
      table[row] = (table[row] as number) - moved;
    }
    this.count = left;
    this.used -= moved;
  }
}

export type Medium = "ethernet" | "ip";

/**
 * Hears why a carrier has dropped what the stack never saw (a DropReason). `first` is a frame whose
 * sender may be told, `ip` the offset of its IP header.
 */
export type DropListener = (reason: number, first?: Uint8Array, ip?: number) => void;

/**
 * A carrier of frames. Time is nanoseconds and is passed in. `send` and `receive` do bounded
 * work and never block.
 */
export interface Netif {
  readonly name: string;
  /** "ethernet": frames start with an Ethernet header; "ip": they are IP packets. */
  readonly medium: Medium;
  /** Largest IP packet in bytes. */
  readonly mtu: number;
  /** 6 bytes; all zero on medium "ip". */
  readonly hardwareAddress: Uint8Array;
  /** The stack's ingress burst and the netif's number in it; called once, by the stack. */
  attach(ingress: Burst, index: number): void;
  /** Frames that send() would take now. */
  credit(now: number): number;
  /** Sends frame `index` of the burst: copies it before returning. */
  send(burst: Burst, index: number, now: number): void;
  /**
   * Sends frames `from` .. `from + count - 1` of the burst, all of them within credit(): for
   * carriers that move a whole burst with one copy. The same as send() for each; optional.
   */
  sendBurst?(burst: Burst, from: number, count: number, now: number): void;
  /**
   * Says that it is its stack's only carrier; optional. A link within one memory may then move
   * frames in the data path's own crossing, and send() sees only the control plane's.
   */
  couple?(): void;
  /** Frames went out without send(): called by the stack of a coupled carrier. */
  carried?(): void;
  /** Appends frames that have arrived to the attached ingress burst, as many as fit. */
  receive(now: number): void;
  /** When receive() will next have something; Infinity when only the outside knows. */
  nextDeadline(): number;
  /**
   * When credit() that said 0 will say more; Infinity when nobody waits for it. Optional: without
   * it nextDeadline() covers both. A stack that holds frames back does not read meanwhile, so
   * that for it arrivals are no reason to be polled.
   */
  creditDeadline?(): number;
  /** Called by a driver: `wake` runs when frames arrive from outside (TUN); optional. */
  onReadable?(wake: () => void): void;
  /** Called by the control plane, once: who counts what the carrier drops itself; optional. */
  onDropped?(told: DropListener): void;
  close?(): void;
}
