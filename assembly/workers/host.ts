/**
 * The host's end of the workers executor, on the host's own thread: the bursts of the carriers to
 * the netif stage and back, events and notifications, the control plane's timers, and whether the
 * pipeline has come to rest. Frames are copied once each way: they leave the carrier's burst, as
 * they would leave the wire.
 */
import { wheelAdvance, wheelNext } from "../base/timer-wheel.ts";
import { countBy } from "../base/counter.ts";
import { contextOf, eventRoom, pendingDescriptors, pushEvent } from "../nic/context-queue.ts";
import { expire } from "../flextoe/expiry.ts";
import { nextPaced } from "../nic/flow-scheduler.ts";
import { copyBytes } from "../base/bytes.ts";
import { preOf } from "../flow/flow-state.ts";
import { COUNTERS } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DROP_REASONS } from "../../bindings/abi/drop-reason.ts";
import { PRE_GENERATION, PRE_STATE, PreState } from "../../bindings/abi/flow-state.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { Stage } from "../../bindings/abi/stage.ts";
import * as X from "../../bindings/abi/workers.ts";
import { flush, hasNotifications, take } from "../libtoe/context.ts";
import { takeEvents } from "./event-ring.ts";
import * as item from "./item.ts";
import { first, pop, publish, push, waiting, wake } from "./ring.ts";

// @ts-ignore: decorator
@inline
function stageAt(shared: usize, index: u32): usize {
  return <usize>load<u32>(shared, X.SHARED_STAGES) + index * X.STAGE_SIZE;
}

// @ts-ignore: decorator
@inline
function threadAt(shared: usize, index: u32): usize {
  return <usize>load<u32>(shared, X.SHARED_THREAD) + index * X.THREAD_SIZE;
}

/** Into the pipeline: time, the ingress burst, doorbells. */
export function offer(shared: usize, library: usize, now: u64): void {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  store<u64>(core, now, M.CORE_NOW);
  store<u32>(core, <u32>(now / <u64>M.TICK_NS), M.CORE_NOW_TICKS);
  atomic.store<u64>(shared, now, X.SHARED_NOW);
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) offerBurst(shared, core);
  flush(library);
}

/** The carriers' burst as a span of its own; it stays with the host when no span is free. */
function offerBurst(shared: usize, core: usize): void {
  const index = freeSpan(shared);
  if (index == X.SPANS || !hasRedirectRoom(shared)) return;
  const span = <usize>load<u32>(shared, X.SHARED_SPANS) + index * X.SPAN_SIZE;
  const count = min(load<u32>(core, M.CORE_INGRESS_COUNT), L.BATCH_MAX);
  const table = <usize>load<u32>(core, M.CORE_INGRESS_TABLE);
  copyBytes(<usize>load<u32>(span, X.SPAN_TABLE), table, count * D.FRAME_SIZE);
  // Frames lie in the order of their rows, but a replay's rows name frames anywhere.
  const used = usedBytes(core, table, count);
  memory.copy(<usize>load<u32>(span, X.SPAN_BASE), <usize>load<u32>(core, M.CORE_INGRESS), used);
  store<u32>(span, count, X.SPAN_COUNT);
  store<u32>(span, 1, X.SPAN_USERS);
  const ring = <usize>load<u32>(shared, X.SHARED_SPAN_RING);
  push(ring, index);
  publish(ring);
  store<u32>(core, 0, M.CORE_INGRESS_COUNT);
  // The carriers have all room again, unless the control plane still has to read frames there.
  if (load<u32>(core, M.CORE_EVENT_COUNT) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
}

/** End of the last frame in the ingress span; the netif stage refuses rows outside of it. */
function usedBytes(core: usize, table: usize, count: u32): u32 {
  const capacity = load<u32>(core, M.CORE_INGRESS_CAPACITY);
  let used: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry = table + i * D.FRAME_SIZE;
    const offset = load<u32>(entry, D.FRAME_OFFSET);
    const length = load<u32>(entry, D.FRAME_LENGTH);
    if (offset > capacity || length > capacity - offset) continue;
    used = max(used, offset + length);
  }
  return used;
}

/** A span without users, SPANS when there is none. */
function freeSpan(shared: usize): u32 {
  const spans = <usize>load<u32>(shared, X.SHARED_SPANS);
  for (let i: u32 = 0; i < X.SPANS; i++) {
    if (atomic.load<u32>(spans + i * X.SPAN_SIZE, X.SPAN_USERS) == 0) return i;
  }
  return X.SPANS;
}

/**
 * Redirected frames that wait for the host, and all that the spans in use may become, must find
 * places. The host takes them when its ingress burst is empty, so they must not stop an offer
 * sooner than that.
 */
function hasRedirectRoom(shared: usize): bool {
  return waiting(<usize>load<u32>(shared, X.SHARED_EVENT_RINGS)) <= X.REDIRECT_SLOTS / 2;
}

/** Wakes threads with something to do that no ring told them of; sources are not paused. */
export function wakeSources(shared: usize): void {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  const now = load<u64>(shared, X.SHARED_NOW);
  // A full fence: a thread that is about to sleep must see what was written above.
  atomic.store<u64>(shared, now, X.SHARED_NOW);
  const stages = load<u32>(shared, X.SHARED_STAGE_COUNT);
  for (let i: u32 = 0; i < stages; i++) {
    const stage = stageAt(shared, i);
    if (isSourceReady(shared, core, stage, now)) wake(<usize>load<u32>(stage, X.STAGE_THREAD));
  }
}

/** True when a source has something that it could admit. */
function isSourceReady(shared: usize, core: usize, stage: usize, now: u64): bool {
  const kind = load<u32>(stage, X.STAGE_KIND);
  if (kind == Stage.Netif) {
    const span = atomic.load<u32>(stage, X.STAGE_SPAN);
    return span != 0 || waiting(<usize>load<u32>(shared, X.SHARED_SPAN_RING)) != 0;
  }
  const header = item.headerOf(stage);
  if (kind == Stage.Protocol) {
    if (atomic.load<u32>(header, M.CORE_RR_HEAD) != 0) return true;
    return groupDeadline(header) <= now;
  }
  return kind == Stage.ContextQueue && hasDescriptors(core);
}

/** When a flow group has something to do without input: ns. */
// @ts-ignore: decorator
@inline
function groupDeadline(header: usize): u64 {
  return min(wheelNext(<usize>load<u32>(header, M.CORE_WHEEL)), nextPaced(header));
}

function hasDescriptors(core: usize): bool {
  const contexts = load<u32>(core, M.CORE_CONTEXTS);
  for (let context: u32 = 0; context < contexts; context++) {
    if (pendingDescriptors(core, contextOf(core, context)) != 0) return true;
  }
  return false;
}

/** Out of the pipeline: frames, events, notifications. Returns STEP_* as turn() does. */
export function collect(shared: usize, library: usize, now: u64): u32 {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  takeFrames(shared, core);
  const wheel = <usize>load<u32>(core, M.CORE_WHEEL);
  if (wheelNext(wheel) <= now) expireControl(core, wheel, now);
  const groups = load<u32>(shared, X.SHARED_GROUPS);
  const rings = <usize>load<u32>(shared, X.SHARED_EVENT_RINGS);
  let left = takeRedirects(shared, core, rings);
  for (let group: u32 = 1; group <= groups; group++) {
    const ring = rings + group * X.RING_SIZE;
    takeEvents(core, ring);
    left = left || waiting(ring) != 0;
  }
  if (hasNotifications(library)) take(library);
  let bits = load<u32>(core, M.CORE_EGRESS_COUNT) << M.STEP_EGRESS_SHIFT;
  if (left || hasNotifications(library) || wheelNext(wheel) <= now) bits |= M.STEP_MORE;
  if (waiting(<usize>load<u32>(shared, X.SHARED_EGRESS_RING)) != 0) bits |= M.STEP_MORE;
  if (load<u32>(library, S.LIBTOE_DIRTY_COUNT) != 0) bits |= M.STEP_MORE;
  if (load<u32>(library, S.LIBTOE_READY_COUNT) != 0) bits |= M.STEP_READY;
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) bits |= M.STEP_MORE | M.STEP_HELD;
  if (load<u32>(core, M.CORE_EVENT_COUNT) != 0) bits |= M.STEP_EVENTS;
  if (atomic.load<u32>(core, M.CORE_INTERRUPTS) != 0) bits |= M.STEP_INTERRUPTS;
  if ((bits & (M.STEP_HELD | M.STEP_EVENTS)) == 0) store<u32>(core, 0, M.CORE_INGRESS_BYTES);
  return bits;
}

/** Frames that RP2 has released into the egress burst, as many as it takes. */
function takeFrames(shared: usize, core: usize): void {
  const ring = <usize>load<u32>(shared, X.SHARED_EGRESS_RING);
  const ready = waiting(ring);
  const capacity = load<u32>(core, M.CORE_EGRESS_CAPACITY);
  const base = <usize>load<u32>(core, M.CORE_EGRESS);
  const table = <usize>load<u32>(core, M.CORE_EGRESS_TABLE);
  let count = load<u32>(core, M.CORE_EGRESS_COUNT);
  let used = load<u32>(core, M.CORE_EGRESS_BYTES);
  for (let i: u32 = 0; i < ready; i++) {
    const index = first(ring);
    const row = item.sideOf(shared, index) + X.SIDE_FRAME;
    const length = load<u32>(row, D.FRAME_LENGTH);
    if (count >= L.EGRESS_FRAMES_MAX || used + length > capacity) break;
    const entry = table + count * D.FRAME_SIZE;
    copyBytes(base + used, item.slotOf(shared, index), length);
    store<u32>(entry, used, D.FRAME_OFFSET);
    store<u32>(entry, length, D.FRAME_LENGTH);
    store<u64>(entry, load<u64>(row, D.FRAME_NETIF), D.FRAME_NETIF);
    count++;
    used += (length + 15) & ~15;
    pop(ring);
    item.releaseItem(shared, index, shared + X.SHARED_HOST_FREE);
  }
  store<u32>(core, count, M.CORE_EGRESS_COUNT);
  store<u32>(core, used, M.CORE_EGRESS_BYTES);
}

/** The control plane's own timers are in the host's wheel. */
function expireControl(core: usize, wheel: usize, now: u64): void {
  const most = min(eventRoom(core), L.TIMERS_PER_STEP);
  const fired = <usize>load<u32>(core, M.CORE_SCRATCH);
  const count = wheelAdvance(wheel, <usize>load<u32>(core, M.CORE_TIMERS), now, fired, most);
  const work = <usize>load<u32>(core, M.CORE_WORK);
  for (let i: u32 = 0; i < count; i++) expire(core, load<u32>(fired + i * 4), work);
}

/**
 * Events of the context queue. A redirected frame goes where the control plane looks for it, in
 * the ingress span, which must be empty then; true when some are left.
 */
function takeRedirects(shared: usize, core: usize, ring: usize): bool {
  const there = waiting(ring);
  if (there == 0) return false;
  if (load<u32>(core, M.CORE_INGRESS_COUNT) != 0) return true;
  let used = load<u32>(core, M.CORE_INGRESS_BYTES);
  for (let i: u32 = 0; i < there; i++) {
    const mask = load<u32>(ring, X.RING_MASK);
    const head = load<u32>(ring, X.RING_HEAD);
    const entry = <usize>load<u32>(ring, X.RING_BASE) + (head & mask) * D.EVENT_SIZE;
    if (eventRoom(core) == 0) return true;
    if (load<u32>(entry, D.EVENT_KIND) == D.EventKind.Redirect) {
      const length = load<u32>(entry, D.EVENT_B);
      if (used + length > load<u32>(core, M.CORE_INGRESS_CAPACITY)) return true;
      const from = <usize>load<u32>(shared, X.SHARED_REDIRECTS) + load<u32>(entry, D.EVENT_A);
      copyBytes(<usize>load<u32>(core, M.CORE_INGRESS) + used, from, length);
      store<u32>(entry, used, D.EVENT_A);
      used += (length + 15) & ~15;
      store<u32>(core, used, M.CORE_INGRESS_BYTES);
    }
    const held = load<u32>(core, M.CORE_EVENT_COUNT);
    const to = <usize>load<u32>(core, M.CORE_EVENTS) + held * D.EVENT_SIZE;
    memory.copy(to, entry, D.EVENT_SIZE);
    store<u32>(core, held + 1, M.CORE_EVENT_COUNT);
    pop(ring);
  }
  return false;
}

/** Pauses the sources (odd epoch) or lets them go on (even), and tells those that sleep. */
export function setPaused(shared: usize, paused: bool): void {
  const epoch = load<u32>(shared, X.SHARED_EPOCH);
  if (((epoch & 1) != 0) == paused) return;
  atomic.store<u32>(shared, epoch + 1, X.SHARED_EPOCH);
}

/** True when every thread has seen the epoch through, or sleeps, and nothing is in flight. */
export function isQuiet(shared: usize): bool {
  const epoch = load<u32>(shared, X.SHARED_EPOCH);
  const threads = load<u32>(shared, X.SHARED_THREADS);
  for (let i: u32 = 1; i < threads; i++) {
    const thread = threadAt(shared, i);
    // Drowsy is not enough: that thread is looking once more, and may admit something.
    if (atomic.load<u32>(thread, X.THREAD_SLEEPING) == X.THREAD_ASLEEP) continue;
    if (atomic.load<u32>(thread, X.THREAD_EPOCH) != epoch) return false;
  }
  return inFlight(shared) == 0;
}

/** Frames that wait for the host to take them. */
export function egressWaiting(shared: usize): u32 {
  return waiting(<usize>load<u32>(shared, X.SHARED_EGRESS_RING));
}

/** Items admitted and not released at RP3. Released first: an item is never released early. */
export function inFlight(shared: usize): u32 {
  const stages = load<u32>(shared, X.SHARED_STAGE_COUNT);
  let released: u32 = 0;
  let admitted: u32 = 0;
  for (let i: u32 = 0; i < stages; i++) {
    released += atomic.load<u32>(stageAt(shared, i), X.STAGE_RELEASED);
  }
  for (let i: u32 = 0; i < stages; i++) {
    admitted += atomic.load<u32>(stageAt(shared, i), X.STAGE_ADMITTED);
  }
  return admitted - released;
}

/** True when a source has something that it could admit. */
export function hasSource(shared: usize): bool {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  const now = load<u64>(shared, X.SHARED_NOW);
  const stages = load<u32>(shared, X.SHARED_STAGE_COUNT);
  for (let i: u32 = 0; i < stages; i++) {
    if (isSourceReady(shared, core, stageAt(shared, i), now)) return true;
  }
  return false;
}

/**
 * After a thread has died: every connection of the data path is reset, as far as there is room for
 * events, and the host goes on alone; the first row that is left for a next call, 0 when none is.
 */
export function resetAll(shared: usize, from: u32): u32 {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  const rows = load<u32>(core, M.CORE_CONNECTIONS);
  for (let connection = max(from, 1); connection < rows; connection++) {
    const pre = preOf(core, connection);
    if (load<u8>(pre, PRE_STATE) == <u8>PreState.Free) continue;
    if (eventRoom(core) == 0) return connection;
    const generation = load<u32>(pre, PRE_GENERATION);
    pushEvent(core, D.EventKind.Reset, connection, generation, 0, 0, 0, 0);
  }
  return 0;
}

/** Adds up the counters of all private headers in the host's; the pipeline must be quiet. */
export function foldCounters(shared: usize): void {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  const drops = <usize>load<u32>(core, M.CORE_DROPS);
  const stages = load<u32>(shared, X.SHARED_STAGE_COUNT);
  for (let i: u32 = 0; i < stages; i++) {
    const header = item.headerOf(stageAt(shared, i));
    const own = <usize>load<u32>(header, M.CORE_COUNTERS);
    for (let n: u32 = 0; n < COUNTERS; n++) {
      countBy(core, n, load<u64>(own + (n << 3)));
      store<u64>(own + (n << 3), 0);
    }
    const dropped = <usize>load<u32>(header, M.CORE_DROPS);
    for (let n: u32 = 0; n < DROP_REASONS; n++) {
      const at = drops + (n << 2);
      store<u32>(at, load<u32>(at) + load<u32>(dropped + (n << 2)));
      store<u32>(dropped + (n << 2), 0);
    }
  }
}

/** When a source has something to do without input: ns. */
export function nextWorkersDeadline(shared: usize): u64 {
  const core = <usize>load<u32>(shared, X.SHARED_CORE);
  let next = wheelNext(<usize>load<u32>(core, M.CORE_WHEEL));
  const stages = load<u32>(shared, X.SHARED_STAGE_COUNT);
  for (let i: u32 = 0; i < stages; i++) {
    const stage = stageAt(shared, i);
    if (load<u32>(stage, X.STAGE_KIND) != Stage.Protocol) continue;
    next = min(next, groupDeadline(item.headerOf(stage)));
  }
  return next;
}
