/**
 * Reorder points for real (4.3.2): a slot for each number that may be in flight, written by
 * whichever replica is done with it, read in order by one consumer. The work that a number stands
 * for may be done in any order; what follows happens in the order of the numbers.
 * Invariant: a buffer has more slots than there are work records, so no number is ever lapped.
 */
import * as X from "../../bindings/abi/workers.ts";

/** The next number. */
// @ts-ignore: decorator
@inline
export function assign(point: usize): u32 {
  const number = load<u32>(point, X.REORDER_ASSIGNED);
  store<u32>(point, number + 1, X.REORDER_ASSIGNED);
  return number;
}

// @ts-ignore: decorator
@inline
function slotOf(point: usize, number: u32): usize {
  const index = number & load<u32>(point, X.REORDER_MASK);
  return <usize>load<u32>(point, X.REORDER_BASE) + (index << 2);
}

/** A number's work is done: `value` is a work index + 1, or REORDER_SKIP. */
// @ts-ignore: decorator
@inline
export function arrive(point: usize, number: u32, value: u32): void {
  const slot = slotOf(point, number);
  assert(atomic.load<u32>(slot) == 0, "arrive: a number came twice");
  atomic.store<u32>(slot, value);
}

/** What stands at the number that is next, 0 when it has not arrived. */
// @ts-ignore: decorator
@inline
export function due(point: usize): u32 {
  return atomic.load<u32>(slotOf(point, load<u32>(point, X.REORDER_NEXT)));
}

/** Releases the number that is next: its slot is free for a later one. */
// @ts-ignore: decorator
@inline
export function release(point: usize): void {
  const number = load<u32>(point, X.REORDER_NEXT);
  atomic.store<u32>(slotOf(point, number), 0);
  store<u32>(point, number + 1, X.REORDER_NEXT);
}
