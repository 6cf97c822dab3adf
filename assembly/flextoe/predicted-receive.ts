/**
 * Header prediction, RX workflow: the next segment of a connection on which nothing unusual goes
 * on, taken through the decisions of all stages at once (Jacobson's header prediction; RFC 9293,
 * 3.10.7.4 in its common case). Everything is tested before anything is changed that somebody
 * reads: what differs in any way goes through the stages, which would have done the same for the
 * rest. A test holds the two ways to the same frames and the same state.
 */
import { load16be, load32be } from "../base/bytes.ts";
import { copyAndSum, fold, sumFiveOrEight, sumWords } from "../base/checksum.ts";
import { countBy } from "../base/counter.ts";
import { findIpv4, findIpv6, hashIpv4, isTupleIpv6 } from "../flow/connection-database.ts";
import { postOf, preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { linkBytes, packetOf } from "../flow/ingress-frame.ts";
import { congestionOnAck } from "../tcp/congestion/congestion-control.ts";
import { wantsSamples } from "../tcp/congestion/rtt-sample.ts";
import { rttOnAck } from "../tcp/round-trip-time.ts";
import { ipv6Ecn, ipv6PayloadLength, isInvalidIpv6Source } from "../wire/ipv6.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import * as E from "../../bindings/abi/ethernet.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import * as I from "../../bindings/abi/ip.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { seqBefore, seqDistance } from "../../bindings/abi/seq.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as T from "../../bindings/abi/tcp.ts";
import * as W from "../../bindings/abi/work.ts";
import { sampleRound, settleRetransmit, updateWindow } from "../tcp/receive-ack.ts";
import { announceWindow, countUnacked } from "../tcp/acknowledge.ts";
import { flagsOf, noteSendable, peerWindow, startDelayedAck } from "../tcp/state.ts";
import { placeOf, scatter } from "../nic/dma.ts";
import { notifyBumps } from "../nic/context-queue.ts";
import * as scheduler from "../nic/flow-scheduler.ts";
import { countReceived, noteReceived, noteSent } from "../nic/post-processing.ts";
import { writeSegment } from "./predicted-frame.ts";
import { passSequence } from "./sequencer.ts";

const HEADERS: u32 = I.IPV4_SIZE + T.TCP_SIZE;
const VERSION_AND_LENGTH: u32 = 0x45;
/** IPv4's EtherType and its fragment bits as a little-endian load sees them. */
const FRAGMENT_MASK: u32 =
  (I.IPV4_MORE_FRAGMENTS_OR_OFFSET >> 8) | ((I.IPV4_MORE_FRAGMENTS_OR_OFFSET & 0xff) << 8);
const TYPE_IPV4: u32 = (E.ETHER_TYPE_IPV4 >> 8) | ((E.ETHER_TYPE_IPV4 & 0xff) << 8);
const TYPE_IPV6: u32 = (E.ETHER_TYPE_IPV6 >> 8) | ((E.ETHER_TYPE_IPV6 & 0xff) << 8);
const OFFSET_PLAIN: u32 = (T.TCP_SIZE >> 2) << 4;
const OFFSET_TIMESTAMPS: u32 = ((T.TCP_SIZE + T.TIMESTAMP_OPTION_BYTES) >> 2) << 4;
/** Connections with one of these are the protocol stage's. */
const UNUSUAL: u32 =
  F.FLOW_FIN_PENDING | F.FLOW_FIN_SENT | F.FLOW_FIN_ACKED | F.FLOW_FIN_RECEIVED |
  F.FLOW_OUT_OF_ORDER | F.FLOW_RECOVERY | F.FLOW_RETRANSMIT | F.FLOW_RX_SHUT | F.FLOW_PERSIST;

/** receivePredicted() has not taken the frame. */
export const UNEXPECTED: i32 = -1;

/**
 * Takes the frame of a table entry when it is the one that was expected: its payload bytes, and all
 * of it is done but what the burst ends with, countPredicted() among it. UNEXPECTED: nothing has
 * changed that anybody reads. `work` is a free record.
 */
export function receivePredicted(core: usize, entry: usize, work: usize): i32 {
  let ip = plainPacketOf(core, entry);
  let size: usize = I.IPV4_SIZE;
  let bytes: u32;
  let connection: u32;
  if (ip != 0) {
    bytes = load16be(ip, I.IPV4_TOTAL_LENGTH) - I.IPV4_SIZE;
    connection = connectionOf(core, ip);
  } else {
    ip = plainIpv6Of(core, entry);
    if (ip == 0) return UNEXPECTED;
    size = I.IPV6_SIZE;
    bytes = ipv6PayloadLength(ip);
    connection = connectionOfIpv6(core, ip);
  }
  // One call for both families, and so no call at all.
  return receiveSegment(core, connection, ip + size, bytes, work);
}

/** The segment of `bytes` bytes at `tcp`, when it is the one that its connection expects. */
// @ts-ignore: decorator
@inline
function receiveSegment(core: usize, connection: u32, tcp: usize, bytes: u32, work: usize): i32 {
  if (connection == 0) return UNEXPECTED;
  const pre = preOf(core, connection);
  const p = protocolOf(core, connection);
  const header = expectedHeader(tcp, p);
  if (header == 0 || <i32>bytes < <i32>header) return UNEXPECTED;
  const length = bytes - header;
  const acked = seqDistance(load<u32>(p, F.PROTOCOL_TX_UNA), load32be(tcp, T.TCP_ACK));
  if (!isExpected(core, connection, p, tcp, length, acked)) return UNEXPECTED;
  const post = postOf(core, connection);
  const seq = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const to = length == 0 ? 0 : placeOf(core, post, seq, length);
  if (!hasChecksum(pre, tcp, header, length, to)) return UNEXPECTED;
  commit(p, tcp, header, acked);
  if (acked != 0) advance(core, connection, p, acked, tcp, header);
  if (length != 0) {
    if (to == 0) scatter(core, post, seq, tcp + header, length);
    take(core, connection, pre, post, p, length);
  }
  noteReceived(core, post, length, length, acked);
  notifyBumps(core, connection, post, length, acked, 0);
  if (load<u32>(p, F.PROTOCOL_TX_AVAIL) != 0) reschedule(core, work, connection, p);
  return <i32>length;
}

/**
 * Counts `frames` of a burst that were taken: `bytes` with their headers, `data` of them with
 * `payload` bytes in all. Once a burst, as are their numbers at RP1.
 */
export function countPredicted(
  core: usize,
  frames: u32,
  bytes: u64,
  data: u32,
  payload: u64,
): void {
  passSequence(core, ReorderPoint.Protocol, 0, frames);
  countBy(core, Counter.FramesIn, frames);
  countBy(core, Counter.PredictedIn, frames);
  countBy(core, Counter.BytesIn, bytes);
  countBy(core, Counter.CopiedIn, payload);
  countReceived(core, data, payload, frames - data);
}

/** The frame's IPv4 packet when its header is whole and plain, or 0. */
// @ts-ignore: decorator
@inline
function plainPacketOf(core: usize, entry: usize): usize {
  const link = linkBytes(core, entry);
  const ip = packetOf(core, entry, link, HEADERS);
  if (ip == 0) return 0;
  if (link != 0 && <u32>load<u16>(ip - link, E.ETHERNET_TYPE) != TYPE_IPV4) return 0;
  return isPlainIpv4(ip, load<u32>(entry, D.FRAME_LENGTH) - link) ? ip : 0;
}

/**
 * 20 bytes of header with a good checksum, whole, TCP, not marked. Its source is judged by the
 * connection that it is of: none is bound to an address that no segment may come from.
 */
// @ts-ignore: decorator
@inline
function isPlainIpv4(ip: usize, remaining: u32): bool {
  const first = load<u32>(ip);
  const second = load<u32>(ip, 4);
  const third = load<u32>(ip, 8);
  // One branch for all: what is predicted is true.
  const form = (first & 0xff) ^ VERSION_AND_LENGTH;
  const fragment = (second >>> 16) & FRAGMENT_MASK;
  const protocol = ((third >>> 8) & 0xff) ^ I.PROTOCOL_TCP;
  if ((form | fragment | protocol) != 0) return false;
  if (((first >>> 8) & 3) == I.ECN_CE) return false;
  if (<u32>bswap<u16>(<u16>(first >>> 16)) > remaining) return false;
  const addresses = <u64>load<u32>(ip, I.IPV4_SOURCE) + load<u32>(ip, I.IPV4_DESTINATION);
  return fold(<u64>first + second + third + addresses) == 0xffff;
}

/** The installed connection of a segment, or 0; most often that of the segment before. */
// @ts-ignore: decorator
@inline
function connectionOf(core: usize, ip: usize): u32 {
  const remote = load<u32>(ip, I.IPV4_SOURCE);
  const local = load<u32>(ip, I.IPV4_DESTINATION);
  const ports = load<u32>(ip, I.IPV4_SIZE);
  let connection = load<u32>(core, M.CORE_LAST_CONNECTION);
  const pre = preOf(core, connection);
  const other =
    (load<u32>(pre, F.PRE_PORTS) ^ ports) |
    (load<u32>(pre, F.PRE_REMOTE_ADDRESS + I.ADDRESS_IPV4) ^ remote) |
    (load<u32>(pre, F.PRE_LOCAL_ADDRESS + I.ADDRESS_IPV4) ^ local) |
    (<u32>load<u8>(pre, F.PRE_FAMILY) ^ 4) |
    (<u32>load<u8>(pre, F.PRE_STATE) ^ F.PreState.Installed);
  if (other == 0) return connection;
  connection = findIpv4(core, hashIpv4(core, remote, local, ports), remote, local, ports);
  if (connection == 0) return 0;
  if (load<u8>(preOf(core, connection), F.PRE_STATE) != <u8>F.PreState.Installed) return 0;
  store<u32>(core, connection, M.CORE_LAST_CONNECTION);
  return connection;
}

/** The frame's IPv6 packet when TCP follows its header, or 0; like plainPacketOf(). */
function plainIpv6Of(core: usize, entry: usize): usize {
  const link = linkBytes(core, entry);
  const ip = packetOf(core, entry, link, I.IPV6_SIZE + T.TCP_SIZE);
  if (ip == 0) return 0;
  if (link != 0 && <u32>load<u16>(ip - link, E.ETHERNET_TYPE) != TYPE_IPV6) return 0;
  if (<u32>load<u8>(ip) >> 4 != 6) return 0;
  if (<u32>load<u8>(ip, I.IPV6_NEXT_HEADER) != I.PROTOCOL_TCP) return 0;
  const remaining = load<u32>(entry, D.FRAME_LENGTH) - link - I.IPV6_SIZE;
  if (ipv6PayloadLength(ip) > remaining || ipv6Ecn(ip) == I.ECN_CE) return 0;
  return isInvalidIpv6Source(ip) ? 0 : ip;
}

/** connectionOf() of such a packet. */
function connectionOfIpv6(core: usize, ip: usize): u32 {
  let connection = load<u32>(core, M.CORE_LAST_CONNECTION);
  if (!isTupleIpv6(preOf(core, connection), ip)) connection = findIpv6(core, ip);
  if (connection == 0) return 0;
  if (load<u8>(preOf(core, connection), F.PRE_STATE) != <u8>F.PreState.Installed) return 0;
  store<u32>(core, connection, M.CORE_LAST_CONNECTION);
  return connection;
}

/** TCP header bytes when flags and options are those of every segment, or 0. */
// @ts-ignore: decorator
@inline
function expectedHeader(tcp: usize, p: usize): u32 {
  if ((load<u8>(tcp, T.TCP_FLAGS) & <u8>~T.TCP_PSH) != <u8>T.TCP_ACK_FLAG) return 0;
  const offset = <u32>load<u8>(tcp, T.TCP_DATA_OFFSET) & 0xf0;
  if ((flagsOf(p) & F.FLOW_TIMESTAMPS) == 0) return offset == OFFSET_PLAIN ? T.TCP_SIZE : 0;
  if (offset != OFFSET_TIMESTAMPS) return 0;
  if (load32be(tcp, T.TCP_SIZE) != T.TIMESTAMP_OPTION_PREFIX) return 0;
  return T.TCP_SIZE + T.TIMESTAMP_OPTION_BYTES;
}

/** In sequence, in the window, acknowledging what was sent, and news of some kind. */
// @ts-ignore: decorator
@inline
function isExpected(
  core: usize,
  connection: u32,
  p: usize,
  tcp: usize,
  length: u32,
  acked: u32,
): bool {
  const seq = load32be(tcp, T.TCP_SEQ);
  const flags = flagsOf(p);
  const events =
    <u32>load<u8>(p, F.PROTOCOL_DUP_ACKS) |
    load<u8>(p, F.PROTOCOL_ECHO) |
    load<u16>(recoveryOf(core, connection), F.RECOVERY_PROBED);
  const ahead = seq ^ load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  if (((flags & UNUSUAL) | events | ahead) != 0) return false;
  if (length > load<u32>(p, F.PROTOCOL_RX_AVAIL)) return false;
  if (acked > load<u32>(p, F.PROTOCOL_TX_SENT)) return false;
  if ((acked | length) == 0) return false;
  if ((flags & F.FLOW_TIMESTAMPS) == 0) return true;
  // PAWS (RFC 7323, 5.3).
  return !seqBefore(load32be(tcp, T.TCP_SIZE + 4), load<u32>(p, F.PROTOCOL_TS_RECENT));
}

/**
 * RFC 9293 MUST-3. The payload is copied to `to` on the way, one pass for both: it lies beyond
 * rxNextSeq, within the window, where nobody reads until it counts, and nothing waits out of order.
 * `to` 0: it is summed alone.
 */
// @ts-ignore: decorator
@inline
function hasChecksum(pre: usize, tcp: usize, header: u32, length: u32, to: usize): bool {
  let sum: u64 = <u64>load<u32>(pre, F.PRE_PSEUDO_SUM) + bswap<u16>(<u16>(header + length));
  sum += sumFiveOrEight(tcp, header != T.TCP_SIZE);
  if (to != 0) sum += copyAndSum(to, tcp + header, length);
  else if (length != 0) sum += sumWords(tcp + header, length);
  return fold(sum) == 0xffff;
}

/** From here on the segment counts: sequencing, window (by the WL1 test), timestamp. */
// @ts-ignore: decorator
@inline
function commit(p: usize, tcp: usize, header: u32, acked: u32): void {
  const seq = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  updateWindow(p, seq, una + acked, load16be(tcp, T.TCP_WINDOW));
  if (header == T.TCP_SIZE) return;
  // RFC 7323, 4.3.
  if (seqBefore(load<u32>(p, F.PROTOCOL_LAST_ACK_SENT), seq)) return;
  store<u32>(p, load32be(tcp, T.TCP_SIZE + 4), F.PROTOCOL_TS_RECENT);
}

/** New data acknowledged, all of it in flight: una, RTT, congestion window, timer. */
// @ts-ignore: decorator
@inline
function advance(
  core: usize,
  connection: u32,
  p: usize,
  acked: u32,
  tcp: usize,
  header: u32,
): void {
  const r = recoveryOf(core, connection);
  const now = load<u64>(core, M.CORE_NOW);
  const before = load<u32>(p, F.PROTOCOL_TX_SENT);
  const una = load<u32>(p, F.PROTOCOL_TX_UNA) + acked;
  store<u32>(p, before - acked, F.PROTOCOL_TX_SENT);
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_MAX) - acked, F.PROTOCOL_TX_MAX);
  store<u32>(p, una, F.PROTOCOL_TX_UNA);
  if (!rttOnAck(r, una, now) && wantsSamples(r) && header != T.TCP_SIZE) {
    sampleRound(core, connection, r, load32be(tcp, T.TCP_SIZE + 8));
  }
  congestionOnAck(p, r, acked, before, false, now, 0);
  settleRetransmit(core, connection, p);
}

/** Payload at rxNextSeq counts, and is acknowledged now or soon (RFC 9293 SHLD-18, SHLD-19). */
// @ts-ignore: decorator
@inline
function take(
  core: usize,
  connection: u32,
  pre: usize,
  post: usize,
  p: usize,
  length: u32,
): void {
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ) + length, F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(p, load<u32>(p, F.PROTOCOL_RX_AVAIL) - length, F.PROTOCOL_RX_AVAIL);
  if (countUnacked(p)) sendAcknowledgment(core, connection, pre, post, p);
  else startDelayedAck(core, connection);
}

/** What acknowledge() decides and the stages build from it. */
// @ts-ignore: decorator
@inline
function sendAcknowledgment(
  core: usize,
  connection: u32,
  pre: usize,
  post: usize,
  p: usize,
): void {
  passSequence(core, ReorderPoint.Netif, load<u8>(pre, F.PRE_GROUP), 1);
  const sent = min(load<u32>(p, F.PROTOCOL_TX_MAX), peerWindow(p));
  const seq = load<u32>(p, F.PROTOCOL_TX_UNA) + sent;
  const window = announceWindow(core, connection, p);
  if (!writeSegment(core, connection, pre, post, p, seq, T.TCP_ACK_FLAG, window, 0)) return;
  noteSent(core, post, 1, 0);
}

function clear(core: usize, work: usize, connection: u32): void {
  store<u32>(work, W.WorkKind.Rx, W.WORK_KIND);
  store<u32>(work, connection, W.WORK_CONNECTION);
  store<u32>(work, load<u8>(preOf(core, connection), F.PRE_GROUP), W.WORK_GROUP);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_OUT_ECN);
}

/** An ACK may have opened the way for data that waits. */
function reschedule(core: usize, work: usize, connection: u32, p: usize): void {
  clear(core, work, connection);
  noteSendable(core, work, connection, p);
  if ((load<u32>(work, W.WORK_ACTIONS) & W.ACTION_SCHEDULE) == 0) return;
  scheduler.schedule(core, connection, true);
}
