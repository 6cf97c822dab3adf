/**
 * libTOE's chunks for what the application appends (day-one decision 4). When the arena has none
 * left, idle connections give theirs back; then the application waits (EAGAIN). Every transmit
 * buffer that becomes empty is given back at once while somebody waits, and from the time that idle
 * connections had to give until SHORT_SHIFT's part of the arena is free: looking for an idle one
 * among 100,000 costs more than a chunk taken anew for each message.
 *
 * Invariant: only a buffer with nothing appended and nothing unacknowledged is taken back.
 */
import { count } from "../base/counter.ts";
import { isConnection, postOf } from "../flow/flow-state.ts";
import { unreservedChunks } from "../flow/payload-arena.ts";
import { backTransmit, clearTransmit, countReclaimed } from "../flow/transmit-buffer.ts";
import { giveTransmit, hasTransmit } from "../flow/transmit-buffer.ts";
import { chunksPassed } from "../tcp/buffer-address.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { CORE_CHUNKS, CORE_CHUNK_SHIFT, CORE_CONNECTIONS } from "../../bindings/abi/memory-map.ts";
import { CORE_RECLAIM_NEXT } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import { coreOf, rowOf } from "./socket.ts";

/** The arena is not short any more when 1/32 of it is free and promised to nobody. */
const SHORT_SHIFT: u32 = 5;

/** Sees to chunks for bytes that are to be appended: for how many it could, 0 to `length`. */
export function takeChunks(library: usize, connection: u32, offset: u32, length: u32): u32 {
  const core = coreOf(library);
  let backed = backTransmit(core, connection, offset, length);
  if (backed == 0 && reclaim(core)) {
    starve(library, S.STARVED_SHORT);
    backed = backTransmit(core, connection, offset, length);
  }
  if (backed != 0) return backed;
  count(core, Counter.SendsStarved);
  starve(library, S.STARVED_WAITING);
  return 0;
}

function starve(library: usize, why: u32): void {
  store<u32>(library, load<u32>(library, S.LIBTOE_STARVED) | why, S.LIBTOE_STARVED);
}

/** True for a socket whose transmit buffer is empty, and holds chunks. */
function isIdle(core: usize, connection: u32): bool {
  const row = rowOf(core, connection);
  if ((load<u32>(row, S.SOCKET_STATE) & S.SOCKET_OPEN) == 0) return false;
  if (load<u32>(row, S.SOCKET_TX_FREE) != load<u32>(row, S.SOCKET_TX_BYTES)) return false;
  return hasTransmit(core, connection);
}

/** Takes back from idle connections, each in its turn, until there are two chunks for a buffer. */
function reclaim(core: usize): bool {
  const rows = load<u32>(core, CORE_CONNECTIONS);
  let next = load<u32>(core, CORE_RECLAIM_NEXT);
  let taken: u32 = 0;
  for (let i: u32 = 0; i < rows && unreservedChunks(core) < 2; i++) {
    next = next + 1 < rows ? next + 1 : 1;
    if (!isIdle(core, next)) continue;
    clearIdle(core, next, rowOf(core, next));
    taken++;
  }
  store<u32>(core, next, CORE_RECLAIM_NEXT);
  countReclaimed(core, taken);
  return taken != 0;
}

/** Nothing is in the buffer: the chunk that the next byte would go to is the only one. */
function clearIdle(core: usize, connection: u32, row: usize): void {
  clearTransmit(core, postOf(core, connection), load<u32>(row, S.SOCKET_TX_OFFSET), 1);
}

/** `bytes` from `offset` on are acknowledged: chunks of which they were the last go back. */
// @ts-ignore: decorator
@inline
export function freeChunks(
  library: usize,
  core: usize,
  connection: u32,
  row: usize,
  offset: u32,
  bytes: u32,
): void {
  const passed = (offset ^ (offset + bytes)) >>> load<u32>(core, CORE_CHUNK_SHIFT);
  if ((passed | load<u32>(library, S.LIBTOE_STARVED)) != 0) {
    giveChunks(library, core, connection, row, offset, bytes);
  }
}

function giveChunks(
  library: usize,
  core: usize,
  connection: u32,
  row: usize,
  offset: u32,
  bytes: u32,
): void {
  if (!hasTransmit(core, connection)) return;
  const passed = chunksPassed(load<u32>(core, CORE_CHUNK_SHIFT), offset, bytes);
  if (passed != 0) giveTransmit(core, postOf(core, connection), offset, passed);
  const starved = load<u32>(library, S.LIBTOE_STARVED);
  if (starved == 0) return;
  if (isIdle(core, connection)) clearIdle(core, connection, row);
  if (unreservedChunks(core) <= load<u32>(core, CORE_CHUNKS) >> SHORT_SHIFT) return;
  store<u32>(library, starved & ~S.STARVED_SHORT, S.LIBTOE_STARVED);
}

/**
 * Chunks that `connection` may append bytes to now, if it waits for some: less one for the list of
 * a buffer that has none yet. 0 for the connection: for whoever has a list.
 */
export function spare(library: usize, connection: u32): u32 {
  const core = coreOf(library);
  const free = unreservedChunks(core);
  if (!isConnection(core, connection) || hasTransmit(core, connection)) return free;
  return free == 0 ? 0 : free - 1;
}
