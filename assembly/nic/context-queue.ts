/**
 * Context-queue stage (4.3.1.1, 4.3.1.3): fetches host descriptors (ATX) and delivers
 * notifications (ARX). A context is untrusted: a descriptor is copied once and checked after; an
 * impossible ring index fences the context. Notifications of one connection merge until they are
 * delivered, so that a full ring delays and loses nothing.
 */
import { count, countDrop } from "../base/counter.ts";
import { look, publish } from "../base/shared.ts";
import { postOf, preOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_CONTEXTS, CORE_CONTEXT_TABLE, CORE_EVENTS } from "../../bindings/abi/memory-map.ts";
import { CORE_EVENT_CAPACITY, CORE_EVENT_COUNT } from "../../bindings/abi/memory-map.ts";
import { CORE_INTERRUPTS, CORE_NOTIFYING } from "../../bindings/abi/memory-map.ts";
import * as W from "../../bindings/abi/work.ts";

// @ts-ignore: decorator
@inline
export function contextOf(core: usize, context: u32): usize {
  return <usize>load<u32>(core, CORE_CONTEXT_TABLE) + context * D.CONTEXT_SIZE;
}

/** True when a context's doorbell has moved. */
// @ts-ignore: decorator
@inline
export function hasDescriptors(record: usize): bool {
  return look(record + D.CONTEXT_ATX_PRODUCER) != load<u32>(record, D.CONTEXT_ATX_CONSUMER);
}

/** Descriptors waiting in a context's ATX; an impossible count fences it (threats D05). */
export function pendingDescriptors(core: usize, record: usize): u32 {
  if (load<u32>(record, D.CONTEXT_FENCED) != 0) return 0;
  const producer = look(record + D.CONTEXT_ATX_PRODUCER);
  const pending = producer - load<u32>(record, D.CONTEXT_ATX_CONSUMER);
  if (pending <= load<u32>(record, D.CONTEXT_ATX_MASK) + 1) return pending;
  store<u32>(record, 1, D.CONTEXT_FENCED);
  refuse(core, record, DropReason.DescriptorRing);
  return 0;
}

/** Counts a refused descriptor, for its context and by reason. */
export function refuse(core: usize, record: usize, reason: u32): void {
  store<u32>(record, load<u32>(record, D.CONTEXT_ERRORS) + 1, D.CONTEXT_ERRORS);
  countDrop(core, reason);
}

/** Fetch: copies the next descriptor into the work record. The caller knows that there is one. */
export function fetchDescriptor(core: usize, context: u32, work: usize): void {
  const record = contextOf(core, context);
  const consumer = load<u32>(record, D.CONTEXT_ATX_CONSUMER);
  const slot = consumer & load<u32>(record, D.CONTEXT_ATX_MASK);
  const descriptor = <usize>load<u32>(record, D.CONTEXT_ATX_BASE) + slot * D.ATX_SIZE;
  store<u32>(work, W.WorkKind.HostControl, W.WORK_KIND);
  store<u32>(work, load<u32>(descriptor, D.ATX_CONNECTION), W.WORK_CONNECTION);
  store<u32>(work, load<u32>(descriptor, D.ATX_GENERATION), W.WORK_GENERATION);
  store<u32>(work, load<u32>(descriptor, D.ATX_OPCODE), W.WORK_OPCODE);
  store<u32>(work, load<u32>(descriptor, D.ATX_RX_CREDIT), W.WORK_RX_CREDIT);
  store<u32>(work, load<u32>(descriptor, D.ATX_TX_APPEND), W.WORK_TX_APPEND);
  store<u32>(work, load<u32>(descriptor, D.ATX_FLAGS), W.WORK_HC_FLAGS);
  store<u32>(work, load<u32>(descriptor, D.ATX_ARGUMENT), W.WORK_ARGUMENT_LOW);
  store<u32>(work, load<u32>(descriptor, D.ATX_ARGUMENT + 4), W.WORK_ARGUMENT_HIGH);
  store<u32>(work, context, W.WORK_CONTEXT);
  publish(record + D.CONTEXT_ATX_CONSUMER, consumer + 1);
  count(core, Counter.Descriptors);
}

/** DropReason.None when this context may ask this of this connection (threats D03, D08). */
export function authorise(core: usize, work: usize): u32 {
  const context = load<u32>(work, W.WORK_CONTEXT);
  const opcode = load<u32>(work, W.WORK_OPCODE);
  if (opcode == D.AtxOpcode.None || opcode > <u32>D.AtxOpcode.SetLink) {
    return DropReason.DescriptorOpcode;
  }
  if (context == 0) return DropReason.None;
  if (opcode != D.AtxOpcode.Update) return DropReason.DescriptorOpcode;
  const owner: u32 = load<u16>(preOf(core, load<u32>(work, W.WORK_CONNECTION)), F.PRE_CONTEXT);
  return owner == context ? DropReason.None : DropReason.DescriptorContext;
}

/** Notify: adds this item's bumps to the connection's pending notification. */
export function notify(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const rx = load<u32>(work, W.WORK_RX_BUMP);
  const tx = load<u32>(work, W.WORK_TX_BUMP);
  const flags = load<u32>(work, W.WORK_ARX_FLAGS);
  notifyBumps(core, connection, postOf(core, connection), rx, tx, flags);
}

/** `rx` bytes readable, `tx` bytes free, ARX_* flags: until the notification is delivered. */
// @ts-ignore: decorator
@inline
export function notifyBumps(
  core: usize,
  connection: u32,
  post: usize,
  rx: u32,
  tx: u32,
  flags: u32,
): void {
  store<u32>(post, load<u32>(post, F.POST_PENDING_RX) + rx, F.POST_PENDING_RX);
  store<u32>(post, load<u32>(post, F.POST_PENDING_TX) + tx, F.POST_PENDING_TX);
  if (flags != 0) {
    store<u32>(post, load<u32>(post, F.POST_PENDING_FLAGS) | flags, F.POST_PENDING_FLAGS);
  }
  if (load<u32>(post, F.POST_PENDING_QUEUED) != 0) return;
  const record = contextOf(core, load<u16>(preOf(core, connection), F.PRE_CONTEXT));
  const tail = load<u32>(record, D.CONTEXT_PENDING_TAIL);
  store<u32>(post, 1, F.POST_PENDING_QUEUED);
  store<u32>(post, 0, F.POST_PENDING_NEXT);
  if (tail == 0) store<u32>(record, connection, D.CONTEXT_PENDING_HEAD);
  else store<u32>(postOf(core, tail), connection, F.POST_PENDING_NEXT);
  store<u32>(record, connection, D.CONTEXT_PENDING_TAIL);
  store<u32>(core, 1, CORE_NOTIFYING);
}

/** Delivers pending notifications, as far as their rings have room; true when there were any. */
// @ts-ignore: decorator
@inline
export function deliverNotifications(core: usize): bool {
  // Most calls deliver for one context or for none: a look, and no call.
  if (load<u32>(core, CORE_NOTIFYING) == 0) return false;
  deliverAll(core);
  return true;
}

// @ts-ignore: decorator
@inline
function deliverAll(core: usize): void {
  const contexts = load<u32>(core, CORE_CONTEXTS);
  let left: u32 = 0;
  for (let context: u32 = 1; context < contexts; context++) {
    const record = contextOf(core, context);
    if (load<u32>(record, D.CONTEXT_PENDING_HEAD) != 0) deliver(core, context, record);
    left |= load<u32>(record, D.CONTEXT_PENDING_HEAD);
  }
  store<u32>(core, left, CORE_NOTIFYING);
}

// @ts-ignore: decorator
@inline
function deliver(core: usize, context: u32, record: usize): void {
  const mask = load<u32>(record, D.CONTEXT_ARX_MASK);
  const first = load<u32>(record, D.CONTEXT_ARX_PRODUCER);
  let producer = first;
  let connection = load<u32>(record, D.CONTEXT_PENDING_HEAD);
  const ring = <usize>load<u32>(record, D.CONTEXT_ARX_BASE);
  // A consumer index ahead of the producer is a lie; it only costs that context entries.
  while (producer - look(record + D.CONTEXT_ARX_CONSUMER) <= mask) {
    const post = postOf(core, connection);
    writeNotification(core, connection, post, ring + (producer & mask) * D.ARX_SIZE);
    store<u32>(post, 0, F.POST_PENDING_QUEUED);
    connection = load<u32>(post, F.POST_PENDING_NEXT);
    producer++;
    if (connection == 0) break;
  }
  store<u32>(record, connection, D.CONTEXT_PENDING_HEAD);
  if (connection == 0) store<u32>(record, 0, D.CONTEXT_PENDING_TAIL);
  if (producer == first) return;
  publish(record + D.CONTEXT_ARX_PRODUCER, producer);
  // Arming handshake: the host armed and then looked once more, so one interrupt is enough.
  if (look(record + D.CONTEXT_EVENT_STATE) != D.EventState.Armed) return;
  publish(record + D.CONTEXT_EVENT_STATE, D.EventState.Fired);
  store<u32>(core, load<u32>(core, CORE_INTERRUPTS) | ((<u32>1) << context), CORE_INTERRUPTS);
  count(core, Counter.Interrupts);
}

// @ts-ignore: decorator
@inline
function writeNotification(core: usize, connection: u32, post: usize, entry: usize): void {
  store<u64>(entry, load<u64>(post, F.POST_OPAQUE), D.ARX_OPAQUE_LOW);
  store<u32>(entry, connection, D.ARX_CONNECTION);
  store<u32>(entry, load<u32>(preOf(core, connection), F.PRE_GENERATION), D.ARX_GENERATION);
  store<u32>(entry, load<u32>(post, F.POST_PENDING_RX), D.ARX_RX_BUMP);
  store<u32>(entry, load<u32>(post, F.POST_PENDING_TX), D.ARX_TX_BUMP);
  store<u32>(entry, load<u32>(post, F.POST_PENDING_FLAGS), D.ARX_FLAGS);
  store<u32>(post, 0, F.POST_PENDING_RX);
  store<u32>(post, 0, F.POST_PENDING_TX);
  store<u32>(post, 0, F.POST_PENDING_FLAGS);
  count(core, Counter.Notifications);
}

/** Room in the control plane's event ring. */
// @ts-ignore: decorator
@inline
export function eventRoom(core: usize): u32 {
  return load<u32>(core, CORE_EVENT_CAPACITY) - load<u32>(core, CORE_EVENT_COUNT);
}

/** An event for the control plane; counted as dropped when the host did not drain the ring. */
export function pushEvent(
  core: usize,
  kind: u32,
  connection: u32,
  generation: u32,
  a: u32,
  b: u32,
  c: u32,
  d: u32,
): void {
  if (eventRoom(core) == 0) return countDrop(core, DropReason.EventRingFull);
  const index = load<u32>(core, CORE_EVENT_COUNT);
  const event = <usize>load<u32>(core, CORE_EVENTS) + index * D.EVENT_SIZE;
  store<u32>(event, kind, D.EVENT_KIND);
  store<u32>(event, connection, D.EVENT_CONNECTION);
  store<u32>(event, generation, D.EVENT_GENERATION);
  store<u32>(event, a, D.EVENT_A);
  store<u32>(event, b, D.EVENT_B);
  store<u32>(event, c, D.EVENT_C);
  store<u32>(event, d, D.EVENT_D);
  store<u32>(core, index + 1, CORE_EVENT_COUNT);
  count(core, Counter.Events);
}
