/**
 * IPv4 header checks (RFC 791; RFC 1122, 3.2.1): what may enter the data path and why the rest
 * may not. Lengths are checked here once; readers after that cannot run past the frame.
 */
import { load16be } from "../base/bytes.ts";
import { fold, sumSmall } from "../base/checksum.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { IPV4_DESTINATION, IPV4_FRAGMENT } from "../../bindings/abi/ip.ts";
import { IPV4_MORE_FRAGMENTS_OR_OFFSET, IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { IPV4_SOURCE, IPV4_TOTAL_LENGTH, IPV4_VERSION_IHL } from "../../bindings/abi/ip.ts";

/** Bytes of the header; valid after checkIpv4. */
// @ts-ignore: decorator
@inline
export function ipv4HeaderLength(ip: usize): u32 {
  return (<u32>load<u8>(ip, IPV4_VERSION_IHL) & 15) << 2;
}

// @ts-ignore: decorator
@inline
export function ipv4TotalLength(ip: usize): u32 {
  return load16be(ip, IPV4_TOTAL_LENGTH);
}

/** DropReason.None when the packet of at most `remaining` bytes is a whole, valid one. */
export function checkIpv4(ip: usize, remaining: u32): u32 {
  if (remaining < IPV4_SIZE) return DropReason.FrameTooShort;
  const header = ipv4HeaderLength(ip);
  const total = ipv4TotalLength(ip);
  if (header < IPV4_SIZE || header > remaining || header > total) {
    return DropReason.IpHeaderLength;
  }
  if (total > remaining) return DropReason.IpTotalLength;
  if (fold(sumSmall(ip, header)) != 0xffff) return DropReason.IpChecksum;
  if ((load16be(ip, IPV4_FRAGMENT) & IPV4_MORE_FRAGMENTS_OR_OFFSET) != 0) {
    return DropReason.IpFragment;
  }
  return DropReason.None;
}

/** True when the packet is from an address that no segment may come from. */
export function isInvalidIpv4Source(ip: usize): bool {
  return isInvalidIpv4Peer(load<u32>(ip, IPV4_SOURCE));
}

/** The same of an address as load<u32> reads it (RFC 9293 MUST-57, MUST-63). */
// @ts-ignore: decorator
@inline
export function isInvalidIpv4Peer(source: u32): bool {
  const first = source & 0xff;
  return source == 0 || source == 0xffffffff || first == 127 || (first & 0xf0) == 224;
}

/** Sum of the addresses' words in memory order, unfolded: what a pseudo header has of IPv4. */
// @ts-ignore: decorator
@inline
export function addressSumIpv4(ip: usize): u64 {
  return <u64>load<u32>(ip, IPV4_SOURCE) + <u64>load<u32>(ip, IPV4_DESTINATION);
}
