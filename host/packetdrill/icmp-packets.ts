/**
 * ICMP errors (RFC 792, RFC 4443) and the datagrams that draw them, as bytes: written for the
 * stack, and read from it; and how an error that it sent differs from the one expected. Invariant:
 * what is read is sound (lengths, checksums), or an error says what is not.
 */
import * as I from "../../bindings/abi/icmp.ts";
import * as I6 from "../../bindings/abi/icmpv6.ts";
import * as IP from "../../bindings/abi/ip.ts";
import { TCP_ACK_FLAG, TCP_SEQ } from "../../bindings/abi/tcp.ts";
import * as U from "../../bindings/abi/udp.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish } from "../wire/checksum.ts";
import { icmpChecksumHolds } from "../wire/icmp.ts";
import { finishIcmpv6, icmpv6Holds } from "../wire/icmpv6.ts";
import { ipv4HeaderLength, ipv4Protocol } from "../wire/ipv4.ts";
import { ipv6NextHeader } from "../wire/ipv6.ts";
import { pseudoSum } from "../wire/tcp.ts";
import { icmpNames, icmpNumbers } from "./icmp-numbers.ts";
import { buildSegment, ipBytes, readIp, type Segment, writeIp } from "./packet-bytes.ts";
import type { IcmpPattern, QuotedPattern, TcpPattern } from "./script.ts";

/** An ICMP error and the segment that it quotes. */
export interface IcmpError {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly quoted: Segment;
}

/** An error that the stack has sent; the sequence number that it quotes is the wire's. */
interface SentIcmp {
  readonly isIpv6: boolean;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly quoted: QuotedPattern;
}

/** RFC 792: 8 bytes behind the header; of RFC 4443's as much as fits, which a script is. */
const QUOTED_BYTES = 8;

/** An IP packet with the error; it quotes the first bytes of the segment. */
export function buildIcmp(error: IcmpError): Uint8Array {
  const { source, destination } = error;
  const at = ipBytes(source);
  const quoted = buildSegment(error.quoted).subarray(0, at + QUOTED_BYTES);
  const packet = new Uint8Array(at + I.ICMP_SIZE + quoted.length);
  const view = new DataView(packet.buffer);
  packet.set(quoted, at + I.ICMP_SIZE);
  const length = packet.length - at;
  if (typeof source === "bigint") {
    writeIp(view, { source, destination, tos: 0, ttl: 64, protocol: IP.PROTOCOL_ICMPV6 });
    view.setUint8(at + I6.ICMPV6_TYPE, error.type);
    view.setUint8(at + I6.ICMPV6_CODE, error.code);
    view.setUint32(at + I6.ICMPV6_PARAMETER, error.mtu);
    finishIcmpv6(view, at, length, source, destination as bigint);
    return packet;
  }
  writeIp(view, { source, destination, tos: 0, ttl: 64, protocol: IP.PROTOCOL_ICMP });
  view.setUint8(at + I.ICMP_TYPE, error.type);
  view.setUint8(at + I.ICMP_CODE, error.code);
  view.setUint16(at + I.ICMP_NEXT_HOP_MTU, error.mtu);
  const sum = checksumAdd(0, view, at, length);
  view.setUint16(at + I.ICMP_CHECKSUM, checksumFinish(sum));
  return packet;
}

/** The connection that a script's error is about, from the stack's side. */
export interface Quotable {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly localPort: number;
  readonly remotePort: number;
  readonly localSequence: number | undefined;
}

/** The error of a script about a segment of the stack's, from the other side. */
export function errorFor(pattern: IcmpPattern, about: Quotable): Uint8Array {
  const { source, destination } = about;
  const { seq, length } = pattern.quoted;
  if (seq === undefined) throw new RangeError("expected a quoted segment, got udp");
  const quoted: Segment = {
    source,
    destination,
    tos: 0,
    ttl: 64,
    sourcePort: about.localPort,
    destinationPort: about.remotePort,
    seq: (seq + (about.localSequence ?? 0)) >>> 0,
    ack: 0,
    flags: TCP_ACK_FLAG,
    window: 0,
    urgent: 0,
    options: [],
    payload: new Uint8Array(length),
  };
  const numbers = icmpNumbers(typeof source === "bigint", pattern.type, pattern.code);
  const { mtu } = pattern;
  return buildIcmp({ source: destination, destination: source, ...numbers, mtu, quoted });
}

/** An IP packet with a datagram of zeros (RFC 768). */
export function buildDatagram(
  ip: Pick<Segment, "source" | "destination" | "tos" | "ttl">,
  sourcePort: number,
  destinationPort: number,
  payload: number,
): Uint8Array {
  const at = ipBytes(ip.source);
  const length = U.UDP_SIZE + payload;
  const packet = new Uint8Array(at + length);
  const view = new DataView(packet.buffer);
  writeIp(view, { ...ip, protocol: IP.PROTOCOL_UDP });
  view.setUint16(at + U.UDP_SOURCE_PORT, sourcePort);
  view.setUint16(at + U.UDP_DESTINATION_PORT, destinationPort);
  view.setUint16(at + U.UDP_LENGTH, length);
  // pseudoSum() has TCP's number in it.
  const pseudo = pseudoSum(ip.source, ip.destination, length) + IP.PROTOCOL_UDP - IP.PROTOCOL_TCP;
  const sum = checksumFinish(checksumAdd(pseudo, view, at, length));
  view.setUint16(at + U.UDP_CHECKSUM, sum === 0 ? 0xffff : sum);
  return packet;
}

function refuse(what: string): never {
  throw new RangeError(`expected a sound ICMP error, got ${what}`);
}

/** What is quoted from `at` on: the sequence number of a segment, the payload of a datagram. */
function readQuoted(view: DataView, at: number, isIpv6: boolean): QuotedPattern {
  const ipSize = isIpv6 ? IP.IPV6_SIZE : IP.IPV4_SIZE;
  if (at + ipSize > view.byteLength) refuse("a quotation that is too short");
  const protocol = isIpv6 ? ipv6NextHeader(view, at) : ipv4Protocol(view, at);
  const inner = at + (isIpv6 ? IP.IPV6_SIZE : ipv4HeaderLength(view, at));
  if (inner + QUOTED_BYTES > view.byteLength) refuse("a quotation that is too short");
  if (protocol === IP.PROTOCOL_UDP) {
    return { seq: undefined, length: view.getUint16(inner + U.UDP_LENGTH) - U.UDP_SIZE };
  }
  // How long a segment was stands behind what IPv4 quotes of it.
  if (protocol === IP.PROTOCOL_TCP) return { seq: view.getUint32(inner + TCP_SEQ), length: 0 };
  return refuse(`one that quotes IP protocol ${protocol}`);
}

/** True for a packet that compareIcmp() is for. */
export function isIcmp(packet: Uint8Array): boolean {
  const isIpv6 = (packet[0] as number) >>> 4 === 6;
  const protocol = packet[isIpv6 ? IP.IPV6_NEXT_HEADER : IP.IPV4_PROTOCOL];
  return protocol === (isIpv6 ? IP.PROTOCOL_ICMPV6 : IP.PROTOCOL_ICMP);
}

/** The ICMP error in an IP packet; throws RangeError when it is not a sound one. */
function readIcmp(packet: Uint8Array): SentIcmp {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const { source, payloadAt: at } = readIp(view);
  const length = packet.length - at;
  if (length < I.ICMP_SIZE) refuse(`${packet.length} bytes`);
  const isIpv6 = typeof source === "bigint";
  const holds = isIpv6 ? icmpv6Holds(view, 0, at, length) : icmpChecksumHolds(view, at, length);
  if (!holds) refuse("a wrong checksum");
  const type = view.getUint8(at + I.ICMP_TYPE);
  const code = view.getUint8(at + I.ICMP_CODE);
  const mtu = isIpv6
    ? view.getUint32(at + I6.ICMPV6_PARAMETER)
    : view.getUint16(at + I.ICMP_NEXT_HOP_MTU);
  return { isIpv6, type, code, mtu, quoted: readQuoted(view, at + I.ICMP_SIZE, isIpv6) };
}

/** Differences as `type: expected 3, got 11`; empty when the error is the expected one. */
function differences(expected: IcmpPattern, sent: SentIcmp, origin: number): string[] {
  const numbers = icmpNumbers(sent.isIpv6, expected.type, expected.code);
  const found: string[] = [];
  const compare = (name: string, wanted: number | string, got: number | string): void => {
    if (wanted !== got) found.push(`${name}: expected ${wanted}, got ${got}`);
  };
  compare("type", numbers.type, sent.type);
  compare("code", numbers.code, sent.code);
  compare("mtu", expected.mtu, sent.mtu);
  const { seq } = sent.quoted;
  const wanted = expected.quoted.seq;
  compare("quoted", wanted === undefined ? "udp" : "tcp", seq === undefined ? "udp" : "tcp");
  if (wanted !== undefined && seq !== undefined) {
    compare("quoted sequence", wanted, (seq - origin) >>> 0);
  } else if (wanted === undefined && seq === undefined) {
    compare("quoted bytes", expected.quoted.length, sent.quoted.length);
  }
  return found;
}

function text(names: string, mtu: number, quoted: string): string {
  return `${quoted} icmp ${names}${mtu === 0 ? "" : ` mtu ${mtu}`}`;
}

function quotedText({ seq, length }: QuotedPattern, isWhole: boolean): string {
  if (seq === undefined) return `[udp (${length})]`;
  return isWhole ? `[${seq}:${(seq + length) >>> 0}(${length})]` : `[${seq}]`;
}

/** The error that a script expects, as it has it. */
export function patternText({ type, code, mtu, quoted }: IcmpPattern): string {
  return text(`${type} ${code}`.trim(), mtu, quotedText(quoted, true));
}

function sentText({ isIpv6, type, code, mtu, quoted }: SentIcmp, origin: number): string {
  const seq = quoted.seq === undefined ? undefined : (quoted.seq - origin) >>> 0;
  return text(icmpNames(isIpv6, type, code), mtu, quotedText({ ...quoted, seq }, false));
}

/**
 * An ICMP packet of the stack's, as a script would have it, or what is wrong with it; `origin` is
 * the wire's number of the script's sequence number 0.
 */
export function icmpText(packet: Uint8Array, origin: number): string {
  try {
    return sentText(readIcmp(packet), origin);
  } catch (error) {
    return (error as Error).message;
  }
}

/** How an ICMP packet of the stack's differs from what was expected; `got` as icmpText(). */
export function compareIcmp(
  packet: Uint8Array,
  expected: TcpPattern | IcmpPattern,
  origin: number,
): { found: string[]; got: string } {
  const got = icmpText(packet, origin);
  if (expected.protocol === "tcp") return { found: ["expected a segment, got an ICMP error"], got };
  try {
    return { found: differences(expected, readIcmp(packet), origin), got };
  } catch (error) {
    return { found: [(error as Error).message], got };
  }
}
