/**
 * Match tables of an RMT machine: exact by hash, ternary, longest prefix and range in order of
 * priority, as a TCAM has it. Entries are the control plane's; a packet only reads.
 */
import * as R from "../../bindings/abi/rmt.ts";

/** Entries looked at for one packet, at most. */
const PROBES_MAX: u32 = 4096;

/** Home slot of a key, before it is cut to the table's size. */
// @ts-ignore: decorator
@inline
function hashKey(k0: u32, k1: u32, k2: u32, k3: u32): u32 {
  let h = (<u64>k0 | (<u64>k1 << 32)) * 0x9e3779b97f4a7c15;
  h = (h ^ (h >>> 29) ^ (<u64>k2 | (<u64>k3 << 32))) * 0xbf58476d1ce4e5b9;
  return <u32>(h >>> 32) ^ <u32>h;
}

// @ts-ignore: decorator
@inline
function word(index: u32, k0: u32, k1: u32, k2: u32, k3: u32): u32 {
  return index == 0 ? k0 : index == 1 ? k1 : index == 2 ? k2 : k3;
}

/** Address of what the matching entry gives, or 0. Keys that a table does not have are 0. */
export function match(state: usize, table: u32, k0: u32, k1: u32, k2: u32, k3: u32): usize {
  const record = <usize>load<u32>(state, R.STATE_TABLES) + table * R.MATCH_SIZE;
  const kind = load<u32>(record, R.MATCH_KIND);
  if (kind == R.MatchKind.Exact) return matchExact(record, k0, k1, k2, k3);
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

function matchExact(record: usize, k0: u32, k1: u32, k2: u32, k3: u32): usize {
  const slots = load<u32>(record, R.MATCH_COUNT);
  if (slots == 0) return 0;
  const keys = load<u32>(record, R.MATCH_KEYS);
  const size = load<u32>(record, R.MATCH_ENTRY_SIZE);
  const entries = <usize>load<u32>(record, R.MATCH_ENTRIES);
  let slot = hashKey(k0, k1, k2, k3);
  const most = min(slots, PROBES_MAX);
  for (let i: u32 = 0; i < most; i++) {
    const entry = entries + (slot & (slots - 1)) * size;
    if (load<u32>(entry + size - 4) == 0) return 0;
    if (isKey(entry, keys, k0, k1, k2, k3)) return entry + keys * 4;
    slot++;
  }
  return 0;
}

function isKey(entry: usize, keys: u32, k0: u32, k1: u32, k2: u32, k3: u32): bool {
  for (let i: u32 = 0; i < keys; i++) {
    if (load<u32>(entry + i * 4) != word(i, k0, k1, k2, k3)) return false;
  }
  return true;
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
  const record = <usize>load<u32>(state, R.STATE_TABLES) + table * R.MATCH_SIZE;
  const slots = load<u32>(record, R.MATCH_COUNT);
  const keys = load<u32>(record, R.MATCH_KEYS);
  const size = load<u32>(record, R.MATCH_ENTRY_SIZE);
  const entries = <usize>load<u32>(record, R.MATCH_ENTRIES);
  let slot = hashKey(k0, k1, k2, k3);
  const most = min(slots, PROBES_MAX);
  for (let i: u32 = 0; i < most; i++) {
    const entry = entries + (slot & (slots - 1)) * size;
    if (load<u32>(entry + size - 4) == 0 || isKey(entry, keys, k0, k1, k2, k3)) return entry;
    slot++;
  }
  return 0;
}
