/**
 * Control-plane events on their way to the host: a thread's stage writes them where it always does
 * (CORE_EVENTS of its private header), and they go on into a ring that the host reads. A redirected
 * frame goes with its event, as a copy: the control plane is slow, and must not hold an item.
 */
import { EVENT_SIZE } from "../../bindings/abi/descriptor.ts";
import { CORE_EVENTS, CORE_EVENT_CAPACITY } from "../../bindings/abi/memory-map.ts";
import { CORE_EVENT_COUNT } from "../../bindings/abi/memory-map.ts";
import * as X from "../../bindings/abi/workers.ts";
import { publish } from "./ring.ts";

/** Places left in a ring of events. */
// @ts-ignore: decorator
@inline
function room(ring: usize): u32 {
  const held = load<u32>(ring, X.RING_NEXT) - atomic.load<u32>(ring, X.RING_HEAD);
  return load<u32>(ring, X.RING_MASK) + 1 - held;
}

/** Events of the stage to the host's ring, as many as fit; how many. */
export function flushEvents(stage: usize, header: usize): u32 {
  const count = load<u32>(header, CORE_EVENT_COUNT);
  if (count == 0) return 0;
  const ring = <usize>load<u32>(stage, X.STAGE_EVENTS);
  if (room(ring) < count) return 0;
  const from = <usize>load<u32>(header, CORE_EVENTS);
  const mask = load<u32>(ring, X.RING_MASK);
  const next = load<u32>(ring, X.RING_NEXT);
  for (let i: u32 = 0; i < count; i++) {
    const entry = <usize>load<u32>(ring, X.RING_BASE) + ((next + i) & mask) * EVENT_SIZE;
    memory.copy(entry, from + i * EVENT_SIZE, EVENT_SIZE);
  }
  store<u32>(ring, next + count, X.RING_NEXT);
  store<u32>(header, 0, CORE_EVENT_COUNT);
  publish(ring);
  return count;
}

/** The host's side: events into its own header, as many as fit; how many. */
export function takeEvents(core: usize, ring: usize): u32 {
  const held = load<u32>(core, CORE_EVENT_COUNT);
  const head = load<u32>(ring, X.RING_HEAD);
  const there = atomic.load<u32>(ring, X.RING_TAIL) - head;
  const count = min(there, load<u32>(core, CORE_EVENT_CAPACITY) - held);
  const mask = load<u32>(ring, X.RING_MASK);
  const to = <usize>load<u32>(core, CORE_EVENTS) + held * EVENT_SIZE;
  for (let i: u32 = 0; i < count; i++) {
    const entry = <usize>load<u32>(ring, X.RING_BASE) + ((head + i) & mask) * EVENT_SIZE;
    memory.copy(to + i * EVENT_SIZE, entry, EVENT_SIZE);
  }
  store<u32>(core, held + count, CORE_EVENT_COUNT);
  atomic.store<u32>(ring, head + count, X.RING_HEAD);
  return count;
}

