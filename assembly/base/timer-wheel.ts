/**
 * The timer wheel (dissertation 4.3.4; Carousel): hierarchical, with lazy cancel and lazy re-arm.
 * Layout and levels: bindings/abi/timer.ts.
 *
 * Time is counted in ticks of 2^10 ns. A deadline belongs to the first tick that starts at or
 * after it, and a tick is handled once it has started: never early, less than one tick late.
 * A slot of level n comes up at its first tick; its timers then expire or move closer. Bitmaps
 * find the next slot in use, so empty time costs nothing, and WHEEL_NEXT remembers it, so most
 * calls end after one comparison.
 *
 * Invariants, with `tick` = WHEEL_TICK, all slots before it being empty:
 * - a linked timer's slot comes up at `tick` or later, and not after the timer's deadline's tick
 *   (or `tick`, when the deadline is past); so moving a deadline later, or to 0, is one store;
 * - a level's slots in use span at most 1,024 slots from `tick`, so an index names one time;
 * - WHEEL_NEXT is not after the first slot in use.
 */
import {
  TIMER_DEADLINE, TIMER_DUE, TIMER_NEXT, TIMER_PREVIOUS, TIMER_SIZE, TIMER_SLOT,
  WHEEL_BITMAP, WHEEL_COUNT, WHEEL_GRANULARITY_BITS, WHEEL_HEADS, WHEEL_LEVELS, WHEEL_NEXT,
  WHEEL_SIZE, WHEEL_SLOTS, WHEEL_SLOT_BITS, WHEEL_TICK,
} from "../../bindings/abi/timer.ts";
import { TIMERS_PER_STEP } from "../../bindings/abi/limits.ts";

const NEVER: u64 = u64.MAX_VALUE;
const SLOT_MASK: u32 = WHEEL_SLOTS - 1;
/** The bitmap of one level: 64-bit words, and their bytes. */
const BITMAP_WORDS: u32 = WHEEL_SLOTS >> 6;
const BITMAP_BYTES: u32 = WHEEL_SLOTS >> 3;

// @ts-ignore: decorator
@inline
function recordOf(timers: usize, timer: u32): usize {
  return timers + <usize>timer * TIMER_SIZE;
}

// @ts-ignore: decorator
@inline
function headOf(wheel: usize, slot: u32): usize {
  return wheel + WHEEL_HEADS + (<usize>slot << 2);
}

/** The tick that handles a deadline: the first that starts at or after it. */
// @ts-ignore: decorator
@inline
function tickOf(deadline: u64): u64 {
  return (deadline + ((1 << WHEEL_GRANULARITY_BITS) - 1)) >> WHEEL_GRANULARITY_BITS;
}

/** Number of the first slot of a level, counted from time 0, that starts at `tick` or later. */
// @ts-ignore: decorator
@inline
function firstSlotFrom(tick: u64, shift: u64): u64 {
  return (tick + ((<u64>1 << shift) - 1)) >> shift;
}

/** Empties the wheel; `now` in ns. The timer records must be zero, as in fresh memory. */
export function wheelInitialize(wheel: usize, now: u64): void {
  memory.fill(wheel, 0, WHEEL_SIZE);
  store<u64>(wheel, now >> WHEEL_GRANULARITY_BITS, WHEEL_TICK);
  store<u64>(wheel, NEVER, WHEEL_NEXT);
}

/**
 * Arms or re-arms a timer for `deadline` (ns, above 0). One store when the timer stands in a slot
 * that comes up in time. A deadline in the past expires at the next tick.
 */
// @ts-ignore: decorator
@inline
export function wheelArm(wheel: usize, timers: usize, timer: u32, deadline: u64): void {
  // 0 means not armed; near the end of time, rounding up to a tick would wrap.
  const at = min(max(deadline, 1), <u64>i64.MAX_VALUE);
  const record = recordOf(timers, timer);
  store<u64>(record, at, TIMER_DEADLINE);
  const linked = load<u32>(record, TIMER_SLOT) != 0;
  if (linked && load<u64>(record, TIMER_DUE) <= tickOf(at)) return;
  move(wheel, timers, timer, tickOf(at));
}

/** To a slot that comes up in time, when the timer is not in one. */
function move(wheel: usize, timers: usize, timer: u32, wanted: u64): void {
  const record = recordOf(timers, timer);
  const tick = load<u64>(wheel, WHEEL_TICK);
  const due = max(wanted, tick);
  if (load<u32>(record, TIMER_SLOT) != 0) {
    if (load<u64>(record, TIMER_DUE) <= due) return;
    unlink(wheel, timers, record);
  }
  place(wheel, timers, timer, due, tick);
}

/** Disarms a timer. It leaves its slot when that comes up. */
export function wheelCancel(timers: usize, timer: u32): void {
  store<u64>(recordOf(timers, timer), 0, TIMER_DEADLINE);
}

/**
 * Handles the ticks that have started by `now` (ns): writes the indexes of expired timers (u32
 * each) to `out`, disarmed, in order of their ticks, and returns how many. Takes at most
 * TIMERS_PER_STEP turns, timers that only move or were cancelled included, and reports at most
 * `outMax`. When it stopped for either reason, `wheelNext` is at most `now`: a later call, with
 * the same `now` or another, goes on from there.
 */
export function wheelAdvance(
  wheel: usize, timers: usize, now: u64, out: usize, outMax: u32,
): u32 {
  const target = now >> WHEEL_GRANULARITY_BITS;
  const tick = load<u64>(wheel, WHEEL_TICK);
  let next = load<u64>(wheel, WHEEL_NEXT);
  let fired: u32 = 0;
  // Each turn takes one timer out of its slot or moves on to the next slot in use.
  for (let turn: u32 = 0; turn < TIMERS_PER_STEP && fired < outMax && next <= target; turn++) {
    const head = headAt(wheel, next);
    if (head == 0) {
      next = firstOccupied(wheel, next);
    } else {
      unlink(wheel, timers, recordOf(timers, head - 1));
      fired += settle(wheel, timers, head - 1, next, out + (<usize>fired << 2));
    }
  }
  store<u64>(wheel, max(tick, min(next, target + 1)), WHEEL_TICK);
  store<u64>(wheel, next, WHEEL_NEXT);
  return fired;
}

/**
 * Time (ns) at which `wheelAdvance` has something to do: the time of a slot of level 0, or the
 * start of a slot of a higher level, which is not after the deadlines in it. u64.MAX_VALUE when
 * no timer is linked. It may be for a timer that was cancelled or re-armed for later.
 */
// @ts-ignore: decorator
@inline
export function wheelNext(wheel: usize): u64 {
  const next = load<u64>(wheel, WHEEL_NEXT);
  return next == NEVER ? NEVER : next << WHEEL_GRANULARITY_BITS;
}

/** Links an unlinked timer where it comes up at `due` (>= `tick`), or sooner at a higher level. */
function place(wheel: usize, timers: usize, timer: u32, due: u64, tick: u64): void {
  let level: u32 = 0;
  let shift: u64 = 0;
  let number = due;
  if (due - tick >= WHEEL_SLOTS) {
    level = 1;
    shift = WHEEL_SLOT_BITS;
    number = due >> shift;
    if (number - (tick >> shift) >= WHEEL_SLOTS) {
      level = 2;
      shift = WHEEL_SLOT_BITS * 2;
      // Beyond the horizon: waits in the last slot, to be placed again when that comes up.
      number = min(due >> shift, (tick >> shift) + SLOT_MASK);
    }
  }
  link(wheel, timers, timer, (level << WHEEL_SLOT_BITS) + (<u32>number & SLOT_MASK));
  store<u64>(recordOf(timers, timer), number << shift, TIMER_DUE);
  store<u64>(wheel, min(load<u64>(wheel, WHEEL_NEXT), number << shift), WHEEL_NEXT);
}

/** Puts a timer first in a slot's list. */
function link(wheel: usize, timers: usize, timer: u32, slot: u32): void {
  const record = recordOf(timers, timer);
  const head = headOf(wheel, slot);
  const first = load<u32>(head);
  store<u32>(record, first, TIMER_NEXT);
  store<u32>(record, 0, TIMER_PREVIOUS);
  store<u32>(record, slot + 1, TIMER_SLOT);
  store<u32>(head, timer + 1);
  store<u32>(wheel, load<u32>(wheel, WHEEL_COUNT) + 1, WHEEL_COUNT);
  if (first != 0) {
    store<u32>(recordOf(timers, first - 1), timer + 1, TIMER_PREVIOUS);
  } else {
    const word = wheel + WHEEL_BITMAP + ((slot >> 6) << 3);
    store<u64>(word, load<u64>(word) | (<u64>1 << (slot & 63)));
  }
}

/** Takes a linked timer out of its slot's list. */
function unlink(wheel: usize, timers: usize, record: usize): void {
  const slot = load<u32>(record, TIMER_SLOT) - 1;
  assert(slot < WHEEL_LEVELS << WHEEL_SLOT_BITS, "unlink: slot");
  const next = load<u32>(record, TIMER_NEXT);
  const previous = load<u32>(record, TIMER_PREVIOUS);
  if (next != 0) store<u32>(recordOf(timers, next - 1), previous, TIMER_PREVIOUS);
  if (previous != 0) {
    store<u32>(recordOf(timers, previous - 1), next, TIMER_NEXT);
  } else {
    store<u32>(headOf(wheel, slot), next);
    if (next == 0) {
      const word = wheel + WHEEL_BITMAP + ((slot >> 6) << 3);
      store<u64>(word, load<u64>(word) & ~(<u64>1 << (slot & 63)));
    }
  }
  store<u32>(record, 0, TIMER_SLOT);
  store<u32>(wheel, load<u32>(wheel, WHEEL_COUNT) - 1, WHEEL_COUNT);
}

/** Head (timer index + 1) of a slot that comes up at `tick`; 0 = none. */
function headAt(wheel: usize, tick: u64): u32 {
  const low = load<u32>(headOf(wheel, <u32>tick & SLOT_MASK));
  if (low != 0 || (<u32>tick & SLOT_MASK) != 0) return low;
  const middle = <u32>(tick >> WHEEL_SLOT_BITS);
  const head = load<u32>(headOf(wheel, WHEEL_SLOTS + (middle & SLOT_MASK)));
  if (head != 0 || (middle & SLOT_MASK) != 0) return head;
  const high = <u32>(tick >> (WHEEL_SLOT_BITS * 2));
  return load<u32>(headOf(wheel, WHEEL_SLOTS * 2 + (high & SLOT_MASK)));
}

/** A timer just taken from a slot that came up at `tick`; 1 when it expired, else 0. */
function settle(wheel: usize, timers: usize, timer: u32, tick: u64, out: usize): u32 {
  const record = recordOf(timers, timer);
  const deadline = load<u64>(record, TIMER_DEADLINE);
  if (deadline == 0) return 0;
  const due = tickOf(deadline);
  if (due > tick) {
    place(wheel, timers, timer, due, tick);
    return 0;
  }
  store<u64>(record, 0, TIMER_DEADLINE);
  store<u32>(out, timer);
  return 1;
}

/** First tick from `tick` on at which a slot in use comes up. */
function firstOccupied(wheel: usize, tick: u64): u64 {
  let best = NEVER;
  for (let level: u32 = 0; level < WHEEL_LEVELS; level++) {
    const shift = <u64>(level * WHEEL_SLOT_BITS);
    const first = firstSlotFrom(tick, shift);
    const bitmap = wheel + WHEEL_BITMAP + <usize>(level * BITMAP_BYTES);
    const ahead = slotsAhead(bitmap, <u32>first & SLOT_MASK);
    if (ahead < WHEEL_SLOTS) best = min(best, (first + <u64>ahead) << shift);
  }
  return best;
}

/** Slots from `start` to the next one in use, around the level; WHEEL_SLOTS when there is none. */
function slotsAhead(bitmap: usize, start: u32): u32 {
  const word = start >> 6;
  const bits = load<u64>(bitmap + (<usize>word << 3)) >> <u64>(start & 63);
  if (bits != 0) return <u32>ctz<u64>(bits);
  // The last turn sees the first word again: only its bits below `start` can be set.
  for (let i: u32 = 1; i <= BITMAP_WORDS; i++) {
    const around = load<u64>(bitmap + (<usize>((word + i) & (BITMAP_WORDS - 1)) << 3));
    if (around != 0) return (i << 6) - (start & 63) + <u32>ctz<u64>(around);
  }
  return WHEEL_SLOTS;
}
