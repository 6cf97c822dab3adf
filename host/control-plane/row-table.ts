/**
 * The control plane's connection rows (day-one decision 9): fixed records in one ArrayBuffer. A
 * row's number is the connection's index in the data path. Invariants: row 0 is never used; a
 * freed row is the next to be used; its generation grows by one at each reuse.
 */
import type { IpAddress } from "../address.ts";

// Words of a row (u32).
export const ROW_STATE = 0; // ConnectionState
export const ROW_GENERATION = 1;
export const ROW_FLAGS = 2; // ROW_IS_*, ROW_HAS_*
export const ROW_CONTEXT = 3;
export const ROW_LISTENER = 4; // 0 = active open
export const ROW_NETIF = 5;
export const ROW_LOCAL_PORT = 6;
export const ROW_REMOTE_PORT = 7;
/** Addresses as four numbers, most significant first, IPv4 mapped: see RowTable.address(). */
export const ROW_LOCAL = 8; // 4 words
export const ROW_REMOTE = 12; // 4 words
export const ROW_ISS = 16;
export const ROW_IRS = 17;
export const ROW_SND_NXT = 18; // of a connection that the data path does not have
export const ROW_RCV_NXT = 19; // likewise
export const ROW_PEER_WINDOW = 20; // bytes, scaled
export const ROW_WL1 = 21;
export const ROW_PEER_MSS = 22;
export const ROW_PEER_SCALE = 23;
export const ROW_LOCAL_SCALE = 24;
export const ROW_TS_RECENT = 25;
export const ROW_TS_OFFSET = 26;
export const ROW_ANNOUNCED = 27; // bytes of window in our last segment of the handshake
export const ROW_RETRIES = 28; // SYN or SYN-ACK; then timeouts in a row
export const ROW_LINK_HIGH = 29; // next hop's hardware address
export const ROW_LINK_LOW = 30;
export const ROW_NEXT = 31; // accept queue, orphans or TIME-WAIT in order of age
export const ROW_PREVIOUS = 32;
// While a connection is half open and in no list: the row in TIME-WAIT whose tuple it has.
export const ROW_PREDECESSOR = 31;
export const ROW_PREDECESSOR_GENERATION = 32;
export const ROW_RX_SHIFT = 33;
export const ROW_TX_SHIFT = 34;
export const ROW_OPTIONS = 35; // OPTION_*
export const ROW_KEEP_COUNT = 36;
export const ROW_KEEP_PROBES = 37; // sent and not answered
export const ROW_MAX_SEGMENT = 38; // TCP_MAXSEG; 0 = from the route
export const ROW_SYN_RETRIES = 39;
export const ROW_TTL = 40;
export const ROW_TOS = 41;
export const ROW_CONGESTION = 42; // index into congestion/algorithm.ts
export const ROW_MTU = 43; // of the path
export const ROW_SOFT_ERROR = 44; // errno of the last soft error; 0 = none
export const ROW_LAST_UNA = 45; // when the last timeout was judged
export const ROW_OUTBOX = 46; // OUTBOX_*
export const ROW_RATE_FLAGS = 47; // of the congestion policy
export const ROW_RX_LIMIT = 48; // log2 of the largest receive buffer; 0 = no autotuning
export const ROW_RATE_ACKED = 49; // acknowledged bytes at the start of the policy's interval
export const ROW_FLOW_LABEL = 50; // of IPv6 (RFC 6437), 20 bits
export const ROW_MTU_SEARCH = 51; // see SEARCH_TRIAL
// Challenge ACKs before there is data to try with: 16 times the interval's number, and their count.
export const ROW_CHALLENGES = 52;
export const ROW_ADOPTED = 53; // user timeout by the peer's option (RFC 5482), s; 0 = none
const ROW_WORDS = 54;

// Floats of a row (f64). Times are ns; Infinity = no deadline.
export const TIME_SENT = 0; // our SYN or SYN-ACK left; then the last retransmission or probe
export const TIME_OPENED = 1;
export const TIME_STATE = 2; // deadline: handshake, FIN-WAIT-2, TIME-WAIT
export const TIME_KEEP_ALIVE = 3; // deadline
export const TIME_INTERVAL = 4; // deadline of the congestion policy
export const TIME_USER = 5; // deadline of the user timeout
export const TIME_ARMED = 6; // deadline that the core's timer has
export const TIME_STALLED = 7; // since when nothing was acknowledged; 0 = not stalled
export const TIME_KEEP_IDLE = 8; // keep-alive: idle
export const TIME_KEEP_INTERVAL = 9; // keep-alive: between probes
export const TIME_USER_TIMEOUT = 10; // 0 = the profile's R2
export const TIME_LINGER2 = 11; // FIN-WAIT-2 of an orphan
export const TIME_RTT = 12; // sample of the handshake; 0 = none
export const TIME_MTU_CHANGED = 13; // when it was lowered last; 0 = it is the link's
export const RATE_PACING = 14; // SO_MAX_PACING_RATE, bytes per second; 0 = none
export const RATE_NOW = 15; // of the congestion policy, bytes per second
export const RATE_KEPT = 16; // of the congestion policy: what it keeps (RatePolicy.keeps)
export const RATE_KEPT_TOO = 17; // likewise
export const RATE_SINCE = 18; // start of the congestion policy's interval
/** Of the acknowledged bytes, with ECN-echo: the data path has the handshake's sample by then. */
export const RATE_ECHOED = TIME_RTT;
export const TIME_MTU_NEXT = 19; // when the search for the MTU goes on; 0 = there is none
const ROW_TIMES = 20;
/** A row is one record: its words, then its times. */
const ROW_DOUBLES = ROW_WORDS / 2 + ROW_TIMES;
const WORDS_STRIDE = ROW_DOUBLES * 2;
const TIMES_AT = ROW_WORDS / 2;

/** Bytes of memory for each row, its place in the free list included. */
export const ROW_BYTES = ROW_DOUBLES * 8 + 4;

// ROW_FLAGS.
export const ROW_IS_USED = 0x0001;
/** The application holds the id no longer. */
export const ROW_IS_RELEASED = 0x0002;
/** The 4-tuple is in the connection database. */
export const ROW_IS_BOUND = 0x0004;
/** The data path has the connection. */
export const ROW_IS_INSTALLED = 0x0008;
/** Opened by a listener (RFC 9293 MUST-11). */
export const ROW_IS_PASSIVE = 0x0010;
/** In its listener's accept queue. */
export const ROW_IS_ACCEPTABLE = 0x0020;
/** In the TIME-WAIT list. */
export const ROW_IS_LISTED = 0x0040;
/** The SYN waits for the next hop's hardware address. */
export const ROW_IS_RESOLVING = 0x0080;
/** closed() has been called. */
export const ROW_IS_REPORTED = 0x0100;
export const ROW_HAS_TIMESTAMPS = 0x0200;
export const ROW_HAS_SACK = 0x0400;
export const ROW_HAS_ECN = 0x0800;
export const ROW_HAS_SCALE = 0x1000;
/** The application ended its sending side before the connection was established. */
export const ROW_WANTS_CLOSE = 0x2000;
/** ROW_LINK_* is valid. */
export const ROW_HAS_LINK = 0x4000;
/** Soft error at R1 was reported for this stall (RFC 9293 SHLD-9). */
export const ROW_WARNED = 0x8000;
export const ROW_IS_IPV6 = 0x10000;
/** In the list of orphans. */
export const ROW_IS_ORPHAN = 0x20000;
/** Half open, by a SYN that reopened TIME-WAIT: ROW_PREDECESSOR_* are valid. */
export const ROW_IS_SUCCESSOR = 0x40000;
/** A larger MTU is on trial, and had nothing to be tried with at the first look. */
export const ROW_HAS_WAITED = 0x80000;

/** ROW_MTU_SEARCH: the MTU on trial, 0 = none; search_high (RFC 4821, 7.1) and one more above. */
export const SEARCH_TRIAL = 0xffff;
export const SEARCH_HIGH_SHIFT = 16;

// ROW_OPTIONS.
export const OPTION_NO_DELAY = 1;
export const OPTION_CORK = 2;
export const OPTION_QUICK_ACK = 4;
export const OPTION_KEEP_ALIVE = 8;
export const OPTION_LINGER_RESET = 16;

// ROW_OUTBOX: segments that the next flush() sends.
export const OUTBOX_SYN = 1;
export const OUTBOX_RESET = 2;
/** ... in the form of RFC 9293, 3.10.7.1: without ACK, where the peer expects our next byte. */
export const OUTBOX_REFUSAL = 6;

/** Upper words of a mapped IPv4 address (RFC 4291, 2.5.5.2). */
const MAPPED = 0xffff;

/** Rows with their free list. */
export class RowTable {
  /** Rows, row 0 included. */
  readonly count: number;
  /** All rows: for who reads or writes many fields of one, from wordOf() and timeOf() on. */
  readonly words: Uint32Array;
  readonly times: Float64Array;
  /** The same words, signed: what unsigned ones may hold costs V8 a check at each. */
  readonly #ints: Int32Array;
  readonly #free: Uint32Array;
  #freeCount = 0;

  /** `count` rows, row 0 included. */
  constructor(count: number) {
    const region = new ArrayBuffer(count * ROW_DOUBLES * 8);
    this.count = count;
    this.words = new Uint32Array(region);
    this.times = new Float64Array(region);
    this.#ints = new Int32Array(region);
    this.#free = new Uint32Array(count);
    for (let id = count - 1; id > 0; id -= 1) this.#free[this.#freeCount++] = id;
  }

  /** Rows in use. */
  get used(): number {
    return this.count - 1 - this.#freeCount;
  }

  /** Where in `words` ROW_* of a row count from. */
  wordOf(id: number): number {
    return id * WORDS_STRIDE;
  }

  /** Where in `times` TIME_* and RATE_* of a row count from. */
  timeOf(id: number): number {
    return id * ROW_DOUBLES + TIMES_AT;
  }

  get(id: number, word: number): number {
    return this.words[id * WORDS_STRIDE + word] as number;
  }

  set(id: number, word: number, value: number): void {
    this.words[id * WORDS_STRIDE + word] = value;
  }

  time(id: number, field: number): number {
    return this.times[id * ROW_DOUBLES + TIMES_AT + field] as number;
  }

  setTime(id: number, field: number, value: number): void {
    this.times[id * ROW_DOUBLES + TIMES_AT + field] = value;
  }

  /** The address at ROW_LOCAL or ROW_REMOTE. */
  address(id: number, word: number): IpAddress {
    const at = id * WORDS_STRIDE + word;
    const words = this.words;
    if (!this.has(id, ROW_IS_IPV6)) return words[at + 3] as number;
    const high = (BigInt(words[at] as number) << 32n) | BigInt(words[at + 1] as number);
    const low = (BigInt(words[at + 2] as number) << 32n) | BigInt(words[at + 3] as number);
    return (high << 64n) | low;
  }

  /** Writes an address of a fresh row; both are of one family. */
  setAddress(id: number, word: number, address: IpAddress): void {
    const at = id * WORDS_STRIDE + word;
    if (typeof address === "number") {
      this.words[at + 2] = MAPPED;
      this.words[at + 3] = address;
      return;
    }
    this.raise(id, ROW_IS_IPV6);
    for (let i = 0; i < 4; i += 1) {
      this.words[at + i] = Number((address >> BigInt(96 - 32 * i)) & 0xffffffffn);
    }
  }

  /** True when all bits of `flags` are set. */
  has(id: number, flags: number): boolean {
    return ((this.#ints[id * WORDS_STRIDE + ROW_FLAGS] as number) & flags) === flags;
  }

  raise(id: number, flags: number): void {
    const at = id * WORDS_STRIDE + ROW_FLAGS;
    this.#ints[at] = (this.#ints[at] as number) | flags;
  }

  lower(id: number, flags: number): void {
    const at = id * WORDS_STRIDE + ROW_FLAGS;
    this.#ints[at] = (this.#ints[at] as number) & ~flags;
  }

  /** True for a row in use, whatever number was asked. */
  isUsed(id: number): boolean {
    return Number.isInteger(id) && id > 0 && id < this.count && this.has(id, ROW_IS_USED);
  }

  /** A fresh row, or 0 when all are in use: the one freed last, which the caches still hold. */
  allocate(): number {
    if (this.#freeCount === 0) return 0;
    this.#freeCount = (this.#freeCount - 1) | 0;
    const id = (this.#free[this.#freeCount] as number) | 0;
    const words = id * WORDS_STRIDE;
    const generation = (this.words[words + ROW_GENERATION] as number) + 1;
    const times = this.times;
    // A loop: fill() costs a call into the engine, more than so few; two words in one store, and
    // four stores for each look at the clock of V8's own.
    const first = (id * ROW_DOUBLES) | 0;
    const last = (first + ROW_DOUBLES - 1) | 0;
    let at = first;
    for (; at < last - 2; at = (at + 4) | 0) {
      times[at] = 0;
      times[(at + 1) | 0] = 0;
      times[(at + 2) | 0] = 0;
      times[(at + 3) | 0] = 0;
    }
    for (; at <= last; at = (at + 1) | 0) times[at] = 0;
    this.words[words + ROW_GENERATION] = generation;
    this.words[words + ROW_FLAGS] = ROW_IS_USED;
    const deadlines = first + TIMES_AT;
    for (let field = TIME_STATE; field <= TIME_ARMED; field += 1) {
      times[(deadlines + field) | 0] = Infinity;
    }
    return id;
  }

  /** Gives a row back; its generation stays until it is allocated again. */
  release(id: number): void {
    this.words[id * WORDS_STRIDE + ROW_FLAGS] = 0;
    this.words[id * WORDS_STRIDE + ROW_STATE] = 0;
    this.#free[this.#freeCount] = id;
    this.#freeCount += 1;
  }
}

/** A doubly linked FIFO of rows through ROW_NEXT and ROW_PREVIOUS; a row is in one list at most. */
export class RowList {
  #head = 0;
  #tail = 0;
  #length = 0;
  readonly #rows: RowTable;

  constructor(rows: RowTable) {
    this.#rows = rows;
  }

  /** The oldest row, or 0. */
  get first(): number {
    return this.#head;
  }

  get length(): number {
    return this.#length;
  }

  append(id: number): void {
    const rows = this.#rows;
    rows.set(id, ROW_NEXT, 0);
    rows.set(id, ROW_PREVIOUS, this.#tail);
    if (this.#tail === 0) this.#head = id;
    else rows.set(this.#tail, ROW_NEXT, id);
    this.#tail = id;
    this.#length += 1;
  }

  remove(id: number): void {
    const rows = this.#rows;
    const next = rows.get(id, ROW_NEXT);
    const previous = rows.get(id, ROW_PREVIOUS);
    if (previous === 0) this.#head = next;
    else rows.set(previous, ROW_NEXT, next);
    if (next === 0) this.#tail = previous;
    else rows.set(next, ROW_PREVIOUS, previous);
    this.#length -= 1;
  }
}
