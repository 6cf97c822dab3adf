/**
 * Payload chunks (day-one decision 4): socket buffers are lists of chunks from one arena, handed
 * out from a stack of free addresses. Invariant: a chunk is in the stack or in one list.
 */
import { CORE_ARENA, CORE_CHUNKS, CORE_CHUNK_FREE } from "../../bindings/abi/memory-map.ts";
import { CORE_CHUNK_FREE_COUNT, CORE_CHUNK_SHIFT } from "../../bindings/abi/memory-map.ts";

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
}

/** Takes `count` chunks into a list; false, and nothing taken, when there are not enough. */
export function arenaTake(core: usize, list: usize, count: u32): bool {
  const free = load<u32>(core, CORE_CHUNK_FREE_COUNT);
  if (free < count) return false;
  const stack = <usize>load<u32>(core, CORE_CHUNK_FREE);
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(list + i * 4, load<u32>(stack + (free - 1 - i) * 4));
  }
  store<u32>(core, free - count, CORE_CHUNK_FREE_COUNT);
  return true;
}

/** Gives a list's chunks back. */
export function arenaGive(core: usize, list: usize, count: u32): void {
  const free = load<u32>(core, CORE_CHUNK_FREE_COUNT);
  assert(free + count <= load<u32>(core, CORE_CHUNKS), "a chunk was given back twice");
  const stack = <usize>load<u32>(core, CORE_CHUNK_FREE);
  for (let i: u32 = 0; i < count; i++) {
    const entry = list + (count - 1 - i) * 4;
    store<u32>(stack + (free + i) * 4, load<u32>(entry));
    store<u32>(entry, 0);
  }
  store<u32>(core, free + count, CORE_CHUNK_FREE_COUNT);
}
