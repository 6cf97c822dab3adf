/**
 * Packets as bytes: IPv4 or IPv6 with TCP (RFC 9293, 3.1) or an ICMP error (RFC 792, RFC 4443),
 * written for the stack, and read from it. Invariant: what is read is sound (lengths, checksums,
 * options), or an error says what is not.
 */
import { ICMP_CHECKSUM, ICMP_CODE, ICMP_NEXT_HOP_MTU } from "../../bindings/abi/icmp.ts";
import { ICMP_SIZE, ICMP_TYPE } from "../../bindings/abi/icmp.ts";
import { ICMPV6_CODE, ICMPV6_PARAMETER, ICMPV6_TYPE } from "../../bindings/abi/icmpv6.ts";
import * as IP from "../../bindings/abi/ip.ts";
import * as T from "../../bindings/abi/tcp.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish, checksumHolds } from "../wire/checksum.ts";
import { finishIcmpv6 } from "../wire/icmpv6.ts";
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

/** An ICMP error and the segment that it quotes. */
export interface IcmpError {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly quoted: Segment;
}

const NO_PAYLOAD = new Uint8Array(0);
/** RFC 792: 8 bytes behind the header; of RFC 4443's as much as fits, which a script is. */
const QUOTED_BYTES = 8;
const OPTION_BYTES_MAX = T.TCP_HEADER_MAX - T.TCP_SIZE;

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

function ipBytes(address: IpAddress): number {
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
function writeIp(view: DataView, fields: IpFields): void {
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

/** An IP packet with the error; it quotes the first bytes of the segment. */
export function buildIcmp(error: IcmpError): Uint8Array {
  const { source, destination } = error;
  const at = ipBytes(source);
  const quoted = buildSegment(error.quoted).subarray(0, at + QUOTED_BYTES);
  const packet = new Uint8Array(at + ICMP_SIZE + quoted.length);
  const view = new DataView(packet.buffer);
  packet.set(quoted, at + ICMP_SIZE);
  const length = packet.length - at;
  if (typeof source === "bigint") {
    writeIp(view, { source, destination, tos: 0, ttl: 64, protocol: IP.PROTOCOL_ICMPV6 });
    view.setUint8(at + ICMPV6_TYPE, error.type);
    view.setUint8(at + ICMPV6_CODE, error.code);
    view.setUint32(at + ICMPV6_PARAMETER, error.mtu);
    finishIcmpv6(view, at, length, source, destination as bigint);
    return packet;
  }
  writeIp(view, { source, destination, tos: 0, ttl: 64, protocol: IP.PROTOCOL_ICMP });
  view.setUint8(at + ICMP_TYPE, error.type);
  view.setUint8(at + ICMP_CODE, error.code);
  view.setUint16(at + ICMP_NEXT_HOP_MTU, error.mtu);
  const sum = checksumAdd(0, view, at, length);
  view.setUint16(at + ICMP_CHECKSUM, checksumFinish(sum));
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

type IpHeader = Pick<Segment, "source" | "destination" | "tos" | "ttl">;

function readIpv4(view: DataView): IpHeader {
  if (view.getUint8(IP.IPV4_VERSION_IHL) !== 0x45) refuse("another IP header");
  if (!checksumHolds(checksumAdd(0, view, 0, IP.IPV4_SIZE))) refuse("a wrong IP checksum");
  if (V4.ipv4TotalLength(view, 0) !== view.byteLength) refuse("a wrong IP length");
  const protocol = V4.ipv4Protocol(view, 0);
  if (protocol !== IP.PROTOCOL_TCP) refuse(`IP protocol ${protocol}`);
  const [source, destination] = [V4.ipv4Source(view, 0), V4.ipv4Destination(view, 0)];
  const [tos, ttl] = [view.getUint8(IP.IPV4_TOS), view.getUint8(IP.IPV4_TTL)];
  return { source, destination, tos, ttl };
}

function readIpv6(view: DataView): IpHeader {
  if (V6.ipv6PayloadLength(view, 0) + IP.IPV6_SIZE !== view.byteLength) refuse("a wrong IP length");
  const protocol = V6.ipv6NextHeader(view, 0);
  if (protocol !== IP.PROTOCOL_TCP) refuse(`IP protocol ${protocol}`);
  const [source, destination] = [V6.ipv6Source(view, 0), V6.ipv6Destination(view, 0)];
  const tos = (view.getUint16(IP.IPV6_VERSION_CLASS) >>> 4) & 255;
  return { source, destination, tos, ttl: V6.ipv6HopLimit(view, 0) };
}

/** The segment in an IP packet; throws RangeError when it is not a sound one. */
export function readSegment(packet: Uint8Array): Segment {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet.length < IP.IPV4_SIZE + T.TCP_SIZE) refuse(`${packet.length} bytes`);
  const isIpv6 = view.getUint8(0) >>> 4 === 6;
  const at = isIpv6 ? IP.IPV6_SIZE : IP.IPV4_SIZE;
  const length = packet.length - at;
  if (length < T.TCP_SIZE) refuse(`${packet.length} bytes`);
  const ip = isIpv6 ? readIpv6(view) : readIpv4(view);
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
