/**
 * IPv4 fragments (RFC 791, 3.2): of one frame, and of all that a netif sends, as a path does that
 * takes no notice of "don't fragment".
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

/** Splits IPv4 packets that it sends; everything else as the one inside. */
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
    const isIpv4 = (frame[link] as number) >>> 4 === 4 && (link === 0 || frame[12] === 8);
    if (!isIpv4) {
      this.#inner.send(burst, index, now);
      return;
    }
    this.#identification = (this.#identification + 1) & 0xffff;
    frame[link + 4] = this.#identification >>> 8;
    frame[link + 5] = this.#identification & 255;
    for (const piece of fragmentsOf(frame, link, this.#bytes)) this.#sendPiece(piece, now);
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
