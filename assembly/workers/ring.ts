/**
 * A ring between two threads: one producer, one consumer, free-running indexes on cache lines of
 * their own. What is pushed is seen when it is published, once a batch: a published index costs a
 * cache line's way to the other core, an item does not.
 * Invariant: a ring has a place for every item that can be on its way, so it is never full.
 */
import * as X from "../../bindings/abi/workers.ts";

/** Puts an item behind the others; publish() shows it. */
// @ts-ignore: decorator
@inline
export function push(ring: usize, item: u32): void {
  const next = load<u32>(ring, X.RING_NEXT);
  const mask = load<u32>(ring, X.RING_MASK);
  assert(next - atomic.load<u32>(ring, X.RING_HEAD) <= mask, "push: a ring is full");
  store<u32>(<usize>load<u32>(ring, X.RING_BASE) + ((next & mask) << 2), item);
  store<u32>(ring, next + 1, X.RING_NEXT);
}

/** Shows the consumer what was pushed, and wakes it. */
export function publish(ring: usize): void {
  const next = load<u32>(ring, X.RING_NEXT);
  if (load<u32>(ring, X.RING_TAIL) == next) return;
  atomic.store<u32>(ring, next, X.RING_TAIL);
  wake(<usize>load<u32>(ring, X.RING_WAKES));
}

/** Items that the consumer may pop. */
// @ts-ignore: decorator
@inline
export function waiting(ring: usize): u32 {
  return atomic.load<u32>(ring, X.RING_TAIL) - load<u32>(ring, X.RING_HEAD);
}

/** The first item of a ring that has one. */
// @ts-ignore: decorator
@inline
export function first(ring: usize): u32 {
  const head = load<u32>(ring, X.RING_HEAD);
  const mask = load<u32>(ring, X.RING_MASK);
  return load<u32>(<usize>load<u32>(ring, X.RING_BASE) + ((head & mask) << 2));
}

/** Lets the first item go. */
// @ts-ignore: decorator
@inline
export function pop(ring: usize): void {
  atomic.store<u32>(ring, load<u32>(ring, X.RING_HEAD) + 1, X.RING_HEAD);
}

/**
 * Wakes a thread that sleeps or is about to: it looks for work once more after it has said so, and
 * this runs after the work was published, so one of the two sees the other.
 */
export function wake(thread: usize): void {
  if (atomic.load<u32>(thread, X.THREAD_SLEEPING) == X.THREAD_AWAKE) return;
  if (atomic.xchg<u32>(thread, X.THREAD_AWAKE, X.THREAD_SLEEPING) != X.THREAD_ASLEEP) return;
  atomic.add<u32>(thread, 1, X.THREAD_WAKES);
  atomic.notify(thread + X.THREAD_SLEEPING, 1);
}
