/**
 * Packets as bytes: IPv4 with TCP (RFC 791, RFC 9293, 3.1) or an ICMP error (RFC 792), written for
 * the stack, and read from it. Invariant: what is read is sound (lengths, checksums, options), or
 * an error says what is not.
 */
import { ICMP_CHECKSUM, ICMP_CODE, ICMP_NEXT_HOP_MTU } from "../../bindings/abi/icmp.ts";
import { ICMP_SIZE, ICMP_TYPE } from "../../bindings/abi/icmp.ts";
import * as IP from "../../bindings/abi/ip.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { checksumAdd, checksumFinish, checksumHolds } from "../wire/checksum.ts";
import * as V4 from "../wire/ipv4.ts";
import { pseudoSum } from "../wire/tcp.ts";
import type { OptionPattern } from "./script.ts";

/** A TCP segment with the numbers of the wire. */
export interface Segment {
  readonly source: number;
  readonly destination: number;
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
  readonly source: number;
  readonly destination: number;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly quoted: Segment;
}

const NO_PAYLOAD = new Uint8Array(0);
/** RFC 792: header and 8 bytes. */
const QUOTED_BYTES = IP.IPV4_SIZE + 8;
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

/** An IPv4 packet with the segment. */
export function buildSegment(segment: Segment): Uint8Array {
  const { source, destination, tos, ttl } = segment;
  const options = optionsBytes(segment.options);
  const header = T.TCP_SIZE + options.length;
  const tcpBytes = header + segment.payload.length;
  const packet = new Uint8Array(IP.IPV4_SIZE + tcpBytes);
  const view = new DataView(packet.buffer);
  const length = packet.length;
  const protocol = IP.PROTOCOL_TCP;
  V4.writeIpv4Header(view, 0, { length, tos, ttl, protocol, source, destination });
  const at = IP.IPV4_SIZE;
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

/** An IPv4 packet with the error; it quotes the first bytes of the segment. */
export function buildIcmp(error: IcmpError): Uint8Array {
  const quoted = buildSegment(error.quoted).subarray(0, QUOTED_BYTES);
  const length = IP.IPV4_SIZE + ICMP_SIZE + quoted.length;
  const packet = new Uint8Array(length);
  const view = new DataView(packet.buffer);
  const { source, destination } = error;
  const protocol = IP.PROTOCOL_ICMP;
  V4.writeIpv4Header(view, 0, { length, tos: 0, ttl: 64, protocol, source, destination });
  const at = IP.IPV4_SIZE;
  view.setUint8(at + ICMP_TYPE, error.type);
  view.setUint8(at + ICMP_CODE, error.code);
  view.setUint16(at + ICMP_NEXT_HOP_MTU, error.mtu);
  packet.set(quoted, at + ICMP_SIZE);
  const sum = checksumAdd(0, view, at, length - at);
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
  throw new RangeError(`expected a sound TCP segment over IPv4, got ${what}`);
}

function checkIp(view: DataView): void {
  if (view.byteLength < IP.IPV4_SIZE + T.TCP_SIZE) refuse(`${view.byteLength} bytes`);
  if (view.getUint8(IP.IPV4_VERSION_IHL) !== 0x45) refuse("another IP header");
  if (!checksumHolds(checksumAdd(0, view, 0, IP.IPV4_SIZE))) refuse("a wrong IP checksum");
  if (V4.ipv4TotalLength(view, 0) !== view.byteLength) refuse("a wrong IP length");
  const protocol = V4.ipv4Protocol(view, 0);
  if (protocol !== IP.PROTOCOL_TCP) refuse(`IP protocol ${protocol}`);
}

/** The segment in an IPv4 packet; throws RangeError when it is not a sound one. */
export function readSegment(packet: Uint8Array): Segment {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  checkIp(view);
  const at = IP.IPV4_SIZE;
  const length = packet.length - at;
  const source = V4.ipv4Source(view, 0);
  const destination = V4.ipv4Destination(view, 0);
  const sum = checksumAdd(pseudoSum(source, destination, length), view, at, length);
  if (!checksumHolds(sum)) refuse("a wrong TCP checksum");
  const offset = view.getUint8(at + T.TCP_DATA_OFFSET);
  const header = (offset >>> 4) * 4;
  if (header < T.TCP_SIZE || header > length) refuse(`data offset ${offset >>> 4}`);
  if ((offset & 15) !== 0) refuse("reserved bits that are set");
  return {
    source,
    destination,
    tos: view.getUint8(IP.IPV4_TOS),
    ttl: view.getUint8(IP.IPV4_TTL),
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
