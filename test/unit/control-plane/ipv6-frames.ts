/** ICMPv6 and neighbour discovery as frames of the peer, written from RFC 4443 and RFC 4861. */
import { colons, onesSum, pseudoSum } from "../../support/frames.ts";
import { REMOTE_MAC } from "./harness.ts";

export const LOCAL6 = "fd00::1";
export const REMOTE6 = "fd00::2";

export interface Ipv6Message {
  readonly source: string;
  readonly destination: string;
  readonly hopLimit: number;
  /** Bytes between the IPv6 header and the message, and what the header calls them. */
  readonly extensions: readonly number[];
  readonly nextHeader: number;
  /** Of the message. */
  readonly protocol: number;
  readonly checksum: boolean;
}

/** A packet in an Ethernet frame; the message has its checksum at byte 2 when it is ICMPv6. */
export function ipv6Frame(message: readonly number[], what: Partial<Ipv6Message> = {}): Uint8Array {
  const { source = REMOTE6, destination = LOCAL6, hopLimit = 255, extensions = [] } = what;
  const { protocol = 58, nextHeader = protocol, checksum = true } = what;
  const addresses = Uint8Array.from([...colons(source), ...colons(destination)]);
  const body = Uint8Array.from(message);
  if (protocol === 58) {
    const sum = onesSum(body, pseudoSum(addresses, 58, body.length));
    new DataView(body.buffer).setUint16(2, checksum ? ~sum & 0xffff : sum ^ 0x5555);
  }
  const length = extensions.length + body.length;
  return Uint8Array.from([
    ...[2, 0, 0, 0, 0, 1, ...REMOTE_MAC, 0x86, 0xdd],
    ...[0x60, 0, 0, 0, length >>> 8, length & 255, nextHeader, hopLimit],
    ...addresses,
    ...extensions,
    ...body,
  ]);
}

/** An ICMPv6 message: type, code, a word, the rest. */
export function icmpv6(
  type: number,
  code: number,
  word: number,
  body: ArrayLike<number> = [],
  what: Partial<Ipv6Message> = {},
): Uint8Array {
  const bytes = [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255];
  return ipv6Frame([type, code, 0, 0, ...bytes, ...Array.from(body)], what);
}

/** Source (1) or target (2) link-layer address option. */
export function linkOption(type: number, mac: readonly number[] = REMOTE_MAC): number[] {
  return [type, 1, ...mac];
}

/** A solicitation of the peer for `target`. */
export function solicitation(target: string, what: Partial<Ipv6Message> = {}): Uint8Array {
  return icmpv6(135, 0, 0, [...colons(target), ...linkOption(1)], what);
}

/** Router 0x80, solicited 0x40, override 0x20. */
export function advertisement(
  target: string,
  flags: number,
  mac: readonly number[] = REMOTE_MAC,
  what: Partial<Ipv6Message> = {},
): Uint8Array {
  return icmpv6(136, 0, (flags << 24) >>> 0, [...colons(target), ...linkOption(2, mac)], what);
}
