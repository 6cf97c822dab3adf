/**
 * Ephemeral ports, RFC 6056 algorithm 4 (double hash): the start depends on the remote endpoint
 * and a key, a table of counters keeps the order of different remotes apart. Invariant: a port is
 * offered at most once after a call of first(), so a full range ends.
 */
import type { IpAddress } from "../address.ts";
import { putAddress, type KeyedHash } from "./keyed-hash.ts";

/** RFC 6056, 3.2: the range that may be used; 49152..65535 is IANA's, 1024 the lowest allowed. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** Above most services of a local host (PORT-4), and four times IANA's range. */
export const PORT_RANGE_DEFAULT: PortRange = { low: 16384, high: 65535 };

const TABLE = 256;
const WORDS = 9;
/** Remote endpoints whose hash is kept; a power of two. */
const KNOWN = 64;
const KNOWN_WORDS = 5;

export class EphemeralPorts {
  readonly #hash: KeyedHash;
  readonly #range: PortRange;
  readonly #counters = new Uint32Array(TABLE);
  readonly #words = new Uint32Array(WORDS);
  /** Remote endpoints seen last: the three words, then offset and index. */
  readonly #known = new Uint32Array(KNOWN * KNOWN_WORDS).fill(0xffffffff);
  #offset = 0;
  #index = 0;
  /** Ports that next() has not offered since first(). */
  #left = 0;

  /** `entropy` fills the table. Throws RangeError on a range outside 1024..65535. */
  constructor(hash: KeyedHash, entropy: (bytes: Uint8Array) => void, range: PortRange) {
    const { low, high } = range;
    const whole = Number.isInteger(low) && Number.isInteger(high);
    if (!whole || low < 1024 || high > 65535 || low > high) {
      throw new RangeError(`ports: expected 1024 <= low <= high <= 65535, got ${low}..${high}`);
    }
    this.#hash = hash;
    this.#range = range;
    entropy(new Uint8Array(this.#counters.buffer));
  }

  /** The hash's say for a remote endpoint; the last few answers are kept. */
  #look(local: IpAddress, remote: IpAddress, remotePort: number): void {
    if (typeof local === "number" && typeof remote === "number") {
      this.#lookIpv4(local, remote, remotePort);
    } else {
      this.#compute(local, remote, remotePort);
    }
  }

  #compute(local: IpAddress, remote: IpAddress, remotePort: number): void {
    const words = this.#words;
    const next = putAddress(words, putAddress(words, 0, local), remote);
    words[next] = remotePort;
    this.#hash.hash(words, next + 1);
    this.#offset = this.#hash.low;
    this.#index = this.#hash.high % TABLE;
  }

  #lookIpv4(local: number, remote: number, remotePort: number): void {
    const slot = ((local ^ remote ^ remotePort) & (KNOWN - 1)) * KNOWN_WORDS;
    const known = this.#known;
    if (known[slot] === local && known[slot + 1] === remote && known[slot + 2] === remotePort) {
      this.#offset = known[slot + 3] as number;
      this.#index = known[slot + 4] as number;
      return;
    }
    this.#compute(local, remote, remotePort);
    known.set([local, remote, remotePort, this.#offset, this.#index], slot);
  }

  /**
   * The next port in the sequence of this remote endpoint. `remotePort` 0 and `remote` 0 or 0n
   * choose a port to listen on. What is taken is the caller's to know, and next() goes on.
   */
  first(local: IpAddress, remote: IpAddress, remotePort: number): number {
    this.#look(local, remote, remotePort);
    this.#left = this.#range.high - this.#range.low + 1;
    return this.next();
  }

  /** The one after it, or 0 when each port of the range has been offered. */
  next(): number {
    if (this.#left === 0) return 0;
    this.#left -= 1;
    const count = this.#range.high - this.#range.low + 1;
    const index = this.#index;
    const offset = this.#offset;
    const step = this.#counters[index] as number;
    this.#counters[index] = step + 1;
    const port = this.#range.low + ((offset + step) % count);
    return port;
  }
}
