/**
 * One datagram in pieces (RFC 791, 3.2; RFC 8200, 4.5): which blocks of eight bytes are here, and
 * what the pieces say of congestion. All memory is taken when the slot is made. Invariant: the
 * first accepted copy of a byte stays; pieces that overlap without being repetitions end the
 * datagram.
 */
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import * as I from "../../bindings/abi/ip.ts";
import { EXTENSION_BYTES_MAX } from "../../bindings/abi/limits.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish } from "../wire/checksum.ts";

/** Bytes of the longest link header with the longest headers of a piece. */
const LEAD_MAX = ETHERNET_SIZE + VLAN_SIZE + I.IPV6_SIZE + EXTENSION_BYTES_MAX;
/** Fragment offsets count blocks of this size. */
const BLOCK = 8;
const NO_END = -1;
/** A block that is here, and one that a piece began with. */
const HERE = 1;
const BEGINS = 2;

/** A fragment within a frame: where things are, in bytes. */
export interface Fragment {
  readonly bytes: Uint8Array;
  /** The frame, and its IP header within `bytes`. */
  readonly frame: number;
  readonly ip: number;
  /** Bytes of the headers that the whole has too, and where the piece's payload begins. */
  readonly header: number;
  readonly payload: number;
  /** Where its payload belongs in the datagram's, and how long it is. */
  readonly from: number;
  readonly length: number;
  readonly isLast: boolean;
  /** ECN codepoint. */
  readonly ecn: number;
  /** IPv6: the byte of the headers that names what follows, and what it is in the whole. */
  readonly nameAt: number;
  readonly protocol: number;
}

export type Verdict = "waits" | "whole" | "repeated" | "overlaps" | "contradicts" | "too long";

export class DatagramSlot {
  isUsed = false;
  /** All of it is here. */
  isWhole = false;
  /** Its pieces overlap: what comes of it is dropped until its time is over (RFC 5722, 4). */
  isSpoilt = false;
  /** Nanoseconds; when the first piece came. */
  since = 0;
  /** Datagrams are numbered as their first pieces come. */
  order = 0;
  source: IpAddress = 0;
  destination: IpAddress = 0;
  /** Identification; of IPv4 in the high half, with the protocol in the low one. */
  name = 0;
  netif = 0;
  /** Payload from LEAD_MAX on, headers right in front of it. */
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #capacity: number;
  readonly #have: Uint8Array;
  /** What stood between headers and payload in the first piece: the fragment header of IPv6. */
  readonly #between = new Uint8Array(I.FRAGMENT_SIZE);
  #blocks = 0;
  #end = NO_END;
  #lead = 0;
  #header = 0;
  #marks = 0;
  #nameAt = 0;
  #protocol = 0;
  #betweenBytes = 0;
  #firstBytes = 0;

  /** `capacity`: payload bytes of the longest datagram. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(LEAD_MAX + capacity);
    this.#view = new DataView(this.#bytes.buffer);
    this.#have = new Uint8Array(Math.ceil(capacity / BLOCK));
  }

  /** Link header, IP header and payload, once isWhole; a view. */
  get frame(): Uint8Array {
    return this.#bytes.subarray(LEAD_MAX - this.#lead, LEAD_MAX + this.#end);
  }

  get isIpv6(): boolean {
    return typeof this.source === "bigint";
  }

  /** True when the piece of offset 0 is here. */
  get hasFirst(): boolean {
    return this.#lead !== 0;
  }

  /** Bytes of the link header. */
  get link(): number {
    return this.#lead - this.#header;
  }

  /** The first piece as it came, for who asks why nothing became of it. */
  first(): Uint8Array {
    const front = this.#lead + this.#betweenBytes;
    const made = new Uint8Array(front + this.#firstBytes);
    made.set(this.#bytes.subarray(LEAD_MAX - this.#lead, LEAD_MAX));
    made.set(this.#between.subarray(0, this.#betweenBytes), this.#lead);
    made.set(this.#bytes.subarray(LEAD_MAX, LEAD_MAX + this.#firstBytes), front);
    return made;
  }

  open(now: number, order: number): void {
    this.order = order;
    this.isUsed = true;
    this.isWhole = false;
    this.isSpoilt = false;
    this.since = now;
    this.#have.fill(0);
    this.#blocks = 0;
    this.#end = NO_END;
    this.#lead = 0;
    this.#marks = 0;
  }

  /** Takes a piece in; "whole" when it was the last that was missing. */
  take(piece: Fragment): Verdict {
    const { from, length, payload, bytes } = piece;
    const to = from + length;
    if (to > this.#capacity) return "too long";
    if (this.#isBeyond(to, piece.isLast)) return "contradicts";
    const first = from / BLOCK;
    const after = Math.ceil(to / BLOCK);
    const here = this.#count(first, after);
    if (here !== 0) return this.#isRepeated(piece, here) ? "repeated" : "overlaps";
    this.#have.fill(HERE, first, after);
    this.#have[first] = BEGINS;
    this.#blocks += after - first;
    if (piece.isLast) this.#end = to;
    this.#bytes.set(bytes.subarray(payload, payload + length), LEAD_MAX + from);
    this.#marks |= 1 << piece.ecn;
    if (from === 0) this.#takeHeader(piece);
    if (this.#end === NO_END || this.#blocks !== Math.ceil(this.#end / BLOCK)) return "waits";
    return this.#finish() ? "whole" : "contradicts";
  }

  /** A piece beyond the end, or an end before a piece. */
  #isBeyond(to: number, isLast: boolean): boolean {
    if (this.#end !== NO_END) return isLast ? to !== this.#end : to > this.#end;
    return isLast && this.#count(Math.ceil(to / BLOCK), this.#have.length) !== 0;
  }

  #count(from: number, to: number): number {
    let blocks = 0;
    for (let i = from; i < to; i += 1) if (this.#have[i] !== 0) blocks += 1;
    return blocks;
  }

  /** Of IPv4 all of it is here; of IPv6 it is the same piece again (RFC 8200, 4.5). */
  #isRepeated(piece: Fragment, here: number): boolean {
    const { from, length, payload, bytes, isLast } = piece;
    const to = from + length;
    const first = from / BLOCK;
    const after = Math.ceil(to / BLOCK);
    if (here !== after - first) return false;
    if (!this.isIpv6) return true;
    const have = this.#have;
    if (have[first] !== BEGINS || have[after] === HERE || isLast !== (to === this.#end))
      return false;
    for (let i = first + 1; i < after; i += 1) if (have[i] === BEGINS) return false;
    for (let i = 0; i < length; i += 1) {
      if (bytes[payload + i] !== this.#bytes[LEAD_MAX + from + i]) return false;
    }
    return true;
  }

  #takeHeader({ bytes, frame, ip, header, payload, length, nameAt, protocol }: Fragment): void {
    this.#header = header;
    this.#lead = ip - frame + header;
    this.#bytes.set(bytes.subarray(frame, frame + this.#lead), LEAD_MAX - this.#lead);
    this.#between.set(bytes.subarray(ip + header, payload));
    this.#betweenBytes = payload - ip - header;
    this.#firstBytes = length;
    this.#nameAt = nameAt;
    this.#protocol = protocol;
  }

  /** The first piece's header over all of it; false when congestion was lost (RFC 3168, 5.3). */
  #finish(): boolean {
    const isMarked = (this.#marks & (1 << I.ECN_CE)) !== 0;
    // ECN-19: a mark beside a piece that could not have carried one.
    if (isMarked && (this.#marks & (1 << I.ECN_NOT_ECT)) !== 0) return false;
    const ip = LEAD_MAX - this.#header;
    const isSized = this.isIpv6 ? this.#finishIpv6(ip, isMarked) : this.#finishIpv4(ip, isMarked);
    this.isWhole = isSized;
    return isSized;
  }

  #finishIpv4(ip: number, isMarked: boolean): boolean {
    const view = this.#view;
    const header = this.#header;
    if (header + this.#end > 0xffff) return false;
    if (isMarked) view.setUint8(ip + I.IPV4_TOS, view.getUint8(ip + I.IPV4_TOS) | I.ECN_CE);
    view.setUint16(ip + I.IPV4_TOTAL_LENGTH, header + this.#end);
    view.setUint16(ip + I.IPV4_FRAGMENT, 0);
    view.setUint16(ip + I.IPV4_CHECKSUM, 0);
    view.setUint16(ip + I.IPV4_CHECKSUM, checksumFinish(checksumAdd(0, view, ip, header)));
    return true;
  }

  #finishIpv6(ip: number, isMarked: boolean): boolean {
    const view = this.#view;
    const payload = this.#header - I.IPV6_SIZE + this.#end;
    if (payload > 0xffff) return false;
    // The class's low half is the upper half of the second byte.
    if (isMarked) view.setUint8(ip + 1, view.getUint8(ip + 1) | (I.ECN_CE << 4));
    view.setUint16(ip + I.IPV6_PAYLOAD_LENGTH, payload);
    view.setUint8(ip + this.#nameAt, this.#protocol);
    return true;
  }
}
