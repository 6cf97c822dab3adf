/**
 * Builders of test frames: Ethernet (with or without one 802.1Q tag) or raw IP, IPv4 or IPv6, TCP.
 * Every field has a sensible value and an override; checksums are right unless a test wants them
 * wrong. Written from RFC 791, RFC 1071 and RFC 9293 alone, so that it shares no mistake with the
 * stack.
 */

export type FrameMedium = "ethernet" | "ip";

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

/** Fields of a TCP frame; numbers as written in the header. All optional: see FRAME_DEFAULTS. */
export interface FrameFields {
  readonly medium: FrameMedium;
  readonly hardwareDestination: readonly number[];
  readonly hardwareSource: readonly number[];
  /** 802.1Q tag control information; unset = no tag. */
  readonly tag?: number;
  readonly etherType: number;
  /** Dotted text, or IPv6 (both of them): then the frame is one of IPv6. */
  readonly source: string;
  readonly destination: string;
  readonly version: number;
  /** Header words; unset = 5 and what ipOptions need. */
  readonly ihl?: number;
  readonly ipOptions: readonly number[];
  readonly tos: number;
  /** IPv6: what stands between its header and TCP, and what its header calls the first of that. */
  readonly extensions: readonly number[];
  readonly nextHeader?: number;
  /** Unset = what header, options and payload need; of IPv6 the payload length. */
  readonly totalLength?: number;
  readonly identification: number;
  /** Reserved 1, DF 1, MF 1, offset 13. */
  readonly fragment: number;
  readonly ttl: number;
  readonly protocol: number;
  /** Unset = computed. */
  readonly ipChecksum?: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  /** Header words; unset = 5 and what options need. */
  readonly dataOffset?: number;
  /** The four reserved bits beside the data offset. */
  readonly reserved: number;
  readonly flags: number;
  readonly window: number;
  /** Unset = computed over pseudo header, header and payload. */
  readonly tcpChecksum?: number;
  readonly urgent: number;
  /** Option bytes; filled with zeros up to a word. */
  readonly options: readonly number[];
  readonly payload: Uint8Array;
  /** Bytes after the IP packet: Ethernet padding. */
  readonly padding: number;
  /** The frame is cut to this many bytes at the end. */
  readonly cut?: number;
}

/** Remote 10.0.0.2:40000 to local 10.0.0.1:80. */
export const FRAME_DEFAULTS: FrameFields = {
  medium: "ethernet",
  hardwareDestination: [2, 0, 0, 0, 0, 1],
  hardwareSource: [2, 0, 0, 0, 0, 2],
  etherType: 0x0800,
  source: "10.0.0.2",
  destination: "10.0.0.1",
  version: 4,
  ipOptions: [],
  extensions: [],
  tos: 0,
  identification: 0x1234,
  fragment: 0x4000,
  ttl: 64,
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 80,
  seq: 0,
  ack: 0,
  reserved: 0,
  flags: ACK,
  window: 0xffff,
  urgent: 0,
  options: [],
  payload: new Uint8Array(0),
  padding: 0,
};

/** Bytes of a dotted address. */
export function dotted(text: string): number[] {
  return text.split(".").map(Number);
}

/** The 16 bytes of an IPv6 address in RFC 4291's forms without dots. */
export function colons(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >>> 8, group & 255]);
}

/** The ones-complement sum of big-endian 16-bit words, folded (RFC 1071). */
export function onesSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** Sum of source, destination, protocol and length (RFC 9293, 3.1). */
export function pseudoSum(addresses: Uint8Array, protocol: number, length: number): number {
  return onesSum(addresses, protocol + length);
}

/** Bytes before the IP header that buildFrame puts there. */
export function linkLength(fields: Pick<FrameFields, "medium" | "tag">): number {
  if (fields.medium === "ip") return 0;
  return fields.tag === undefined ? 14 : 18;
}

function words(options: readonly number[]): number[] {
  const padded = [...options];
  while (padded.length % 4 !== 0) padded.push(0);
  return padded;
}

function writeLink(view: DataView, f: FrameFields): void {
  if (f.medium === "ip") return;
  f.hardwareDestination.forEach((byte, i) => view.setUint8(i, byte));
  f.hardwareSource.forEach((byte, i) => view.setUint8(6 + i, byte));
  if (f.tag !== undefined) {
    view.setUint16(12, 0x8100);
    view.setUint16(14, f.tag);
  }
  view.setUint16(f.tag === undefined ? 12 : 16, f.etherType);
}

function writeIp(ip: Uint8Array, f: FrameFields, options: number[], total: number): void {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  view.setUint8(0, (f.version << 4) | ((f.ihl ?? 5 + options.length / 4) & 15));
  view.setUint8(1, f.tos);
  view.setUint16(2, f.totalLength ?? total);
  view.setUint16(4, f.identification);
  view.setUint16(6, f.fragment);
  view.setUint8(8, f.ttl);
  view.setUint8(9, f.protocol);
  ip.set(dotted(f.source), 12);
  ip.set(dotted(f.destination), 16);
  ip.set(options, 20);
  const header = ip.subarray(0, 20 + options.length);
  view.setUint16(10, f.ipChecksum ?? ~onesSum(header) & 0xffff);
}

function writeTcp(tcp: Uint8Array, addresses: Uint8Array, f: FrameFields, options: number[]): void {
  const view = new DataView(tcp.buffer, tcp.byteOffset, tcp.byteLength);
  view.setUint16(0, f.sourcePort);
  view.setUint16(2, f.destinationPort);
  view.setUint32(4, f.seq >>> 0);
  view.setUint32(8, f.ack >>> 0);
  view.setUint8(12, (((f.dataOffset ?? 5 + options.length / 4) & 15) << 4) | (f.reserved & 15));
  view.setUint8(13, f.flags);
  view.setUint16(14, f.window);
  view.setUint16(18, f.urgent);
  tcp.set(options, 20);
  tcp.set(f.payload, 20 + options.length);
  const sum = onesSum(tcp, pseudoSum(addresses, f.protocol, tcp.length));
  view.setUint16(16, f.tcpChecksum ?? ~sum & 0xffff);
}

/** A frame of IPv6: header, extension bytes as they are given, TCP. */
function buildIpv6(f: FrameFields): Uint8Array {
  const link = linkLength(f);
  const options = words(f.options);
  const tcp = 20 + options.length + f.payload.length;
  const total = 40 + f.extensions.length + tcp;
  const frame = new Uint8Array(link + total + f.padding);
  const view = new DataView(frame.buffer);
  writeLink(view, { ...f, etherType: f.etherType === 0x0800 ? 0x86dd : f.etherType });
  const version = f.version === 4 ? 6 : f.version;
  view.setUint32(link, ((version << 28) | (f.tos << 20)) >>> 0);
  view.setUint16(link + 4, f.totalLength ?? total - 40);
  view.setUint8(link + 6, f.nextHeader ?? f.protocol);
  view.setUint8(link + 7, f.ttl);
  frame.set([...colons(f.source), ...colons(f.destination)], link + 8);
  frame.set(f.extensions, link + 40);
  const addresses = frame.subarray(link + 8, link + 40);
  writeTcp(frame.subarray(link + total - tcp, link + total), addresses, f, options);
  return f.cut === undefined ? frame : frame.slice(0, f.cut);
}

/** One frame. */
export function buildFrame(fields: Partial<FrameFields> = {}): Uint8Array {
  const f: FrameFields = { ...FRAME_DEFAULTS, ...fields };
  if (f.source.includes(":")) return buildIpv6(f);
  const link = linkLength(f);
  const ipOptions = words(f.ipOptions);
  const options = words(f.options);
  const ipHeader = 20 + ipOptions.length;
  const total = ipHeader + 20 + options.length + f.payload.length;
  const frame = new Uint8Array(link + total + f.padding);
  writeLink(new DataView(frame.buffer), f);
  const ip = frame.subarray(link, link + total);
  writeIp(ip, f, ipOptions, total);
  writeTcp(ip.subarray(ipHeader), ip.subarray(12, 20), f, options);
  return f.cut === undefined ? frame : frame.slice(0, f.cut);
}

/** Where the IP header would begin in a frame of this medium, one tag considered. */
function ipStart(frame: Uint8Array, medium: FrameMedium): number {
  if (medium === "ip") return 0;
  return frame[12] === 0x81 && frame[13] === 0 ? 18 : 14;
}

/** Makes the checksums of a mutated frame right again, as far as its lengths make sense. */
export function fixChecksums(frame: Uint8Array, medium: FrameMedium): void {
  const ip = frame.subarray(Math.min(frame.length, ipStart(frame, medium)));
  if ((ip[0] ?? 0) >>> 4 === 6) {
    fixIpv6(ip);
    return;
  }
  const header = ((ip[0] ?? 0) & 15) * 4;
  if (ip.length < 20 || header < 20 || header > ip.length) return;
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  view.setUint16(10, 0);
  view.setUint16(10, ~onesSum(ip.subarray(0, header)) & 0xffff);
  const total = view.getUint16(2);
  if (total > ip.length || total < header + 20 || ip[9] !== 6) return;
  const tcp = ip.subarray(header, total);
  view.setUint16(header + 16, 0);
  const sum = onesSum(tcp, pseudoSum(ip.subarray(12, 20), 6, tcp.length));
  view.setUint16(header + 16, ~sum & 0xffff);
}

function fixIpv6(ip: Uint8Array): void {
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
  const end = ip.length < 60 || ip[6] !== 6 ? 0 : 40 + view.getUint16(4);
  if (end > ip.length || end < 60) return;
  const tcp = ip.subarray(40, end);
  view.setUint16(56, 0);
  const sum = onesSum(tcp, pseudoSum(ip.subarray(8, 40), 6, tcp.length));
  view.setUint16(56, ~sum & 0xffff);
}

/** Timestamps as senders write them: NOP, NOP, kind 8 (RFC 7323, appendix A). */
export function timestampOption(value: number, echo: number): number[] {
  return [1, 1, 8, 10, ...bytesOf(value), ...bytesOf(echo)];
}

/** A SACK option of the given blocks (RFC 2018, section 3), after two NOPs. */
export function sackOption(blocks: readonly (readonly [number, number])[]): number[] {
  const edges = blocks.flatMap(([left, right]) => [...bytesOf(left), ...bytesOf(right)]);
  return [1, 1, 5, 2 + edges.length, ...edges];
}

function bytesOf(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** Payload whose byte at stream position p is a fixed function of p, so that misplacing shows. */
export function streamBytes(position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = streamByte(position + i);
  return bytes;
}

export function streamByte(position: number): number {
  return (Math.imul(position >>> 0, 0x9e3779b1) >>> 24) & 0xff;
}

/** A frame as hex digits, for messages and corpus files. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of hex digits; throws RangeError on anything else. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) {
    throw new RangeError(`fromHex: expected pairs of hex digits, got ${JSON.stringify(text)}`);
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
