/**
 * Words that two sides write and read at the same time: indexes of rings and flags of handshakes
 * between host and data path, and statistics that replicas of a stage add to. Atomic in the build
 * with threads; in the other builds plain, and at no cost.
 */

/** Shows `value` to the other side, after everything that was written before. */
// @ts-ignore: decorator
@inline
export function publish(at: usize, value: u32): void {
  if (ASC_FEATURE_THREADS) atomic.store<u32>(at, value);
  else store<u32>(at, value);
}

/** What the other side has published; not before what this side has published already. */
// @ts-ignore: decorator
@inline
export function look(at: usize): u32 {
  return ASC_FEATURE_THREADS ? atomic.load<u32>(at) : load<u32>(at);
}

/** Adds to a statistic that is rarely added to; others keep their offset an immediate. */
// @ts-ignore: decorator
@inline
export function addShared(at: usize, n: u32): void {
  if (ASC_FEATURE_THREADS) atomic.add<u32>(at, n);
  else store<u32>(at, load<u32>(at) + n);
}
