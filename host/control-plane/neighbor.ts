/**
 * The neighbour cache of one stack (RFC 1122, 2.3.2; RFC 826): hardware addresses by interface and
 * IPv4 address. Invariants: at most `limit` entries; an entry being resolved asks a bounded number
 * of times; the queue of connections behind an entry is bounded, what does not fit retries by its
 * own timer.
 */

/** Entries of the cache. */
export const NEIGHBORS_DEFAULT = 1024;
/** RFC 1122, 2.3.2.1: an entry is used for a minute, then asked for again. */
const REACHABLE_NS = 60e9;
/** RFC 1122, 2.3.2.1: at most one request a second for one destination. */
const RETRY_NS = 1e9;
const REQUESTS_MAX = 3;
/** Connections that wait behind one entry. */
const WAITING_MAX = 64;

export interface Neighbor {
  readonly address: number;
  readonly netif: number;
  /** False while an answer is outstanding. */
  resolved: boolean;
  /** The hardware address, the last known one while an answer is outstanding; 0, 0 = none. */
  high: number;
  low: number;
  /** When the entry stops being used, or the next request leaves. */
  deadline: number;
  requests: number;
  /** {connection, generation} pairs. */
  readonly waiting: number[];
}

/** What the cache asks its owner to do. */
export interface NeighborActions {
  /** Sends an ARP request. */
  request(netif: number, address: number): void;
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
  readonly #entries = new Map<number, Neighbor>();
  readonly #limit: number;
  readonly #actions: NeighborActions;
  /** Earliest deadline of an unresolved entry; Infinity when none. */
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
  find(netif: number, address: number, now: number): Neighbor | undefined {
    const entry = this.#entries.get(keyOf(netif, address));
    return entry?.resolved === true && entry.deadline > now ? entry : undefined;
  }

  /**
   * Asks for an address unless that is under way, and queues the connection behind it: resolved()
   * or unreachable() follows. False when the queue is full; then nothing follows.
   */
  wait(
    netif: number,
    address: number,
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
   * What an ARP packet told. Without `create` only an entry that exists is updated (RFC 826's
   * merge flag), so that gratuitous packets cannot fill the cache. True when something was learnt.
   */
  learn(
    netif: number,
    address: number,
    high: number,
    low: number,
    now: number,
    create: boolean,
  ): boolean {
    let entry = this.#entries.get(keyOf(netif, address));
    if (entry === undefined) {
      if (!create) return false;
      entry = this.#insert(netif, address);
    }
    const wasKnown = entry.high !== 0 || entry.low !== 0;
    const moves = wasKnown && (entry.high !== high || entry.low !== low);
    entry.resolved = true;
    entry.high = high;
    entry.low = low;
    entry.deadline = now + REACHABLE_NS;
    if (moves) {
      this.changes += 1;
      this.#actions.moved(entry);
    }
    const waiting = entry.waiting.splice(0);
    for (let i = 0; i < waiting.length; i += 2) {
      this.#actions.resolved(waiting[i] as number, waiting[i + 1] as number, entry);
    }
    return true;
  }

  /** Asks again for what has not answered and gives up what was asked for often enough. */
  expire(now: number): void {
    if (now < this.#deadline) return;
    this.#deadline = Infinity;
    for (const entry of [...this.#entries.values()]) {
      if (entry.resolved) continue;
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
    entry.resolved = false;
    entry.requests += 1;
    entry.deadline = now + RETRY_NS;
    this.#noteDeadline(entry);
    this.#actions.request(entry.netif, entry.address);
  }

  #noteDeadline(entry: Neighbor): void {
    if (!entry.resolved && entry.deadline < this.#deadline) this.#deadline = entry.deadline;
  }

  // Replaces `old`, the entry of the same key; evicts the oldest when full (a Map keeps insertion
  // order). The old address is kept, so that a new one shows as a change.
  #insert(netif: number, address: number, old?: Neighbor): Neighbor {
    const key = keyOf(netif, address);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#limit) this.#evict();
    const entry: Neighbor = {
      address,
      netif,
      resolved: false,
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

/** Key of a neighbour. Interfaces are below 2^3, addresses below 2^32: exact in a double. */
export function keyOf(netif: number, address: number): number {
  return netif * 0x100000000 + address;
}
