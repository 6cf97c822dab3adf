/**
 * Initial sequence numbers (RFC 6528; RFC 9293 MUST-8, MUST-9, SHLD-1): ISN = M + F(tuple, key),
 * M a clock of 4 us ticks. The other half of the same hash offsets the timestamp clock, so that a
 * tuple keeps its offset over incarnations (RFC 7323, 7.1 and appendix H; RFC 6191, 3).
 */
import { TICK_NS as TIMESTAMP_TICK_NS } from "../../bindings/abi/memory-map.ts";
import { seqAfter } from "../../bindings/abi/seq.ts";
import type { IpAddress } from "../address.ts";
import { putAddress, type KeyedHash } from "./keyed-hash.ts";

/** RFC 9293 MUST-8: the clock ticks about every 4 us. */
const TICK_NS = 4000;

/** A connection's four numbers, as the hash reads them: addresses of one word or of four. */
const WORDS = 9;

export class InitialSequence {
  readonly #hash: KeyedHash;
  readonly #fixed: (() => number) | undefined;
  readonly #words = new Uint32Array(WORDS);
  #timestampOffset = 0;
  /** How far the clock is set ahead, in numbers. */
  #lead = 0;

  /** `fixed` replaces the ISN, never the timestamp offset: see ControlPlaneOptions. */
  constructor(hash: KeyedHash, fixed?: () => number) {
    this.#hash = hash;
    this.#fixed = fixed;
  }

  /** Offset of the timestamp clock for the tuple of the last choose(). */
  get timestampOffset(): number {
    return this.#timestampOffset;
  }

  /** The ISN of a connection that starts at `now` (ns). */
  choose(local: IpAddress, remote: IpAddress, ports: number, now: number): number {
    const words = this.#words;
    const next = putAddress(words, putAddress(words, 0, local), remote);
    words[next] = ports;
    this.#hash.hash(words, next + 1);
    this.#timestampOffset = this.#hash.high;
    if (this.#fixed !== undefined) return this.#fixed() >>> 0;
    return (this.#hash.low + this.#lead + Math.floor(now / TICK_NS)) >>> 0;
  }

  /**
   * The tuple's next ISN is to lie beyond `last`, the last number of an incarnation that nothing
   * else remembers. The clock of all tuples is set ahead, at most as far as that one was faster
   * than it: a mark for each tuple would be the memory that there was no room for.
   */
  outrun(local: IpAddress, remote: IpAddress, ports: number, now: number, last: number): void {
    if (this.#fixed !== undefined) return;
    const next = this.choose(local, remote, ports, now);
    if (!seqAfter(next, last)) this.#lead = (this.#lead + last - next + 1) >>> 0;
  }
}

/** Value of the timestamp clock at `now` (ns), without a connection's offset. */
export function timestampTicks(now: number): number {
  return Math.floor(now / TIMESTAMP_TICK_NS) >>> 0;
}
