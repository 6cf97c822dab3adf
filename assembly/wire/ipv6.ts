/**
 * IPv6 header checks (RFC 8200, 3; RFC 4291, 2.5): what may enter the data path and why the rest
 * may not. The data path takes segments whose TCP header follows at once; extension headers are
 * the control plane's, which takes them off and offers the frame again.
 */
import { load16be } from "../base/bytes.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { IPV6_PAYLOAD_LENGTH, IPV6_SIZE, IPV6_SOURCE } from "../../bindings/abi/ip.ts";
import { MAPPED_PREFIX } from "../../bindings/abi/ip.ts";

/** Bytes behind the header; valid after checkIpv6. */
// @ts-ignore: decorator
@inline
export function ipv6PayloadLength(ip: usize): u32 {
  return load16be(ip, IPV6_PAYLOAD_LENGTH);
}

/** The low two bits of the traffic class (RFC 3168, 5). */
// @ts-ignore: decorator
@inline
export function ipv6Ecn(ip: usize): u32 {
  return (<u32>load<u8>(ip, 1) >>> 4) & 3;
}

/** DropReason.None when the packet of at most `remaining` bytes is a whole one. */
export function checkIpv6(ip: usize, remaining: u32): u32 {
  if (remaining < IPV6_SIZE) return DropReason.FrameTooShort;
  // A jumbogram's length is 0 (RFC 2675): then it is no segment, and dropped as one.
  if (ipv6PayloadLength(ip) > remaining - IPV6_SIZE) return DropReason.IpTotalLength;
  return DropReason.None;
}

/**
 * True for an address that no segment may come from (RFC 9293 MUST-57, MUST-63): unspecified,
 * loopback, multicast. IPv4-mapped ones stand for IPv4 inside of hosts alone (RFC 4291, 2.5.5.2):
 * on the wire one would name an IPv4 connection.
 */
export function isInvalidIpv6Source(ip: usize): bool {
  if (load<u8>(ip, IPV6_SOURCE) == 0xff) return true;
  if (load<u64>(ip, IPV6_SOURCE) != 0) return false;
  const third = load<u32>(ip, IPV6_SOURCE + 8);
  const last = bswap<u32>(load<u32>(ip, IPV6_SOURCE + 12));
  return third == MAPPED_PREFIX || (third == 0 && last <= 1);
}
