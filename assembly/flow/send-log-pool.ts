/**
 * The pool of send logs (bindings/abi/send-log.ts), whose spare ones also hold what a receiver has
 * more of than its own record does (tcp/ooo-interval.ts): a stack of the free ones, that of the log
 * given back last on top. Invariant: a log is in the stack or is one connection's.
 */
import { CORE_LOG_BASE, CORE_LOG_FREE } from "../../bindings/abi/memory-map.ts";
import { CORE_LOG_FREE_COUNT, CORE_LOGS, CORE_POOL } from "../../bindings/abi/memory-map.ts";
import { LOG_RUNS, LOG_RUNS_MAX, LOG_SIZE, RUN_SIZE } from "../../bindings/abi/send-log.ts";
import { enterPool, leavePool } from "./pool-lock.ts";

if (LOG_RUNS + LOG_RUNS_MAX * RUN_SIZE != LOG_SIZE) ERROR("LOG: runs must fill the record");

/** Puts every log on the stack, lowest address on top. */
export function logsInitialize(core: usize): void {
  const logs = load<u32>(core, CORE_LOGS);
  const base = load<u32>(core, CORE_LOG_BASE);
  const stack = <usize>load<u32>(core, CORE_LOG_FREE);
  for (let i: u32 = 0; i < logs; i++) store<u32>(stack + i * 4, base + (logs - 1 - i) * LOG_SIZE);
  store<u32>(core, logs, CORE_LOG_FREE_COUNT);
}

/** A log as its last user left it, 0 when there is none. */
// @ts-ignore: decorator
@inline
export function takeLog(core: usize): usize {
  const pool = enterPool(core);
  if (pool == 0) return 0;
  const free = load<u32>(pool, CORE_LOG_FREE_COUNT);
  let log: usize = 0;
  if (free != 0) {
    log = <usize>load<u32>(<usize>load<u32>(pool, CORE_LOG_FREE) + (free - 1) * 4);
    store<u32>(pool, free - 1, CORE_LOG_FREE_COUNT);
  }
  leavePool(pool);
  return log;
}

/** The same while more than half of all are free: a peer that opens holes leaves the rest alone. */
export function takeSpareLog(core: usize): usize {
  const pool = <usize>load<u32>(core, CORE_POOL);
  const free = load<u32>(pool, CORE_LOG_FREE_COUNT);
  return free > load<u32>(pool, CORE_LOGS) >>> 1 ? takeLog(core) : 0;
}

// @ts-ignore: decorator
@inline
export function giveLog(core: usize, log: usize): void {
  const pool = enterPool(core);
  if (pool == 0) return;
  const free = load<u32>(pool, CORE_LOG_FREE_COUNT);
  assert(free < load<u32>(pool, CORE_LOGS), "a send log was given back twice");
  store<u32>(<usize>load<u32>(pool, CORE_LOG_FREE) + free * 4, <u32>log);
  store<u32>(pool, free + 1, CORE_LOG_FREE_COUNT);
  leavePool(pool);
}
