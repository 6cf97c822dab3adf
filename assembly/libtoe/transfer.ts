/**
 * send() and recv() but for the copy (4.3.1: libTOE's payload buffers): what is free or readable
 * is counted down, and the host is told where the bytes go or stand.
 *
 * Invariant: an address is within the connection's own buffer, for the whole span; a count beyond
 * what is free or readable changes nothing.
 */
import { copyBytes } from "../base/bytes.ts";
import { chunkListOf, isConnection } from "../flow/flow-state.ts";
import { bufferAddress, contiguousBytes } from "../tcp/buffer-address.ts";
import { CHUNK_LIST_SIZE } from "../../bindings/abi/flow-state.ts";
import { CORE_BUFFERS, CORE_BUFFERS_BYTES } from "../../bindings/abi/memory-map.ts";
import { CORE_CHUNK_SHIFT } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { coreOf, markDirty, rowOf } from "./socket.ts";

/** Address of `length` bytes at ring index `index`; 0 when they are not in one chunk. */
// @ts-ignore: decorator
@inline
function spanAddress(core: usize, list: usize, mask: u32, index: u32, length: u32): usize {
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  if (length > contiguousBytes(shift, index)) return 0;
  return bufferAddress(list, mask, shift, index);
}

/** Counts `length` bytes, of `free`, as appended; the ring index of the first. */
// @ts-ignore: decorator
@inline
function advance(library: usize, connection: u32, row: usize, free: u32, length: u32): u32 {
  const index = load<u32>(row, S.SOCKET_TX_INDEX);
  store<u32>(row, (index + length) & load<u32>(row, S.SOCKET_TX_MASK), S.SOCKET_TX_INDEX);
  store<u32>(row, free - length, S.SOCKET_TX_FREE);
  store<u32>(row, load<u32>(row, S.SOCKET_TX_APPEND) + length, S.SOCKET_TX_APPEND);
  if (free == length) {
    store<u32>(row, load<u32>(row, S.SOCKET_STATE) | S.SOCKET_TX_FULL, S.SOCKET_STATE);
  }
  return index;
}

/**
 * Takes `length` free bytes of the transmit buffer; where they are, or 0 when the caller has to
 * place them chunk by chunk. `held` bytes wait for more (MSG_MORE) unless the buffer is full.
 */
export function append(library: usize, connection: u32, length: u32, held: bool): usize {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return 0;
  const row = rowOf(core, connection);
  const free = load<u32>(row, S.SOCKET_TX_FREE);
  if (length > free) return 0;
  const index = advance(library, connection, row, free, length);
  if (!held || free == length) markDirty(library, connection, row);
  const list = chunkListOf(core, connection) + CHUNK_LIST_SIZE;
  return spanAddress(core, list, load<u32>(row, S.SOCKET_TX_MASK), index, length);
}

/**
 * Takes `length` readable bytes out of the stream; where they are, or 0 as append(). They stay
 * where they are until the next flush().
 */
export function consume(library: usize, connection: u32, length: u32): usize {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return 0;
  const row = rowOf(core, connection);
  const available = load<u32>(row, S.SOCKET_RX_AVAIL);
  if (length > available) return 0;
  store<u32>(row, available - length, S.SOCKET_RX_AVAIL);
  const mask = load<u32>(row, S.SOCKET_RX_MASK);
  const index = passOver(library, connection, row, mask, length);
  return spanAddress(core, chunkListOf(core, connection), mask, index, length);
}

/** True for a span within the application's registered buffers. */
// @ts-ignore: decorator
@inline
function isRegistered(core: usize, address: usize, length: u32): bool {
  const offset = <u32>address - load<u32>(core, CORE_BUFFERS);
  const size = load<u32>(core, CORE_BUFFERS_BYTES);
  return offset <= size && length <= size - offset;
}

/**
 * send() out of a registered buffer, the copy included: how many bytes; 0 when none were taken and
 * the host has to find out why.
 */
export function transmit(library: usize, connection: u32, address: usize, length: u32): u32 {
  const core = coreOf(library);
  if (!isConnection(core, connection) || !isRegistered(core, address, length)) return 0;
  const row = rowOf(core, connection);
  if ((load<u32>(row, S.SOCKET_STATE) & S.SOCKET_SENDABLE) == 0) return 0;
  const free = load<u32>(row, S.SOCKET_TX_FREE);
  const count = min(length, free);
  if (count == 0) return 0;
  const at = advance(library, connection, row, free, count);
  markDirty(library, connection, row);
  const list = chunkListOf(core, connection) + CHUNK_LIST_SIZE;
  copyRing(core, list, load<u32>(row, S.SOCKET_TX_MASK), at, address, count, true);
  return count;
}

/** One span: from `outside` into the payload buffer, or the other way. */
// @ts-ignore: decorator
@inline
function copySpan(address: usize, outside: usize, length: u32, into: bool): void {
  if (into) copyBytes(address, outside, length);
  else copyBytes(outside, address, length);
}

/** `length` bytes between ring index `start` and `outside`; a span for each chunk. */
// @ts-ignore: decorator
@inline
function copyRing(
  core: usize,
  list: usize,
  mask: u32,
  start: u32,
  outside: usize,
  length: u32,
  into: bool,
): void {
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  // Most messages stand in one chunk.
  let done = min(length, contiguousBytes(shift, start));
  copySpan(bufferAddress(list, mask, shift, start), outside, done, into);
  while (done < length) {
    const index = start + done;
    const span = min(length - done, contiguousBytes(shift, index & mask));
    copySpan(bufferAddress(list, mask, shift, index), outside + done, span, into);
    done += span;
  }
}

/** recv() into a registered buffer, the copy included: how many bytes; 0 as transmit(). */
export function receive(library: usize, connection: u32, address: usize, length: u32): u32 {
  const core = coreOf(library);
  if (!isConnection(core, connection) || !isRegistered(core, address, length)) return 0;
  const row = rowOf(core, connection);
  if ((load<u32>(row, S.SOCKET_STATE) & S.SOCKET_OPEN) == 0) return 0;
  const available = load<u32>(row, S.SOCKET_RX_AVAIL);
  const count = min(length, available);
  if (count == 0) return 0;
  store<u32>(row, available - count, S.SOCKET_RX_AVAIL);
  const mask = load<u32>(row, S.SOCKET_RX_MASK);
  const at = passOver(library, connection, row, mask, count);
  copyRing(core, chunkListOf(core, connection), mask, at, address, count, false);
  return count;
}

/** Moves the reader on and counts its credit; the ring index where it was. */
// @ts-ignore: decorator
@inline
export function passOver(
  library: usize,
  connection: u32,
  row: usize,
  mask: u32,
  length: u32,
): u32 {
  const index = load<u32>(row, S.SOCKET_RX_INDEX);
  store<u32>(row, (index + length) & mask, S.SOCKET_RX_INDEX);
  const credit = load<u32>(row, S.SOCKET_RX_CREDIT) + length;
  store<u32>(row, credit, S.SOCKET_RX_CREDIT);
  if (credit > load<u32>(row, S.SOCKET_RX_THRESHOLD)) markDirty(library, connection, row);
  return index;
}

/** Lets the connection's held bytes and credit go with the next flush(). */
export function release(library: usize, connection: u32): void {
  const core = coreOf(library);
  if (isConnection(core, connection)) markDirty(library, connection, rowOf(core, connection));
}
