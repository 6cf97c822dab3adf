/**
 * Reference parser: what must happen to one received frame, slowly and obviously, from RFC 791, RFC
 * 8200, RFC 894, RFC 9293 3.1-3.2, RFC 2018 3 and RFC 7323 3.2. It is the other half of the fuzzer
 * and the source of expected results for the threats rows; it shares no code with the data path.
 *
 * Order of the checks is part of the contract, because one frame counts for one reason only.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";

export interface ParserConfig {
  readonly medium: "ethernet" | "ip";
  /** VLAN id of tagged frames to accept; 0 = only priority tags (id 0). */
  readonly vlan: number;
  /** Who answers for a 4-tuple. */
  readonly owner: (tuple: Tuple) => Owner;
}

/** IPv4 addresses as 32-bit numbers, most significant byte first; IPv6 as bigints. */
export interface Tuple {
  readonly source: number | bigint;
  readonly destination: number | bigint;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Owner {
  /** 0 when the tuple is not in the database. */
  readonly connection: number;
  readonly installed: boolean;
}

export interface Segment {
  readonly tuple: Tuple;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** Offset of the payload within the frame. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
  readonly timestamp?: { readonly value: number; readonly echo: number };
  readonly sack: readonly (readonly [number, number])[];
}

export type Verdict =
  | { readonly kind: "drop"; readonly reason: DropReason }
  /** ipOffset is undefined for what is not IP; segment is there for sound TCP. */
  | Redirect
  | { readonly kind: "accept"; readonly connection: number; readonly segment: Segment };

interface Redirect {
  readonly kind: "redirect";
  readonly connection: number;
  readonly ipOffset?: number;
  readonly segment?: Segment;
}

export interface Parsed {
  readonly verdict: Verdict;
  /** An option had an illegal length: counted, but the segment is kept (threats O01-O03). */
  readonly optionError: boolean;
}

const FIN_SYN_RST_ACK = 0x17;

class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at);
  }

  u32(at: number): number {
    return this.#view.getUint32(at);
  }

  u128(at: number): bigint {
    return (this.#view.getBigUint64(at) << 64n) | this.#view.getBigUint64(at + 8);
  }

  /** 16-bit words from `from` up to `to`, an odd last byte filled with zero (RFC 1071). */
  sum(from: number, to: number): number {
    let sum = 0;
    for (let at = from; at < to; at += 2) {
      sum += at + 1 < to ? this.u16(at) : this.u8(at) << 8;
    }
    return sum;
  }
}

/** A sum that contains its own checksum must come to 0xffff (RFC 1071, section 1). */
function verifies(sum: number): boolean {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded === 0xffff;
}

function drop(reason: DropReason): Parsed {
  return { verdict: { kind: "drop", reason }, optionError: false };
}

function redirectFrame(ipOffset?: number): Parsed {
  return { verdict: { kind: "redirect", connection: 0, ipOffset }, optionError: false };
}

/** What must happen to the frame. */
export function parseFrame(frame: Uint8Array, config: ParserConfig): Parsed {
  const reader = new Reader(frame);
  return config.medium === "ip" ? parseRawIp(reader, config) : parseEthernet(reader, config);
}

function parseRawIp(r: Reader, config: ParserConfig): Parsed {
  // No link header: the shortest frame in which a version can be read has one byte.
  if (r.bytes.length < 1) return drop(DropReason.FrameTooShort);
  const version = r.u8(0) >>> 4;
  if (version === 4) return parseIpv4(r, 0, config);
  return version === 6 ? parseIpv6(r, 0, config) : drop(DropReason.IpVersion);
}

function parseEthernet(r: Reader, config: ParserConfig): Parsed {
  if (r.bytes.length < 14) return drop(DropReason.FrameTooShort);
  let type = r.u16(12);
  let ip = 14;
  if (type === 0x8100) {
    if (r.bytes.length < 18) return drop(DropReason.FrameTooShort);
    if ((r.u16(14) & 0xfff) !== config.vlan) return drop(DropReason.VlanUnknown);
    type = r.u16(16);
    ip = 18;
  }
  if (type === 0x0806) return redirectFrame();
  if (type === 0x86dd) return parseIpv6(r, ip, config);
  if (type !== 0x0800) return drop(DropReason.EtherTypeUnknown);
  return parseIpv4(r, ip, config);
}

function parseIpv4(r: Reader, ip: number, config: ParserConfig): Parsed {
  const left = r.bytes.length - ip;
  // The version stands in the first byte, so that it can be judged in a packet that is too short.
  if (left > 0 && r.u8(ip) >>> 4 !== 4) return drop(DropReason.IpVersion);
  if (left < 20) return drop(DropReason.FrameTooShort);
  const header = (r.u8(ip) & 15) * 4;
  if (header < 20) return drop(DropReason.IpHeaderLength);
  const total = r.u16(ip + 2);
  if (header > left || header > total) return drop(DropReason.IpHeaderLength);
  if (total > left) return drop(DropReason.IpTotalLength);
  if (!verifies(r.sum(ip, ip + header))) return drop(DropReason.IpChecksum);
  if ((r.u16(ip + 6) & 0x3fff) !== 0) return drop(DropReason.IpFragment);
  if (r.u8(ip + 9) !== 6) return redirectFrame(ip);
  if (!legalSource(r.u32(ip + 12))) return drop(DropReason.IpSource);
  if (total < header + 20) return drop(DropReason.IpTotalLength);
  return parseTcp(r, ip, ip + header, ip + total, config);
}

/** RFC 8200, 3: a fixed header; what does not have TCP behind it is not the data path's. */
function parseIpv6(r: Reader, ip: number, config: ParserConfig): Parsed {
  const left = r.bytes.length - ip;
  if (left > 0 && r.u8(ip) >>> 4 !== 6) return drop(DropReason.IpVersion);
  if (left < 40) return drop(DropReason.FrameTooShort);
  const payload = r.u16(ip + 4);
  if (40 + payload > left) return drop(DropReason.IpTotalLength);
  if (r.u8(ip + 6) !== 6) return redirectFrame(ip);
  if (!legalIpv6Source(r.u128(ip + 8))) return drop(DropReason.IpSource);
  if (payload < 20) return drop(DropReason.IpTotalLength);
  return parseTcp(r, ip, ip + 40, ip + 40 + payload, config);
}

/** RFC 4291, 2.5.2, 2.5.3, 2.5.5.2, 2.7: unspecified, loopback, IPv4-mapped, multicast. */
function legalIpv6Source(address: bigint): boolean {
  return address > 1n && address >> 32n !== 0xffffn && address >> 120n !== 0xffn;
}

/** RFC 9293 MUST-63; RFC 1122 3.2.1.3: none of these may stand as a source on the wire. */
function legalSource(address: number): boolean {
  const first = address >>> 24;
  const multicast = first >= 224 && first <= 239;
  return !multicast && first !== 127 && address !== 0 && address !== 0xffffffff;
}

function parseTcp(r: Reader, ip: number, tcp: number, end: number, config: ParserConfig): Parsed {
  const header = (r.u8(tcp + 12) >>> 4) * 4;
  if (header < 20 || tcp + header > end) return drop(DropReason.TcpHeaderLength);
  const isIpv6 = r.u8(ip) >>> 4 === 6;
  const addresses = isIpv6 ? r.sum(ip + 8, ip + 40) : r.sum(ip + 12, ip + 20);
  const pseudo = addresses + 6 + (end - tcp);
  if (!verifies(pseudo + r.sum(tcp, end))) return drop(DropReason.TcpChecksum);
  const flags = r.u8(tcp + 13);
  if ((flags & FIN_SYN_RST_ACK) === 0) return drop(DropReason.TcpNoFlags);
  const options = walkOptions(r, tcp + 20, tcp + header);
  const segment: Segment = {
    tuple: {
      source: isIpv6 ? r.u128(ip + 8) : r.u32(ip + 12),
      destination: isIpv6 ? r.u128(ip + 24) : r.u32(ip + 16),
      sourcePort: r.u16(tcp),
      destinationPort: r.u16(tcp + 2),
    },
    seq: r.u32(tcp + 4),
    ack: r.u32(tcp + 8),
    flags,
    window: r.u16(tcp + 14),
    payloadOffset: tcp + header,
    payloadLength: end - tcp - header,
    timestamp: options.timestamp,
    sack: options.sack,
  };
  return { verdict: route(segment, ip, config), optionError: options.error };
}

function route(segment: Segment, ipOffset: number, config: ParserConfig): Verdict {
  const { connection, installed } = config.owner(segment.tuple);
  // A SYN of an installed connection too is the data path's: it alone knows what to challenge with
  // (RFC 9293 3.10.7.4, fourth).
  if (!installed) {
    return { kind: "redirect", connection, ipOffset, segment };
  }
  return { kind: "accept", connection, segment };
}

interface Options {
  error: boolean;
  timestamp?: { value: number; echo: number };
  sack: [number, number][];
}

/** RFC 9293 MUST-4 to MUST-7, MUST-64; the first of several timestamps or SACKs counts. */
function walkOptions(r: Reader, from: number, end: number): Options {
  const options: Options = { error: false, sack: [] };
  let at = from;
  while (at < end) {
    const kind = r.u8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at += 1;
      continue;
    }
    const length = at + 1 < end ? r.u8(at + 1) : 0;
    if (length < 2 || at + length > end) {
      options.error = true;
      break;
    }
    readOption(r, at, kind, length, options);
    at += length;
  }
  return options;
}

function readOption(r: Reader, at: number, kind: number, length: number, options: Options): void {
  if (kind === 8 && length === 10) {
    options.timestamp ??= { value: r.u32(at + 2), echo: r.u32(at + 6) };
  }
  const blocks = (length - 2) / 8;
  if (kind === 5 && Number.isInteger(blocks) && blocks >= 1 && blocks <= 4) {
    if (options.sack.length > 0) return;
    for (let i = 0; i < blocks; i += 1) {
      options.sack.push([r.u32(at + 2 + i * 8), r.u32(at + 6 + i * 8)]);
    }
  }
}
