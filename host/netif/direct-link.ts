/**
 * A pair of netifs in one memory without delay, rate or loss: a frame goes with one copy from the
 * sender's egress burst into the receiver's ingress burst. Invariant: credit is the room in that
 * ingress burst, so nothing is ever dropped.
 *
 * ```ts
 * const [left, right] = directLink({ names: ["left", "right"] });
 * const client = new Stack({ netifs: [left], ... });
 * ```
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import { CORE_LINK, CORE_LINK_BYTES, CORE_LINK_FRAME } from "../../bindings/abi/memory-map.ts";
import { CORE_LINK_FRAMES, CORE_LINK_NETIF } from "../../bindings/abi/memory-map.ts";
import { CORE_LINK_STARVED, CORE_LINK_TELL, STEP_CARRIED } from "../../bindings/abi/memory-map.ts";
import type { Core } from "../../bindings/core.ts";
import { copyWords } from "../copy-words.ts";
import type { FrameTap } from "./frame-tap.ts";
import type { Burst, Medium, Netif } from "./netif.ts";

const WORDS = FRAME_SIZE / 4;
const MTU_DEFAULT = 1500;

export interface DirectLinkOptions {
  readonly names?: readonly [string, string];
  /** Default "ethernet". */
  readonly medium?: Medium;
  /** Bytes, default 1500. */
  readonly mtu?: number;
  /** Sees every frame; costs a call a frame. */
  readonly tap?: FrameTap;
  /** Called with the side (0 or 1) that has received something and should be polled. */
  readonly onArrival?: (side: number) => void;
}

/** Spans up to this many bytes are copied word by word. */
const WORD_COPY_BYTES = 256;

/** Copies between spans; both offsets are multiples of 16 and the bytes after the end are free. */
function copySpan(from: Burst, start: number, to: Burst, at: number, length: number): void {
  const source = from.words;
  const target = to.words;
  if (length > WORD_COPY_BYTES || source === undefined || target === undefined) {
    to.bytes.set(from.bytes.subarray(start, start + length), at);
    return;
  }
  copyWords(target, at >>> 2, source, start >>> 2, ((length + 15) >>> 4) << 2);
}

/** Table rows `first` to `last` (word indexes) behind those of `to`; the sum of the lengths. */
function moveRows(
  from: Burst,
  first: number,
  last: number,
  to: Burst,
  moved: number,
  netif: number,
): number {
  const source = from.table;
  const target = to.table;
  let bytes = 0;
  let row = (to.count * WORDS) | 0;
  for (let at = first; at <= last; at = (at + WORDS) | 0) {
    const length = (source[(at + 1) | 0] as number) | 0;
    target[row] = ((source[at] as number) + moved) | 0;
    target[(row + 1) | 0] = length;
    target[(row + 2) | 0] = netif | 0;
    target[(row + 3) | 0] = 0;
    row = (row + WORDS) | 0;
    bytes = (bytes + length) | 0;
  }
  return bytes;
}

/** One end of a direct link. */
export class DirectNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  /** Frames sent by send() and sendBurst(), and their bytes. */
  #frames = 0;
  #bytes = 0;
  readonly #side: number;
  readonly #frameBytes: number;
  readonly #tap: FrameTap | undefined;
  readonly #onArrival: ((side: number) => void) | undefined;
  #peer: DirectNetif | undefined;
  /** Credit while the peer's ingress burst is empty. */
  #emptyCredit = 0;
  #ingress: Burst | undefined;
  #index = 0;
  #wake: (() => void) | undefined;
  /** Its stack has no other carrier. */
  #alone = false;
  /** The data path moves its frames. */
  #coupled = false;
  /** The sender has filled the peer's burst, or found it full, and wants to hear of room. */
  #starved = false;

  constructor(side: number, options: DirectLinkOptions) {
    this.name = options.names?.[side] ?? `direct${side}`;
    this.medium = options.medium ?? "ethernet";
    this.mtu = options.mtu ?? MTU_DEFAULT;
    this.hardwareAddress = new Uint8Array(6);
    if (this.medium === "ethernet") this.hardwareAddress.set([2, 0, 0, 0, 1, side + 1]);
    this.#side = side;
    const header = this.medium === "ethernet" ? ETHERNET_SIZE + VLAN_SIZE : 0;
    this.#frameBytes = (this.mtu + header + 15) & ~15;
    this.#tap = options.tap;
    this.#onArrival = options.onArrival;
  }

  /** Frames sent. */
  get frames(): number {
    return this.#frames + this.#carried(CORE_LINK_FRAMES);
  }

  /** Bytes of the frames sent. */
  get bytes(): number {
    return this.#bytes + this.#carried(CORE_LINK_BYTES);
  }

  /** A count of the frames that the data path has moved by itself. */
  #carried(field: number): number {
    const core = this.#ingress?.core;
    return core === undefined ? 0 : Number(core.view.getBigUint64(core.address + field, true));
  }

  /** Joins two ends; directLink() does it. */
  join(peer: DirectNetif): void {
    this.#peer = peer;
  }

  /** The peer's empty ingress burst takes so many frames. */
  expectRoom(frames: number): void {
    this.#emptyCredit = frames;
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
    const fits = Math.floor(ingress.bytes.length / this.#frameBytes);
    this.#peer?.expectRoom(Math.min(ingress.capacity, fits));
  }

  /**
   * Both ends are their stacks' only carriers, in one memory, and nobody looks at single frames:
   * turn() then moves a burst in the crossing that made it. Otherwise nothing changes.
   */
  couple(): void {
    this.#alone = true;
    const peer = this.#peer;
    if (peer === undefined || !this.#mayCouple() || !peer.#mayCouple()) return;
    const own = this.#ingress?.core as Core;
    const other = peer.#ingress?.core as Core;
    if (own.exports !== other.exports) return;
    this.#coupled = true;
    peer.#coupled = true;
    for (const [from, to, netif] of [
      [own, other, peer.#index],
      [other, own, this.#index],
    ] as const) {
      from.words[(from.address + CORE_LINK_NETIF) >>> 2] = netif;
      from.words[(from.address + CORE_LINK_FRAME) >>> 2] = this.#frameBytes;
      from.words[(from.address + CORE_LINK) >>> 2] = to.address;
    }
    this.#listen();
    peer.#listen();
  }

  /** The sender's turn() says that it has sent only where that changes something here. */
  #listen(): void {
    const core = this.#peer === undefined ? undefined : this.#peer.#ingress?.core;
    if (core === undefined || (this.#wake ?? this.#onArrival) === undefined) return;
    core.words[(core.address + CORE_LINK_TELL) >>> 2] = STEP_CARRIED;
  }

  #mayCouple(): boolean {
    const { send, sendBurst } = DirectNetif.prototype;
    // A class that looks at what it sends goes on seeing it.
    const plain = this.send === send && this.sendBurst === sendBurst && this.#tap === undefined;
    return this.#alone && plain && this.#ingress?.core !== undefined;
  }

  /** The data path has moved frames to the peer, or has made room for the peer's. */
  carried(): void {
    if (this.#peer !== undefined) this.#peer.#arrived();
  }

  /** Room in the peer's ingress burst, counted in frames of the largest size. */
  credit(): number {
    const room = this.#room();
    this.#starved = room === 0;
    return room;
  }

  #room(): number {
    const to = this.#peerIngress();
    if (to === undefined) return 0;
    if (to.count === 0 && to.used === 0) return this.#emptyCredit;
    const fits = Math.floor((to.bytes.length - to.used) / this.#frameBytes);
    return Math.max(Math.min(to.room(), fits), 0);
  }

  send(burst: Burst, index: number, now: number): void {
    const peer = this.#peer;
    const to = this.#peerIngress();
    if (peer === undefined || to === undefined) return;
    const from = burst.offset(index);
    const length = burst.length(index);
    const at = to.reserve(length, peer.#index);
    // credit() said so; a caller that went past it loses the frame, as on any full carrier.
    if (at < 0) return;
    to.bytes.set(burst.bytes.subarray(from, from + length), at);
    this.#frames += 1;
    this.#bytes += length;
    this.#show(burst, index, 1, now);
    this.#sent(peer);
  }

  /** The peer has frames; a sender that has used all room wants to hear of more. */
  #sent(peer: DirectNetif): void {
    this.#starved = this.#room() === 0;
    peer.#arrived();
  }

  /** One copy for the frames together, their order and spacing kept. */
  sendBurst(burst: Burst, from: number, count: number, now: number): void {
    const peer = this.#peer;
    const to = peer === undefined ? undefined : peer.#ingress;
    if (peer === undefined || to === undefined || count <= 0) return;
    if (this.#tap === undefined && this.#carry(burst, from, count, to, peer.#index)) {
      this.#sent(peer);
      return;
    }
    const { table } = burst;
    const first = (from * WORDS) | 0;
    const last = (first + ((count - 1) | 0) * WORDS) | 0;
    const start = (table[first] as number) | 0;
    const span = ((table[last] as number) + (table[(last + 1) | 0] as number) - start) | 0;
    const at = to.used;
    const fits = count <= to.capacity - to.count && span <= to.bytes.length - at;
    if (!fits || span < 0 || (start & 15) !== 0) {
      for (let i = from; i < from + count; i += 1) this.send(burst, i, now);
      return;
    }
    copySpan(burst, start, to, at, span);
    this.#bytes += moveRows(burst, first, last, to, at - start, peer.#index);
    this.#frames += count;
    if (this.#tap !== undefined) this.#show(burst, from, count, now);
    to.count = (to.count + count) | 0;
    to.used = (at + span + 15) & ~15;
    this.#sent(peer);
  }

  /** The copy between two cores of one memory (CoreGroup); false when it has to be made here. */
  #carry(burst: Burst, first: number, count: number, to: Burst, netif: number): boolean {
    const source = burst.core;
    const target = to.core;
    if (source === undefined || source.exports !== target?.exports) return false;
    return source.exports.carry(source.address, target.address, first, count, netif) !== 0;
  }

  /** The peer has written the frames into the ingress burst already; tells it of room again. */
  receive(): void {
    const peer = this.#peer;
    // What a turn() found no room for, it tells itself.
    if (peer === undefined || (this.#coupled === true && peer.#starved === false)) return;
    if (peer.awaitsRoom()) peer.wake();
  }

  /** 0 (at once) when frames wait, or when a sender that met a full burst can go on. */
  nextDeadline(): number {
    const waiting = this.#ingress !== undefined && this.#ingress.count > 0;
    const room = this.awaitsRoom() || this.#peer?.awaitsRoom();
    return waiting || room ? 0 : Number.POSITIVE_INFINITY;
  }

  /** This end has run out of credit, and there is room again. */
  awaitsRoom(): boolean {
    return (this.#starved || this.#starvedInside()) && this.#room() > 0;
  }

  /** The last turn() of this end found no room. */
  #starvedInside(): boolean {
    const core = this.#ingress?.core;
    return core !== undefined && core.words[(core.address + CORE_LINK_STARVED) >>> 2] !== 0;
  }

  /** Has this end's stack polled. */
  wake(): void {
    this.#wake?.();
  }

  onReadable(wake: () => void): void {
    this.#wake = wake;
    this.#listen();
  }

  #peerIngress(): Burst | undefined {
    return this.#peer === undefined ? undefined : this.#peer.#ingress;
  }

  #arrived(): void {
    this.#wake?.();
    this.#onArrival?.(this.#side);
  }

  #show(burst: Burst, from: number, count: number, now: number): void {
    for (let i = from; i < from + count; i += 1) {
      const length = burst.length(i);
      this.#tap?.frame(now, this.#side, burst.bytes, burst.offset(i), length, "");
    }
  }
}

/** Two netifs; what one sends is in the other's ingress burst at once. */
export function directLink(options: DirectLinkOptions = {}): [DirectNetif, DirectNetif] {
  const left = new DirectNetif(0, options);
  const right = new DirectNetif(1, options);
  joinDirect(left, right);
  return [left, right];
}

/** Makes a link of two ends, for classes that extend DirectNetif. */
export function joinDirect(left: DirectNetif, right: DirectNetif): void {
  left.join(right);
  right.join(left);
}
