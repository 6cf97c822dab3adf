/**
 * Puts IPv4 datagrams together that a path has taken apart (RFC 791, 3.2; RFC 1122, 3.3.2), as a
 * netif around another. Off unless somebody wraps: the data path drops fragments, and never learns
 * of them here either. Memory and work are bounded: so many datagrams of so many bytes, the oldest
 * making room. No ICMP tells a sender of what has timed out.
 *
 * ```ts
 * const netif = new ReassemblerNetif(await openTun({ mode: "tun" }), { datagrams: 16 });
 * ```
 */
import * as E from "../../bindings/abi/ethernet.ts";
import * as I from "../../bindings/abi/ip.ts";
import { checksumAdd, checksumHolds } from "../wire/checksum.ts";
import * as W from "../wire/ipv4.ts";
import { DatagramSlot, type Fragment, type Verdict } from "./datagram-slot.ts";
import type { Burst, Medium, Netif } from "./netif.ts";

/** Everything that IPv4's length field can say, less the shortest header. */
const BYTES_MAX = 0xffff - 20;
const DATAGRAMS_MAX = 1024;
/** RFC 1122, 3.3.2: between 60 and 120 s, and fixed. */
const TIMEOUT = 60e9;
const ROW = 4;

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
  /** Incomplete when a newer one wanted the room. */
  evicted: number;
  repeated: number;
  /** Dropped with all pieces: overlaps, two ends, lost marks of congestion (RFC 3168, 5.3). */
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
    let kept = before;
    for (let i = before; i < ingress.count; i += 1) {
      if (this.#take(ingress, i, now)) continue;
      ingress.table.copyWithin(kept * ROW, i * ROW, (i + 1) * ROW);
      kept += 1;
    }
    // What stands behind the last frame that is left has room again.
    if (kept === before) ingress.used = used;
    else if (kept < ingress.count) ingress.used = endOf(ingress, kept - 1);
    ingress.count = kept;
    this.#deliver(ingress);
  }

  nextDeadline(): number {
    return this.#slots.some(({ isWhole }) => isWhole) ? 0 : this.#inner.nextDeadline();
  }

  creditDeadline(): number {
    return this.#inner.creditDeadline?.() ?? this.#inner.nextDeadline();
  }

  onReadable(wake: () => void): void {
    this.#inner.onReadable?.(wake);
  }

  close(): void {
    this.#inner.close?.();
  }

  #expire(now: number): void {
    for (const slot of this.#slots) {
      if (!slot.isUsed || slot.isWhole || now - slot.since < TIMEOUT) continue;
      slot.isUsed = false;
      this.counters.timedOut += 1;
    }
  }

  /** Whole datagrams, as far as the burst has room; one that never will goes. */
  #deliver(ingress: Burst): void {
    for (const slot of this.#slots) {
      if (!slot.isWhole) continue;
      const { frame } = slot;
      const fits = frame.length <= ingress.bytes.length;
      if (fits && !ingress.push(frame, slot.netif)) continue;
      slot.isWhole = false;
      slot.isUsed = false;
      if (fits) this.counters.reassembled += 1;
      else this.counters.tooLong += 1;
    }
  }

  /** True when frame `index` was a fragment: it leaves the burst. */
  #take(ingress: Burst, index: number, now: number): boolean {
    const offset = ingress.offset(index);
    const end = offset + ingress.length(index);
    const ip = offset + this.#linkLength(offset, end);
    if (ip + I.IPV4_SIZE > end || !this.#isFragment(ip, end)) return false;
    const piece = this.#read(ingress.bytes, offset, ip);
    this.counters.fragments += 1;
    const slot = this.#slotOf(ip, ingress.netif(index), now);
    // Its copy waits for room in the burst.
    if (slot?.isWhole !== false) {
      this.counters.repeated += 1;
      return true;
    }
    this.#judge(slot, slot.take(piece));
    return true;
  }

  /** Link header of an IPv4 frame; of all else the whole frame. */
  #linkLength(offset: number, end: number): number {
    if (this.medium === "ip") return 0;
    const view = this.#view;
    if (offset + E.ETHERNET_SIZE + E.VLAN_SIZE > end) return end - offset;
    const type = view.getUint16(offset + E.ETHERNET_TYPE);
    if (type === E.ETHER_TYPE_IPV4) return E.ETHERNET_SIZE;
    const inner = type === E.ETHER_TYPE_VLAN ? view.getUint16(offset + E.VLAN_TYPE) : 0;
    return inner === E.ETHER_TYPE_IPV4 ? E.ETHERNET_SIZE + E.VLAN_SIZE : end - offset;
  }

  /** A sound one: of what is not, the data path says why it drops it. */
  #isFragment(ip: number, end: number): boolean {
    const view = this.#view;
    const field = view.getUint16(ip + I.IPV4_FRAGMENT);
    if ((field & I.IPV4_MORE_FRAGMENTS_OR_OFFSET) === 0 || W.ipVersion(view, ip) !== 4)
      return false;
    const header = W.ipv4HeaderLength(view, ip);
    const total = W.ipv4TotalLength(view, ip);
    if (header < I.IPV4_SIZE || header >= total || ip + total > end) return false;
    const isLast = (field & I.IPV4_MORE_FRAGMENTS) === 0;
    if (!isLast && (total - header) % 8 !== 0) return false;
    return checksumHolds(checksumAdd(0, view, ip, header));
  }

  #read(bytes: Uint8Array, frame: number, ip: number): Fragment {
    const view = this.#view;
    const field = view.getUint16(ip + I.IPV4_FRAGMENT);
    return {
      bytes,
      view,
      frame,
      ip,
      from: (field & I.IPV4_OFFSET_MASK) * 8,
      length: W.ipv4TotalLength(view, ip) - W.ipv4HeaderLength(view, ip),
      isLast: (field & I.IPV4_MORE_FRAGMENTS) === 0,
    };
  }

  /** RFC 791: source, destination, protocol and identification name a datagram. */
  #slotOf(ip: number, netif: number, now: number): DatagramSlot | undefined {
    const view = this.#view;
    const source = W.ipv4Source(view, ip);
    const destination = W.ipv4Destination(view, ip);
    const name = view.getUint16(ip + I.IPV4_IDENTIFICATION) * 65536 + W.ipv4Protocol(view, ip);
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
    if (oldest !== undefined) this.counters.evicted += 1;
    return oldest;
  }

  #judge(slot: DatagramSlot, verdict: Verdict): void {
    if (verdict === "waits" || verdict === "whole") return;
    if (verdict === "repeated") {
      this.counters.repeated += 1;
      return;
    }
    slot.isUsed = false;
    if (verdict === "too long") this.counters.tooLong += 1;
    else this.counters.contradictory += 1;
  }
}

function endOf(burst: Burst, index: number): number {
  return (burst.offset(index) + burst.length(index) + 15) & ~15;
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`reassembler.${name}: expected ${least}..${most}, got ${value}`);
}
