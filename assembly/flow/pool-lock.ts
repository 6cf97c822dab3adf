/**
 * The lock of what flow groups on threads and the host share: its word is in the header that
 * CORE_POOL names. Nobody waits under it, so a holder that does not let go is dead: then there is
 * nothing to be had. Without threads there is no lock.
 */
import { CORE_POOL, CORE_POOL_LOCK } from "../../bindings/abi/memory-map.ts";

/** Looks at the lock until it counts as lost: some 100 ms. */
const LOCK_TURNS: u32 = 1 << 24;

/** The header that owns what is shared, held; 0 when the lock is lost. */
// @ts-ignore: decorator
@inline
export function enterPool(core: usize): usize {
  const pool = <usize>load<u32>(core, CORE_POOL);
  if (!ASC_FEATURE_THREADS) return pool;
  for (let turn: u32 = 0; turn < LOCK_TURNS; turn++) {
    if (atomic.cmpxchg<u32>(pool, 0, 1, CORE_POOL_LOCK) == 0) return pool;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
export function leavePool(pool: usize): void {
  if (ASC_FEATURE_THREADS) atomic.store<u32>(pool, 0, CORE_POOL_LOCK);
}
