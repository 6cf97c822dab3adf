/**
 * DMA stage (4.3.1): moves payload between frames and the host's buffers, and completes the TCP
 * checksum on the way out, fused with the copy. Stateless: everything it needs is in the work
 * result and in read-only POST fields. These are the only payload copies of the data path, and
 * they are counted.
 */
import { copyAndSum, fold, sumSmall, swapSum } from "../base/checksum.ts";
import { countBy } from "../base/counter.ts";
import { postOf, preOf } from "../flow/flow-state.ts";
import { contiguousBytes, sequenceAddress } from "../tcp/sequence-address.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { POST_RX_LIST, POST_RX_MASK, POST_TX_LIST } from "../../bindings/abi/flow-state.ts";
import { POST_TX_MASK, PRE_PSEUDO_SUM } from "../../bindings/abi/flow-state.ts";
import { CHUNKS_PER_BUFFER_MAX, PLACEMENTS_MAX } from "../../bindings/abi/limits.ts";
import { CORE_CHUNK_SHIFT } from "../../bindings/abi/memory-map.ts";
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
    scatter(
      core,
      post,
      load<u32>(placement, W.PLACEMENT_SEQ),
      payload + load<u32>(placement, W.PLACEMENT_OFFSET),
      load<u32>(placement, W.PLACEMENT_LENGTH),
    );
  }
}

/** Copies contiguous bytes to the buffer from sequence number `seq` on. */
function scatter(core: usize, post: usize, seq: u32, from: usize, length: u32): void {
  const list = <usize>load<u32>(post, POST_RX_LIST);
  const mask = load<u32>(post, POST_RX_MASK);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  countBy(core, Counter.CopiedIn, length);
  let done: u32 = 0;
  for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
    const bytes = min(length - done, contiguousBytes(shift, seq + done));
    memory.copy(sequenceAddress(list, mask, shift, seq + done), from + done, bytes);
    done += bytes;
  }
  assert(done == length, "placement longer than the buffer");
}

/** Payload to the outgoing frame, and the finished checksum (RFC 9293 MUST-2). */
export function dmaFetch(core: usize, work: usize): void {
  const length = load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  let sum = headerSum(core, work);
  if (length != 0) sum += gather(core, work, length);
  const tcp = <usize>load<u32>(work, W.WORK_OUT_TCP);
  store<u16>(tcp, <u16>~fold(sum), TCP_CHECKSUM);
}

/** Copies `length` bytes from the transmit buffer into the frame and returns their sum. */
function gather(core: usize, work: usize, length: u32): u64 {
  const post = postOf(core, load<u32>(work, W.WORK_CONNECTION));
  const list = <usize>load<u32>(post, POST_TX_LIST);
  const mask = load<u32>(post, POST_TX_MASK);
  const shift = load<u32>(core, CORE_CHUNK_SHIFT);
  const to = <usize>load<u32>(work, W.WORK_OUT_PAYLOAD);
  const seq = load<u32>(work, W.WORK_OUT_SEQ);
  countBy(core, Counter.CopiedOut, length);
  let sum: u64 = 0;
  let done: u32 = 0;
  for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
    const bytes = min(length - done, contiguousBytes(shift, seq + done));
    const part = copyAndSum(to + done, sequenceAddress(list, mask, shift, seq + done), bytes);
    // A span that starts on an odd byte adds its bytes in the other lane (RFC 1071, 2(B)).
    sum += (done & 1) != 0 ? swapSum(part) : part;
    done += bytes;
  }
  return sum;
}

/** Sum of TCP header and pseudo header. */
// @ts-ignore: decorator
@inline
function headerSum(core: usize, work: usize): u64 {
  const pre = preOf(core, load<u32>(work, W.WORK_CONNECTION));
  const tcp = <usize>load<u32>(work, W.WORK_OUT_TCP);
  const header = load<u32>(work, W.WORK_OUT_PAYLOAD) - <u32>tcp;
  const length = header + load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  return sumSmall(tcp, header) + load<u32>(pre, PRE_PSEUDO_SUM) + bswap<u16>(<u16>length);
}
