/**
 * Segments as bytes: IPv4 or IPv6 with TCP (RFC 9293, 3.1), written for the stack, and read from
 * it. Invariant: what is read is sound (lengths, checksums, options), or an error says what is not.
 */
import * as IP from "../../bindings/abi/ip.ts";
import * as T from "../../bindings/abi/tcp.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish, checksumHolds } from "../wire/checksum.ts";
import * as V4 from "../wire/ipv4.ts";
import * as V6 from "../wire/ipv6.ts";
import { pseudoSum } from "../wire/tcp.ts";
import type { OptionPattern } from "./script.ts";

/** A TCP segment with the numbers of the wire; both addresses are of one family. */
export interface Segment {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly tos: number;
  readonly ttl: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: readonly OptionPattern[];
  readonly payload: Uint8Array;
}

const NO_PAYLOAD = new Uint8Array(0);
const OPTION_BYTES_MAX = T.TCP_HEADER_MAX - T.TCP_SIZE;

/** Options that the stack does not have: RFC 7413, 4.1.1; RFC 6994 with IANA's ExID; RFC 2385. */
const OPTION_FAST_OPEN = 34;
const OPTION_EXPERIMENT = 254;
const FAST_OPEN_EXPERIMENT: readonly number[] = [0xf9, 0x89];
const OPTION_MD5 = 19;
const MD5_BYTES = 16;

function wordBytes(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function optionBytes(option: OptionPattern): number[] {
  switch (option.kind) {
    case "eol":
      return [T.OPTION_END];
    case "nop":
      return [T.OPTION_NOP];
    case "sackOK":
      return [T.OPTION_SACK_PERMITTED, 2];
    case "mss":
      return [T.OPTION_MSS, 4, option.value >>> 8, option.value & 255];
    case "wscale":
      return [T.OPTION_WINDOW_SCALE, 3, option.value];
    case "FO":
      return [OPTION_FAST_OPEN, 2 + option.cookie.length, ...option.cookie];
    case "FOEXP": {
      const length = 2 + FAST_OPEN_EXPERIMENT.length + option.cookie.length;
      return [OPTION_EXPERIMENT, length, ...FAST_OPEN_EXPERIMENT, ...option.cookie];
    }
    case "md5":
      return [OPTION_MD5, 2 + MD5_BYTES, ...new Uint8Array(MD5_BYTES)];
    case "raw":
      return [option.number, 2 + option.bytes.length, ...option.bytes];
    case "TS":
      return [T.OPTION_TIMESTAMP, 10, ...wordBytes(option.value), ...wordBytes(option.echo)];
    case "sack": {
      const edges = option.blocks.flat().flatMap(wordBytes);
      return [T.OPTION_SACK, 2 + edges.length, ...edges];
    }
  }
}

/** Bytes of all options, filled up to whole words; throws RangeError beyond 40. */
export function optionsBytes(options: readonly OptionPattern[]): number[] {
  const bytes = options.flatMap(optionBytes);
  while (bytes.length % 4 !== 0) bytes.push(T.OPTION_END);
  if (bytes.length <= OPTION_BYTES_MAX) return bytes;
  throw new RangeError(`options: expected at most ${OPTION_BYTES_MAX} bytes, got ${bytes.length}`);
}

/** Bytes of the IP header of the address's family. */
export function ipBytes(address: IpAddress): number {
  return typeof address === "bigint" ? IP.IPV6_SIZE : IP.IPV4_SIZE;
}

interface IpFields {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly tos: number;
  readonly ttl: number;
  readonly protocol: number;
}

/** Writes the header of a packet that is as long as `view`. */
export function writeIp(view: DataView, fields: IpFields): void {
  const { source, destination } = fields;
  if (typeof source === "bigint" && typeof destination === "bigint") {
    const payload = view.byteLength - IP.IPV6_SIZE;
    V6.writeIpv6Header(view, 0, { ...fields, source, destination, payload, flow: 0 });
  } else if (typeof source === "number" && typeof destination === "number") {
    V4.writeIpv4Header(view, 0, { ...fields, source, destination, length: view.byteLength });
  } else throw new RangeError("expected addresses of one family");
}

/** An IP packet with the segment. */
export function buildSegment(segment: Segment): Uint8Array {
  const { source, destination, tos, ttl } = segment;
  const options = optionsBytes(segment.options);
  const header = T.TCP_SIZE + options.length;
  const tcpBytes = header + segment.payload.length;
  const at = ipBytes(source);
  const packet = new Uint8Array(at + tcpBytes);
  const view = new DataView(packet.buffer);
  writeIp(view, { source, destination, tos, ttl, protocol: IP.PROTOCOL_TCP });
  view.setUint16(at + T.TCP_SOURCE_PORT, segment.sourcePort);
  view.setUint16(at + T.TCP_DESTINATION_PORT, segment.destinationPort);
  view.setUint32(at + T.TCP_SEQ, segment.seq);
  view.setUint32(at + T.TCP_ACK, segment.ack);
  view.setUint8(at + T.TCP_DATA_OFFSET, header << 2);
  view.setUint8(at + T.TCP_FLAGS, segment.flags);
  view.setUint16(at + T.TCP_WINDOW, segment.window);
  view.setUint16(at + T.TCP_URGENT, segment.urgent);
  packet.set(options, at + T.TCP_SIZE);
  packet.set(segment.payload, at + header);
  const sum = checksumAdd(pseudoSum(source, destination, tcpBytes), view, at, tcpBytes);
  view.setUint16(at + T.TCP_CHECKSUM, checksumFinish(sum));
  return packet;
}

/** Blocks of a SACK option (RFC 2018, section 3). */
function readBlocks(view: DataView, from: number, end: number): [number, number][] {
  const blocks: [number, number][] = [];
  for (let at = from; at + 8 <= end; at += 8) {
    blocks.push([view.getUint32(at), view.getUint32(at + 4)]);
  }
  return blocks;
}

function readOption(view: DataView, at: number, length: number): OptionPattern {
  const number = view.getUint8(at);
  const key = number * 256 + length;
  if (key === T.OPTION_MSS * 256 + 4) return { kind: "mss", value: view.getUint16(at + 2) };
  if (key === T.OPTION_WINDOW_SCALE * 256 + 3) {
    return { kind: "wscale", value: view.getUint8(at + 2) };
  }
  if (key === T.OPTION_SACK_PERMITTED * 256 + 2) return { kind: "sackOK" };
  if (key === T.OPTION_TIMESTAMP * 256 + 10) {
    return { kind: "TS", value: view.getUint32(at + 2), echo: view.getUint32(at + 6) };
  }
  if (number === T.OPTION_SACK && length > 2 && length % 8 === 2) {
    return { kind: "sack", blocks: readBlocks(view, at + 2, at + length) };
  }
  const bytes = Array.from({ length: length - 2 }, (_, i) => view.getUint8(at + 2 + i));
  if (number === OPTION_FAST_OPEN) return { kind: "FO", cookie: bytes };
  if (number === OPTION_EXPERIMENT && FAST_OPEN_EXPERIMENT.every((one, i) => one === bytes[i])) {
    return { kind: "FOEXP", cookie: bytes.slice(FAST_OPEN_EXPERIMENT.length) };
  }
  if (number === OPTION_MD5 && bytes.length === MD5_BYTES) return { kind: "md5" };
  return { kind: "raw", number, bytes };
}

function readOptions(view: DataView, from: number, end: number): OptionPattern[] {
  const options: OptionPattern[] = [];
  let at = from;
  while (at < end) {
    const number = view.getUint8(at);
    if (number <= T.OPTION_NOP) {
      options.push({ kind: number === T.OPTION_NOP ? "nop" : "eol" });
      at += 1;
      continue;
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (length < 2 || at + length > end) throw new RangeError(`option ${number}: bad length`);
    options.push(readOption(view, at, length));
    at += length;
  }
  return options;
}

function refuse(what: string): never {
  throw new RangeError(`expected a sound TCP segment, got ${what}`);
}

/** What an IP header says, and where what it carries begins. */
export interface IpHeader extends Pick<Segment, "source" | "destination" | "tos" | "ttl"> {
  readonly protocol: number;
  readonly payloadAt: number;
}

function readIpv4(view: DataView): IpHeader {
  if (view.getUint8(IP.IPV4_VERSION_IHL) !== 0x45) refuse("another IP header");
  if (!checksumHolds(checksumAdd(0, view, 0, IP.IPV4_SIZE))) refuse("a wrong IP checksum");
  if (V4.ipv4TotalLength(view, 0) !== view.byteLength) refuse("a wrong IP length");
  const protocol = V4.ipv4Protocol(view, 0);
  const [source, destination] = [V4.ipv4Source(view, 0), V4.ipv4Destination(view, 0)];
  const [tos, ttl] = [view.getUint8(IP.IPV4_TOS), view.getUint8(IP.IPV4_TTL)];
  return { source, destination, tos, ttl, protocol, payloadAt: IP.IPV4_SIZE };
}

function readIpv6(view: DataView): IpHeader {
  if (V6.ipv6PayloadLength(view, 0) + IP.IPV6_SIZE !== view.byteLength) refuse("a wrong IP length");
  const protocol = V6.ipv6NextHeader(view, 0);
  const [source, destination] = [V6.ipv6Source(view, 0), V6.ipv6Destination(view, 0)];
  const tos = (view.getUint16(IP.IPV6_VERSION_CLASS) >>> 4) & 255;
  const ttl = V6.ipv6HopLimit(view, 0);
  return { source, destination, tos, ttl, protocol, payloadAt: IP.IPV6_SIZE };
}

/** The IP header of a packet; throws RangeError when it is not a sound one. */
export function readIp(view: DataView): IpHeader {
  const isIpv6 = view.byteLength > 0 && view.getUint8(0) >>> 4 === 6;
  if (view.byteLength < (isIpv6 ? IP.IPV6_SIZE : IP.IPV4_SIZE)) refuse(`${view.byteLength} bytes`);
  return isIpv6 ? readIpv6(view) : readIpv4(view);
}

/** The segment in an IP packet; throws RangeError when it is not a sound one. */
export function readSegment(packet: Uint8Array): Segment {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const { protocol, payloadAt: at, ...ip } = readIp(view);
  if (protocol !== IP.PROTOCOL_TCP) refuse(`IP protocol ${protocol}`);
  const length = packet.length - at;
  if (length < T.TCP_SIZE) refuse(`${packet.length} bytes`);
  const sum = checksumAdd(pseudoSum(ip.source, ip.destination, length), view, at, length);
  if (!checksumHolds(sum)) refuse("a wrong TCP checksum");
  const offset = view.getUint8(at + T.TCP_DATA_OFFSET);
  const header = (offset >>> 4) * 4;
  if (header < T.TCP_SIZE || header > length) refuse(`data offset ${offset >>> 4}`);
  if ((offset & 15) !== 0) refuse("reserved bits that are set");
  return {
    ...ip,
    sourcePort: view.getUint16(at + T.TCP_SOURCE_PORT),
    destinationPort: view.getUint16(at + T.TCP_DESTINATION_PORT),
    seq: view.getUint32(at + T.TCP_SEQ),
    ack: view.getUint32(at + T.TCP_ACK),
    flags: view.getUint8(at + T.TCP_FLAGS),
    window: view.getUint16(at + T.TCP_WINDOW),
    urgent: view.getUint16(at + T.TCP_URGENT),
    options: readOptions(view, at + T.TCP_SIZE, at + header),
    payload: header < length ? packet.slice(at + header) : NO_PAYLOAD,
  };
}
