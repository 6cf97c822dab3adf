/**
 * Fragments (RFC 791, 3.2; RFC 8200, 4.5): of one frame, and of all that a netif sends, as a path
 * does that takes no notice of "don't fragment", and as no path does of IPv6.
 */
import { Burst, type Medium, type Netif } from "../../host/netif/netif.ts";
import { onesSum } from "./frames.ts";

const WORDS = 4;

/** The frame's datagram in pieces of `bytes`, a multiple of eight; `link` is its link header. */
export function fragmentsOf(frame: Uint8Array, link: number, bytes: number): Uint8Array[] {
  const header = ((frame[link] as number) & 15) * 4;
  const payload = new DataView(frame.buffer, frame.byteOffset).getUint16(link + 2) - header;
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < payload; from += bytes) {
    const length = Math.min(bytes, payload - from);
    const lead = link + header;
    const piece = new Uint8Array(lead + length);
    piece.set(frame.subarray(0, lead));
    piece.set(frame.subarray(lead + from, lead + from + length), lead);
    const view = new DataView(piece.buffer);
    view.setUint16(link + 2, header + length);
    view.setUint16(link + 6, (from + length < payload ? 0x2000 : 0) | (from / 8));
    view.setUint16(link + 10, 0);
    view.setUint16(link + 10, ~onesSum(piece.subarray(link, lead)) & 0xffff);
    pieces.push(piece);
  }
  return pieces;
}

/** What may be different about one piece of an IPv6 datagram. */
export interface Ipv6Piece {
  readonly identification: number;
  /** Bytes of `frame`'s payload, from the first that may be taken apart. */
  readonly from: number;
  readonly to: number;
  /** Unset: whether it ends before the payload does. */
  readonly more?: boolean;
  /** Bytes of headers in front of the fragment header, behind the IPv6 header. */
  readonly front?: number;
  readonly ecn?: number;
}

/** A piece of an IPv6 datagram (RFC 8200, 4.5); `link` is the frame's link header. */
export function ipv6Piece(frame: Uint8Array, link: number, piece: Ipv6Piece): Uint8Array {
  const { identification, from, to, front = 0, ecn } = piece;
  const lead = link + 40 + front;
  const more = piece.more ?? to < frame.length - lead;
  const made = new Uint8Array(lead + 8 + to - from);
  made.set(frame.subarray(0, lead));
  const view = new DataView(made.buffer);
  const nameAt = front === 0 ? link + 6 : link + 40;
  view.setUint16(link + 4, front + 8 + to - from);
  view.setUint8(lead, view.getUint8(nameAt));
  view.setUint8(nameAt, 44);
  view.setUint16(lead + 2, from | (more ? 1 : 0));
  view.setUint32(lead + 4, identification);
  if (ecn !== undefined) view.setUint8(link + 1, (view.getUint8(link + 1) & 0xcf) | (ecn << 4));
  made.set(frame.subarray(lead + from, lead + to), lead + 8);
  return made;
}

/** All pieces, of `bytes` each, a multiple of eight. */
export function ipv6Fragments(
  frame: Uint8Array,
  link: number,
  bytes: number,
  identification = 1,
  front = 0,
): Uint8Array[] {
  const payload = frame.length - link - 40 - front;
  const count = Math.ceil(payload / bytes);
  return Array.from({ length: count }, (_, i) => {
    const to = Math.min(payload, (i + 1) * bytes);
    return ipv6Piece(frame, link, { identification, from: i * bytes, to, front });
  });
}

/** Splits IP packets that it sends; everything else as the one inside. */
export class FragmentingNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  readonly #inner: Netif;
  readonly #bytes: number;
  #identification = 0;

  constructor(inner: Netif, bytes: number) {
    this.name = inner.name;
    this.medium = inner.medium;
    this.mtu = inner.mtu;
    this.hardwareAddress = inner.hardwareAddress;
    this.#inner = inner;
    this.#bytes = bytes;
  }

  attach(ingress: Burst, index: number): void {
    this.#inner.attach(ingress, index);
  }

  /** In whole packets: their pieces may find the inner queue full. */
  credit(now: number): number {
    return this.#inner.credit(now);
  }

  send(burst: Burst, index: number, now: number): void {
    const offset = burst.offset(index);
    const frame = burst.bytes.slice(offset, offset + burst.length(index));
    const link = this.medium === "ip" ? 0 : 14;
    const pieces = this.#split(frame, link);
    if (pieces.length === 0) this.#inner.send(burst, index, now);
    for (const piece of pieces) this.#sendPiece(piece, now);
  }

  #split(frame: Uint8Array, link: number): Uint8Array[] {
    const type = link === 0 ? 0 : (frame[12] as number) * 256 + (frame[13] as number);
    const version = (frame[link] as number) >>> 4;
    this.#identification = (this.#identification + 1) & 0xffff;
    if (version === 6 && (type === 0 || type === 0x86dd)) {
      // TCP alone: neighbour discovery may not come in pieces (RFC 6980).
      if (frame[link + 6] !== 6) return [];
      return ipv6Fragments(frame, link, this.#bytes, this.#identification);
    }
    if (version !== 4 || (type !== 0 && type !== 0x0800)) return [];
    frame[link + 4] = this.#identification >>> 8;
    frame[link + 5] = this.#identification & 255;
    return fragmentsOf(frame, link, this.#bytes);
  }

  #sendPiece(piece: Uint8Array, now: number): void {
    const out = new Burst(new Uint8Array(2048), new Uint32Array(WORDS));
    out.push(piece, 0);
    this.#inner.send(out, 0, now);
  }

  receive(now: number): void {
    this.#inner.receive(now);
  }

  nextDeadline(): number {
    return this.#inner.nextDeadline();
  }

  creditDeadline(): number {
    return this.#inner.creditDeadline?.() ?? this.#inner.nextDeadline();
  }
}
