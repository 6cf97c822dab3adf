/**
 * One IPv4 datagram in pieces (RFC 791, 3.2): which blocks of eight bytes are here, and what the
 * pieces say of congestion. All memory is taken when the slot is made. Invariant: the first
 * accepted copy of a byte stays; pieces that overlap without being repetitions end the datagram.
 */
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import * as I from "../../bindings/abi/ip.ts";
import { checksumAdd, checksumFinish } from "../wire/checksum.ts";
import { ipv4HeaderLength } from "../wire/ipv4.ts";

/** Bytes of the longest link header with the longest IPv4 header. */
const LEAD_MAX = ETHERNET_SIZE + VLAN_SIZE + 60;
/** Fragment offsets count blocks of this size. */
const BLOCK = 8;
const NO_END = -1;

/** A fragment within a frame: where things are, in bytes. */
export interface Fragment {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The frame, and its IP header within `bytes`. */
  readonly frame: number;
  readonly ip: number;
  /** Where its payload belongs in the datagram's, and how long it is. */
  readonly from: number;
  readonly length: number;
  readonly isLast: boolean;
}

export type Verdict = "waits" | "whole" | "repeated" | "overlaps" | "contradicts" | "too long";

export class DatagramSlot {
  isUsed = false;
  /** All of it is here. */
  isWhole = false;
  /** Nanoseconds; when the first piece came. */
  since = 0;
  /** Datagrams are numbered as their first pieces come. */
  order = 0;
  source = 0;
  destination = 0;
  /** Identification in the high half, protocol in the low one. */
  name = 0;
  netif = 0;
  /** Payload from LEAD_MAX on, headers right in front of it. */
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #capacity: number;
  readonly #have: Uint8Array;
  #blocks = 0;
  #end = NO_END;
  #lead = 0;
  #header = 0;
  #marks = 0;

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

  open(now: number, order: number): void {
    this.order = order;
    this.isUsed = true;
    this.isWhole = false;
    this.since = now;
    this.#have.fill(0);
    this.#blocks = 0;
    this.#end = NO_END;
    this.#lead = 0;
    this.#marks = 0;
  }

  /** Takes a piece in; "whole" when it was the last that was missing. */
  take(piece: Fragment): Verdict {
    const { from, length } = piece;
    const to = from + length;
    if (to > this.#capacity) return "too long";
    if (this.#isBeyond(to, piece.isLast)) return "contradicts";
    const first = from / BLOCK;
    const after = Math.ceil(to / BLOCK);
    const here = this.#count(first, after);
    if (here === after - first) return "repeated";
    if (here !== 0) return "overlaps";
    this.#have.fill(1, first, after);
    this.#blocks += after - first;
    if (piece.isLast) this.#end = to;
    const payload = piece.ip + ipv4HeaderLength(piece.view, piece.ip);
    this.#bytes.set(piece.bytes.subarray(payload, payload + length), LEAD_MAX + from);
    this.#marks |= 1 << (piece.view.getUint8(piece.ip + I.IPV4_TOS) & 3);
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
    for (let i = from; i < to; i += 1) blocks += this.#have[i] as number;
    return blocks;
  }

  #takeHeader({ bytes, view, frame, ip }: Fragment): void {
    this.#header = ipv4HeaderLength(view, ip);
    this.#lead = ip - frame + this.#header;
    this.#bytes.set(bytes.subarray(frame, frame + this.#lead), LEAD_MAX - this.#lead);
  }

  /** The first piece's header over all of it; false when congestion was lost (RFC 3168, 5.3). */
  #finish(): boolean {
    const view = this.#view;
    const header = this.#header;
    const ip = LEAD_MAX - header;
    const isMarked = (this.#marks & (1 << I.ECN_CE)) !== 0;
    // ECN-19: a mark beside a piece that could not have carried one.
    if (isMarked && (this.#marks & (1 << I.ECN_NOT_ECT)) !== 0) return false;
    if (header + this.#end > 0xffff) return false;
    if (isMarked) view.setUint8(ip + I.IPV4_TOS, view.getUint8(ip + I.IPV4_TOS) | I.ECN_CE);
    view.setUint16(ip + I.IPV4_TOTAL_LENGTH, header + this.#end);
    view.setUint16(ip + I.IPV4_FRAGMENT, 0);
    view.setUint16(ip + I.IPV4_CHECKSUM, 0);
    view.setUint16(ip + I.IPV4_CHECKSUM, checksumFinish(checksumAdd(0, view, ip, header)));
    this.isWhole = true;
    return true;
  }
}
