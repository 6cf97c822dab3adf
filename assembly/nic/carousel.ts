/**
 * Carousel (4.3.4): the queues of the flow scheduler and the hierarchical wheel that paced flows
 * wait in. Layout and levels: bindings/abi/carousel.ts.
 *
 * Time is counted in ticks of 2^k ns. A deadline belongs to the first tick that starts at or after
 * it. When its tick has started, a slot of level 0 is joined to the round robin's tail as a whole:
 * a few stores however many flows it holds, in the order in which they came. A flow of a higher
 * level moves closer first, one step for each, within SLOTS_PER_STEP a call.
 *
 * Differs from FlexTOE: 512 slots of 320 ns, where later deadlines are cut to 164 us and a slot
 * loses its order.
 *
 * Invariants, with `tick` = CAROUSEL_TICK, all slots before it being empty:
 * - a flow's SCHEDULER_QUEUE is where it was put; a slot or a parked queue may since have been
 *   joined to the round robin, so a flow is an end of that queue or of the round robin;
 * - a flow in level 0 is in the slot of its deadline's tick, which is `tick` or later;
 * - a level's slots in use span at most its own number of slots from `tick`, so that an index
 *   names one time; CAROUSEL_NEXT is not after the first slot in use;
 * - the tail's SCHEDULER_NEXT is 0; SCHEDULER_PREVIOUS is right for all but a head.
 */
import { schedulerOf } from "../flow/flow-state.ts";
import * as C from "../../bindings/abi/carousel.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { NETIFS_MAX, SLOTS_PER_STEP } from "../../bindings/abi/limits.ts";
import { CORE_CAROUSEL, CORE_NETIF_CREDIT, CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { CORE_RR_HEAD, CORE_RR_TAIL, CORE_TURN_FLOW } from "../../bindings/abi/memory-map.ts";
import { CORE_WAITING } from "../../bindings/abi/memory-map.ts";

const NEVER: u64 = u64.MAX_VALUE;
const BITS: u64 = C.CAROUSEL_LEVEL_BITS;
const SLOT_MASK: u32 = C.CAROUSEL_LEVEL_SLOTS - 1;
const OVERFLOW_MASK: u32 = C.CAROUSEL_OVERFLOW_SLOTS - 1;
/** First slots of the levels above 0. */
const LEVEL_1: u32 = C.CAROUSEL_LEVEL_SLOTS;
const LEVEL_2: u32 = C.CAROUSEL_LEVEL_SLOTS * 2;
/** Words of a level's bitmap; 64 of them, so that the summary is one word. */
const LEVEL_WORDS: u32 = C.CAROUSEL_LEVEL_SLOTS >> 6;

if (LEVEL_WORDS != 64 || C.CAROUSEL_OVERFLOW_SLOTS != 64) ERROR("carousel: words of 64 bits");
if (C.QUEUE_SLOTS + LEVEL_2 + C.CAROUSEL_OVERFLOW_SLOTS != C.QUEUES) ERROR("carousel: queues");
if (C.CAROUSEL_QUEUES + C.QUEUES * C.QUEUE_SIZE != C.CAROUSEL_SIZE) ERROR("carousel: size");
if (C.QUEUE_PARKED + NETIFS_MAX > C.QUEUE_SLOTS) ERROR("carousel: one parked queue a netif");
if (CORE_RR_HEAD - CORE_RR_TAIL != C.QUEUE_HEAD) ERROR("carousel: the round robin is a queue");
if (CORE_RR_HEAD + 4 != CORE_WAITING || CORE_RR_HEAD % 8 != 0) ERROR("carousel: one u64");

// @ts-ignore: decorator
@inline
function carouselOf(core: usize): usize {
  return <usize>load<u32>(core, CORE_CAROUSEL);
}

/** Where the ends of a queue are. */
// @ts-ignore: decorator
@inline
function queueAt(core: usize, queue: u32): usize {
  if (queue == C.QUEUE_ROUND_ROBIN) return core + CORE_RR_TAIL;
  return carouselOf(core) + C.CAROUSEL_QUEUES + <usize>(queue * C.QUEUE_SIZE);
}

// @ts-ignore: decorator
@inline
function wordOf(c: usize, slot: u32): usize {
  return c + C.CAROUSEL_BITMAP + <usize>((slot >> 6) << 3);
}

// @ts-ignore: decorator
@inline
function summaryOf(c: usize, slot: u32): usize {
  return c + C.CAROUSEL_SUMMARY + <usize>((slot >> C.CAROUSEL_LEVEL_BITS) << 3);
}

/** Empties the queues; the SCHEDULER records must be in none, as in fresh memory. */
export function carouselInitialize(core: usize): void {
  const c = carouselOf(core);
  const slotBits = load<u32>(c, C.CAROUSEL_SLOT_BITS);
  memory.fill(c, 0, C.CAROUSEL_SIZE);
  store<u32>(c, slotBits, C.CAROUSEL_SLOT_BITS);
  store<u64>(c, NEVER, C.CAROUSEL_NEXT);
  store<u32>(core, 0, CORE_RR_TAIL);
  store<u64>(core, 0, CORE_RR_HEAD);
  store<u32>(core, 0, CORE_TURN_FLOW);
}

/** Puts a flow that is in no queue last in one. */
// @ts-ignore: decorator
@inline
function append(core: usize, connection: u32, queue: u32): void {
  const s = schedulerOf(core, connection);
  assert(load<u16>(s, F.SCHEDULER_QUEUE) == 0, "carousel: a flow is in at most one queue");
  const ends = queueAt(core, queue);
  const tail = load<u32>(ends, C.QUEUE_TAIL);
  store<u16>(s, <u16>queue, F.SCHEDULER_QUEUE);
  store<u32>(s, 0, F.SCHEDULER_NEXT);
  store<u32>(s, tail, F.SCHEDULER_PREVIOUS);
  if (tail == 0) store<u32>(ends, connection, C.QUEUE_HEAD);
  else store<u32>(schedulerOf(core, tail), connection, F.SCHEDULER_NEXT);
  store<u32>(ends, connection, C.QUEUE_TAIL);
}

/** Last in the round robin. */
export function appendTurn(core: usize, connection: u32): void {
  append(core, connection, C.QUEUE_ROUND_ROBIN);
}

/** Puts a flow that is in no queue first in one: its turn goes on. */
function prepend(core: usize, connection: u32, queue: u32): void {
  const ends = queueAt(core, queue);
  const head = load<u32>(ends, C.QUEUE_HEAD);
  if (head == 0) return append(core, connection, queue);
  const s = schedulerOf(core, connection);
  assert(load<u16>(s, F.SCHEDULER_QUEUE) == 0, "carousel: a flow is in at most one queue");
  store<u16>(s, <u16>queue, F.SCHEDULER_QUEUE);
  store<u32>(s, head, F.SCHEDULER_NEXT);
  store<u32>(schedulerOf(core, head), connection, F.SCHEDULER_PREVIOUS);
  store<u32>(ends, connection, C.QUEUE_HEAD);
}

/** First in the round robin. */
export function prependTurn(core: usize, connection: u32): void {
  prepend(core, connection, C.QUEUE_ROUND_ROBIN);
}

/** First of the round robin, taken out; 0 when it is empty. */
export function popTurn(core: usize): u32 {
  const connection = load<u32>(core, CORE_RR_HEAD);
  if (connection == 0) return 0;
  const s = schedulerOf(core, connection);
  const next = load<u32>(s, F.SCHEDULER_NEXT);
  store<u32>(core, next, CORE_RR_HEAD);
  if (next == 0) store<u32>(core, 0, CORE_RR_TAIL);
  store<u16>(s, <u16>C.QUEUE_NONE, F.SCHEDULER_QUEUE);
  return connection;
}

/** Takes a flow out of the queue that it is in, if any. */
export function removeFlow(core: usize, connection: u32): void {
  const s = schedulerOf(core, connection);
  const queue: u32 = load<u16>(s, F.SCHEDULER_QUEUE);
  if (queue == C.QUEUE_NONE) return;
  store<u16>(s, <u16>C.QUEUE_NONE, F.SCHEDULER_QUEUE);
  const turns = queueAt(core, C.QUEUE_ROUND_ROBIN);
  const own = queueAt(core, queue);
  const next = load<u32>(s, F.SCHEDULER_NEXT);
  const previous = load<u32>(s, F.SCHEDULER_PREVIOUS);
  const first = isEnd(turns, own, connection, C.QUEUE_HEAD);
  const last = isEnd(turns, own, connection, C.QUEUE_TAIL);
  if (first != 0) store<u32>(first, next, C.QUEUE_HEAD);
  else store<u32>(schedulerOf(core, previous), next, F.SCHEDULER_NEXT);
  if (last != 0) store<u32>(last, first != 0 ? 0 : previous, C.QUEUE_TAIL);
  else if (first == 0) store<u32>(schedulerOf(core, next), previous, F.SCHEDULER_PREVIOUS);
  if (queue < C.QUEUE_SLOTS || load<u32>(own, C.QUEUE_HEAD) != 0) return;
  clearSlot(carouselOf(core), queue - C.QUEUE_SLOTS);
}

/** The one of two queues whose head or tail is the flow; 0 = neither. */
// @ts-ignore: decorator
@inline
function isEnd(turns: usize, own: usize, connection: u32, end: u32): usize {
  if (load<u32>(turns + end) == connection) return turns;
  return load<u32>(own + end) == connection ? own : 0;
}

// @ts-ignore: decorator
@inline
function clearSlot(c: usize, slot: u32): void {
  const word = wordOf(c, slot);
  const left = load<u64>(word) & ~(<u64>1 << (slot & 63));
  store<u64>(word, left);
  if (left != 0) return;
  const summary = summaryOf(c, slot);
  store<u64>(summary, load<u64>(summary) & ~(<u64>1 << ((slot >> 6) & 63)));
}

/** Joins a whole queue to the round robin's tail. */
function join(core: usize, queue: u32): void {
  const ends = queueAt(core, queue);
  const head = load<u32>(ends, C.QUEUE_HEAD);
  if (head == 0) return;
  const tail = load<u32>(core, CORE_RR_TAIL);
  if (tail == 0) {
    store<u32>(core, head, CORE_RR_HEAD);
  } else {
    store<u32>(schedulerOf(core, tail), head, F.SCHEDULER_NEXT);
    store<u32>(schedulerOf(core, head), tail, F.SCHEDULER_PREVIOUS);
  }
  store<u32>(core, load<u32>(ends, C.QUEUE_TAIL), CORE_RR_TAIL);
  store<u64>(ends, 0);
}

/** Parks a flow, which is in no queue, until its carrier has credit; `first` of those there. */
export function parkFlow(core: usize, connection: u32, netif: u32, first: bool): void {
  if (first) prepend(core, connection, C.QUEUE_PARKED + netif);
  else append(core, connection, C.QUEUE_PARKED + netif);
  store<u32>(core, load<u32>(core, CORE_WAITING) | (1 << netif), CORE_WAITING);
}

/** Flows whose carrier has credit again join the round robin. */
export function joinParked(core: usize): void {
  if (load<u8>(core, CORE_WAITING) == 0) return;
  let waiting = load<u32>(core, CORE_WAITING);
  for (let netif: u32 = 0; netif < NETIFS_MAX; netif++) {
    const bit: u32 = 1 << netif;
    if ((waiting & bit) == 0 || load<u32>(core + CORE_NETIF_CREDIT + netif * 4) == 0) continue;
    join(core, C.QUEUE_PARKED + netif);
    waiting &= ~bit;
  }
  store<u32>(core, waiting, CORE_WAITING);
}

/** Puts a flow, which is in no queue, where its deadline's tick finds it. */
export function insertPaced(core: usize, connection: u32, deadline: u64): void {
  const c = carouselOf(core);
  const slotBits = <u64>load<u32>(c, C.CAROUSEL_SLOT_BITS);
  const due = (deadline + ((<u64>1 << slotBits) - 1)) >> slotBits;
  let tick = load<u64>(c, C.CAROUSEL_TICK);
  if (load<u64>(c, C.CAROUSEL_NEXT) == NEVER) {
    // Empty for a while: from here on, so that a near deadline goes to level 0.
    tick = max(tick, (load<u64>(core, CORE_NOW) >> slotBits) + 1);
    store<u64>(c, tick, C.CAROUSEL_TICK);
  }
  // The slot has been handed over: only when time went backwards.
  if (due < tick) return appendTurn(core, connection);
  place(core, c, connection, due, tick);
}

/** Into the slot of `due` (>= `tick`), or one of a higher level that comes up sooner. */
function place(core: usize, c: usize, connection: u32, due: u64, tick: u64): void {
  let shift: u64 = 0;
  let number = due;
  let slot = <u32>due & SLOT_MASK;
  if (due - tick >= C.CAROUSEL_LEVEL_SLOTS) {
    shift = BITS;
    number = due >> BITS;
    slot = LEVEL_1 + (<u32>number & SLOT_MASK);
    if (number - (tick >> BITS) >= C.CAROUSEL_LEVEL_SLOTS) {
      shift = BITS * 2;
      // Beyond the horizon: waits in the last slot, to be placed again when that comes up.
      number = min(due >> shift, (tick >> shift) + OVERFLOW_MASK);
      slot = LEVEL_2 + (<u32>number & OVERFLOW_MASK);
    }
  }
  append(core, connection, C.QUEUE_SLOTS + slot);
  const word = wordOf(c, slot);
  store<u64>(word, load<u64>(word) | (<u64>1 << (slot & 63)));
  const summary = summaryOf(c, slot);
  store<u64>(summary, load<u64>(summary) | (<u64>1 << ((slot >> 6) & 63)));
  store<u64>(c, min(load<u64>(c, C.CAROUSEL_NEXT), number << shift), C.CAROUSEL_NEXT);
  store<u32>(core, load<u32>(core, CORE_WAITING) | C.WAITING_PACED, CORE_WAITING);
}

/**
 * Flows whose tick has started by `now` (ns) join the round robin, in the order of their ticks and
 * of their arrival in a slot. Hands over at most SLOTS_PER_STEP slots, flows that move between
 * levels counted too; true when it stopped for that reason, and a later call goes on from there.
 */
export function joinDue(core: usize, now: u64): bool {
  const c = carouselOf(core);
  const target = now >> <u64>load<u32>(c, C.CAROUSEL_SLOT_BITS);
  const tick = load<u64>(c, C.CAROUSEL_TICK);
  let next = load<u64>(c, C.CAROUSEL_NEXT);
  for (let turn: u32 = 0; turn < SLOTS_PER_STEP && next <= target; turn++) {
    if (moveCloser(core, c, next)) continue;
    const slot = <u32>next & SLOT_MASK;
    join(core, C.QUEUE_SLOTS + slot);
    clearSlot(c, slot);
    next = firstOccupied(c, next);
  }
  store<u64>(c, max(tick, min(next, target + 1)), C.CAROUSEL_TICK);
  store<u64>(c, next, C.CAROUSEL_NEXT);
  if (next != NEVER) return next <= target;
  store<u32>(core, load<u32>(core, CORE_WAITING) & ~C.WAITING_PACED, CORE_WAITING);
  return false;
}

/** Moves the first flow of a higher level's slot that comes up at `tick`; false = none is left. */
function moveCloser(core: usize, c: usize, tick: u64): bool {
  if ((<u32>tick & SLOT_MASK) != 0) return false;
  let slot = LEVEL_1 + (<u32>(tick >> BITS) & SLOT_MASK);
  let connection = load<u32>(queueAt(core, C.QUEUE_SLOTS + slot), C.QUEUE_HEAD);
  if (connection == 0) {
    if ((<u32>(tick >> BITS) & SLOT_MASK) != 0) return false;
    slot = LEVEL_2 + (<u32>(tick >> (BITS * 2)) & OVERFLOW_MASK);
    connection = load<u32>(queueAt(core, C.QUEUE_SLOTS + slot), C.QUEUE_HEAD);
    if (connection == 0) return false;
  }
  removeFlow(core, connection);
  const deadline = load<u64>(schedulerOf(core, connection), F.SCHEDULER_DEADLINE);
  const slotBits = <u64>load<u32>(c, C.CAROUSEL_SLOT_BITS);
  const due = (deadline + ((<u64>1 << slotBits) - 1)) >> slotBits;
  place(core, c, connection, max(due, tick), tick);
  return true;
}

/**
 * Time (ns) at which joinDue() has something to do: that of a slot of level 0, or the start of a
 * slot of a higher level, which is not after the deadlines in it. u64.MAX_VALUE = never.
 */
// @ts-ignore: decorator
@inline
export function carouselNext(core: usize): u64 {
  if ((load<u32>(core, CORE_WAITING) & C.WAITING_PACED) == 0) return NEVER;
  const c = carouselOf(core);
  return load<u64>(c, C.CAROUSEL_NEXT) << <u64>load<u32>(c, C.CAROUSEL_SLOT_BITS);
}

/** First tick from `tick` on at which a slot in use comes up. */
function firstOccupied(c: usize, tick: u64): u64 {
  const near = comesUp(tick, 0, slotsAhead(c, 0, <u32>tick & SLOT_MASK));
  const first = (tick + SLOT_MASK) >> BITS;
  // No slot of the higher levels comes up before their next one starts: the usual case.
  if (near <= first << BITS) return near;
  const middle = comesUp(first, BITS, slotsAhead(c, LEVEL_1, <u32>first & SLOT_MASK));
  const coarse = (first + SLOT_MASK) >> BITS;
  const word = rotr<u64>(load<u64>(wordOf(c, LEVEL_2)), coarse & OVERFLOW_MASK);
  const far = comesUp(coarse, BITS * 2, word == 0 ? NEVER : ctz<u64>(word));
  return min(near, min(middle, far));
}

/** The tick of the slot `ahead` slots after slot number `first` of a level. */
// @ts-ignore: decorator
@inline
function comesUp(first: u64, shift: u64, ahead: u64): u64 {
  return ahead == NEVER ? NEVER : (first + ahead) << shift;
}

/** Slots from `start` to the next one in use, around the level; NEVER when there is none. */
function slotsAhead(c: usize, level: u32, start: u32): u64 {
  const index = start >> 6;
  const bits = load<u64>(wordOf(c, level + start)) >> <u64>(start & 63);
  if (bits != 0) return ctz<u64>(bits);
  // From the word after this one around to this one, whose bits below `start` come last.
  const words = rotr<u64>(load<u64>(summaryOf(c, level)), <u64>((index + 1) & 63));
  if (words == 0) return NEVER;
  const skipped = <u32>ctz<u64>(words) + 1;
  const around = load<u64>(wordOf(c, level + (((index + skipped) & 63) << 6)));
  return <u64>(skipped << 6) - (start & 63) + ctz<u64>(around);
}
