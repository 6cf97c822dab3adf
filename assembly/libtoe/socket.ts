/**
 * Rows of libTOE's sockets (4.3.1): addresses, the list of those with something for the data path,
 * and the array of those with news for the application.
 *
 * Invariants: a connection is in each at most once; the list is walked no further than its count.
 */
import * as S from "../../bindings/abi/socket.ts";
import { CORE_SOCKETS } from "../../bindings/abi/memory-map.ts";

if (S.SOCKET_OWNER + 4 != S.SOCKET_SIZE) ERROR("SOCKET: fields must fill the row");
if (S.SOCKET_SIZE != 64) ERROR("SOCKET: one cache line");
if (S.LIBTOE_READY + S.READY_MAX * 4 != S.LIBTOE_SIZE) ERROR("LIBTOE: the array ends the record");

// @ts-ignore: decorator
@inline
export function coreOf(library: usize): usize {
  return <usize>load<u32>(library, S.LIBTOE_CORE);
}

// @ts-ignore: decorator
@inline
export function rowOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_SOCKETS) + connection * S.SOCKET_SIZE;
}

/** Puts the connection behind those that the next flush() writes a descriptor for. */
export function markDirty(library: usize, connection: u32, row: usize): void {
  const queued = load<u32>(row, S.SOCKET_QUEUED);
  if ((queued & S.QUEUED_DIRTY) != 0) return;
  store<u32>(row, queued | S.QUEUED_DIRTY, S.SOCKET_QUEUED);
  const count = load<u32>(library, S.LIBTOE_DIRTY_COUNT);
  if (count == 0) {
    store<u32>(library, connection, S.LIBTOE_DIRTY_HEAD);
  } else {
    const tail = load<u32>(library, S.LIBTOE_DIRTY_TAIL);
    store<u32>(rowOf(coreOf(library), tail), connection, S.SOCKET_NEXT_DIRTY);
    store<u32>(row, tail, S.SOCKET_PREVIOUS_DIRTY);
  }
  store<u32>(library, connection, S.LIBTOE_DIRTY_TAIL);
  store<u32>(library, count + 1, S.LIBTOE_DIRTY_COUNT);
}

/** Takes the connection out of the list, if it is there: there is nothing left to say. */
export function markClean(library: usize, connection: u32, row: usize): void {
  const queued = load<u32>(row, S.SOCKET_QUEUED);
  if ((queued & S.QUEUED_DIRTY) == 0) return;
  const core = coreOf(library);
  const next = load<u32>(row, S.SOCKET_NEXT_DIRTY);
  const previous = load<u32>(row, S.SOCKET_PREVIOUS_DIRTY);
  const first = load<u32>(library, S.LIBTOE_DIRTY_HEAD) == connection;
  const last = load<u32>(library, S.LIBTOE_DIRTY_TAIL) == connection;
  store<u32>(row, queued & ~S.QUEUED_DIRTY, S.SOCKET_QUEUED);
  if (first) store<u32>(library, next, S.LIBTOE_DIRTY_HEAD);
  else store<u32>(rowOf(core, previous), next, S.SOCKET_NEXT_DIRTY);
  if (last) store<u32>(library, previous, S.LIBTOE_DIRTY_TAIL);
  else store<u32>(rowOf(core, next), previous, S.SOCKET_PREVIOUS_DIRTY);
  store<u32>(library, load<u32>(library, S.LIBTOE_DIRTY_COUNT) - 1, S.LIBTOE_DIRTY_COUNT);
}

/** The application should look at the connection; the caller has seen to room in the array. */
// @ts-ignore: decorator
@inline
export function markReady(library: usize, connection: u32, row: usize, cause: u32): void {
  store<u32>(row, load<u32>(row, S.SOCKET_CAUSE) | cause, S.SOCKET_CAUSE);
  const queued = load<u32>(row, S.SOCKET_QUEUED);
  if ((queued & S.QUEUED_READY) != 0) return;
  store<u32>(row, queued | S.QUEUED_READY, S.SOCKET_QUEUED);
  const count = load<u32>(library, S.LIBTOE_READY_COUNT);
  store<u32>(library + count * 4, connection, S.LIBTOE_READY);
  store<u32>(library, count + 1, S.LIBTOE_READY_COUNT);
}
