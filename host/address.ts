/**
 * Addresses: 16 bytes everywhere, IPv4 in ::ffff:0:0/96 (RFC 4291, 2.5.5.2). Text goes in and out
 * here only. Within the control plane an address is one value that compares by itself.
 */

/** An IPv4 address as a number below 2^32, an IPv6 address as a bigint below 2^128. */
export type IpAddress = number | bigint;

const LOW_64 = 0xffffffffffffffffn;
const GROUPS = 8;

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
  }
  return parts.map(Number);
}

/** Groups of one side of "::", the last of them possibly dotted (RFC 4291, 2.2). */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (mayEndDotted && index === parts.length - 1 && part.includes(".")) {
      const [a, b, c, d] = parseIpv4(part) ?? [];
      if (a === undefined) return undefined;
      groups.push((a << 8) | (b as number), ((c as number) << 8) | (d as number));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function parseIpv6(text: string): Uint8Array | undefined {
  // Nobody writes more; and a long text costs nothing.
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const isShort = halves.length === 2;
  const head = parseGroups(halves[0] as string, !isShort);
  const tail = isShort ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = GROUPS - head.length - tail.length;
  // "::" stands for one group at least.
  if (isShort ? missing < 1 : missing !== 0) return undefined;
  const address = new Uint8Array(16);
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  for (const [index, group] of groups.entries()) {
    address[index * 2] = group >>> 8;
    address[index * 2 + 1] = group & 255;
  }
  return address;
}

/**
 * An address from text, IPv4 dotted or IPv6 in any form of RFC 4291, 2.2; undefined when the text
 * is neither. Zones are not accepted.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  if (text.includes(":")) return parseIpv6(text);
  const bytes = parseIpv4(text);
  if (bytes === undefined) return undefined;
  const address = new Uint8Array(16);
  address[10] = 0xff;
  address[11] = 0xff;
  address.set(bytes, 12);
  return address;
}

/** Texts that AddressCache keeps. */
const CACHED_MAX = 256;

/** What a text says: the bytes are shared, nobody writes to them. */
export interface KnownAddress {
  readonly bytes: Uint8Array;
  /** By its form, also when it is a mapped IPv4 address. */
  readonly isIpv6: boolean;
}

/** parseAddress() for callers that meet the same few texts again and again. */
export class AddressCache {
  readonly #known = new Map<string, KnownAddress>();

  parse(text: string): KnownAddress | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const bytes = parseAddress(text);
    if (bytes === undefined) return undefined;
    if (this.#known.size >= CACHED_MAX) this.#known.clear();
    const parsed = { bytes, isIpv6: text.includes(":") };
    this.#known.set(text, parsed);
    return parsed;
  }
}

/** An address from text, IPv4 mapped; throws RangeError otherwise. */
export function address(text: string): Uint8Array {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    throw new RangeError(`address: expected an IP address, got ${JSON.stringify(text)}`);
  }
  return parsed;
}

export function isIpv4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i += 1) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** Where the longest run of zero groups begins and how long it is, the first of equals. */
function zeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i < GROUPS; i += 1) {
    if (groups[i] !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

/** IPv4 as dotted text, IPv6 in the canonical form of RFC 5952, 4. */
export function formatAddress(bytes: Uint8Array): string {
  if (isIpv4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  const { start, length } = zeroRun(groups);
  // RFC 5952, 4.2.2: one group alone is not shortened.
  if (length < 2) return text(0, GROUPS);
  return `${text(0, start)}::${text(start + length, GROUPS)}`;
}

/** The same as a socket of AF_INET6 shows it: IPv4 with its prefix (RFC 5952, 5; RFC 3493, 3.7). */
export function formatMapped(bytes: Uint8Array): string {
  return isIpv4(bytes) ? `::ffff:${formatAddress(bytes)}` : formatAddress(bytes);
}

export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** 0.0.0.0 mapped, or ::. */
export function isUnspecified(bytes: Uint8Array): boolean {
  const from = isIpv4(bytes) ? 12 : 0;
  for (let i = from; i < 16; i += 1) if (bytes[i] !== 0) return false;
  return true;
}

/** The 32-bit value of a mapped IPv4 address, most significant byte first. */
export function ipv4Number(bytes: Uint8Array): number {
  return (
    (((bytes[12] as number) << 24) |
      ((bytes[13] as number) << 16) |
      ((bytes[14] as number) << 8) |
      (bytes[15] as number)) >>>
    0
  );
}

/** The value of 16 bytes: a number for a mapped IPv4 address. */
export function ipAddress(bytes: Uint8Array): IpAddress {
  if (isIpv4(bytes)) return ipv4Number(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The 16 bytes of an address, IPv4 mapped. */
export function addressBytes(value: IpAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  if (typeof value === "number") {
    view.setUint16(10, 0xffff);
    view.setUint32(12, value);
  } else {
    view.setBigUint64(0, value >> 64n);
    view.setBigUint64(8, value & LOW_64);
  }
  return bytes;
}
