/**
 * SYN cookies (RFC 4987, 3.6 and appendix A): the sequence number of the SYN-ACK says again, in a
 * form that only we can write, what a half-open connection would remember. Upper 29 bits: keyed
 * hash of addresses, ports, the peer's ISN, a period of time and what was offered; lower three: an
 * MSS of the table. Scale, SACK and ECN are in the low bits of our timestamp, where the SYN has
 * one; without it they are not offered at all. Invariant: nothing is stored or made per SYN.
 */
import { MSS_DEFAULT_IPV4, MSS_DEFAULT_IPV6, MSS_MIN } from "../../bindings/abi/limits.ts";
import { WINDOW_SCALE_MAX } from "../../bindings/abi/limits.ts";
import { seqAfter } from "../../bindings/abi/seq.ts";
import type { Segment } from "../wire/tcp.ts";
import { putAddress, type KeyedHash } from "./keyed-hash.ts";

/** A cookie is good in the period in which it was made and in the next. */
const PERIOD_NS = 64e9;
/** Longest life of a cookie: no ACK is looked at when the last was sent longer ago (SC-7). */
export const COOKIE_LIFE_NS = 2 * PERIOD_NS;
/** What a cookie can say of the peer's MSS: the largest that is not above it. */
const MSS_TABLE = [MSS_MIN, MSS_DEFAULT_IPV4, MSS_DEFAULT_IPV6, 1300, 1400, 1440, 1460, 8940];
const MSS_BITS = 7;

// What the SYN offered, in six bits of a timestamp.
const SCALE_BITS = 0x0f; // 15 = no option
const SCALE_NONE = 15;
const HAS_SACK = 0x10;
const HAS_ECN = 0x20;
const OFFER_BITS = 0x3f;
/** The offer of a SYN without timestamps. */
const NO_TIMESTAMPS = 0x40;

/** The six bits for a SYN with timestamps; `sack` and `ecn` when we take them up. */
export function cookieOffer(segment: Segment, sack: boolean, ecn: boolean): number {
  const { windowScale } = segment;
  const scale = windowScale < 0 ? SCALE_NONE : Math.min(WINDOW_SCALE_MAX, windowScale);
  return scale | (sack ? HAS_SACK : 0) | (ecn ? HAS_ECN : 0);
}

/** The latest timestamp, not after `clock`, with these low bits. */
export function stampOffer(clock: number, offer: number): number {
  const stamp = ((clock & ~OFFER_BITS) | offer) >>> 0;
  return seqAfter(stamp, clock) ? (stamp - OFFER_BITS - 1) >>> 0 : stamp;
}

/** What a valid cookie says; one record, written again by each check(). */
export interface CookieTerms {
  mss: number;
  timestamps: boolean;
  /** -1 = no scaling. */
  scale: number;
  sack: boolean;
  ecn: boolean;
}

function termsOf(offer: number, own: number, index: number): number {
  return (own << 10) | (offer << 3) | index;
}

export class SynCookies {
  readonly terms: CookieTerms = { mss: 0, timestamps: false, scale: -1, sack: false, ecn: false };
  readonly #hash: KeyedHash;
  readonly #words = new Uint32Array(12);

  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  /**
   * The sequence number that answers a SYN. `offer`: when the answer has timestamps; `own`: the
   * window scale of our own, which must be the same when the ACK comes.
   */
  make(segment: Segment, mss: number, offer: number | undefined, own: number, now: number): number {
    let index = MSS_TABLE.length - 1;
    while (index > 0 && (MSS_TABLE[index] as number) > mss) index -= 1;
    const period = Math.floor(now / PERIOD_NS);
    const terms = termsOf(offer ?? NO_TIMESTAMPS, own, index);
    return this.#cookie(segment, segment.seq, terms, period);
  }

  /** True when this ACK acknowledges a cookie of ours; `terms` then has what was agreed. */
  check(segment: Segment, own: number, now: number): boolean {
    const cookie = (segment.ack - 1) >>> 0;
    const isn = (segment.seq - 1) >>> 0;
    const index = cookie & MSS_BITS;
    const offer = segment.timestamps ? segment.tsEcr & OFFER_BITS : NO_TIMESTAMPS;
    const period = Math.floor(now / PERIOD_NS);
    // Both, always: the work says nothing about the answer (SC-4).
    const agreed = termsOf(offer, own, index);
    const isFresh = this.#cookie(segment, isn, agreed, period) === cookie;
    const isRecent = this.#cookie(segment, isn, agreed, period - 1) === cookie;
    if (!isFresh && !isRecent) return false;
    const { terms } = this;
    terms.mss = MSS_TABLE[index] as number;
    terms.timestamps = segment.timestamps;
    const scale = offer & SCALE_BITS;
    terms.scale = terms.timestamps && scale !== SCALE_NONE ? scale : -1;
    terms.sack = (offer & HAS_SACK) !== 0;
    terms.ecn = (offer & HAS_ECN) !== 0;
    return true;
  }

  // SC-3: keyed, of a time, bound to the tuple, to the peer's ISN and to what was offered.
  #cookie(segment: Segment, isn: number, terms: number, period: number): number {
    const words = this.#words;
    let at = putAddress(words, 0, segment.destination);
    at = putAddress(words, at, segment.source);
    words[at] = (segment.destinationPort << 16) | segment.sourcePort;
    words[at + 1] = isn;
    words[at + 2] = period;
    words[at + 3] = terms;
    this.#hash.hash(words, at + 4);
    return ((this.#hash.low & ~MSS_BITS) | (terms & MSS_BITS)) >>> 0;
  }
}
