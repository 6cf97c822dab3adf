/**
 * The host's end of a context-queue pair (4.3.1): Update descriptors out of the rows of dirty
 * sockets, and notifications into the rows of those they name.
 *
 * Invariants: a descriptor is whole before the doorbell shows it; an entry is read once, and names
 * a socket only while id, generation and state agree; a full ring refuses and loses nothing.
 */
import { count } from "../base/counter.ts";
import { look, publish } from "../base/shared.ts";
import { isConnection } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as S from "../../bindings/abi/socket.ts";
import { coreOf, markClean, markDirty, markReady, rowOf } from "./socket.ts";
import { passOver } from "./transfer.ts";
import { freeChunks } from "./transmit-chunks.ts";

// @ts-ignore: decorator
@inline
function contextOf(library: usize): usize {
  return <usize>load<u32>(library, S.LIBTOE_CONTEXT);
}

/** What the row has for the data path, as one descriptor; false when the ring is full. */
// @ts-ignore: decorator
@inline
function putRow(library: usize, record: usize, connection: u32, row: usize, flags: u32): bool {
  const mask = load<u32>(record, D.CONTEXT_ATX_MASK);
  const producer = load<u32>(library, S.LIBTOE_ATX_PRODUCER);
  if (producer - look(record + D.CONTEXT_ATX_CONSUMER) > mask) return false;
  const ring = <usize>load<u32>(record, D.CONTEXT_ATX_BASE);
  const entry = ring + (producer & mask) * D.ATX_SIZE;
  store<u32>(entry, connection, D.ATX_CONNECTION);
  store<u32>(entry, load<u32>(row, S.SOCKET_GENERATION), D.ATX_GENERATION);
  store<u32>(entry, D.AtxOpcode.Update, D.ATX_OPCODE);
  store<u32>(entry, load<u32>(row, S.SOCKET_RX_CREDIT), D.ATX_RX_CREDIT);
  store<u32>(entry, load<u32>(row, S.SOCKET_TX_APPEND), D.ATX_TX_APPEND);
  store<u32>(entry, flags, D.ATX_FLAGS);
  store<u32>(row, 0, S.SOCKET_RX_CREDIT);
  store<u32>(row, 0, S.SOCKET_TX_APPEND);
  store<u32>(library, producer + 1, S.LIBTOE_ATX_PRODUCER);
  return true;
}

/** The doorbell: shows the data path every descriptor written so far. */
// @ts-ignore: decorator
@inline
function ring(library: usize, record: usize): void {
  publish(record + D.CONTEXT_ATX_PRODUCER, load<u32>(library, S.LIBTOE_ATX_PRODUCER));
  count(coreOf(library), Counter.Doorbells);
}

/** One descriptor with ATX_* flags, at once; false when the ring is full: nothing has changed. */
export function put(library: usize, connection: u32, flags: u32): bool {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return false;
  const record = contextOf(library);
  const row = rowOf(core, connection);
  if (!putRow(library, record, connection, row, flags)) return false;
  markClean(library, connection, row);
  ring(library, record);
  return true;
}

/** The socket lets go of its connection: the row is in no list, and a next owner's from here on. */
export function forget(library: usize, connection: u32): void {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return;
  const row = rowOf(core, connection);
  markClean(library, connection, row);
  store<u32>(row, 0, S.SOCKET_STATE);
  store<u32>(row, 0, S.SOCKET_CAUSE);
  store<u32>(row, 0, S.SOCKET_QUEUED);
  store<u32>(row, 0, S.SOCKET_OWNER);
}

/** True when the socket is still open and has something to say. */
// @ts-ignore: decorator
@inline
function hasNews(row: usize): bool {
  if ((load<u32>(row, S.SOCKET_STATE) & S.SOCKET_OPEN) == 0) return false;
  return (load<u32>(row, S.SOCKET_RX_CREDIT) | load<u32>(row, S.SOCKET_TX_APPEND)) != 0;
}

/**
 * One merged descriptor for each dirty socket, then one doorbell; how many descriptors. What a
 * full ring does not take stays in the list.
 */
export function flush(library: usize): u32 {
  const waiting = load<u32>(library, S.LIBTOE_DIRTY_COUNT);
  return waiting == 0 ? 0 : flushList(library, waiting);
}

// @ts-ignore: decorator
@inline
function flushList(library: usize, waiting: u32): u32 {
  const core = coreOf(library);
  const record = contextOf(library);
  let connection = load<u32>(library, S.LIBTOE_DIRTY_HEAD);
  let taken: u32 = 0;
  let written: u32 = 0;
  while (taken < waiting) {
    const row = rowOf(core, connection);
    if (hasNews(row)) {
      if (!putRow(library, record, connection, row, 0)) break;
      written++;
    }
    store<u32>(row, load<u32>(row, S.SOCKET_QUEUED) & ~S.QUEUED_DIRTY, S.SOCKET_QUEUED);
    connection = load<u32>(row, S.SOCKET_NEXT_DIRTY);
    taken++;
  }
  store<u32>(library, connection, S.LIBTOE_DIRTY_HEAD);
  store<u32>(library, waiting - taken, S.LIBTOE_DIRTY_COUNT);
  if (written != 0) ring(library, record);
  return written;
}

/** True when notifications wait in the ring. */
// @ts-ignore: decorator
@inline
export function hasNotifications(library: usize): bool {
  const produced = look(contextOf(library) + D.CONTEXT_ARX_PRODUCER);
  return produced != load<u32>(library, S.LIBTOE_ARX_CONSUMER);
}

/**
 * Takes waiting notifications into the rows that they name, as many as LIBTOE_READY has room for;
 * how many.
 */
export function take(library: usize): u32 {
  const core = coreOf(library);
  const record = contextOf(library);
  const mask = load<u32>(record, D.CONTEXT_ARX_MASK);
  const base = <usize>load<u32>(record, D.CONTEXT_ARX_BASE);
  let consumer = load<u32>(library, S.LIBTOE_ARX_CONSUMER);
  // More than a ring of entries would mean that the data path overwrote some.
  const waiting = min(look(record + D.CONTEXT_ARX_PRODUCER) - consumer, mask + 1);
  const taken = min(waiting, S.READY_MAX - load<u32>(library, S.LIBTOE_READY_COUNT));
  for (let i: u32 = 0; i < taken; i++) {
    notified(library, core, base + (consumer & mask) * D.ARX_SIZE);
    consumer++;
  }
  store<u32>(library, consumer, S.LIBTOE_ARX_CONSUMER);
  publish(record + D.CONTEXT_ARX_CONSUMER, consumer);
  count(core, Counter.NotificationReads);
  return taken;
}

/** One notification into its row. */
// @ts-ignore: decorator
@inline
function notified(library: usize, core: usize, entry: usize): void {
  const connection = load<u32>(entry, D.ARX_CONNECTION);
  if (!isConnection(core, connection)) return;
  const row = rowOf(core, connection);
  const state = load<u32>(row, S.SOCKET_STATE);
  if ((state & S.SOCKET_OPEN) == 0) return;
  if (load<u32>(row, S.SOCKET_GENERATION) != load<u32>(entry, D.ARX_GENERATION)) return;
  const rx = load<u32>(entry, D.ARX_RX_BUMP);
  const tx = load<u32>(entry, D.ARX_TX_BUMP);
  const flags = load<u32>(entry, D.ARX_FLAGS);
  let cause: u32 = rx == 0 ? 0 : arrived(library, connection, row, state, rx);
  if (tx != 0) cause |= freed(library, core, connection, row, state, tx);
  if (flags != 0) cause |= closed(row, flags);
  if (cause != 0) markReady(library, connection, row, cause);
}

// @ts-ignore: decorator
@inline
function arrived(library: usize, connection: u32, row: usize, state: u32, bytes: u32): u32 {
  if ((state & S.SOCKET_RX_SHUT) != 0) {
    passOver(library, connection, row, bytes);
    // Nobody will read: the credit does not wait for its threshold.
    markDirty(library, connection, row);
    return 0;
  }
  store<u32>(row, load<u32>(row, S.SOCKET_RX_AVAIL) + bytes, S.SOCKET_RX_AVAIL);
  return S.CAUSE_READABLE;
}

// @ts-ignore: decorator
@inline
function freed(
  library: usize,
  core: usize,
  connection: u32,
  row: usize,
  state: u32,
  bytes: u32,
): u32 {
  const size = load<u32>(row, S.SOCKET_TX_BYTES);
  const before = load<u32>(row, S.SOCKET_TX_FREE);
  const free = min(before + bytes, size);
  store<u32>(row, free, S.SOCKET_TX_FREE);
  const una = load<u32>(row, S.SOCKET_TX_OFFSET) - (size - before);
  freeChunks(library, core, connection, row, una, free - before);
  if ((state & S.SOCKET_TX_FULL) == 0 || free < size >> 2) return 0;
  store<u32>(row, state & ~S.SOCKET_TX_FULL, S.SOCKET_STATE);
  return S.CAUSE_WRITABLE;
}

function closed(row: usize, flags: u32): u32 {
  let state = load<u32>(row, S.SOCKET_STATE);
  if ((flags & D.ARX_RX_CLOSED) != 0) state |= S.SOCKET_RX_CLOSED;
  if ((flags & D.ARX_TX_CLOSED) != 0) state |= S.SOCKET_TX_CLOSED;
  store<u32>(row, state, S.SOCKET_STATE);
  return S.CAUSE_ANYTHING;
}

/**
 * Takes the first connection out of LIBTOE_READY, its causes into LIBTOE_CAUSE; 0 when there is
 * none.
 */
export function nextReady(library: usize): u32 {
  const taken = load<u32>(library, S.LIBTOE_READY_TAKEN);
  const count = load<u32>(library, S.LIBTOE_READY_COUNT);
  if (taken >= count) return 0;
  const connection = load<u32>(library + taken * 4, S.LIBTOE_READY);
  const last = taken + 1 == count;
  store<u32>(library, last ? 0 : taken + 1, S.LIBTOE_READY_TAKEN);
  if (last) store<u32>(library, 0, S.LIBTOE_READY_COUNT);
  const row = rowOf(coreOf(library), connection);
  // An entry of an earlier owner has nothing to say about the next one's socket.
  store<u32>(library, 0, S.LIBTOE_CAUSE);
  if (load<u32>(row, S.SOCKET_OWNER) != <u32>library) return connection;
  store<u32>(library, load<u32>(row, S.SOCKET_CAUSE), S.LIBTOE_CAUSE);
  store<u32>(row, 0, S.SOCKET_CAUSE);
  store<u32>(row, load<u32>(row, S.SOCKET_QUEUED) & ~S.QUEUED_READY, S.SOCKET_QUEUED);
  return connection;
}
