/**
 * IPv4 headers (RFC 791; offsets in bindings/abi/ip.ts). Addresses are 32-bit numbers, most
 * significant byte first. Readers assume a validated header; the writer makes 20 bytes with DF set
 * (RFC 1191) and identification 0, which RFC 6864 allows for a datagram that is never fragmented.
 */
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_SIZE,
  IPV4_SOURCE,
  IPV4_TOS,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  IPV4_VERSION_IHL,
} from "../../bindings/abi/ip.ts";
import { checksumAdd, checksumFinish } from "./checksum.ts";

export function ipVersion(view: DataView, at: number): number {
  return view.getUint8(at + IPV4_VERSION_IHL) >>> 4;
}

/** Bytes of the header, options included. */
export function ipv4HeaderLength(view: DataView, at: number): number {
  return (view.getUint8(at + IPV4_VERSION_IHL) & 15) * 4;
}

export function ipv4TotalLength(view: DataView, at: number): number {
  return view.getUint16(at + IPV4_TOTAL_LENGTH);
}

export function ipv4Protocol(view: DataView, at: number): number {
  return view.getUint8(at + IPV4_PROTOCOL);
}

export function ipv4Source(view: DataView, at: number): number {
  return view.getUint32(at + IPV4_SOURCE);
}

export function ipv4Destination(view: DataView, at: number): number {
  return view.getUint32(at + IPV4_DESTINATION);
}

/** True when the fragment offset is zero: the packet carries the transport header. */
export function ipv4IsFirstFragment(view: DataView, at: number): boolean {
  return (view.getUint16(at + IPV4_FRAGMENT) & 0x1fff) === 0;
}

/** Class D: 224.0.0.0/4 (RFC 1112). */
export function isMulticast(address: number): boolean {
  return address >>> 28 === 14;
}

/** Fields of an IPv4 header to be written. `length` is that of the whole packet. */
export interface Ipv4Header {
  readonly length: number;
  readonly tos: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
}

/** Writes 20 bytes without length and checksum: the template that the data path completes. */
export function writeIpv4Template(view: DataView, at: number, header: Ipv4Header): void {
  view.setUint8(at + IPV4_VERSION_IHL, 0x45);
  view.setUint8(at + IPV4_TOS, header.tos);
  view.setUint16(at + IPV4_TOTAL_LENGTH, 0);
  view.setUint16(at + IPV4_IDENTIFICATION, 0);
  view.setUint16(at + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
  view.setUint8(at + IPV4_TTL, header.ttl);
  view.setUint8(at + IPV4_PROTOCOL, header.protocol);
  view.setUint16(at + IPV4_CHECKSUM, 0);
  view.setUint32(at + IPV4_SOURCE, header.source);
  view.setUint32(at + IPV4_DESTINATION, header.destination);
}

/** Writes a complete header; returns its bytes. */
export function writeIpv4Header(view: DataView, at: number, header: Ipv4Header): number {
  writeIpv4Template(view, at, header);
  view.setUint16(at + IPV4_TOTAL_LENGTH, header.length);
  view.setUint16(at + IPV4_CHECKSUM, checksumFinish(checksumAdd(0, view, at, IPV4_SIZE)));
  return IPV4_SIZE;
}
