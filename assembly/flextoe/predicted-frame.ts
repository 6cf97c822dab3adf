/**
 * Header prediction, the frame: a segment of a connection on which nothing unusual goes on, written
 * at once as post-processing and DMA write it, without a work record between them. Its sum is taken
 * of the values that are written, not of the header.
 */
import { countDrop } from "../base/counter.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ECN_ECT0, ECN_NOT_ECT } from "../../bindings/abi/ip.ts";
import * as T from "../../bindings/abi/tcp.ts";
import { completeSegment } from "../nic/dma.ts";
import { openFrame, writeTcpHeader, writeTimestamps } from "../nic/post-processing.ts";
import { flagsOf } from "../tcp/state.ts";

/** Link, IP and TCP header bytes of a segment, its only option timestamps. */
// @ts-ignore: decorator
@inline
export function headerBytes(pre: usize, p: usize): u32 {
  return <u32>load<u8>(pre, F.PRE_HEADER_LENGTH) + tcpHeaderBytes(p);
}

// @ts-ignore: decorator
@inline
function tcpHeaderBytes(p: usize): u32 {
  const stamped = (flagsOf(p) & F.FLOW_TIMESTAMPS) != 0;
  return stamped ? T.TCP_SIZE + T.TIMESTAMP_OPTION_BYTES : T.TCP_SIZE;
}

/**
 * Writes a segment with `length` payload bytes from `seq` on, or an ACK; `control` are its flags.
 * False, and it is dropped, when the egress burst is full. `pre`, `post`, `p`: its records.
 */
// @ts-ignore: decorator
@inline
export function writeSegment(
  core: usize,
  connection: u32,
  pre: usize,
  post: usize,
  p: usize,
  seq: u32,
  control: u32,
  window: u32,
  length: u32,
): bool {
  const header = tcpHeaderBytes(p);
  const capable = (flagsOf(p) & F.FLOW_ECN) != 0 && length != 0;
  const bytes = <u32>load<u8>(pre, F.PRE_HEADER_LENGTH) + header + length;
  const tcp = openFrame(core, connection, pre, bytes, capable ? ECN_ECT0 : ECN_NOT_ECT);
  if (tcp == 0) {
    countDrop(core, DropReason.EgressFull);
    return false;
  }
  const ack = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  let sum = writeTcpHeader(pre, tcp, seq, ack, (header << 2) | (control << 8), window);
  if (header != T.TCP_SIZE) {
    sum += writeTimestamps(core, post, tcp + T.TCP_SIZE, load<u32>(p, F.PROTOCOL_TS_RECENT));
  }
  completeSegment(core, pre, post, tcp, header, sum, seq, length);
  return true;
}
