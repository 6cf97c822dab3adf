/**
 * Images of a world: what a case may change, copied out and back. The heads of the timer wheel's
 * and the pacing wheel's slots, 12 KiB and 64 KiB of which a case uses some words, are in no image:
 * a slot without its bit is empty, and a timer that is the first of its slot says which that is.
 */
import { CAROUSEL_BITMAP, CAROUSEL_QUEUES, QUEUE_SIZE } from "../../bindings/abi/carousel.ts";
import { QUEUE_SLOTS } from "../../bindings/abi/carousel.ts";
import * as Z from "../../bindings/abi/fuzz.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as T from "../../bindings/abi/timer.ts";
import { coreOf, sideOf } from "./world.ts";

/** Words of 64 slots in the bitmaps of the two wheels. */
const PACING_WORDS: u32 = 129;
const TIMER_WORDS: u32 = (T.WHEEL_LEVELS * T.WHEEL_SLOTS) >>> 6;

/** Copies what a case may change out of its places to `image`; how many bytes. */
export function save(world: usize, image: usize): u32 {
  let at = image;
  for (let i: u32 = 0; i < Z.RANGES_MAX; i++) {
    const range = world + Z.WORLD_RANGES + i * 8;
    const bytes = load<u32>(range, 4);
    memory.copy(at, load<u32>(range), bytes);
    at += bytes;
  }
  return <u32>(at - image);
}

/** Puts an image back. */
export function restore(world: usize, image: usize): void {
  clearSlots(coreOf(sideOf(world, 0)));
  clearSlots(coreOf(sideOf(world, 1)));
  let at = image;
  for (let i: u32 = 0; i < Z.RANGES_MAX; i++) {
    const range = world + Z.WORLD_RANGES + i * 8;
    const bytes = load<u32>(range, 4);
    memory.copy(load<u32>(range), at, bytes);
    at += bytes;
  }
  linkTimers(coreOf(sideOf(world, 0)));
  linkTimers(coreOf(sideOf(world, 1)));
}

/** Empties every slot with a bit. */
function clearSlots(core: usize): void {
  const carousel = <usize>load<u32>(core, M.CORE_CAROUSEL);
  for (let word: u32 = 0; word < PACING_WORDS; word++) {
    let bits = load<u64>(carousel + word * 8, CAROUSEL_BITMAP);
    for (; bits != 0; bits &= bits - 1) {
      const queue = QUEUE_SLOTS + word * 64 + <u32>ctz<u64>(bits);
      store<u64>(carousel + queue * QUEUE_SIZE, 0, CAROUSEL_QUEUES);
    }
  }
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  for (let word: u32 = 0; word < TIMER_WORDS; word++) {
    let bits = load<u64>(wheel + word * 8, T.WHEEL_BITMAP);
    for (; bits != 0; bits &= bits - 1) {
      store<u32>(wheel + (word * 64 + <u32>ctz<u64>(bits)) * 4, 0, T.WHEEL_HEADS);
    }
  }
}

/** Writes the heads of the slots that the timers are in. */
function linkTimers(core: usize): void {
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  const timers = <usize>load<u32>(core, M.CORE_TIMERS);
  const count = load<u32>(core, M.CORE_CONNECTIONS) * T.TIMERS_PER_CONNECTION;
  for (let timer: u32 = 0; timer < count; timer++) {
    const record = timers + timer * T.TIMER_SIZE;
    const slot = load<u32>(record, T.TIMER_SLOT);
    if (slot == 0 || load<u32>(record, T.TIMER_PREVIOUS) != 0) continue;
    store<u32>(wheel + (slot - 1) * 4, timer + 1, T.WHEEL_HEADS);
  }
}
