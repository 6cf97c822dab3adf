/**
 * Watches a link for RFC 9293 SHLD-14: the right edge of a window that was announced never moves
 * left. A tap over every frame as its sender sent it; a SYN begins a connection anew. A scaled
 * field may say less than one of its units too little (RFC 7323, 2.4).
 */
import type { FrameTap } from "../../host/netif/frame-tap.ts";

const SYN = 2;
const RST = 4;
const ACK = 16;
const OPTION_NOP = 1;
const OPTION_SCALE = 3;
const ETHERNET = 14;

interface Direction {
  /** -1 = its SYN had no window scale. */
  scale: number;
  /** Undefined before the first acknowledgment. */
  edge: number | undefined;
}

/** Offset of the IPv4 header of a TCP segment, or -1; later fragments have no TCP header. */
function packetAt(view: DataView, offset: number): number {
  const ip = view.getUint8(offset) >>> 4 === 4 ? offset : offset + ETHERNET;
  if (ip !== offset && view.getUint16(offset + 12) !== 0x0800) return -1;
  const isFirst = (view.getUint16(ip + 6) & 0x1fff) === 0;
  return isFirst && view.getUint8(ip + 9) === 6 ? ip : -1;
}

function scaleOf(view: DataView, tcp: number): number {
  const end = tcp + (view.getUint8(tcp + 12) >>> 4) * 4;
  for (let at = tcp + 20; at < end && view.getUint8(at) !== 0; ) {
    if (view.getUint8(at) === OPTION_SCALE) return view.getUint8(at + 2);
    at += view.getUint8(at) === OPTION_NOP ? 1 : view.getUint8(at + 1);
  }
  return -1;
}

function name(end: number): string {
  const address = Math.floor(end / 65536);
  return `${[24, 16, 8, 0].map((bit) => (address >>> bit) & 255).join(".")}:${end % 65536}`;
}

export class WindowWatch implements FrameTap {
  /** Windows that shrank, in words; empty when all is well. */
  readonly shrunk: string[] = [];
  /** Segments that were looked at: 0 would prove nothing. */
  segments = 0;
  /** By sender, then by receiver: address and port as one number. */
  readonly #directions = new Map<number, Map<number, Direction>>();
  #view: DataView = new DataView(new ArrayBuffer(0));

  #direction(from: number, to: number): Direction {
    let receivers = this.#directions.get(from);
    if (receivers === undefined) {
      receivers = new Map();
      this.#directions.set(from, receivers);
    }
    const known = receivers.get(to) ?? { scale: -1, edge: undefined };
    receivers.set(to, known);
    return known;
  }

  #viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
    const view = this.#view;
    const same = view.buffer === buffer && view.byteOffset === byteOffset;
    if (!same) this.#view = new DataView(buffer, byteOffset, byteLength);
    return this.#view;
  }

  frame(now: number, _side: number, bytes: Uint8Array, offset: number): void {
    const view = this.#viewOf(bytes);
    const ip = packetAt(view, offset);
    if (ip < 0) return;
    const tcp = ip + (view.getUint8(ip) & 15) * 4;
    const from = view.getUint32(ip + 12) * 65536 + view.getUint16(tcp);
    const to = view.getUint32(ip + 16) * 65536 + view.getUint16(tcp + 2);
    const flags = view.getUint8(tcp + 13);
    const own = this.#direction(from, to);
    if ((flags & SYN) !== 0) Object.assign(own, { scale: scaleOf(view, tcp), edge: undefined });
    if ((flags & (ACK | RST)) !== ACK) return;
    this.segments += 1;
    const other = this.#direction(to, from);
    // RFC 7323, 2.2: both or none, and never in a SYN.
    const scaled = (flags & SYN) === 0 && own.scale >= 0 && other.scale >= 0;
    const shift = scaled ? own.scale : 0;
    const edge = (view.getUint32(tcp + 8) + view.getUint16(tcp + 14) * 2 ** shift) >>> 0;
    const before = own.edge;
    const ahead = before === undefined ? 0 : (edge - before) | 0;
    if (ahead < -(2 ** shift - 1)) {
      this.shrunk.push(`${now} ns, ${name(from)} to ${name(to)}: edge ${before} moved by ${ahead}`);
    }
    if (before === undefined || ahead > 0) own.edge = edge;
  }
}
