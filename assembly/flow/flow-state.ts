/**
 * Addresses of a connection's records, and the proofs that each partition of Table 4.1 has the
 * size and the cache-line shape that the contract states.
 */
import { HASH_CONNECTION, HASH_SIZE } from "../../bindings/abi/flow-state.ts";
import { POST_SIZE, POST_TUNE_TIME, PRE_SIZE } from "../../bindings/abi/flow-state.ts";
import { PRE_TEMPLATE, PRE_TEMPLATE_MAX } from "../../bindings/abi/flow-state.ts";
import { PROTOCOL_ECHO, PROTOCOL_SIZE } from "../../bindings/abi/flow-state.ts";
import { RECOVERY_BACKOFF, RECOVERY_CONGESTION } from "../../bindings/abi/flow-state.ts";
import { RECOVERY_LOG, RECOVERY_PROBED, RECOVERY_SIZE } from "../../bindings/abi/flow-state.ts";
import { SCHEDULER_CHARGED, SCHEDULER_SIZE } from "../../bindings/abi/flow-state.ts";
import { CHUNKS_PER_BUFFER_MAX, CHUNK_SHIFT_MAX } from "../../bindings/abi/limits.ts";
import { CHUNK_SHIFT_MIN } from "../../bindings/abi/limits.ts";
import { CORE_CONNECTIONS, CORE_POST } from "../../bindings/abi/memory-map.ts";
import { CORE_PRE, CORE_PROTOCOL, CORE_RECOVERY } from "../../bindings/abi/memory-map.ts";
import { CORE_SCHEDULER } from "../../bindings/abi/memory-map.ts";
import { TIMERS_PER_CONNECTION } from "../../bindings/abi/timer.ts";

if (PRE_TEMPLATE + PRE_TEMPLATE_MAX != PRE_SIZE) ERROR("PRE: template must end the record");
if (PRE_SIZE % 64 != 0) ERROR("PRE: whole cache lines");
if (PROTOCOL_ECHO + 1 != PROTOCOL_SIZE) ERROR("PROTOCOL: fields must fill the record");
if (PROTOCOL_SIZE != 64) ERROR("PROTOCOL: one cache line");
if (RECOVERY_CONGESTION + 64 != RECOVERY_LOG) ERROR("RECOVERY: congestion state");
if (RECOVERY_BACKOFF != RECOVERY_PROBED + 1) ERROR("RECOVERY: one look at both");
if (RECOVERY_SIZE % 64 != 0) ERROR("RECOVERY: whole cache lines");
if (POST_TUNE_TIME + 4 > POST_SIZE || POST_SIZE % 64 != 0) ERROR("POST: whole cache lines");
if (SCHEDULER_CHARGED + 2 != SCHEDULER_SIZE) ERROR("SCHEDULER: fields must fit");
if (HASH_CONNECTION + 4 != HASH_SIZE) ERROR("HASH: fields must fill the entry");
if (CHUNKS_PER_BUFFER_MAX * 8 > 1 << CHUNK_SHIFT_MAX) ERROR("a list: twice a buffer, one chunk");
if (CHUNK_SHIFT_MIN < 6) ERROR("a list must hold two buffers of two chunks");

// @ts-ignore: decorator
@inline
export function preOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_PRE) + connection * PRE_SIZE;
}

// @ts-ignore: decorator
@inline
export function protocolOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_PROTOCOL) + connection * PROTOCOL_SIZE;
}

// @ts-ignore: decorator
@inline
export function recoveryOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_RECOVERY) + connection * RECOVERY_SIZE;
}

// @ts-ignore: decorator
@inline
export function postOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_POST) + connection * POST_SIZE;
}

// @ts-ignore: decorator
@inline
export function schedulerOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_SCHEDULER) + connection * SCHEDULER_SIZE;
}

/** Timer index of a connection's timer of this TimerKind. */
// @ts-ignore: decorator
@inline
export function timerOf(connection: u32, kind: u32): u32 {
  return connection * TIMERS_PER_CONNECTION + kind;
}

/** True for an index that names a row: 0 is invalid. */
// @ts-ignore: decorator
@inline
export function isConnection(core: usize, connection: u32): bool {
  return connection != 0 && connection < load<u32>(core, CORE_CONNECTIONS);
}
