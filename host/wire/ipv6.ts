/**
 * IPv6 headers (RFC 8200, 3; offsets in bindings/abi/ip.ts). Addresses are bigints, most
 * significant byte first. Readers assume a validated header.
 */
import {
  IPV6_DESTINATION,
  IPV6_HOP_LIMIT,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  IPV6_VERSION_CLASS,
} from "../../bindings/abi/ip.ts";
import { IPV6_SIZE } from "../../bindings/abi/ip.ts";

const LOW_64 = 0xffffffffffffffffn;

export function ipv6PayloadLength(view: DataView, at: number): number {
  return view.getUint16(at + IPV6_PAYLOAD_LENGTH);
}

export function ipv6NextHeader(view: DataView, at: number): number {
  return view.getUint8(at + IPV6_NEXT_HEADER);
}

export function ipv6HopLimit(view: DataView, at: number): number {
  return view.getUint8(at + IPV6_HOP_LIMIT);
}

/** The address whose 16 bytes stand at `at`. */
export function readAddress(view: DataView, at: number): bigint {
  return (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8);
}

export function writeAddress(view: DataView, at: number, address: bigint): void {
  view.setBigUint64(at, address >> 64n);
  view.setBigUint64(at + 8, address & LOW_64);
}

export function ipv6Source(view: DataView, at: number): bigint {
  return readAddress(view, at + IPV6_SOURCE);
}

export function ipv6Destination(view: DataView, at: number): bigint {
  return readAddress(view, at + IPV6_DESTINATION);
}

/** Sum of an address's eight words, for a pseudo header (RFC 8200, 8.1). */
export function addressSum(address: bigint): number {
  let sum = 0;
  for (let rest = address; rest !== 0n; rest >>= 16n) sum += Number(rest & 0xffffn);
  return sum;
}

/** Fields of an IPv6 header to be written. `payload`: bytes behind it. */
export interface Ipv6Header {
  readonly payload: number;
  /** Traffic class. */
  readonly tos: number;
  /** Hop limit. */
  readonly ttl: number;
  /** Next header. */
  readonly protocol: number;
  readonly source: bigint;
  readonly destination: bigint;
  /** RFC 6437; 20 bits. */
  readonly flow: number;
}

/** Writes a whole header; returns its bytes. */
export function writeIpv6Header(view: DataView, at: number, header: Ipv6Header): number {
  const word = (0x60000000 | (header.tos << 20) | (header.flow & 0xfffff)) >>> 0;
  view.setUint32(at + IPV6_VERSION_CLASS, word);
  view.setUint16(at + IPV6_PAYLOAD_LENGTH, header.payload);
  view.setUint8(at + IPV6_NEXT_HEADER, header.protocol);
  view.setUint8(at + IPV6_HOP_LIMIT, header.ttl);
  writeAddress(view, at + IPV6_SOURCE, header.source);
  writeAddress(view, at + IPV6_DESTINATION, header.destination);
  return IPV6_SIZE;
}

/** ff00::/8 (RFC 4291, 2.7). */
export function isMulticastIpv6(address: bigint): boolean {
  return address >> 120n === 0xffn;
}

/** fe80::/10 (RFC 4291, 2.5.6). */
export function isLinkLocal(address: bigint): boolean {
  return address >> 118n === 0x3fan;
}

/** The group that who has `address` listens to: ff02::1:ffxx:xxxx (RFC 4291, 2.7.1). */
export function solicitedNode(address: bigint): bigint {
  return 0xff0200000000000000000001ff000000n | (address & 0xffffffn);
}

/** ff02::1 and ff02::2: all nodes, all routers of the link. */
export const ALL_NODES = 0xff020000000000000000000000000001n;
export const ALL_ROUTERS = 0xff020000000000000000000000000002n;
