/**
 * Match tables of an RMT machine: exact by hash, ternary, longest prefix and range in order of
 * priority, as a TCAM has it. Entries are the control plane's; a packet only reads.
 */
import { hashWords } from "../base/hash.ts";
import * as R from "../../bindings/abi/rmt.ts";

/** Entries looked at for one packet, at most. */
const PROBES_MAX: u32 = 4096;

// @ts-ignore: decorator
@inline
function word(index: u32, k0: u32, k1: u32, k2: u32, k3: u32): u32 {
  return index == 0 ? k0 : index == 1 ? k1 : index == 2 ? k2 : k3;
}

/** Address of what the matching entry gives, or 0. Keys that a table does not have are 0. */
export function match(state: usize, table: u32, k0: u32, k1: u32, k2: u32, k3: u32): usize {
  const record = recordOf(state, table);
  const kind = load<u32>(record, R.MATCH_KIND);
  if (kind == R.MatchKind.Exact) return matchExact(state, record, k0, k1, k2, k3);
  const keys = load<u32>(record, R.MATCH_KEYS);
  const size = load<u32>(record, R.MATCH_ENTRY_SIZE);
  const count = min(load<u32>(record, R.MATCH_COUNT), PROBES_MAX);
  let entry = <usize>load<u32>(record, R.MATCH_ENTRIES);
  for (let i: u32 = 0; i < count; i++) {
    if (matches(entry, keys, kind, k0, k1, k2, k3)) return entry + keys * 8;
    entry += size;
  }
  return 0;
}

function matches(
  entry: usize,
  keys: u32,
  kind: u32,
  k0: u32,
  k1: u32,
  k2: u32,
  k3: u32,
): bool {
  for (let i: u32 = 0; i < keys; i++) {
    const key = word(i, k0, k1, k2, k3);
    const first = load<u32>(entry + i * 4);
    const second = load<u32>(entry + (keys + i) * 4);
    if (kind == R.MatchKind.Range) {
      if (key < first || key > second) return false;
    } else if (((key ^ first) & second) != 0) {
      return false;
    }
  }
  return true;
}

function matchExact(state: usize, record: usize, k0: u32, k1: u32, k2: u32, k3: u32): usize {
  const keys = load<u32>(record, R.MATCH_KEYS);
  const last = <usize>load<u32>(record, R.MATCH_LAST);
  // Packets of one key come in a row.
  if (last != 0 && isKey(last, keys, k0, k1, k2, k3)) return last + keys * 4;
  const entry = probe(state, record, k0, k1, k2, k3);
  if (entry == 0 || !isUsed(record, entry)) return 0;
  store<u32>(record, <u32>entry, R.MATCH_LAST);
  return entry + keys * 4;
}

/** Home slot of a key, before it is cut to the table's size. */
// @ts-ignore: decorator
@inline
function home(state: usize, k0: u32, k1: u32, k2: u32, k3: u32): u32 {
  const key0 = load<u64>(state, R.STATE_HASH_KEY);
  return hashWords(key0, load<u64>(state, R.STATE_HASH_KEY + 8), k0, k1, k2, k3);
}

// @ts-ignore: decorator
@inline
function isUsed(record: usize, entry: usize): bool {
  return load<u32>(entry + load<u32>(record, R.MATCH_ENTRY_SIZE) - 4) != 0;
}

// @ts-ignore: decorator
@inline
function isKey(entry: usize, keys: u32, k0: u32, k1: u32, k2: u32, k3: u32): bool {
  if (load<u32>(entry) != k0) return false;
  if (keys > 1 && load<u32>(entry, 4) != k1) return false;
  if (keys > 2 && load<u32>(entry, 8) != k2) return false;
  return keys <= 3 || load<u32>(entry, 12) == k3;
}

/** The entry with this key, or the first free one where it would be; 0 when there is neither. */
function probe(state: usize, record: usize, k0: u32, k1: u32, k2: u32, k3: u32): usize {
  const slots = load<u32>(record, R.MATCH_COUNT);
  const keys = load<u32>(record, R.MATCH_KEYS);
  const size = load<u32>(record, R.MATCH_ENTRY_SIZE);
  const entries = <usize>load<u32>(record, R.MATCH_ENTRIES);
  let slot = home(state, k0, k1, k2, k3);
  const most = min(slots, PROBES_MAX);
  for (let i: u32 = 0; i < most; i++) {
    const entry = entries + (slot & (slots - 1)) * size;
    if (load<u32>(entry + size - 4) == 0 || isKey(entry, keys, k0, k1, k2, k3)) return entry;
    slot++;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function recordOf(state: usize, table: u32): usize {
  return <usize>load<u32>(state, R.STATE_TABLES) + table * R.MATCH_SIZE;
}

/** Control plane: the free slot, or that of the same key, of an exact table; 0 when it is full. */
export function exactSlot(
  state: usize,
  table: u32,
  k0: u32,
  k1: u32,
  k2: u32,
  k3: u32,
): usize {
  return probe(state, recordOf(state, table), k0, k1, k2, k3);
}

/**
 * Control plane: takes a key out of an exact table; false when it is not there. Later entries of
 * the run move up, so that each is reachable from its home through used slots only.
 */
export function exactRemove(
  state: usize,
  table: u32,
  k0: u32,
  k1: u32,
  k2: u32,
  k3: u32,
): bool {
  const record = recordOf(state, table);
  const entry = probe(state, record, k0, k1, k2, k3);
  if (entry == 0 || !isUsed(record, entry)) return false;
  closeGap(state, record, entry);
  return true;
}

function closeGap(state: usize, record: usize, freed: usize): void {
  store<u32>(record, 0, R.MATCH_LAST);
  const mask = load<u32>(record, R.MATCH_COUNT) - 1;
  const size = load<u32>(record, R.MATCH_ENTRY_SIZE);
  const entries = <usize>load<u32>(record, R.MATCH_ENTRIES);
  const keys = load<u32>(record, R.MATCH_KEYS);
  let gap = <u32>(freed - entries) / size;
  let slot = gap;
  for (let step: u32 = 0; step < mask; step++) {
    slot = (slot + 1) & mask;
    const entry = entries + slot * size;
    if (!isUsed(record, entry)) break;
    const at = homeOf(state, entry, keys) & mask;
    // It stays when its home lies behind the gap.
    if (((slot - at) & mask) < ((slot - gap) & mask)) continue;
    memory.copy(entries + gap * size, entry, size);
    gap = slot;
  }
  memory.fill(entries + gap * size, 0, size);
}

function homeOf(state: usize, entry: usize, keys: u32): u32 {
  const k0 = load<u32>(entry);
  const k1: u32 = keys > 1 ? load<u32>(entry, 4) : 0;
  const k2: u32 = keys > 2 ? load<u32>(entry, 8) : 0;
  const k3: u32 = keys > 3 ? load<u32>(entry, 12) : 0;
  return home(state, k0, k1, k2, k3);
}
