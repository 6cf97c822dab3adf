/**
 * The core's counters: drops by reason (u32, wrapping) and events (u64).
 *
 * Invariant: every frame, segment or descriptor that is not used is counted once, under one
 * reason; `DropReason` has no "other".
 */
import { COUNTERS, Counter } from "../../bindings/abi/counters.ts";
import { DROP_REASONS, DropReason } from "../../bindings/abi/drop-reason.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../../bindings/abi/memory-map.ts";

/** Counts one drop. `core` is the header's address. */
export function countDrop(core: usize, reason: DropReason): void {
  assert(<u32>reason < DROP_REASONS, "countDrop: reason");
  const at = <usize>load<u32>(core, CORE_DROPS) + (<usize>reason << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** Counts one event. `core` is the header's address. */
// @ts-ignore: decorator
@inline
export function count(core: usize, counter: Counter): void {
  countBy(core, counter, 1);
}

/** Adds `n` to a counter: bytes, or the events of a batch at once. */
// @ts-ignore: decorator
@inline
export function countBy(core: usize, counter: Counter, n: u64): void {
  assert(<u32>counter < COUNTERS, "countBy: counter");
  const at = <usize>load<u32>(core, CORE_COUNTERS) + (<usize>counter << 3);
  store<u64>(at, load<u64>(at) + n);
}
