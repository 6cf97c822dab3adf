/**
 * Addresses that an interface may have, from text: "10.0.0.1/24", "fd00::1/64". Configuration
 * errors throw RangeError.
 */
import { ipAddress, parseAddress, type IpAddress } from "../address.ts";
import { isMulticastIpv6 } from "../wire/ipv6.ts";

/** One IPv4 address of ours. */
export interface InterfaceAddress {
  readonly address: number;
  readonly mask: number;
  readonly broadcast: number;
}

/** One IPv6 address of ours. */
export interface InterfaceAddress6 {
  readonly address: bigint;
  readonly mask: bigint;
}

/** An address, or network, with its mask. */
export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

const BROADCAST = 0xffffffff;
const ALL_ONES = (1n << 128n) - 1n;
const MAPPED = 0xffffn;
const LINK_LOCAL = 0xfe80n << 112n;

/** Network mask of an IPv4 prefix length. */
export function maskOf(length: number): number {
  return length === 0 ? 0 : (BROADCAST << (32 - length)) >>> 0;
}

/** Network mask of an IPv6 prefix length. */
export function maskOfIpv6(length: number): bigint {
  return (ALL_ONES << BigInt(128 - length)) & ALL_ONES;
}

/** An address without prefix length. Throws RangeError `where: expected ...`. */
export function parseHost(text: string, where: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    const family = text.includes(":") ? "IPv6" : "IPv4";
    throw new RangeError(`${where}: expected an ${family} address, got ${JSON.stringify(text)}`);
  }
  return ipAddress(parsed);
}

/** An address with prefix length. Throws RangeError `where: expected ...`. */
export function parsePrefix(text: string, where: string): Prefix {
  const isIpv6 = text.includes(":");
  const match = (isIpv6 ? /^([^/]+)\/([0-9]{1,3})$/ : /^([0-9.]+)\/([0-9]{1,2})$/).exec(text);
  const most = isIpv6 ? 128 : 32;
  const length = match === null ? most + 1 : Number(match[2]);
  if (match === null || length > most) {
    const form = isIpv6 ? '"a::b/0..128"' : '"a.b.c.d/0..32"';
    throw new RangeError(`${where}: expected ${form}, got ${JSON.stringify(text)}`);
  }
  const address = parseHost(match[1] as string, where);
  if ((typeof address === "bigint") === isIpv6) return { address, length };
  throw new RangeError(`${where}: expected an address without a prefix, got ${text}`);
}

/** An address that a host may have: not 0.0.0.0, not loopback, not multicast or above. */
export function isUnicast(address: number): boolean {
  return address !== 0 && address >>> 24 !== 127 && address >>> 24 !== 0 && address >>> 28 < 14;
}

/** The same of IPv6 (RFC 4291, 2.5); IPv4-mapped addresses are no host's. */
export function isUnicastIpv6(address: bigint): boolean {
  return address > 1n && !isMulticastIpv6(address) && address >> 32n !== MAPPED;
}

function refuse(text: string, where: string): never {
  throw new RangeError(`${where}: expected a unicast address, got ${JSON.stringify(text)}`);
}

/** One address of an interface, of either family. */
export function parseOwn(text: string, where: string): InterfaceAddress | InterfaceAddress6 {
  const { address, length } = parsePrefix(text, where);
  if (typeof address === "bigint") {
    if (!isUnicastIpv6(address)) refuse(text, where);
    return { address, mask: maskOfIpv6(length) };
  }
  if (!isUnicast(address)) refuse(text, where);
  const mask = maskOf(length);
  // RFC 3021: /31 and /32 have no directed broadcast.
  const broadcast = mask >= 0xfffffffe ? BROADCAST : (address | ~mask) >>> 0;
  return { address, mask, broadcast };
}

/** The modified EUI-64 of a hardware address (RFC 4291, appendix A). */
export function interfaceIdentifier(high: number, low: number): bigint {
  const upper = BigInt(high ^ 0x0200);
  return (upper << 48n) | (BigInt(low >>> 24) << 40n) | (0xfffen << 24n) | BigInt(low & 0xffffff);
}

/** The link-local address of an interface without one of its own (RFC 4291, 2.5.6). */
export function linkLocalAddress(identifier: bigint): InterfaceAddress6 {
  return { address: LINK_LOCAL | identifier, mask: maskOfIpv6(64) };
}
