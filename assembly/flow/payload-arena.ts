/**
 * Payload chunks (day-one decision 4): socket buffers are lists of chunks from one arena, handed
 * out from a stack of free addresses when bytes first need them. What receive windows promise to
 * peers is reserved ahead, so that it can always be placed.
 *
 * Invariants: a chunk is in the stack or in one list; CORE_CHUNK_RESERVED <= CORE_CHUNK_FREE_COUNT.
 * Flow groups on threads and the host share one arena: its words are in the header that CORE_POOL
 * names, and with threads each function here holds CORE_POOL_LOCK. Nobody waits under it, so a
 * lock that does not come free was held by a thread that died: the arena then has nothing to give.
 */
import { CORE_ARENA, CORE_CHUNKS, CORE_CHUNK_FREE } from "../../bindings/abi/memory-map.ts";
import { CORE_CHUNK_FREE_COUNT, CORE_CHUNK_RESERVED } from "../../bindings/abi/memory-map.ts";
import { CORE_CHUNK_SHIFT, CORE_POOL } from "../../bindings/abi/memory-map.ts";
import { enterPool, leavePool } from "./pool-lock.ts";

/** Puts every chunk on the free stack, lowest address on top. */
export function arenaInitialize(core: usize): void {
  const chunks = load<u32>(core, CORE_CHUNKS);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  const arena = load<u32>(core, CORE_ARENA);
  const stack = <usize>load<u32>(core, CORE_CHUNK_FREE);
  for (let i: u32 = 0; i < chunks; i++) {
    store<u32>(stack + i * 4, arena + ((chunks - 1 - i) << shift));
  }
  store<u32>(core, chunks, CORE_CHUNK_FREE_COUNT);
  store<u32>(core, 0, CORE_CHUNK_RESERVED);
}

/**
 * Takes a chunk: its address. `promised` 1 takes one that was reserved, of which there always is
 * one; 0 takes one that nobody was promised, and answers 0 when there is none.
 */
export function chunkTake(core: usize, promised: u32): usize {
  const pool = enterPool(core);
  if (pool == 0) return 0;
  const free = load<u32>(pool, CORE_CHUNK_FREE_COUNT);
  const reserved = load<u32>(pool, CORE_CHUNK_RESERVED);
  assert(promised == 0 || reserved != 0, "a chunk was taken that nobody reserved");
  let chunk: usize = 0;
  if (free != (promised != 0 ? 0 : reserved)) {
    store<u32>(pool, free - 1, CORE_CHUNK_FREE_COUNT);
    store<u32>(pool, reserved - promised, CORE_CHUNK_RESERVED);
    chunk = <usize>load<u32>(<usize>load<u32>(pool, CORE_CHUNK_FREE) + (free - 1) * 4);
  }
  leavePool(pool);
  return chunk;
}

/** Gives a chunk back; `promised` 1 keeps it reserved. */
export function chunkGive(core: usize, chunk: usize, promised: u32): void {
  const pool = enterPool(core);
  if (pool == 0) return;
  const free = load<u32>(pool, CORE_CHUNK_FREE_COUNT);
  assert(free < load<u32>(pool, CORE_CHUNKS), "a chunk was given back twice");
  store<u32>(<usize>load<u32>(pool, CORE_CHUNK_FREE) + free * 4, <u32>chunk);
  store<u32>(pool, free + 1, CORE_CHUNK_FREE_COUNT);
  store<u32>(pool, load<u32>(pool, CORE_CHUNK_RESERVED) + promised, CORE_CHUNK_RESERVED);
  leavePool(pool);
}

/** Chunks that are free and promised to nobody; with threads, as of a moment ago. */
export function unreservedChunks(core: usize): u32 {
  const pool = <usize>load<u32>(core, CORE_POOL);
  return load<u32>(pool, CORE_CHUNK_FREE_COUNT) - load<u32>(pool, CORE_CHUNK_RESERVED);
}

/** Reserves `count` of the unreserved chunks; false, and nothing reserved, when they are fewer. */
export function reserveChunks(core: usize, count: u32): bool {
  const pool = enterPool(core);
  if (pool == 0) return false;
  const enough = count <= unreservedChunks(core);
  const reserved = load<u32>(pool, CORE_CHUNK_RESERVED);
  store<u32>(pool, enough ? reserved + count : reserved, CORE_CHUNK_RESERVED);
  leavePool(pool);
  return enough;
}

/** Takes promises back. */
export function unreserveChunks(core: usize, count: u32): void {
  const pool = enterPool(core);
  if (pool == 0) return;
  const reserved = load<u32>(pool, CORE_CHUNK_RESERVED);
  assert(count <= reserved, "more was taken back than was promised");
  store<u32>(pool, reserved - count, CORE_CHUNK_RESERVED);
  leavePool(pool);
}

/** A chunk of zeros, for a list; as chunkTake(). */
export function listTake(core: usize, promised: u32): usize {
  const list = chunkTake(core, promised);
  if (list != 0) memory.fill(list, 0, <usize>1 << load<u32>(core, CORE_CHUNK_SHIFT));
  return list;
}
