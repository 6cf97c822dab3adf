/**
 * UDP over IPv4 (RFC 768; offsets in bindings/abi/udp.ts), as far as a host without UDP needs it:
 * is a datagram whole, so that its sender may be told that nobody listens (RFC 1122, 4.1.3).
 */
import { IPV4_SOURCE, PROTOCOL_UDP } from "../../bindings/abi/ip.ts";
import { UDP_CHECKSUM, UDP_LENGTH, UDP_SIZE } from "../../bindings/abi/udp.ts";
import { checksumAdd, checksumHolds } from "./checksum.ts";

/** Source and destination address of an IPv4 header. */
const ADDRESSES_BYTES = 8;

/**
 * True when the `available` bytes at `at` hold a datagram that adds up; `ip` is its IPv4 header. A
 * sender may leave the checksum out (RFC 768); a wrong one is dropped in silence (RFC 1122,
 * 4.1.3.4).
 */
export function udpHolds(view: DataView, ip: number, at: number, available: number): boolean {
  if (available < UDP_SIZE) return false;
  const length = view.getUint16(at + UDP_LENGTH);
  if (length < UDP_SIZE || length > available) return false;
  if (view.getUint16(at + UDP_CHECKSUM) === 0) return true;
  const addresses = checksumAdd(PROTOCOL_UDP + length, view, ip + IPV4_SOURCE, ADDRESSES_BYTES);
  return checksumHolds(checksumAdd(addresses, view, at, length));
}
