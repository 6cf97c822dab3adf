/**
 * send() and recv() but for the copy (4.3.1: libTOE's payload buffers): what is free or readable
 * is counted down, and the host is told where the bytes go or stand.
 *
 * Invariant: an address is within the connection's own buffer, for the whole span; a count beyond
 * what is free or readable changes nothing.
 */
import { copyBytes } from "../base/bytes.ts";
import { isConnection, postOf } from "../flow/flow-state.ts";
import { chunkEntry, contiguousBytes, withinChunk } from "../tcp/buffer-address.ts";
import { POST_RX_LIST, POST_RX_SLOTS, POST_TX_LIST } from "../../bindings/abi/flow-state.ts";
import { POST_TX_SLOTS } from "../../bindings/abi/flow-state.ts";
import { CORE_BUFFERS, CORE_BUFFERS_BYTES } from "../../bindings/abi/memory-map.ts";
import { CORE_CHUNK_SHIFT } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { coreOf, markDirty, rowOf } from "./socket.ts";
import { takeChunks } from "./transmit-chunks.ts";

/** The chunk of the transmit buffer with byte `offset`, 0 without one. */
// @ts-ignore: decorator
@inline
function transmitChunk(core: usize, connection: u32, shift: u32, offset: u32): usize {
  const post = postOf(core, connection);
  const list = <usize>load<u32>(post, POST_TX_LIST);
  return <usize>load<u32>(chunkEntry(list, load<u32>(post, POST_TX_SLOTS), shift, offset));
}

/** The same of the receive buffer. */
// @ts-ignore: decorator
@inline
function receiveChunk(core: usize, connection: u32, shift: u32, offset: u32): usize {
  const post = postOf(core, connection);
  const list = <usize>load<u32>(post, POST_RX_LIST);
  return <usize>load<u32>(chunkEntry(list, load<u32>(post, POST_RX_SLOTS), shift, offset));
}

/** Counts `length` bytes, of `free`, as appended behind `offset`. */
// @ts-ignore: decorator
@inline
function advance(row: usize, offset: u32, free: u32, length: u32): void {
  store<u32>(row, offset + length, S.SOCKET_TX_OFFSET);
  store<u32>(row, free - length, S.SOCKET_TX_FREE);
  store<u32>(row, load<u32>(row, S.SOCKET_TX_APPEND) + length, S.SOCKET_TX_APPEND);
  if (free == length) fill(row);
}

/** Not writable until a quarter of the buffer is free, or there are chunks. */
function fill(row: usize): void {
  store<u32>(row, load<u32>(row, S.SOCKET_STATE) | S.SOCKET_TX_FULL, S.SOCKET_STATE);
}

/**
 * Takes `length` free bytes of the transmit buffer; where they are, or 0 when the caller has to
 * place them chunk by chunk: LIBTOE_TAKEN of them, which is less when the arena has no chunks.
 * `held` bytes wait for more (MSG_MORE) unless the buffer is full.
 */
export function append(library: usize, connection: u32, length: u32, held: bool): usize {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return 0;
  const row = rowOf(core, connection);
  const free = load<u32>(row, S.SOCKET_TX_FREE);
  if (length > free) return 0;
  const offset = load<u32>(row, S.SOCKET_TX_OFFSET);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  const chunk = transmitChunk(core, connection, shift, offset);
  if (chunk == 0 || length > contiguousBytes(shift, offset)) {
    return appendMany(library, connection, row, length, held);
  }
  advance(row, offset, free, length);
  if (!held || free == length) markDirty(library, connection, row);
  return chunk + withinChunk(shift, offset);
}

/** append() that takes chunks, or more than one. */
function appendMany(library: usize, connection: u32, row: usize, length: u32, held: bool): usize {
  const core = coreOf(library);
  const free = load<u32>(row, S.SOCKET_TX_FREE);
  const offset = load<u32>(row, S.SOCKET_TX_OFFSET);
  const taken = takeChunks(library, connection, offset, length);
  store<u32>(library, taken, S.LIBTOE_TAKEN);
  if (taken < length) fill(row);
  if (taken == 0) return 0;
  advance(row, offset, free, taken);
  if (!held || free == taken || taken < length) markDirty(library, connection, row);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  if (taken < length || taken > contiguousBytes(shift, offset)) return 0;
  return transmitChunk(core, connection, shift, offset) + withinChunk(shift, offset);
}

/**
 * Takes `length` readable bytes out of the stream; where they are, or 0 when they are not in one
 * chunk. They stay where they are until the next flush().
 */
export function consume(library: usize, connection: u32, length: u32): usize {
  const core = coreOf(library);
  if (!isConnection(core, connection)) return 0;
  const row = rowOf(core, connection);
  const available = load<u32>(row, S.SOCKET_RX_AVAIL);
  if (length > available) return 0;
  store<u32>(row, available - length, S.SOCKET_RX_AVAIL);
  const offset = passOver(library, connection, row, length);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  if (length > contiguousBytes(shift, offset)) return 0;
  return receiveChunk(core, connection, shift, offset) + withinChunk(shift, offset);
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
  const offset = load<u32>(row, S.SOCKET_TX_OFFSET);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  let count = min(length, free);
  if (count == 0) return 0;
  const chunk = transmitChunk(core, connection, shift, offset);
  // Most messages stand in one chunk, which is there already.
  if (chunk == 0 || count > contiguousBytes(shift, offset)) {
    count = transmitMany(library, connection, offset, address, count);
    if (count == 0) return 0;
  } else {
    copyBytes(chunk + withinChunk(shift, offset), address, count);
  }
  advance(row, offset, free, count);
  markDirty(library, connection, row);
  return count;
}

/** Takes the chunks and copies; how many bytes. */
function transmitMany(
  library: usize,
  connection: u32,
  offset: u32,
  address: usize,
  wanted: u32,
): u32 {
  const core = coreOf(library);
  const count = takeChunks(library, connection, offset, wanted);
  if (count < wanted) fill(rowOf(core, connection));
  if (count != 0) copyStream(core, connection, offset, address, count, true);
  return count;
}

/** One span: from `outside` into the payload buffer, or the other way. */
// @ts-ignore: decorator
@inline
function copySpan(address: usize, outside: usize, length: u32, into: bool): void {
  if (into) copyBytes(address, outside, length);
  else copyBytes(outside, address, length);
}

/** `length` bytes between byte `start` of a stream and `outside`; a span for each chunk. */
function copyStream(
  core: usize,
  connection: u32,
  start: u32,
  outside: usize,
  length: u32,
  into: bool,
): void {
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  let done: u32 = 0;
  let span = min(length, contiguousBytes(shift, start));
  do {
    const offset = start + done;
    const chunk = into
      ? transmitChunk(core, connection, shift, offset)
      : receiveChunk(core, connection, shift, offset);
    copySpan(chunk + withinChunk(shift, offset), outside + done, span, into);
    done += span;
    span = min(length - done, (<u32>1) << shift);
  } while (done < length);
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
  const offset = passOver(library, connection, row, count);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  if (count > contiguousBytes(shift, offset)) {
    copyStream(core, connection, offset, address, count, false);
  } else {
    const chunk = receiveChunk(core, connection, shift, offset);
    copyBytes(address, chunk + withinChunk(shift, offset), count);
  }
  return count;
}

/** Moves the reader on and counts its credit; the offset where it was. */
// @ts-ignore: decorator
@inline
export function passOver(library: usize, connection: u32, row: usize, length: u32): u32 {
  const offset = load<u32>(row, S.SOCKET_RX_OFFSET);
  store<u32>(row, offset + length, S.SOCKET_RX_OFFSET);
  const credit = load<u32>(row, S.SOCKET_RX_CREDIT) + length;
  store<u32>(row, credit, S.SOCKET_RX_CREDIT);
  if (credit > load<u32>(row, S.SOCKET_RX_THRESHOLD)) markDirty(library, connection, row);
  return offset;
}

/** Lets the connection's held bytes and credit go with the next flush(). */
export function release(library: usize, connection: u32): void {
  const core = coreOf(library);
  if (isConnection(core, connection)) markDirty(library, connection, rowOf(core, connection));
}
