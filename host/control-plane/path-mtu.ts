/**
 * Path MTU by destination (RFC 1191, RFC 8201). Invariants: a value is never below 68 (RFC 1191,
 * 3), of IPv6 below 1,280 (RFC 8201, 4), a message never raises one, and the cache is bounded.
 */
import type { IpAddress } from "../address.ts";

/** RFC 791: every link carries 68 bytes. */
export const MTU_MIN = 68;
/** RFC 8200, 5: of IPv6 1,280. */
export const MTU_MIN_IPV6 = 1280;
const ENTRIES = 256;
/** RFC 1191, 6.3: a larger size is tried again after ten minutes. */
export const LIFETIME_NS = 600e9;
/** RFC 1191, 7.1: for routers that report no MTU. */
const PLATEAUS = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, MTU_MIN] as const;

interface Entry {
  mtu: number;
  until: number;
}

/** The size that a message asks for: its next-hop MTU, or the plateau below what was sent. */
export function reportedMtu(nextHopMtu: number, sent: number): number {
  if (nextHopMtu > 0) return Math.max(MTU_MIN, nextHopMtu);
  for (const plateau of PLATEAUS) if (plateau < sent) return plateau;
  return MTU_MIN;
}

export class PathMtuCache {
  /** When a live connection's MTU is to be raised; Infinity when none was lowered. */
  raiseAt = Infinity;
  readonly #entries = new Map<IpAddress, Entry>();

  /** The MTU to a destination: what is known, at most `link`. */
  lookup(destination: IpAddress, link: number, now: number): number {
    if (this.#entries.size === 0) return link;
    const entry = this.#entries.get(destination);
    if (entry === undefined) return link;
    if (entry.until > now) return Math.min(link, entry.mtu);
    this.#entries.delete(destination);
    return link;
  }

  /** Notes a lower MTU. */
  lower(destination: IpAddress, mtu: number, now: number): void {
    this.#entries.delete(destination);
    if (this.#entries.size >= ENTRIES) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(destination, { mtu, until: now + LIFETIME_NS });
  }
}
