/**
 * Post-processing (4.3.1.3): Ack, Stamp, Stats, Pos. Allocates the outgoing frame, writes its
 * headers from the connection's template, collects statistics and says where payload belongs.
 * Reads the work result, PRE and POST; never PROTOCOL. Statistics commute, so copies of this
 * stage may run in any order.
 */
import { store32be } from "../base/bytes.ts";
import { fold } from "../base/checksum.ts";
import { count, countBy, countDrop } from "../base/counter.ts";
import { addShared } from "../base/shared.ts";
import { postOf, preOf } from "../flow/flow-state.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { FRAME_CONNECTION, FRAME_LENGTH, FRAME_NETIF } from "../../bindings/abi/descriptor.ts";
import { FRAME_OFFSET, FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { IPV4_CHECKSUM, IPV4_IDENTIFICATION, IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { IPV4_TOS, IPV4_TOTAL_LENGTH, IPV6_PAYLOAD_LENGTH } from "../../bindings/abi/ip.ts";
import { IPV6_SIZE } from "../../bindings/abi/ip.ts";
import { EGRESS_FRAMES_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as T from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";

/** NOP, NOP, SACK and the length byte, for 8 * blocks + 2 bytes (RFC 2018). */
const SACK_PREFIX: u32 = 0x01010500;

/** Frames that the egress burst still takes. */
// @ts-ignore: decorator
@inline
export function egressRoom(core: usize): u32 {
  return EGRESS_FRAMES_MAX - load<u32>(core, M.CORE_EGRESS_COUNT);
}

/**
 * A segment with `length` payload bytes moved rxNextSeq by `bytes` and acknowledged `acked`: the
 * connection's statistics. countReceived() has the core's.
 */
// @ts-ignore: decorator
@inline
export function noteReceived(
  core: usize,
  post: usize,
  length: u32,
  bytes: u32,
  acked: u32,
): void {
  store<u64>(post, load<u64>(core, M.CORE_NOW), F.POST_LAST_RECEIVE);
  if (ASC_FEATURE_THREADS) atomic.add<u32>(post, 1, F.POST_SEGMENTS_IN);
  else store<u32>(post, load<u32>(post, F.POST_SEGMENTS_IN) + 1, F.POST_SEGMENTS_IN);
  if (length != 0) {
    if (ASC_FEATURE_THREADS) atomic.add<u64>(post, bytes, F.POST_BYTES_IN);
    else store<u64>(post, load<u64>(post, F.POST_BYTES_IN) + bytes, F.POST_BYTES_IN);
  }
  if (acked == 0) return;
  if (ASC_FEATURE_THREADS) atomic.add<u64>(post, acked, F.POST_BYTES_ACKED);
  else store<u64>(post, load<u64>(post, F.POST_BYTES_ACKED) + acked, F.POST_BYTES_ACKED);
  if (ASC_FEATURE_THREADS) atomic.add<u32>(post, acked, F.POST_ACKED_BYTES);
  else store<u32>(post, load<u32>(post, F.POST_ACKED_BYTES) + acked, F.POST_ACKED_BYTES);
}

/** `data` segments with payload have arrived, `bytes` of it in order, and `acks` without any. */
export function countReceived(core: usize, data: u32, bytes: u64, acks: u32): void {
  countBy(core, Counter.DataSegmentsIn, data);
  countBy(core, Counter.PayloadBytesIn, bytes);
  countBy(core, Counter.AcksIn, acks);
}

/** Statistics of a received segment. */
export function postProcessRx(core: usize, work: usize): void {
  const post = postOf(core, load<u32>(work, W.WORK_CONNECTION));
  const actions = load<u32>(work, W.WORK_ACTIONS);
  const acked = load<u32>(work, W.WORK_ACKED);
  const length = load<u32>(work, W.WORK_PAYLOAD_LENGTH);
  const bytes = load<u32>(work, W.WORK_RX_BUMP);
  noteReceived(core, post, length, bytes, acked);
  if (length != 0) countReceived(core, 1, bytes, 0);
  else countReceived(core, 0, 0, 1);
  if (acked != 0 && (actions & W.ACTION_ECN_ECHO) != 0) {
    addShared(post + F.POST_ECN_BYTES, acked);
  }
  const rare = W.ACTION_OUT_OF_ORDER | W.ACTION_DUP_ACK | W.ACTION_FAST_RETRANSMIT;
  if ((actions & rare) != 0) countRare(core, post, actions);
}

function countRare(core: usize, post: usize, actions: u32): void {
  if ((actions & W.ACTION_OUT_OF_ORDER) != 0) {
    addShared(post + F.POST_OUT_OF_ORDER, 1);
    count(core, Counter.OutOfOrderPlaced);
  }
  if ((actions & W.ACTION_DUP_ACK) != 0) {
    addShared(post + F.POST_DUP_ACKS, 1);
    count(core, Counter.DupAcksIn);
  }
  if ((actions & W.ACTION_FAST_RETRANSMIT) != 0) {
    addShared(post + F.POST_FAST_RETRANSMITS, 1);
    count(core, Counter.FastRetransmits);
  }
}

/** `segments` with `length` payload bytes in all leave; without bytes they are ACKs. */
// @ts-ignore: decorator
@inline
export function noteSent(core: usize, post: usize, segments: u32, length: u32): void {
  if (ASC_FEATURE_THREADS) atomic.add<u32>(post, segments, F.POST_SEGMENTS_OUT);
  else store<u32>(post, load<u32>(post, F.POST_SEGMENTS_OUT) + segments, F.POST_SEGMENTS_OUT);
  if (length == 0) return countBy(core, Counter.AcksOut, segments);
  countBy(core, Counter.DataSegmentsOut, segments);
  countBy(core, Counter.PayloadBytesOut, length);
}

/** Statistics of a segment that leaves. */
export function postProcessTx(core: usize, work: usize): void {
  const post = postOf(core, load<u32>(work, W.WORK_CONNECTION));
  noteSent(core, post, 1, load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH));
  if ((load<u32>(work, W.WORK_ACTIONS) & W.ACTION_RETRANSMISSION) != 0) {
    addShared(post + F.POST_RETRANSMITS, 1);
    count(core, Counter.Retransmissions);
  }
}

/** Bytes of the IP packet that this item becomes: what a pacing rate counts. */
export function packetBytes(core: usize, work: usize): u32 {
  const pre = preOf(core, load<u32>(work, W.WORK_CONNECTION));
  const network = <u32>load<u8>(pre, F.PRE_HEADER_LENGTH) - <u32>load<u8>(pre, F.PRE_LINK_LENGTH);
  const payload = load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  return network + T.TCP_SIZE + optionBytes(work) + payload;
}

/**
 * Allocates the frame and writes link, IP and TCP headers; the TCP checksum field holds 0 and the
 * DMA stage completes it. False, and the work is dropped, when the egress burst is full.
 */
export function buildSegment(core: usize, work: usize): bool {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const pre = preOf(core, connection);
  const options = optionBytes(work);
  const payload = load<u32>(work, W.WORK_OUT_PAYLOAD_LENGTH);
  const flags = load<u32>(work, W.WORK_OUT_FLAGS);
  const length = <u32>load<u8>(pre, F.PRE_HEADER_LENGTH) + T.TCP_SIZE + options + payload;
  const tcp = openFrame(core, connection, pre, length, load<u32>(work, W.WORK_OUT_ECN));
  if (tcp == 0) {
    countDrop(core, DropReason.EgressFull);
    return false;
  }
  writeTcpHeader(
    pre,
    tcp,
    load<u32>(work, W.WORK_OUT_SEQ),
    load<u32>(work, W.WORK_OUT_ACK),
    ((T.TCP_SIZE + options) << 2) | ((flags & 0xff) << 8),
    load<u32>(work, W.WORK_OUT_WINDOW),
  );
  let at = tcp + T.TCP_SIZE;
  if ((flags & W.OUT_TIMESTAMPS) != 0) {
    const post = postOf(core, connection);
    writeTimestamps(core, post, at, load<u32>(work, W.WORK_OUT_TS_ECR));
    at += T.TIMESTAMP_OPTION_BYTES;
  }
  writeSack(work, at);
  store<u32>(work, <u32>tcp, W.WORK_OUT_TCP);
  store<u32>(work, <u32>tcp + T.TCP_SIZE + options, W.WORK_OUT_PAYLOAD);
  return true;
}

/**
 * A frame of `length` bytes with its link and IP header; returns the address of its TCP header, 0
 * when the egress burst is full.
 */
// @ts-ignore: decorator
@inline
export function openFrame(
  core: usize,
  connection: u32,
  pre: usize,
  length: u32,
  ecn: u32,
): usize {
  const used = load<u32>(core, M.CORE_EGRESS_BYTES);
  const index = load<u32>(core, M.CORE_EGRESS_COUNT);
  // Template copies write whole 16-byte blocks: the span ends FRAME_HEADROOM bytes later.
  if (index >= EGRESS_FRAMES_MAX || used + length > load<u32>(core, M.CORE_EGRESS_CAPACITY)) {
    return 0;
  }
  const frame = <usize>load<u32>(core, M.CORE_EGRESS) + used;
  const entry = <usize>load<u32>(core, M.CORE_EGRESS_TABLE) + index * FRAME_SIZE;
  store<u32>(entry, used, FRAME_OFFSET);
  store<u32>(entry, length, FRAME_LENGTH);
  store<u32>(entry, load<u8>(pre, F.PRE_NETIF), FRAME_NETIF);
  store<u32>(entry, connection, FRAME_CONNECTION);
  store<u32>(core, index + 1, M.CORE_EGRESS_COUNT);
  store<u32>(core, used + ((length + 15) & ~15), M.CORE_EGRESS_BYTES);
  count(core, Counter.FramesOut);
  countBy(core, Counter.BytesOut, length);
  writeNetworkHeader(pre, frame, length, ecn);
  return frame + <u32>load<u8>(pre, F.PRE_HEADER_LENGTH);
}

/** Bytes of options that the segment will carry. */
// @ts-ignore: decorator
@inline
function optionBytes(work: usize): u32 {
  const timestamps = (load<u32>(work, W.WORK_OUT_FLAGS) & W.OUT_TIMESTAMPS) != 0;
  const blocks = load<u32>(work, W.WORK_OUT_SACK_COUNT);
  return (timestamps ? T.TIMESTAMP_OPTION_BYTES : 0) + (blocks != 0 ? 4 + blocks * 8 : 0);
}

/** Link and IP header from the template; IPv4's length, identification, ECN and sum differ. */
// @ts-ignore: decorator
@inline
function writeNetworkHeader(pre: usize, frame: usize, length: u32, ecn: u32): void {
  const template = pre + F.PRE_TEMPLATE;
  v128.store(frame, v128.load(template));
  v128.store(frame, v128.load(template, 16), 16);
  v128.store(frame, v128.load(template, 32), 32);
  const link: u32 = load<u8>(pre, F.PRE_LINK_LENGTH);
  const ip = frame + link;
  if (<u32>load<u8>(pre, F.PRE_FAMILY) == 6) {
    return writeIpv6(template, frame, ip, length, link, ecn);
  }
  const identification = load<u32>(pre, F.PRE_IDENTIFICATION);
  store<u32>(pre, identification + 1, F.PRE_IDENTIFICATION);
  const total = bswap<u16>(<u16>(length - link));
  const id = bswap<u16>(<u16>identification);
  store<u16>(ip, total, IPV4_TOTAL_LENGTH);
  store<u16>(ip, id, IPV4_IDENTIFICATION);
  if (ecn != 0) store<u8>(ip, load<u8>(ip, IPV4_TOS) | <u8>ecn, IPV4_TOS);
  // The TOS byte is the high half of the first little-endian word.
  const sum = <u64>load<u32>(pre, F.PRE_TEMPLATE_SUM) + total + id + (ecn << 8);
  store<u16>(ip, <u16>~fold(sum), IPV4_CHECKSUM);
}

/** The rest of a template of IPv6, payload length and ECN; it has no checksum (RFC 8200, 3). */
function writeIpv6(
  template: usize,
  frame: usize,
  ip: usize,
  length: u32,
  link: u32,
  ecn: u32,
): void {
  v128.store(frame, v128.load(template, 48), 48);
  store<u16>(ip, bswap<u16>(<u16>(length - link - IPV6_SIZE)), IPV6_PAYLOAD_LENGTH);
  if (ecn != 0) store<u8>(ip, load<u8>(ip, 1) | <u8>(ecn << 4), 1);
}

/**
 * `control`: data offset in the low byte, flags in the next. The checksum field becomes 0. Returns
 * the partial sum of the header.
 */
// @ts-ignore: decorator
@inline
export function writeTcpHeader(
  pre: usize,
  tcp: usize,
  seq: u32,
  ack: u32,
  control: u32,
  window: u32,
): u64 {
  // A received segment's source is our destination.
  const ports = rotl<u32>(load<u32>(pre, F.PRE_PORTS), 16);
  const number = bswap<u32>(seq);
  const expected = bswap<u32>(ack);
  const rest = control | (<u32>bswap<u16>(<u16>window) << 16);
  store<u32>(tcp, ports, T.TCP_SOURCE_PORT);
  store<u32>(tcp, number, T.TCP_SEQ);
  store<u32>(tcp, expected, T.TCP_ACK);
  store<u32>(tcp, rest, T.TCP_DATA_OFFSET);
  store<u32>(tcp, 0, T.TCP_CHECKSUM);
  return <u64>ports + number + expected + rest;
}

/** Timestamps (RFC 7323, 3.2) at the start of the options; returns their partial sum. */
// @ts-ignore: decorator
@inline
export function writeTimestamps(core: usize, post: usize, at: usize, echo: u32): u64 {
  const offset = load<u32>(post, F.POST_TS_OFFSET);
  const value = bswap<u32>(load<u32>(core, M.CORE_NOW_TICKS) + offset);
  const echoed = bswap<u32>(echo);
  store32be(at, T.TIMESTAMP_OPTION_PREFIX);
  store<u32>(at, value, 4);
  store<u32>(at, echoed, 8);
  return <u64>bswap<u32>(T.TIMESTAMP_OPTION_PREFIX) + value + echoed;
}

/** SACK (RFC 2018, section 3). */
// @ts-ignore: decorator
@inline
function writeSack(work: usize, at: usize): void {
  const blocks = load<u32>(work, W.WORK_OUT_SACK_COUNT);
  if (blocks == 0) return;
  store32be(at, SACK_PREFIX | (blocks * 8 + 2));
  for (let i: u32 = 0; i < blocks; i++) {
    store32be(at + 4 + i * 8, load<u32>(work + W.WORK_OUT_SACK + i * 8));
    store32be(at + 8 + i * 8, load<u32>(work + W.WORK_OUT_SACK + i * 8 + 4));
  }
}

if (IPV4_SIZE + 18 > 48) ERROR("three vectors of the template hold IPv4 and its link");
if (IPV6_SIZE + 18 > F.PRE_TEMPLATE_MAX) ERROR("template too small");
