/**
 * Packets on a way that takes all of them equally long: a bounded ring in the order in which they
 * arrive (LINE_* in bindings/abi/rmt.ts). Times are ps.
 */
import * as R from "../../bindings/abi/rmt.ts";

const ENTRY_BYTES: u32 = 16;
/** When nothing is due. */
export const NEVER: u64 = 0xffffffffffffffff;

// @ts-ignore: decorator
@inline
function entryOf(line: usize, index: u32): usize {
  const at = index & load<u32>(line, R.LINE_MASK);
  return <usize>load<u32>(line, R.LINE_RING) + at * ENTRY_BYTES;
}

/** True when the ring has room; otherwise the arrival is counted as one that found it full. */
export function hasRoom(line: usize): bool {
  const held = load<u32>(line, R.LINE_TAIL) - load<u32>(line, R.LINE_HEAD);
  if (held <= load<u32>(line, R.LINE_MASK)) return true;
  store<u32>(line, load<u32>(line, R.LINE_FULL) + 1, R.LINE_FULL);
  return false;
}

/** Sends a packet at `now`, no earlier than the one before it; there is room. */
export function send(line: usize, packet: u32, now: u64): void {
  const tail = load<u32>(line, R.LINE_TAIL);
  const entry = entryOf(line, tail);
  store<u64>(entry, now + load<u32>(line, R.LINE_DELAY_PS));
  store<u32>(entry, packet, 8);
  store<u32>(line, tail + 1, R.LINE_TAIL);
}

/** When the first packet arrives; NEVER when none is on its way. */
export function due(line: usize): u64 {
  const head = load<u32>(line, R.LINE_HEAD);
  if (head == load<u32>(line, R.LINE_TAIL)) return NEVER;
  return load<u64>(entryOf(line, head));
}

/** The next packet that has arrived; 0 when none has. */
export function arrived(line: usize, now: u64): u32 {
  if (due(line) > now) return 0;
  const head = load<u32>(line, R.LINE_HEAD);
  store<u32>(line, head + 1, R.LINE_HEAD);
  return load<u32>(entryOf(line, head), 8);
}
