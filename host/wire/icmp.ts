/**
 * ICMP for IPv4 (RFC 792; offsets in bindings/abi/icmp.ts): echo, errors, and the quotation inside
 * an error: at least the IP header and 8 bytes, which hold ports and sequence number.
 */
import { ICMP_CHECKSUM, ICMP_CODE, ICMP_ECHO_REPLY } from "../../bindings/abi/icmp.ts";
import { ICMP_IDENTIFIER, ICMP_NEXT_HOP_MTU, ICMP_QUOTE } from "../../bindings/abi/icmp.ts";
import { ICMP_TYPE } from "../../bindings/abi/icmp.ts";
import { IPV4_SIZE, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_DESTINATION_PORT, TCP_SEQ, TCP_SOURCE_PORT } from "../../bindings/abi/tcp.ts";
import type { IpAddress } from "../address.ts";
import { checksumAdd, checksumFinish, checksumHolds } from "./checksum.ts";
import { ipVersion, ipv4Destination, ipv4HeaderLength, ipv4IsFirstFragment } from "./ipv4.ts";
import { ipv4Protocol, ipv4Source, ipv4TotalLength } from "./ipv4.ts";

/** What an error quotes behind the IP header (RFC 1122, 3.2.2). */
export const QUOTED_BYTES = 8;
/** RFC 792: code of the Time Exceeded of who has waited for fragments. */
export const EXCEEDED_REASSEMBLY = 1;

export function icmpType(view: DataView, at: number): number {
  return view.getUint8(at + ICMP_TYPE);
}

export function icmpCode(view: DataView, at: number): number {
  return view.getUint8(at + ICMP_CODE);
}

/** Next-hop MTU of a "fragmentation needed" (RFC 1191, section 4); 0 from an old router. */
export function icmpNextHopMtu(view: DataView, at: number): number {
  return view.getUint16(at + ICMP_NEXT_HOP_MTU);
}

/** True when the whole message adds up. */
export function icmpChecksumHolds(view: DataView, at: number, length: number): boolean {
  return checksumHolds(checksumAdd(0, view, at, length));
}

/** Turns an echo request into its reply, in place (RFC 1122, 3.2.2.6: data comes back whole). */
export function makeEchoReply(view: DataView, at: number, length: number): void {
  view.setUint8(at + ICMP_TYPE, ICMP_ECHO_REPLY);
  view.setUint16(at + ICMP_CHECKSUM, 0);
  view.setUint16(at + ICMP_CHECKSUM, checksumFinish(checksumAdd(0, view, at, length)));
}

/** Writes an error that ends with the `quoted` bytes already in place. */
export function writeError(
  view: DataView,
  at: number,
  type: number,
  code: number,
  quoted: number,
): void {
  view.setUint8(at + ICMP_TYPE, type);
  view.setUint8(at + ICMP_CODE, code);
  view.setUint16(at + ICMP_CHECKSUM, 0);
  // Unused, and zero (RFC 792).
  view.setUint32(at + ICMP_IDENTIFIER, 0);
  const sum = checksumAdd(0, view, at, ICMP_QUOTE + quoted);
  view.setUint16(at + ICMP_CHECKSUM, checksumFinish(sum));
}

/** What an ICMP error says about one of our TCP segments: we were `local`. */
export class Quotation {
  local: IpAddress = 0;
  remote: IpAddress = 0;
  localPort = 0;
  remotePort = 0;
  seq = 0;
  /** Length of the packet that did not get through. */
  totalLength = 0;

  /** Reads the quotation of the message at `at`; false when it is not a whole TCP one. */
  read(view: DataView, at: number, length: number): boolean {
    const ip = at + ICMP_QUOTE;
    const end = at + length;
    if (ip + IPV4_SIZE > end || ipVersion(view, ip) !== 4) return false;
    const header = ipv4HeaderLength(view, ip);
    const tcp = ip + header;
    if (header < IPV4_SIZE || tcp + 8 > end) return false;
    if (ipv4Protocol(view, ip) !== PROTOCOL_TCP || !ipv4IsFirstFragment(view, ip)) return false;
    this.local = ipv4Source(view, ip);
    this.remote = ipv4Destination(view, ip);
    this.localPort = view.getUint16(tcp + TCP_SOURCE_PORT);
    this.remotePort = view.getUint16(tcp + TCP_DESTINATION_PORT);
    this.seq = view.getUint32(tcp + TCP_SEQ);
    this.totalLength = ipv4TotalLength(view, ip);
    return true;
  }
}
