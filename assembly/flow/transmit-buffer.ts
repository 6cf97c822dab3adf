/**
 * Transmit buffers (day-one decision 4): libTOE takes a chunk when the application appends the
 * first byte of it, and gives it back when it is told that the last one was acknowledged. The data
 * path reads between, and takes everything when the connection leaves it. Nothing is promised: an
 * append that finds no chunk takes fewer bytes (backpressure).
 *
 * Invariant: every byte appended and not yet acknowledged has its chunk.
 */
import { countBy } from "../base/counter.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { chunkGive, chunkTake, listTake } from "./payload-arena.ts";
import { postOf, preOf, protocolOf } from "./flow-state.ts";

/** The record of a buffer without chunks. */
export function emptyTransmit(core: usize, connection: u32): void {
  const post = postOf(core, connection);
  store<u32>(post, load<u32>(core, M.CORE_EMPTY_LIST), F.POST_TX_LIST);
  store<u32>(post, load<u32>(core, M.CORE_LIST_SLOTS), F.POST_TX_SLOTS);
}

/** Sees to chunks for `length` bytes from `offset` of the stream on; for how many it could. */
export function backTransmit(core: usize, connection: u32, offset: u32, length: u32): u32 {
  const post = postOf(core, connection);
  const shift = load<u32>(core, M.CORE_CHUNK_SHIFT);
  const slots = load<u32>(post, F.POST_TX_SLOTS);
  let list = <usize>load<u32>(post, F.POST_TX_LIST);
  if (list == <usize>load<u32>(core, M.CORE_EMPTY_LIST)) {
    list = listTake(core, 0);
    if (list == 0) return 0;
    store<u32>(post, <u32>list, F.POST_TX_LIST);
  }
  const first = offset >>> shift;
  const within = offset & (((<u32>1) << shift) - 1);
  const chunks = (within + length + ((<u32>1) << shift) - 1) >>> shift;
  for (let i: u32 = 0; i < chunks; i++) {
    const entry = list + (((first + i) & slots) << 2);
    if (load<u32>(entry) != 0) continue;
    const chunk = chunkTake(core, 0);
    if (chunk == 0) return i == 0 ? 0 : (i << shift) - within;
    store<u32>(entry, <u32>chunk);
  }
  return length;
}

/** Gives back the chunks from that of byte `offset` on. */
export function giveTransmit(core: usize, post: usize, offset: u32, chunks: u32): void {
  const list = <usize>load<u32>(post, F.POST_TX_LIST);
  if (list == <usize>load<u32>(core, M.CORE_EMPTY_LIST)) return;
  const slots = load<u32>(post, F.POST_TX_SLOTS);
  const first = offset >>> load<u32>(core, M.CORE_CHUNK_SHIFT);
  const most = min(chunks, slots + 1);
  for (let i: u32 = 0; i < most; i++) {
    const entry = list + (((first + i) & slots) << 2);
    const chunk = <usize>load<u32>(entry);
    if (chunk == 0) continue;
    store<u32>(entry, 0);
    chunkGive(core, chunk, 0);
  }
}

/** The same, and the list too: nothing of the buffer is left. */
export function clearTransmit(core: usize, post: usize, offset: u32, chunks: u32): void {
  const list = <usize>load<u32>(post, F.POST_TX_LIST);
  const empty = load<u32>(core, M.CORE_EMPTY_LIST);
  if (list == <usize>empty) return;
  giveTransmit(core, post, offset, chunks);
  store<u32>(post, empty, F.POST_TX_LIST);
  chunkGive(core, list, 0);
}

/** The connection leaves the data path: whatever libTOE had appended, and not been told of. */
export function closeTransmit(core: usize, connection: u32): void {
  const post = postOf(core, connection);
  const p = protocolOf(core, connection);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA) - load<u32>(post, F.POST_TX_ORIGIN);
  const bytes = (<u32>1) << load<u8>(p, F.PROTOCOL_TX_SHIFT);
  // libTOE stands within one buffer's bytes of una, on either side.
  const chunks = (bytes >>> load<u32>(core, M.CORE_CHUNK_SHIFT)) * 2 + 2;
  clearTransmit(core, post, una - bytes, chunks);
}

/** True for a connection whose transmit buffer the data path may still read. */
export function hasTransmit(core: usize, connection: u32): bool {
  if (load<u8>(preOf(core, connection), F.PRE_STATE) != <u8>F.PreState.Installed) return false;
  return load<u32>(postOf(core, connection), F.POST_TX_LIST) != load<u32>(core, M.CORE_EMPTY_LIST);
}

/** Counts buffers that were taken back. */
export function countReclaimed(core: usize, buffers: u32): void {
  countBy(core, Counter.BuffersReclaimed, buffers);
}
