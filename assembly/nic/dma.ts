/**
 * DMA stage (4.3.1): moves payload between frames and the host's buffers, and completes the TCP
 * checksum on the way out, fused with the copy. Stateless: everything it needs is in the work
 * result and in read-only POST fields. These are the only payload copies of the data path, and
 * they are counted.
 */
import { copyBytes } from "../base/bytes.ts";
import { copyAndSum, fold, sumSmall, swapSum } from "../base/checksum.ts";
import { countBy } from "../base/counter.ts";
import { postOf, preOf } from "../flow/flow-state.ts";
import { attachReceive } from "../flow/receive-buffer.ts";
import { chunkEntry, contiguousBytes, withinChunk } from "../tcp/buffer-address.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { POST_RX_LIST, POST_RX_SLOTS, POST_RX_ORIGIN } from "../../bindings/abi/flow-state.ts";
import { POST_TX_LIST, POST_TX_SLOTS, POST_TX_ORIGIN } from "../../bindings/abi/flow-state.ts";
import { PRE_PSEUDO_SUM } from "../../bindings/abi/flow-state.ts";
import { CHUNKS_PER_BUFFER_MAX, PLACEMENTS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_CHUNK_SHIFT, CORE_EMPTY_LIST } from "../../bindings/abi/memory-map.ts";
import { TCP_CHECKSUM } from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";

/** Received payload to the receive buffer, part by part. */
export function dmaPlace(core: usize, work: usize): void {
  const post = postOf(core, load<u32>(work, W.WORK_CONNECTION));
  const payload = <usize>load<u32>(work, W.WORK_PAYLOAD);
  const count = load<u32>(work, W.WORK_PLACEMENT_COUNT);
  assert(count <= PLACEMENTS_MAX, "placements");
  for (let i: u32 = 0; i < count; i++) {
    const placement = work + W.WORK_PLACEMENTS + i * W.PLACEMENT_SIZE;
    const length = load<u32>(placement, W.PLACEMENT_LENGTH);
    const from = payload + load<u32>(placement, W.PLACEMENT_OFFSET);
    scatter(core, post, load<u32>(placement, W.PLACEMENT_SEQ), from, length);
    countBy(core, Counter.CopiedIn, length);
  }
}

/** The chunk of the receive buffer that byte `offset` goes to; 0 = not attached. */
// @ts-ignore: decorator
@inline
function receiveChunk(post: usize, shift: u32, offset: u32): usize {
  const list = <usize>load<u32>(post, POST_RX_LIST);
  return <usize>load<u32>(chunkEntry(list, load<u32>(post, POST_RX_SLOTS), shift, offset));
}

/** Where byte `offset` of the receive buffer goes; the first byte of a chunk attaches it. */
// @ts-ignore: decorator
@inline
function receiveAddress(core: usize, post: usize, shift: u32, offset: u32): usize {
  let chunk = receiveChunk(post, shift, offset);
  if (chunk == 0) chunk = attachReceive(core, post, offset);
  return chunk + withinChunk(shift, offset);
}

/** Sees to every chunk that dmaPlace() will write: with threads, engines must not attach any. */
export function dmaAttach(core: usize, work: usize): void {
  const post = postOf(core, load<u32>(work, W.WORK_CONNECTION));
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  const count = load<u32>(work, W.WORK_PLACEMENT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const placement = work + W.WORK_PLACEMENTS + i * W.PLACEMENT_SIZE;
    const start = load<u32>(placement, W.PLACEMENT_SEQ) - load<u32>(post, POST_RX_ORIGIN);
    const length = load<u32>(placement, W.PLACEMENT_LENGTH);
    let done: u32 = 0;
    for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
      receiveAddress(core, post, shift, start + done);
      done += min(length - done, contiguousBytes(shift, start + done));
    }
  }
}

/** Copies contiguous bytes to the buffer from sequence number `seq` on. The caller counts them. */
// @ts-ignore: decorator
@inline
export function scatter(core: usize, post: usize, seq: u32, from: usize, length: u32): void {
  const start = seq - load<u32>(post, POST_RX_ORIGIN);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  // Most segments stand in one chunk.
  let done: u32 = min(length, contiguousBytes(shift, start));
  copyBytes(receiveAddress(core, post, shift, start), from, done);
  if (done == length) return;
  for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
    const bytes = min(length - done, contiguousBytes(shift, start + done));
    copyBytes(receiveAddress(core, post, shift, start + done), from + done, bytes);
    done += bytes;
  }
  assert(done == length, "placement longer than the buffer");
}

/**
 * Where the bytes from `seq` on go, when all of them stand in one chunk that is there already; or
 * 0. Nothing is changed.
 */
// @ts-ignore: decorator
@inline
export function placeOf(core: usize, post: usize, seq: u32, length: u32): usize {
  const start = seq - load<u32>(post, POST_RX_ORIGIN);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  if (length > contiguousBytes(shift, start)) return 0;
  const chunk = receiveChunk(post, shift, start);
  return chunk == 0 ? 0 : chunk + withinChunk(shift, start);
}

/** Payload to the outgoing frame, and the finished checksum. */
export function dmaFetch(core: usize, work: usize): void {
  const tcp = <usize>load<u32>(work, W.WORK_OUT_TCP);
  const header = load<u32>(work, W.WORK_OUT_PAYLOAD) - <u32>tcp;
  const connection = load<u32>(work, W.WORK_CONNECTION);
  completeSegment(
    core,
    preOf(core, connection),
    postOf(core, connection),
    tcp,
    header,
    sumSmall(tcp, header),
    load<u32>(work, W.WORK_OUT_SEQ),
    load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH),
  );
}

/**
 * `length` bytes from `seq` on behind `header` bytes, whose partial sum is `headerSum`, and the
 * checksum (RFC 9293 MUST-2).
 */
// @ts-ignore: decorator
@inline
export function completeSegment(
  core: usize,
  pre: usize,
  post: usize,
  tcp: usize,
  header: u32,
  headerSum: u64,
  seq: u32,
  length: u32,
): void {
  const pseudo = load<u32>(pre, PRE_PSEUDO_SUM);
  let sum = headerSum + pseudo + bswap<u16>(<u16>(header + length));
  if (length != 0) sum += gather(core, post, tcp + header, seq, length);
  store<u16>(tcp, <u16>~fold(sum), TCP_CHECKSUM);
}

/** Where byte `offset` of the transmit buffer stands. */
// @ts-ignore: decorator
@inline
function transmitAddress(core: usize, post: usize, shift: u32, offset: u32): usize {
  const list = <usize>load<u32>(post, POST_TX_LIST);
  const slots = load<u32>(post, POST_TX_SLOTS);
  const chunk = <usize>load<u32>(chunkEntry(list, slots, shift, offset));
  // threats D07: a context that announces what it never appended sends zeros.
  const from = chunk == 0 ? <usize>load<u32>(core, CORE_EMPTY_LIST) : chunk;
  return from + withinChunk(shift, offset);
}

/** Copies `length` bytes from the transmit buffer into the frame and returns their sum. */
// @ts-ignore: decorator
@inline
function gather(core: usize, post: usize, to: usize, seq: u32, length: u32): u64 {
  const start = seq - load<u32>(post, POST_TX_ORIGIN);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  countBy(core, Counter.CopiedOut, length);
  let done: u32 = min(length, contiguousBytes(shift, start));
  let sum = copyAndSum(to, transmitAddress(core, post, shift, start), done);
  if (done == length) return sum;
  for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
    const bytes = min(length - done, contiguousBytes(shift, start + done));
    const part = copyAndSum(to + done, transmitAddress(core, post, shift, start + done), bytes);
    // A span that starts on an odd byte adds its bytes in the other lane (RFC 1071, 2(B)).
    sum += (done & 1) != 0 ? swapSum(part) : part;
    done += bytes;
  }
  return sum;
}
