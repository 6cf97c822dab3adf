/**
 * Receive buffers (day-one decision 4): what a window promises is reserved in the arena when it is
 * promised, a chunk is attached when its first byte arrives, and goes back when the application
 * has consumed its last one.
 *
 * The rule of the reserve. A buffer of one chunk is promised that chunk; a larger one of n chunks
 * n + 2: its bytes may begin within a chunk, and its list is a chunk. The last sixteenth of the
 * arena is for sending. A connection always gets one chunk of the rest; more, in its first window
 * and when it grows, is at most half of what is unpromised after a quarter of the arena, and what
 * a buffer of one chunk takes for each row that is still free, are set aside. So windows become
 * small when memory does, every connection can receive, something is left for sending, and no
 * promise is ever taken back (RFC 9293 SHLD-14).
 *
 * A buffer grows when the application drains half of it within one round-trip time (dynamic
 * right-sizing, Fisk and Feng 2001): a sender that the window stops is given twice as much.
 *
 * Invariant: attached and reserved chunks of a connection together are promised(); bytes from the
 * next one to consume to rxNext + rxAvail have a chunk or a reserved one.
 */
import { count } from "../base/counter.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { BUFFER_SHIFT_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { chunkGive, chunkTake, listTake, reserveChunks } from "./payload-arena.ts";
import { unreservedChunks, unreserveChunks } from "./payload-arena.ts";
import { postOf, protocolOf, recoveryOf } from "./flow-state.ts";

/** Position of FLOW_FIN_RECEIVED. */
const FIN_BIT: u32 = 6;
if (1 << FIN_BIT != F.FLOW_FIN_RECEIVED) ERROR("FIN_BIT");

/** Round-trip time assumed without a sample, in units of 1,024 ns: 100 ms. */
const RTT_UNKNOWN: u32 = 97656;

/** log2 of the largest buffer: half of a list's slots, so that a buffer never wraps in it. */
export function largestBufferShift(core: usize): u32 {
  const slots = load<u32>(core, M.CORE_LIST_SLOTS) + 1;
  return min(load<u32>(core, M.CORE_CHUNK_SHIFT) + ctz<u32>(slots) - 1, BUFFER_SHIFT_MAX);
}

/** A buffer of one chunk has no list; with threads it has, because a list cannot come later. */
// @ts-ignore: decorator
@inline
function mayBeSingle(): bool {
  return !ASC_FEATURE_THREADS;
}

/** Chunks that a receive buffer of 2^shift bytes may need at once. */
function promised(core: usize, shift: u32): u32 {
  const chunks: u32 = 1 << (shift - load<u32>(core, M.CORE_CHUNK_SHIFT));
  return chunks == 1 && mayBeSingle() ? 1 : chunks + 2;
}

/** Chunks that are for sending: two, or a sixteenth. */
function sendingShare(core: usize): u32 {
  return max<u32>(2, load<u32>(core, M.CORE_CHUNKS) >> 4);
}

/** Chunks that no window but a first one of one chunk may take. */
function setAside(core: usize): u32 {
  // The rows in use are counted where the arena is: a thread's own header knows nothing of them.
  const pool = <usize>load<u32>(core, M.CORE_POOL);
  const rows = load<u32>(pool, M.CORE_CONNECTIONS) - load<u32>(pool, M.CORE_BOUND);
  const firsts = rows * promised(core, load<u32>(core, M.CORE_CHUNK_SHIFT));
  return max(load<u32>(core, M.CORE_CHUNKS) >> 2, firsts + sendingShare(core));
}

/** True when a window may take `count` chunks more. */
function mayPromise(core: usize, count: u32): bool {
  const free = unreservedChunks(core);
  const kept = setAside(core);
  return free > kept && count <= (free - kept) >> 1;
}

/** True when a connection may have a first chunk. */
function mayBegin(core: usize): bool {
  return unreservedChunks(core) > sendingShare(core);
}

/**
 * Reserves a receive buffer for a connection that is bound and not installed: log2 of its bytes,
 * `wanted` or less, or 0 when there is nothing left.
 */
export function reserveReceive(core: usize, connection: u32, wanted: u32): u32 {
  const least = load<u32>(core, M.CORE_CHUNK_SHIFT);
  let shift = min(max(wanted, least), largestBufferShift(core));
  while (shift > least && !mayPromise(core, promised(core, shift))) shift--;
  if (shift == least && !mayBegin(core)) return 0;
  if (!open(core, connection, shift)) return 0;
  if (shift < wanted) count(core, Counter.WindowsSmall);
  return shift;
}

/** The same for exactly 2^shift bytes, while there are chunks; false, and nothing reserved. */
export function reserveWhole(core: usize, connection: u32, shift: u32): bool {
  return open(core, connection, shift);
}

function open(core: usize, connection: u32, shift: u32): bool {
  if (!reserveChunks(core, promised(core, shift))) return false;
  store<u8>(protocolOf(core, connection), <u8>shift, F.PROTOCOL_RX_SHIFT);
  emptyReceive(core, connection);
  return true;
}

/** The record of a buffer in which nothing has arrived. */
export function emptyReceive(core: usize, connection: u32): void {
  const post = postOf(core, connection);
  const shift: u32 = load<u8>(protocolOf(core, connection), F.PROTOCOL_RX_SHIFT);
  const single = shift == load<u32>(core, M.CORE_CHUNK_SHIFT) && mayBeSingle();
  const first = <u32>post + F.POST_RX_FIRST;
  store<u32>(post, 0, F.POST_RX_FIRST);
  store<u32>(post, single ? first : load<u32>(core, M.CORE_EMPTY_LIST), F.POST_RX_LIST);
  store<u32>(post, single ? 0 : load<u32>(core, M.CORE_LIST_SLOTS), F.POST_RX_SLOTS);
  store<u32>(post, 0, F.POST_TUNE_OFFSET);
  store<u32>(post, <u32>(load<u64>(core, M.CORE_NOW) >> 10), F.POST_TUNE_TIME);
}

/** Offset in the stream of the first byte beyond the buffer. */
// @ts-ignore: decorator
@inline
function edgeOffset(p: usize, post: usize): u32 {
  // A FIN that was received is the last of rxNext's numbers, and no byte of the stream.
  const fin = (<u32>load<u16>(p, F.PROTOCOL_FLAGS) & F.FLOW_FIN_RECEIVED) >>> FIN_BIT;
  const edge = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ) + load<u32>(p, F.PROTOCOL_RX_AVAIL);
  return edge - fin - load<u32>(post, F.POST_RX_ORIGIN);
}

/** Gives back what a connection holds and was promised; nothing without a buffer. */
export function closeReceive(core: usize, connection: u32): void {
  const p = protocolOf(core, connection);
  const shift: u32 = load<u8>(p, F.PROTOCOL_RX_SHIFT);
  if (shift == 0) return;
  const post = postOf(core, connection);
  const offset = edgeOffset(p, post) - ((<u32>1) << shift);
  const total = promised(core, shift);
  unreserveChunks(core, total - detachAll(core, post, offset, total));
  store<u8>(p, 0, F.PROTOCOL_RX_SHIFT);
}

/** Chunks given back, the list among them. */
function detachAll(core: usize, post: usize, offset: u32, most: u32): u32 {
  const list = <usize>load<u32>(post, F.POST_RX_LIST);
  const empty = load<u32>(core, M.CORE_EMPTY_LIST);
  store<u32>(post, empty, F.POST_RX_LIST);
  if (list == <usize>empty) return 0;
  const slots = load<u32>(post, F.POST_RX_SLOTS);
  const first = offset >>> load<u32>(core, M.CORE_CHUNK_SHIFT);
  let given: u32 = 0;
  for (let i: u32 = 0; i < most; i++) {
    given += give(core, list + (((first + i) & slots) << 2), 0);
  }
  if (slots == 0) return given;
  chunkGive(core, list, 0);
  return given + 1;
}

/** Gives the chunk of a list's entry back; 1 when there was one. */
function give(core: usize, entry: usize, promised: u32): u32 {
  const chunk = <usize>load<u32>(entry);
  if (chunk == 0) return 0;
  store<u32>(entry, 0);
  chunkGive(core, chunk, promised);
  return 1;
}

/** The chunk for the first byte that arrives in it; `offset` is in the stream. */
export function attachReceive(core: usize, post: usize, offset: u32): usize {
  let list = <usize>load<u32>(post, F.POST_RX_LIST);
  if (list == <usize>load<u32>(core, M.CORE_EMPTY_LIST)) {
    list = listTake(core, 1);
    store<u32>(post, <u32>list, F.POST_RX_LIST);
  }
  const number = offset >>> load<u32>(core, M.CORE_CHUNK_SHIFT);
  const chunk = chunkTake(core, 1);
  store<u32>(list + ((number & load<u32>(post, F.POST_RX_SLOTS)) << 2), <u32>chunk);
  return chunk;
}

/** The application has consumed `credit` bytes more: there is room for as many. */
// @ts-ignore: decorator
@inline
export function creditReceive(core: usize, connection: u32, p: usize, credit: u32): void {
  // A buffer is whole chunks: where its end passes one, its beginning does.
  const edge = edgeOffset(p, postOf(core, connection));
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_AVAIL) + credit, F.PROTOCOL_RX_AVAIL);
  const passed = (edge ^ (edge + credit)) >>> load<u32>(core, M.CORE_CHUNK_SHIFT);
  if (passed != 0) passChunks(core, connection, p, edge, credit);
}

/** Chunks whose last byte was consumed go back, and stay promised to the connection. */
function passChunks(core: usize, connection: u32, p: usize, edge: u32, credit: u32): void {
  const post = postOf(core, connection);
  const before = edge - ((<u32>1) << load<u8>(p, F.PROTOCOL_RX_SHIFT));
  const shift = load<u32>(core, M.CORE_CHUNK_SHIFT);
  const list = <usize>load<u32>(post, F.POST_RX_LIST);
  const slots = load<u32>(post, F.POST_RX_SLOTS);
  // The only chunk of a buffer has the next bytes already, or will have.
  if (slots != 0 && list != <usize>load<u32>(core, M.CORE_EMPTY_LIST)) {
    const first = before >>> shift;
    const passed = ((before & (((<u32>1) << shift) - 1)) + credit) >>> shift;
    for (let i: u32 = 0; i < passed; i++) {
      give(core, list + (((first + i) & slots) << 2), 1);
    }
  }
  const limit = load<u8>(recoveryOf(core, connection), F.RECOVERY_RX_LIMIT);
  if (load<u8>(p, F.PROTOCOL_RX_SHIFT) < limit) tune(core, connection, p, post, before + credit);
}

/** Autotuning: looks at what was drained, and in what time. `offset`: the next to consume. */
function tune(core: usize, connection: u32, p: usize, post: usize, offset: u32): void {
  const now = <u32>(load<u64>(core, M.CORE_NOW) >> 10);
  const sample = load<u64>(recoveryOf(core, connection), F.RECOVERY_SRTT);
  const rtt = sample == 0 ? RTT_UNKNOWN : <u32>min<u64>((sample >> 10) + 1, <u64>1 << 30);
  const elapsed = now - load<u32>(post, F.POST_TUNE_TIME);
  const bytes = (<u32>1) << load<u8>(p, F.PROTOCOL_RX_SHIFT);
  // A quarter more: what was acknowledged at once arrives over some time.
  if (elapsed <= rtt + (rtt >> 2)) {
    if (offset - load<u32>(post, F.POST_TUNE_OFFSET) < bytes >> 1) return;
    growReceive(core, p, post, offset);
  }
  store<u32>(post, offset, F.POST_TUNE_OFFSET);
  store<u32>(post, now, F.POST_TUNE_TIME);
}

/** Twice the buffer, if the arena has it; the window is never smaller for having asked. */
export function growReceive(core: usize, p: usize, post: usize, offset: u32): bool {
  const shift: u32 = load<u8>(p, F.PROTOCOL_RX_SHIFT);
  const single = load<u32>(post, F.POST_RX_SLOTS) == 0;
  if (single && !isWithinChunk(core, p, post, offset)) return false;
  const more = promised(core, shift + 1) - promised(core, shift);
  if (!mayPromise(core, more) || !reserveChunks(core, more)) {
    count(core, Counter.WindowsLimited);
    return false;
  }
  if (single) makeList(core, post, offset);
  store<u8>(p, <u8>(shift + 1), F.PROTOCOL_RX_SHIFT);
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_AVAIL) + ((<u32>1) << shift), F.PROTOCOL_RX_AVAIL);
  count(core, Counter.WindowsGrown);
  return true;
}

/** True when a buffer of one chunk holds bytes of one chunk of the stream only. */
function isWithinChunk(core: usize, p: usize, post: usize, offset: u32): bool {
  const flags: u32 = load<u16>(p, F.PROTOCOL_FLAGS);
  if ((flags & (F.FLOW_OUT_OF_ORDER | F.FLOW_FIN_RECEIVED)) != 0) return false;
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ) - load<u32>(post, F.POST_RX_ORIGIN);
  const size = (<u32>1) << load<u32>(core, M.CORE_CHUNK_SHIFT);
  return next - (offset & ~(size - 1)) <= size;
}

/** The only chunk becomes the first of many. */
function makeList(core: usize, post: usize, offset: u32): void {
  const slots = load<u32>(core, M.CORE_LIST_SLOTS);
  const chunk = load<u32>(post, F.POST_RX_FIRST);
  let list = <usize>load<u32>(core, M.CORE_EMPTY_LIST);
  if (chunk != 0) {
    list = listTake(core, 1);
    const number = offset >>> load<u32>(core, M.CORE_CHUNK_SHIFT);
    store<u32>(list + ((number & slots) << 2), chunk);
  }
  store<u32>(post, 0, F.POST_RX_FIRST);
  store<u32>(post, <u32>list, F.POST_RX_LIST);
  store<u32>(post, slots, F.POST_RX_SLOTS);
}
