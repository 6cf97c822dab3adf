/**
 * Puts datagrams together that a path, or an IPv6 sender, has taken apart (RFC 791, 3.2; RFC 1122,
 * 3.3.2; RFC 8200, 4.5), as a netif around another. Off unless somebody wraps: the stack drops
 * fragments, and never learns of them here either. Memory and work are bounded: so many datagrams
 * of both families of so many bytes, the oldest making room. A stack hears of what is dropped here
 * and why; it tells the sender of what has timed out.
 *
 * ```ts
 * const netif = new ReassemblerNetif(await openTun({ mode: "tun" }), { datagrams: 16 });
 * ```
 */
import * as E from "../../bindings/abi/ethernet.ts";
import { IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as W from "../wire/ipv4.ts";
import { DatagramSlot, type Verdict } from "./datagram-slot.ts";
import { readIpv4, readIpv6, type NamedFragment } from "./fragment-reading.ts";
import type { Burst, DropListener, Medium, Netif } from "./netif.ts";

/** Everything that IPv4's length field can say, less the shortest header. */
const BYTES_MAX = 0xffff - 20;
const DATAGRAMS_MAX = 1024;
/** RFC 1122, 3.3.2: between 60 and 120 s, and fixed; RFC 8200, 4.5: 60 s. */
const TIMEOUT = 60e9;

export interface ReassemblerOptions {
  /** Datagrams that may be incomplete at once, 1 to 1024; default 16. */
  readonly datagrams?: number;
  /** Payload bytes of the longest, 8 to 65,515, which is the default. */
  readonly bytes?: number;
}

/** What became of fragments, and of the datagrams they belong to. */
export interface ReassemblyCounters {
  fragments: number;
  reassembled: number;
  /** Incomplete for 60 s. */
  timedOut: number;
  /** Incomplete when a newer one wanted the room; or new, and there was none. */
  evicted: number;
  repeated: number;
  /**
   * Dropped with all pieces: overlaps, two ends, lost marks of congestion (RFC 3168, 5.3); of IPv6
   * further pieces of these count too (RFC 5722, 4).
   */
  contradictory: number;
  tooLong: number;
}

export class ReassemblerNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  readonly counters: ReassemblyCounters = {
    fragments: 0,
    reassembled: 0,
    timedOut: 0,
    evicted: 0,
    repeated: 0,
    contradictory: 0,
    tooLong: 0,
  };
  readonly #inner: Netif;
  readonly #slots: readonly DatagramSlot[];
  #ingress: Burst | undefined;
  #told: DropListener = () => undefined;
  #opened = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(inner: Netif, options: ReassemblerOptions = {}) {
    const datagrams = within("datagrams", options.datagrams ?? 16, 1, DATAGRAMS_MAX);
    const bytes = within("bytes", options.bytes ?? BYTES_MAX, 8, BYTES_MAX);
    this.name = inner.name;
    this.medium = inner.medium;
    this.mtu = inner.mtu;
    this.hardwareAddress = inner.hardwareAddress;
    this.#inner = inner;
    this.#slots = Array.from({ length: datagrams }, () => new DatagramSlot(bytes));
  }

  attach(ingress: Burst, index: number): void {
    const { buffer, byteOffset, byteLength } = ingress.bytes;
    this.#ingress = ingress;
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#inner.attach(ingress, index);
  }

  credit(now: number): number {
    return this.#inner.credit(now);
  }

  send(burst: Burst, index: number, now: number): void {
    this.#inner.send(burst, index, now);
  }

  sendBurst(burst: Burst, from: number, count: number, now: number): void {
    if (this.#inner.sendBurst) this.#inner.sendBurst(burst, from, count, now);
    else for (let i = from; i < from + count; i += 1) this.#inner.send(burst, i, now);
  }

  receive(now: number): void {
    const ingress = this.#ingress;
    if (ingress === undefined) return;
    this.#expire(now);
    this.#deliver(ingress);
    const before = ingress.count;
    const used = ingress.used;
    this.#inner.receive(now);
    const arrived = ingress.count;
    // Rows that are kept move up. What has become whole is written behind all that has arrived, at
    // once: the pieces behind its last one may want its slot.
    ingress.count = before;
    for (let i = before; i < arrived; i += 1) {
      if (!this.#take(ingress, i, now)) ingress.keep(i);
    }
    // What stands behind the last frame that is left has room again.
    ingress.used = ingress.extent(before, used);
    this.#deliver(ingress);
  }

  nextDeadline(): number {
    let next = this.#inner.nextDeadline();
    for (const slot of this.#slots) {
      if (slot.isWhole) return 0;
      // Somebody is to be told of its end.
      const isOwed = slot.isUsed && slot.hasFirst && !slot.isSpoilt;
      if (isOwed) next = Math.min(next, slot.since + TIMEOUT);
    }
    return next;
  }

  creditDeadline(): number {
    return this.#inner.creditDeadline?.() ?? this.#inner.nextDeadline();
  }

  onReadable(wake: () => void): void {
    this.#inner.onReadable?.(wake);
  }

  onDropped(told: DropListener): void {
    this.#told = told;
    this.#inner.onDropped?.(told);
  }

  close(): void {
    this.#inner.close?.();
  }

  #expire(now: number): void {
    for (const slot of this.#slots) {
      if (!slot.isUsed || slot.isWhole || now - slot.since < TIMEOUT) continue;
      slot.isUsed = false;
      if (slot.isSpoilt) continue;
      this.counters.timedOut += 1;
      // RFC 1122, 3.3.2; RFC 8200, 4.5: its sender hears of it when the first piece had come.
      const first = slot.hasFirst ? slot.first() : undefined;
      this.#told(DropReason.FragmentTimeout, first, slot.link);
    }
  }

  /** Whole datagrams that have found no room before. */
  #deliver(ingress: Burst): void {
    for (const slot of this.#slots) if (slot.isWhole) this.#emit(ingress, slot);
  }

  /** A whole datagram, if the burst has room; one that never will goes. */
  #emit(ingress: Burst, slot: DatagramSlot): void {
    const { frame } = slot;
    const fits = frame.length <= ingress.bytes.length;
    if (fits && !ingress.push(frame, slot.netif)) return;
    slot.isWhole = false;
    slot.isUsed = false;
    if (fits) this.counters.reassembled += 1;
    else this.#count("tooLong", DropReason.FragmentTooLong);
  }

  /** True when frame `index` was a fragment: it leaves the burst. */
  #take(ingress: Burst, index: number, now: number): boolean {
    const offset = ingress.offset(index);
    const end = offset + ingress.length(index);
    const ip = offset + this.#linkLength(offset, end);
    if (ip + IPV4_SIZE > end) return false;
    const view = this.#view;
    const version = W.ipVersion(view, ip);
    const read = version === 4 ? readIpv4 : readIpv6;
    const piece = read(ingress.bytes, view, offset, ip, end);
    if (piece === undefined) return false;
    this.counters.fragments += 1;
    const slot = this.#slotOf(piece, ingress.netif(index), now);
    if (slot === undefined) return true;
    // Its copy waits for room in the burst.
    if (slot.isWhole) this.counters.repeated += 1;
    else if (slot.isSpoilt) this.#count("contradictory", DropReason.FragmentOverlap);
    else this.#judge(slot, slot.take(piece));
    if (slot.isWhole) this.#emit(ingress, slot);
    return true;
  }

  /** Link header of an IP frame; of all else the whole frame. */
  #linkLength(offset: number, end: number): number {
    if (this.medium === "ip") return 0;
    const view = this.#view;
    if (offset + E.ETHERNET_SIZE + E.VLAN_SIZE > end) return end - offset;
    const type = view.getUint16(offset + E.ETHERNET_TYPE);
    const isTagged = type === E.ETHER_TYPE_VLAN;
    const inner = isTagged ? view.getUint16(offset + E.VLAN_TYPE) : type;
    if (inner !== E.ETHER_TYPE_IPV4 && inner !== E.ETHER_TYPE_IPV6) return end - offset;
    return isTagged ? E.ETHERNET_SIZE + E.VLAN_SIZE : E.ETHERNET_SIZE;
  }

  #slotOf(piece: NamedFragment, netif: number, now: number): DatagramSlot | undefined {
    const { source, destination, name } = piece;
    const known = this.#slots.find(
      (one) =>
        one.isUsed &&
        one.name === name &&
        one.source === source &&
        one.destination === destination &&
        one.netif === netif,
    );
    if (known !== undefined) return known;
    const slot = this.#freeSlot();
    if (slot === undefined) return undefined;
    this.#opened += 1;
    slot.open(now, this.#opened);
    Object.assign(slot, { source, destination, name, netif });
    return slot;
  }

  /** An unused slot, or that of the oldest incomplete datagram. */
  #freeSlot(): DatagramSlot | undefined {
    const unused = this.#slots.find(({ isUsed }) => !isUsed);
    if (unused !== undefined) return unused;
    const waiting = this.#slots.filter(({ isWhole }) => !isWhole);
    const oldest = waiting.reduce<DatagramSlot | undefined>(
      (found, one) => (found === undefined || one.order < found.order ? one : found),
      undefined,
    );
    // Without one all slots wait for room in the burst: the new datagram is what goes.
    this.#count("evicted", DropReason.FragmentLimit);
    return oldest;
  }

  #judge(slot: DatagramSlot, verdict: Verdict): void {
    if (verdict === "waits" || verdict === "whole") return;
    if (verdict === "repeated") {
      this.counters.repeated += 1;
      return;
    }
    if (verdict === "too long") this.#count("tooLong", DropReason.FragmentTooLong);
    else this.#count("contradictory", DropReason.FragmentOverlap);
    // RFC 5722, 4: what of it comes later is not another datagram.
    if (slot.isIpv6) slot.isSpoilt = true;
    else slot.isUsed = false;
  }

  #count(what: "contradictory" | "evicted" | "tooLong", reason: DropReason): void {
    this.counters[what] += 1;
    this.#told(reason);
  }
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`reassembler.${name}: expected ${least}..${most}, got ${value}`);
}
