/**
 * The neighbour cache of one stack (RFC 1122, 2.3.2; RFC 826; RFC 4861, 7.3): hardware addresses by
 * interface and address, of both families. Invariants: at most `limit` entries; an entry being
 * resolved asks a bounded number of times; the queue of connections behind an entry is bounded,
 * what does not fit retries by its own timer.
 *
 *   INCOMPLETE  asked for, nothing known (`resolved` false)
 *   REACHABLE   known, until its deadline; then, of IPv6, STALE: still used, and the use begins a
 *   DELAY       of 5 s, in which TCP may say that it gets through; then a
 *   PROBE       asks its last known address alone, and gives the entry up without an answer
 */
import type { IpAddress } from "../address.ts";

/** Entries of the cache. */
export const NEIGHBORS_DEFAULT = 1024;
/** RFC 1122, 2.3.2.1: an entry is used for a minute, then asked for again. */
const REACHABLE_NS = 60e9;
/** RFC 4861, 10: REACHABLE_TIME and DELAY_FIRST_PROBE_TIME. */
const REACHABLE_IPV6_NS = 30e9;
const DELAY_NS = 5e9;
/** RFC 1122, 2.3.2.1; RFC 4861, 10 (RETRANS_TIMER): at most one request a second for one host. */
const RETRY_NS = 1e9;
/** RFC 4861, 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT. */
const REQUESTS_MAX = 3;
/** Connections that wait behind one entry. */
const WAITING_MAX = 64;

/** What an entry's deadline is for; see the head of this file. */
const INCOMPLETE = 0;
const REACHABLE = 1;
const DELAY = 2;
const PROBE = 3;

export interface Neighbor {
  readonly address: IpAddress;
  readonly netif: number;
  /** False while there is no address to use. */
  resolved: boolean;
  state: number;
  /** The hardware address, the last known one while an answer is outstanding; 0, 0 = none. */
  high: number;
  low: number;
  /** When the entry stops being used, or the next step of its state is due. */
  deadline: number;
  requests: number;
  /** A live connection got no answer: whoever has the address now is news to it. */
  suspected: boolean;
  /** {connection, generation} pairs. */
  readonly waiting: number[];
}

/** What the cache asks its owner to do. */
export interface NeighborActions {
  /** Sends an ARP request or a neighbour solicitation: to `known` alone when that is given. */
  request(netif: number, address: IpAddress, known: Neighbor | undefined): void;
  /** The next hop of a waiting connection is known. */
  resolved(connection: number, generation: number, neighbor: Neighbor): void;
  /** Nobody answered. */
  unreachable(connection: number, generation: number): void;
  /** A neighbour that was known has another hardware address. */
  moved(neighbor: Neighbor): void;
}

export class NeighborCache {
  /** Changes of a known entry's hardware address. */
  changes = 0;
  readonly #entries = new Map<IpAddress, Neighbor>();
  readonly #limit: number;
  readonly #actions: NeighborActions;
  /** Earliest deadline of an entry that is not REACHABLE; Infinity when none. */
  #deadline = Infinity;

  constructor(limit: number, actions: NeighborActions) {
    this.#limit = limit;
    this.#actions = actions;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** When expire() has something to do; Infinity when never. */
  get deadline(): number {
    return this.#deadline;
  }

  /** A usable entry, or undefined. */
  find(netif: number, address: IpAddress, now: number): Neighbor | undefined {
    const entry = this.#entries.get(keyOf(netif, address));
    if (entry?.resolved !== true) return undefined;
    if (entry.state !== REACHABLE || entry.deadline > now) return entry;
    if (typeof address === "number") return undefined;
    // RFC 4861, 7.3.3: the first use of a STALE entry.
    entry.state = DELAY;
    entry.deadline = now + DELAY_NS;
    this.#noteDeadline(entry);
    return entry;
  }

  /** The entry, in whatever state. */
  peek(netif: number, address: IpAddress): Neighbor | undefined {
    return this.#entries.get(keyOf(netif, address));
  }

  /** A transport got an answer through this neighbour (RFC 4861, 7.3.1). */
  confirm(netif: number, address: IpAddress, now: number): void {
    const entry = this.#entries.get(keyOf(netif, address));
    if (entry?.resolved !== true) return;
    entry.state = REACHABLE;
    entry.deadline = now + lifetime(address);
  }

  /**
   * A live connection gets no answer through this neighbour: it is asked, alone while its address
   * is known (RFC 1122, 2.3.2.1; RFC 4861, 7.3.3), and moved() follows when somebody else answers.
   */
  suspect(netif: number, address: IpAddress, now: number): void {
    let entry = this.#entries.get(keyOf(netif, address));
    if (entry !== undefined && (!entry.resolved || entry.state === PROBE)) return;
    entry ??= this.#insert(netif, address);
    entry.suspected = true;
    this.#probe(entry, now);
  }

  /** suspect() of all that an interface knew. */
  suspectAll(netif: number, now: number): void {
    for (const entry of [...this.#entries.values()]) {
      if (entry.netif === netif) this.suspect(netif, entry.address, now);
    }
  }

  #probe(entry: Neighbor, now: number): void {
    entry.state = entry.resolved ? PROBE : INCOMPLETE;
    entry.requests = 0;
    this.#ask(entry, now);
  }

  /**
   * Asks for an address unless that is under way, and queues the connection behind it: resolved()
   * or unreachable() follows. False when the queue is full; then nothing follows.
   */
  wait(
    netif: number,
    address: IpAddress,
    now: number,
    connection: number,
    generation: number,
  ): boolean {
    let entry = this.#entries.get(keyOf(netif, address));
    if (entry === undefined || entry.resolved) {
      entry = this.#insert(netif, address, entry);
      this.#ask(entry, now);
    }
    if (entry.waiting.length >= WAITING_MAX * 2) return false;
    entry.waiting.push(connection, generation);
    return true;
  }

  /**
   * What an ARP packet or an advertisement told. Without `create` only an entry that exists is
   * updated (RFC 826's merge flag), so that gratuitous packets cannot fill the cache. True when
   * something was learnt.
   */
  learn(
    netif: number,
    address: IpAddress,
    high: number,
    low: number,
    now: number,
    create: boolean,
    stale = false,
  ): boolean {
    let entry = this.#entries.get(keyOf(netif, address));
    if (entry === undefined) {
      if (!create) return false;
      entry = this.#insert(netif, address);
    }
    const wasKnown = entry.high !== 0 || entry.low !== 0;
    const moves = wasKnown && (entry.high !== high || entry.low !== low);
    // RFC 4861, 7.2.3: what a solicitation says of its sender is no proof of the way to it, and
    // when it says nothing new it ends no probe either.
    if (stale && entry.resolved && !moves) return true;
    const isNews = moves || entry.suspected;
    entry.resolved = true;
    entry.state = REACHABLE;
    entry.suspected = false;
    entry.high = high;
    entry.low = low;
    entry.deadline = stale && typeof address === "bigint" ? now : now + lifetime(address);
    if (moves) this.changes += 1;
    if (isNews) this.#actions.moved(entry);
    const waiting = entry.waiting.splice(0);
    for (let i = 0; i < waiting.length; i += 2) {
      this.#actions.resolved(waiting[i] as number, waiting[i + 1] as number, entry);
    }
    return true;
  }

  /** Somebody else claims an address without overriding (RFC 4861, 7.2.5): proved no longer. */
  doubt(netif: number, address: IpAddress, now: number): void {
    const entry = this.#entries.get(keyOf(netif, address));
    if (entry?.resolved !== true || entry.state !== REACHABLE) return;
    entry.deadline = Math.min(entry.deadline, now);
  }

  /** Asks again for what has not answered and gives up what was asked for often enough. */
  expire(now: number): void {
    if (now < this.#deadline) return;
    this.#deadline = Infinity;
    for (const entry of [...this.#entries.values()]) {
      if (entry.state === REACHABLE) continue;
      if (entry.deadline <= now) this.#retry(entry, now);
      if (this.#entries.has(keyOf(entry.netif, entry.address))) this.#noteDeadline(entry);
    }
  }

  /** Forgets what an interface knew. */
  removeNetif(netif: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.netif === netif) this.#entries.delete(key);
    }
  }

  #retry(entry: Neighbor, now: number): void {
    if (entry.state === DELAY) {
      this.#probe(entry, now);
      return;
    }
    if (entry.requests < REQUESTS_MAX) {
      this.#ask(entry, now);
      return;
    }
    this.#entries.delete(keyOf(entry.netif, entry.address));
    for (let i = 0; i < entry.waiting.length; i += 2) {
      this.#actions.unreachable(entry.waiting[i] as number, entry.waiting[i + 1] as number);
    }
  }

  #ask(entry: Neighbor, now: number): void {
    entry.requests += 1;
    entry.deadline = now + RETRY_NS;
    this.#noteDeadline(entry);
    const isKnown = entry.state === PROBE;
    this.#actions.request(entry.netif, entry.address, isKnown ? entry : undefined);
  }

  #noteDeadline(entry: Neighbor): void {
    if (entry.state === REACHABLE) return;
    if (entry.deadline < this.#deadline) this.#deadline = entry.deadline;
  }

  // Replaces `old`, the entry of the same key; evicts the oldest when full (a Map keeps insertion
  // order). The old address is kept, so that a new one shows as a change.
  #insert(netif: number, address: IpAddress, old?: Neighbor): Neighbor {
    const key = keyOf(netif, address);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#limit) this.#evict();
    const entry: Neighbor = {
      address,
      netif,
      resolved: false,
      state: INCOMPLETE,
      suspected: false,
      high: old?.high ?? 0,
      low: old?.low ?? 0,
      deadline: 0,
      requests: 0,
      waiting: [],
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #evict(): void {
    const oldest = this.#entries.entries().next().value;
    if (oldest === undefined) return;
    const [key, entry] = oldest;
    this.#entries.delete(key);
    for (let i = 0; i < entry.waiting.length; i += 2) {
      this.#actions.unreachable(entry.waiting[i] as number, entry.waiting[i + 1] as number);
    }
  }
}

function lifetime(address: IpAddress): number {
  return typeof address === "number" ? REACHABLE_NS : REACHABLE_IPV6_NS;
}

/** Key of a neighbour. Interfaces are below 2^3, IPv4 below 2^32: exact in a double. */
export function keyOf(netif: number, address: IpAddress): IpAddress {
  if (typeof address === "number") return netif * 0x100000000 + address;
  return (BigInt(netif) << 128n) | address;
}
