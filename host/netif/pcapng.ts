/**
 * Writes pcapng (IETF draft-ietf-opsawg-pcapng): section header, interface descriptions, enhanced
 * packets; little-endian, nanosecond time stamps. Invariant: the bytes depend on the calls only
 * (no clock, no host names), so one seed gives one file.
 *
 * ```ts
 * const file = fs.openSync("trace.pcapng", "w");
 * const writer = new PcapngWriter({ sink: (bytes) => fs.writeSync(file, bytes), snap: "headers" });
 * const eth0 = writer.addInterface("client.0", "ethernet");
 * writer.packet({ interface: eth0, time: 1_000, direction: "outbound", bytes, offset, length });
 * writer.flush();
 * ```
 */
import { IPV4_PROTOCOL, IPV6_NEXT_HEADER, IPV6_SIZE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_DATA_OFFSET, TCP_SIZE } from "../../bindings/abi/tcp.ts";
import { ipOffset } from "./fault-injector.ts";
import type { Medium } from "./netif.ts";

/** "none" writes nothing; "headers" keeps link, IP and TCP headers; "full" keeps all. */
export type SnapMode = "none" | "headers" | "full";
export type CaptureDirection = "inbound" | "outbound";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINK_TYPE_ETHERNET = 1;
const LINK_TYPE_RAW_IP = 101;

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const SECTION_APPLICATION = 4;
const INTERFACE_NAME = 2;
const INTERFACE_TIME_RESOLUTION = 9;
const PACKET_FLAGS = 2;
const NANOSECONDS = 9;

/** The sink gets blocks of at least this many bytes, the last one excepted. */
const BLOCK_BYTES = 65_536;
/** Room for the longest packet block: 64 KiB of frame, its header, and a bounded comment. */
const BUFFER_BYTES = 2 * BLOCK_BYTES + 1024;
const FRAME_BYTES_MAX = 65_535;
const TEXT_BYTES_MAX = 255;
/** Bytes kept in "headers" mode of what is no TCP: ARP whole, ICMP with the header it quotes. */
const OTHER_BYTES = 128;

export interface PcapngOptions {
  /** Takes the file's bytes in order; they are valid during the call only. */
  readonly sink: (bytes: Uint8Array) => void;
  /** Default "headers". */
  readonly snap?: SnapMode;
}

/** One captured frame: `length` bytes of `bytes` at `offset`. */
export interface CapturedFrame {
  /** What addInterface() returned. */
  readonly interface: number;
  /** ns. */
  readonly time: number;
  readonly direction: CaptureDirection;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
  /** Shown by Wireshark beside the frame; at most 255 bytes of it are kept. */
  readonly comment?: string;
}

export class PcapngWriter {
  readonly snap: SnapMode;
  /** Frames written. */
  frames = 0;
  readonly #sink: (bytes: Uint8Array) => void;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mediums: Medium[] = [];
  readonly #text = new TextEncoder();
  #at = 0;
  #blockAt = 0;

  constructor(options: PcapngOptions) {
    this.#sink = options.sink;
    this.snap = options.snap ?? "headers";
    this.#bytes = new Uint8Array(this.snap === "none" ? 0 : BUFFER_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    if (this.snap === "none") return;
    this.#begin(SECTION_HEADER);
    this.#word(BYTE_ORDER_MAGIC);
    this.#half(1);
    this.#half(0);
    // Section length unknown: -1 in 64 bits.
    this.#word(0xffffffff);
    this.#word(0xffffffff);
    this.#textOption(SECTION_APPLICATION, "toeloop");
    this.#end();
  }

  /** Describes an interface; returns its number for packet(). */
  addInterface(name: string, medium: Medium): number {
    const number = this.#mediums.push(medium) - 1;
    if (this.snap === "none") return number;
    this.#begin(INTERFACE_DESCRIPTION);
    this.#half(medium === "ethernet" ? LINK_TYPE_ETHERNET : LINK_TYPE_RAW_IP);
    this.#half(0);
    // No snap length: frames are cut at their headers, which is no fixed number of bytes.
    this.#word(0);
    this.#textOption(INTERFACE_NAME, name);
    this.#half(INTERFACE_TIME_RESOLUTION);
    this.#half(1);
    this.#word(NANOSECONDS);
    this.#end();
    return number;
  }

  /** Writes one frame. Throws RangeError for an interface that was not added. */
  packet(frame: CapturedFrame): void {
    const medium = this.#mediums[frame.interface];
    if (medium === undefined) {
      throw new RangeError(`pcapng: expected a known interface, got ${frame.interface}`);
    }
    if (this.snap === "none") return;
    const { bytes, offset } = frame;
    const whole = this.snap === "full" ? frame.length : headerBytes(frame, medium);
    const kept = Math.min(whole, frame.length, FRAME_BYTES_MAX);
    this.#begin(ENHANCED_PACKET);
    this.#word(frame.interface);
    const time = Math.floor(frame.time);
    this.#word(Math.floor(time / 0x1_0000_0000));
    this.#word(time % 0x1_0000_0000);
    this.#word(kept);
    this.#word(frame.length);
    this.#bytes.set(bytes.subarray(offset, offset + kept), this.#at);
    this.#at += kept;
    this.#pad();
    this.#half(PACKET_FLAGS);
    this.#half(4);
    this.#word(frame.direction === "inbound" ? 1 : 2);
    if (frame.comment) this.#textOption(OPTION_COMMENT, frame.comment);
    this.#end();
    this.frames += 1;
  }

  /** Hands what is buffered to the sink; call it once at the end. */
  flush(): void {
    if (this.#at === 0) return;
    this.#sink(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
  }

  #begin(type: number): void {
    this.#blockAt = this.#at;
    this.#word(type);
    this.#word(0);
  }

  /** Ends the options and writes the block's length at both of its ends. */
  #end(): void {
    this.#word(OPTION_END);
    const length = this.#at + 4 - this.#blockAt;
    this.#word(length);
    this.#view.setUint32(this.#blockAt + 4, length, true);
    if (this.#at >= BLOCK_BYTES) this.flush();
  }

  #textOption(code: number, text: string): void {
    const encoded = this.#text.encode(text).subarray(0, TEXT_BYTES_MAX);
    this.#half(code);
    this.#half(encoded.length);
    this.#bytes.set(encoded, this.#at);
    this.#at += encoded.length;
    this.#pad();
  }

  #word(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  #half(value: number): void {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
  }

  #pad(): void {
    while ((this.#at & 3) !== 0) {
      this.#bytes[this.#at] = 0;
      this.#at += 1;
    }
  }
}

/** Bytes of link, IP and TCP headers; of other frames the first 128 bytes. */
function headerBytes(frame: CapturedFrame, medium: Medium): number {
  const { bytes, offset } = frame;
  const ip = ipOffset(bytes, offset, frame.length, medium);
  if (ip < 0) return OTHER_BYTES;
  const first = bytes[offset + ip] as number;
  const isIpv4 = first >>> 4 === 4;
  const tcp = ip + (isIpv4 ? (first & 15) * 4 : IPV6_SIZE);
  const protocol = bytes[offset + ip + (isIpv4 ? IPV4_PROTOCOL : IPV6_NEXT_HEADER)];
  if (protocol !== PROTOCOL_TCP || tcp + TCP_SIZE > frame.length) return OTHER_BYTES;
  return tcp + ((bytes[offset + tcp + TCP_DATA_OFFSET] as number) >>> 4) * 4;
}
