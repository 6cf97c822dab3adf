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
export const LAMINAR_SIZE: u32 = 4;
