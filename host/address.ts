/**
 * Addresses: 16 bytes everywhere, IPv4 in ::ffff:0:0/96 (RFC 4291, 2.5.5.2). Text goes in and out
 * here only.
 */

/** A mapped IPv4 address from dotted text, or undefined when the text is not one. */
export function parseAddress(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const address = new Uint8Array(16);
  address[10] = 0xff;
  address[11] = 0xff;
  for (let i = 0; i < 4; i += 1) {
    const part = parts[i] as string;
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address[12 + i] = Number(part);
  }
  return address;
}

/** Texts that AddressCache keeps. */
const CACHED_MAX = 256;

/** parseAddress() for callers that meet the same few texts again and again. */
export class AddressCache {
  readonly #known = new Map<string, Uint8Array>();

  /** The bytes are shared: nobody writes to them. */
  parse(text: string): Uint8Array | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const parsed = parseAddress(text);
    if (parsed === undefined) return undefined;
    if (this.#known.size >= CACHED_MAX) this.#known.clear();
    this.#known.set(text, parsed);
    return parsed;
  }
}

/** A mapped IPv4 address from text; throws RangeError otherwise. */
export function address(text: string): Uint8Array {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    throw new RangeError(`address: expected an IPv4 address, got ${JSON.stringify(text)}`);
  }
  return parsed;
}

export function isIpv4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i += 1) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

export function formatAddress(bytes: Uint8Array): string {
  if (isIpv4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const words: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    words.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16));
  }
  return words.join(":");
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

export function fromIpv4Number(value: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  bytes[12] = value >>> 24;
  bytes[13] = (value >>> 16) & 255;
  bytes[14] = (value >>> 8) & 255;
  bytes[15] = value & 255;
  return bytes;
}
