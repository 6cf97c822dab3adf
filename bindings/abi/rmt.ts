/**
 * State of an RMT machine that runs a stage program: registers, one row for each index, and match
 * tables (dissertation 5.1.1). The header vector is an array of words in the program's order.
 */

// STATE: one for each machine.
/** Registers that the packet under way has used: bit i is the i-th of the program. */
export const STATE_TOUCHED: u32 = 0; // u64
/** Registers that were used twice by one packet: always 0. */
export const STATE_FAULTS: u32 = 8; // u32
/** Address of the first of the match tables. */
export const STATE_TABLES: u32 = 12; // u32
/** For each field that indexes registers: address of its rows, and how many there are. */
export const STATE_GROUPS: u32 = 16; // 8 x {u32 base, u32 entries}
export const STATE_GROUP_SIZE: u32 = 8;
export const STATE_GROUPS_MAX: u32 = 8;
/** Key of the exact tables' hash: whoever chooses addresses must not choose slots. */
export const STATE_HASH_KEY: u32 = 80; // 2 x u64
export const STATE_SIZE: u32 = 96;

// MATCH TABLE: where its entries are. An entry: words of the key, as many of its mask (ternary,
// longest) or of its upper bound (range), then what it gives.
export const MATCH_KIND: u32 = 0; // u32: MatchKind
export const MATCH_ENTRIES: u32 = 4; // u32: address
export const MATCH_COUNT: u32 = 8; // u32: entries in use; of an exact table slots, a power of two
export const MATCH_KEYS: u32 = 12; // u32: words of a key
export const MATCH_ENTRY_SIZE: u32 = 16; // u32: bytes
export const MATCH_LAST: u32 = 20; // u32: exact: the entry found last, looked at first; 0 = none
export const MATCH_SIZE: u32 = 32;
export const MATCH_KEYS_MAX: u32 = 4;

export const enum MatchKind {
  /** Slots by hash, the next free one on a clash; an entry's last word is 1 when it is used. */
  Exact = 0,
  /** In the order of priority. */
  Ternary = 1,
  /** In the order of prefix lengths, the longest first. */
  Longest = 2,
  Range = 3,
}

// TCP's program in a data path: what a core's map has for it.
/** Rows of its registers: what the program's machine has room for. */
export const TCP_ROWS_MAX: u32 = 32768;
/** Bytes of a connection's row of registers, and of an entry of table `connections`. */
export const TCP_ROW_BYTES: u32 = 64;
export const TCP_ENTRY_BYTES: u32 = 40;
/** Bytes of a header vector, at most. */
export const TCP_VECTOR_MAX: u32 = 512;

// LAMINAR: what is kept of a connection beside its registers and its PROTOCOL record.
/** libTOE has been told of the bytes before this sequence number (5.3.1.4: ahead of a merge). */
export const LAMINAR_READY: u32 = 0; // u32
/** Its rate, in ns. */
export const LAMINAR_METER: u32 = 8;
export const LAMINAR_SIZE: u32 = 48; // LAMINAR_METER + METER_SIZE

// What surrounds the stages of an RMT machine (5.1.1). Times are ps, rates fs for each byte; a
// packet is a handle that the caller gives, never 0. Rings hold a power of two.

/** What an arrival at a queue or meter becomes. */
export const enum Verdict {
  Dropped = 0,
  Taken = 1,
  Marked = 2,
  /** A lossless queue is full: whoever sends holds the packet back. */
  Refused = 3,
}

// TRAFFIC MANAGER: then its ports, PORT_SIZE each.
/** The egress pipeline takes its next packet from then on. */
export const MANAGER_SLOT: u32 = 0; // u64
/** Ps between two packets of the egress pipeline. */
export const MANAGER_SLOT_PS: u32 = 8; // u32
export const MANAGER_PORTS: u32 = 12; // u32
/** The port that is asked first. */
export const MANAGER_TURN: u32 = 16; // u32
export const MANAGER_SIZE: u32 = 32;
export const MANAGER_PORTS_MAX: u32 = 64;
/** Queues of a port, 0 first. */
export const MANAGER_PRIORITIES: u32 = 4;

// PORT: an output channel; then its queues, QUEUE_SIZE each.
/** The channel is free from then on. */
export const PORT_FREE: u32 = 0; // u64
/** 0: a channel that takes no time. */
export const PORT_FS_PER_BYTE: u32 = 8; // u32
/** 1: backpressure of PCIe or MAC. */
export const PORT_PAUSED: u32 = 12; // u32
/** Packets in its queues. */
export const PORT_WAITING: u32 = 16; // u32
export const PORT_QUEUES: u32 = 32;

// QUEUE: a ring of {u32 handle, u32 bytes}.
export const QUEUE_RING: u32 = 0; // u32
export const QUEUE_MASK: u32 = 4; // u32
export const QUEUE_HEAD: u32 = 8; // u32
export const QUEUE_TAIL: u32 = 12; // u32
export const QUEUE_BYTES: u32 = 16; // u32
export const QUEUE_LIMIT: u32 = 20; // u32: bytes
export const QUEUE_LOSSLESS: u32 = 24; // u32
export const QUEUE_DROPS: u32 = 28; // u32
/** Packets in the queue from which on an arrival is marked; 0: never. */
export const QUEUE_MARK_FROM: u32 = 32; // u32
export const QUEUE_PEAK: u32 = 36; // u32: most packets at once
export const QUEUE_SIZE: u32 = 48;
export const PORT_SIZE: u32 = 224; // PORT_QUEUES + 4 x QUEUE_SIZE

// DELAY LINE of mirror and recirculation: a ring of {u64 due, u32 handle, u32 0}.
export const LINE_RING: u32 = 0; // u32
export const LINE_MASK: u32 = 4; // u32
export const LINE_HEAD: u32 = 8; // u32
export const LINE_TAIL: u32 = 12; // u32
export const LINE_DELAY_PS: u32 = 16; // u32
/** Arrivals that found it full. */
export const LINE_FULL: u32 = 20; // u32
export const LINE_SIZE: u32 = 32;

// MIRROR: a delay line that loses.
/** Of 2^32. */
export const MIRROR_LOSS: u32 = 32; // u32
/** State of xorshift32, never 0. */
export const MIRROR_RANDOM: u32 = 36; // u32
export const MIRROR_LOST: u32 = 40; // u32
export const MIRROR_SIZE: u32 = 48;

// RECIRCULATION: a delay line behind a port of its own.
export const RECIRCULATION_FREE: u32 = 32; // u64
export const RECIRCULATION_FS_PER_BYTE: u32 = 40; // u32
/** Ps that its port may be behind before it takes no more. */
export const RECIRCULATION_BEHIND_PS: u32 = 44; // u32
export const RECIRCULATION_SIZE: u32 = 48;

// PACKET GENERATOR: connections in turn, each once a period.
export const GENERATOR_NEXT: u32 = 0; // u64: the next connection's turn
/** Ps from a connection's turn to the next one's. */
export const GENERATOR_STEP_PS: u32 = 8; // u32
export const GENERATOR_COUNT: u32 = 12; // u32
export const GENERATOR_CURSOR: u32 = 16; // u32
/** Periods without data until a connection is passed over (5.3.2.1: N). */
export const GENERATOR_IDLE: u32 = 20; // u32
/** Of each connection, u64: when it last sent; 0 never. */
export const GENERATOR_ACTIVE: u32 = 24; // u32: address
export const GENERATOR_SENT: u32 = 28; // u32
export const GENERATOR_SIZE: u32 = 32;
/** Turns that one call looks at. */
export const GENERATOR_SCAN: u32 = 64;

// METER: a token bucket, kept as the time at which its next packet conforms. It begins with a rate
// clock (rate-clock.ts); without an interval everything conforms.
/** Time at the rate that may be saved up. */
export const METER_SAVED: u32 = 24; // u32
/** Verdict on what does not conform: Marked or Dropped. */
export const METER_EXCESS: u32 = 28; // u32
export const METER_EXCEEDED: u32 = 32; // u32
export const METER_SIZE: u32 = 40;
