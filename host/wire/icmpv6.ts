/**
 * ICMPv6 messages (RFC 4443; offsets in bindings/abi/icmpv6.ts): checksum with pseudo header, echo,
 * errors and the quotation inside an error, which may have extension headers before its TCP header.
 */
import * as I from "../../bindings/abi/icmpv6.ts";
import { IPV6_SIZE, PROTOCOL_ICMPV6, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_DESTINATION_PORT, TCP_SEQ, TCP_SOURCE_PORT } from "../../bindings/abi/tcp.ts";
import { checksumAdd, checksumFinish, checksumHolds } from "./checksum.ts";
import type { Quotation } from "./icmp.ts";
import { ipVersion } from "./ipv4.ts";
import { addressSum, ipv6Destination, ipv6PayloadLength, ipv6Source } from "./ipv6.ts";
import { walkExtensions } from "./ipv6-extension.ts";

/** An error with its quotation is no longer than what every link carries (RFC 4443, 2.4 c). */
const ERROR_BYTES_MAX = 1280;
/** Bytes of the packet that an error may quote. */
export const QUOTED_BYTES_IPV6 = ERROR_BYTES_MAX - IPV6_SIZE - I.ICMPV6_SIZE;

export function icmpv6Type(view: DataView, at: number): number {
  return view.getUint8(at + I.ICMPV6_TYPE);
}

export function icmpv6Code(view: DataView, at: number): number {
  return view.getUint8(at + I.ICMPV6_CODE);
}

/** Packet too big: the next hop's MTU. */
export function icmpv6Parameter(view: DataView, at: number): number {
  return view.getUint32(at + I.ICMPV6_PARAMETER);
}

function sumOf(
  view: DataView,
  at: number,
  length: number,
  source: bigint,
  destination: bigint,
): number {
  const pseudo = addressSum(source) + addressSum(destination) + PROTOCOL_ICMPV6 + length;
  return checksumAdd(pseudo, view, at, length);
}

/** True when the whole message adds up with its pseudo header (RFC 4443, 2.3). */
export function icmpv6Holds(view: DataView, ip: number, at: number, length: number): boolean {
  return checksumHolds(sumOf(view, at, length, ipv6Source(view, ip), ipv6Destination(view, ip)));
}

/** Puts the checksum of a message in place. */
export function finishIcmpv6(
  view: DataView,
  at: number,
  length: number,
  source: bigint,
  destination: bigint,
): void {
  view.setUint16(at + I.ICMPV6_CHECKSUM, 0);
  const sum = sumOf(view, at, length, source, destination);
  view.setUint16(at + I.ICMPV6_CHECKSUM, checksumFinish(sum));
}

/** Reads what an error at `at` quotes; false when it is not a TCP segment's beginning. */
export function readQuotation(
  quote: Quotation,
  view: DataView,
  at: number,
  length: number,
): boolean {
  const ip = at + I.ICMPV6_QUOTE;
  const end = at + length;
  if (ip + IPV6_SIZE > end || ipVersion(view, ip) !== 6) return false;
  const walk = walkExtensions(view, ip, end);
  const tcp = walk.at;
  if (walk.problem !== 0 || walk.protocol !== PROTOCOL_TCP || tcp + 8 > end) return false;
  quote.local = ipv6Source(view, ip);
  quote.remote = ipv6Destination(view, ip);
  quote.localPort = view.getUint16(tcp + TCP_SOURCE_PORT);
  quote.remotePort = view.getUint16(tcp + TCP_DESTINATION_PORT);
  quote.seq = view.getUint32(tcp + TCP_SEQ);
  quote.totalLength = IPV6_SIZE + ipv6PayloadLength(view, ip);
  return true;
}
