/**
 * Read-ahead of connection rows for a burst. A table of many thousand connections is in no cache
 * near the core, nor are its pages in the TLB, and a segment reads a dozen of its lines one after
 * the other. Here one word of each line is read for all items of a burst first: nothing waits for
 * another, so the processor has as many misses under way as it can, and the stages then hit.
 *
 * Invariant: nothing but a word of scratch memory is changed. What is read is not looked at, so a
 * frame that is no segment, or a row that is nobody's, does no harm.
 */
import * as D from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as I from "../../bindings/abi/ip.ts";
import { BATCH_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { SOCKET_SIZE } from "../../bindings/abi/socket.ts";
import { TIMERS_PER_CONNECTION, TIMER_SIZE } from "../../bindings/abi/timer.ts";
import { hashIpv4, hashIpv6 } from "./connection-database.ts";
import { isConnection, postOf, preOf, protocolOf, recoveryOf, schedulerOf } from "./flow-state.ts";
import { linkBytes, packetOf } from "./ingress-frame.ts";

/** Items from which on the misses of several overlap. */
const ITEMS_MIN: u32 = 4;
/** Rows in use from which on they fill the second-level cache: some 1.5 KiB each, both sides. */
const ROWS_MIN: u32 = 1536;
/** Bytes of a cache line. */
const LINE: u32 = 64;

/** True when reading ahead for `items` of a burst is worth its instructions. */
// @ts-ignore: decorator
@inline
export function isReadAhead(core: usize, items: u32): bool {
  return items >= ITEMS_MIN && load<u32>(core, M.CORE_BOUND) >= ROWS_MIN;
}

/** The rows of the first `frames` frames of the ingress burst. */
export function readAheadFrames(core: usize, frames: u32): void {
  const table = <usize>load<u32>(core, M.CORE_INGRESS_TABLE);
  const scratch = <usize>load<u32>(core, M.CORE_SCRATCH);
  const most = min(frames, BATCH_MAX);
  for (let i: u32 = 0; i < most; i++) {
    store<u32>(scratch + i * 4, rowOfFrame(core, table + i * D.FRAME_SIZE));
  }
  let sum: u32 = 0;
  for (let i: u32 = 0; i < most; i++) sum += readRow(core, load<u32>(scratch + i * 4));
  // A second time round the lists of chunks, which the first brought in, are known.
  for (let i: u32 = 0; i < most; i++) sum += readNextByte(core, load<u32>(scratch + i * 4));
  store<u32>(scratch, sum);
}

/** The rows of a context's next `items` descriptors. */
export function readAheadDescriptors(core: usize, record: usize, items: u32): void {
  const base = <usize>load<u32>(record, D.CONTEXT_ATX_BASE) + D.ATX_CONNECTION;
  const mask = load<u32>(record, D.CONTEXT_ATX_MASK);
  const consumer = load<u32>(record, D.CONTEXT_ATX_CONSUMER);
  const most = min(items, BATCH_MAX);
  let sum: u32 = 0;
  for (let i: u32 = 0; i < most; i++) {
    const connection = load<u32>(base + ((consumer + i) & mask) * D.ATX_SIZE);
    // A descriptor is untrusted.
    if (isConnection(core, connection)) sum += readRow(core, connection);
  }
  store<u32>(<usize>load<u32>(core, M.CORE_SCRATCH), sum);
}

/** The rows of `items` timers, whose indexes stand at `due`. Returns a number without meaning. */
export function readAheadTimers(core: usize, due: usize, items: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < items; i++) {
    sum += readRow(core, load<u32>(due + i * 4) / TIMERS_PER_CONNECTION);
  }
  return sum;
}

/** Hash of a frame's tuple, if it is a segment. */
// @ts-ignore: decorator
@inline
function hashOf(core: usize, entry: usize, ip: usize): u32 {
  if (<u32>load<u8>(ip) >> 4 == 6) {
    const whole = packetOf(core, entry, linkBytes(core, entry), I.IPV6_SIZE + 4);
    return whole == 0 ? 0 : hashIpv6(core, whole);
  }
  const remote = load<u32>(ip, I.IPV4_SOURCE);
  const local = load<u32>(ip, I.IPV4_DESTINATION);
  return hashIpv4(core, remote, local, load<u32>(ip, I.IPV4_SIZE));
}

/** What stands at a frame's home slot of the connection database; 0 for what is no segment. */
// @ts-ignore: decorator
@inline
function rowOfFrame(core: usize, entry: usize): u32 {
  const ip = packetOf(core, entry, linkBytes(core, entry), I.IPV4_SIZE + 4);
  if (ip == 0) return 0;
  const hash = hashOf(core, entry, ip);
  const slot = hash & load<u32>(core, M.CORE_HASH_MASK);
  const table = <usize>load<u32>(core, M.CORE_HASH);
  return load<u32>(table + slot * F.HASH_SIZE, F.HASH_CONNECTION);
}

/** A word of each line that a segment's stages read. */
// @ts-ignore: decorator
@inline
function readRow(core: usize, connection: u32): u32 {
  const pre = preOf(core, connection);
  const recovery = recoveryOf(core, connection);
  const post = postOf(core, connection);
  const socket = <usize>load<u32>(core, M.CORE_SOCKETS) + connection * SOCKET_SIZE;
  const first = connection * TIMERS_PER_CONNECTION * TIMER_SIZE;
  const timers = <usize>load<u32>(core, M.CORE_TIMERS) + first;
  return (
    load<u32>(pre) +
    load<u32>(pre, LINE) +
    load<u32>(protocolOf(core, connection)) +
    load<u32>(recovery) +
    load<u32>(recovery, LINE) +
    load<u32>(recovery, LINE * 2) +
    load<u32>(post) +
    load<u32>(post, LINE) +
    load<u32>(schedulerOf(core, connection)) +
    load<u32>(timers) +
    load<u32>(timers, LINE) +
    load<u32>(socket)
  );
}

/** A word where the next received byte will stand. */
// @ts-ignore: decorator
@inline
function readNextByte(core: usize, connection: u32): u32 {
  const post = postOf(core, connection);
  const next = load<u32>(protocolOf(core, connection), F.PROTOCOL_RX_NEXT_SEQ);
  const offset = next - load<u32>(post, F.POST_RX_ORIGIN);
  const shift = load<u32>(core, M.CORE_CHUNK_SHIFT);
  const slot = (offset >>> shift) & load<u32>(post, F.POST_RX_SLOTS);
  const list = <usize>load<u32>(post, F.POST_RX_LIST);
  if (list == 0) return 0;
  const chunk = <usize>load<u32>(list + (slot << 2));
  return chunk == 0 ? 0 : load<u8>(chunk + (offset & (((<u32>1) << shift) - 1)));
}
