/**
 * The control plane's way into the connection tables: bind, install, inspect, uninstall, unbind.
 * The control plane is trusted, yet every field that indexes or shifts is checked, so that its
 * bugs stay inside a connection.
 */
import { clearVectors, copyBytes } from "../base/bytes.ts";
import { fold, sumWords } from "../base/checksum.ts";
import { count } from "../base/counter.ts";
import {
  congestionInitialize, isCongestionChoice,
} from "../tcp/congestion/congestion-control.ts";
import { rttSample } from "../tcp/round-trip-time.ts";
import { find, hashAddresses, insert, remove } from "../flow/connection-database.ts";
import { isConnection, postOf, preOf, protocolOf } from "../flow/flow-state.ts";
import { recoveryOf } from "../flow/flow-state.ts";
import { closeReceive, emptyReceive, growReceive } from "../flow/receive-buffer.ts";
import { largestBufferShift, reserveReceive, reserveWhole } from "../flow/receive-buffer.ts";
import { closeTransmit, emptyTransmit } from "../flow/transmit-buffer.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as D from "../../bindings/abi/descriptor.ts";
import { ETHERNET_DESTINATION, ETHERNET_SIZE } from "../../bindings/abi/ethernet.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ADDRESS_IPV4, ADDRESS_SIZE, IPV4_SIZE, IPV6_SIZE } from "../../bindings/abi/ip.ts";
import { PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { IPV4_CHECKSUM, IPV4_IDENTIFICATION, IPV4_TOTAL_LENGTH } from "../../bindings/abi/ip.ts";
import { IPV4_TOS, IPV4_TTL, IPV6_HOP_LIMIT, MAPPED_PREFIX } from "../../bindings/abi/ip.ts";
import * as L from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import { TCP_SIZE, TIMESTAMP_OPTION_BYTES } from "../../bindings/abi/tcp.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";
import { isInvalidIpv4Peer } from "../wire/ipv4.ts";
import { forgetFlow, resetFlow } from "./flow-scheduler.ts";
import { forgetIntervals } from "../tcp/ooo-interval.ts";
import { closeLog } from "../tcp/send-log.ts";
import { cancelTimer } from "../tcp/state.ts";


// @ts-ignore: decorator
@inline
function installRecord(core: usize): usize {
  return <usize>load<u32>(core, M.CORE_INSTALL);
}

/** INSTALL's ports as they stand in a received header: remote, then local, big-endian. */
function wirePorts(record: usize): u32 {
  const remote: u32 = bswap<u16>(load<u16>(record, D.INSTALL_REMOTE_PORT));
  const local: u32 = bswap<u16>(load<u16>(record, D.INSTALL_LOCAL_PORT));
  return remote | (local << 16);
}

/** The connection with INSTALL's 4-tuple, or 0. */
export function lookup(core: usize): u32 {
  const record = installRecord(core);
  const remote = record + D.INSTALL_REMOTE_ADDRESS;
  const local = record + D.INSTALL_LOCAL_ADDRESS;
  const ports = wirePorts(record);
  return find(core, hashAddresses(core, remote, local, ports), remote, local, ports);
}

/** True for ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
// @ts-ignore: decorator
@inline
function isMapped(address: usize): bool {
  return load<u64>(address) == 0 && load<u32>(address, 8) == MAPPED_PREFIX;
}

/**
 * IPv4 or IPv6; of IPv4 addresses what finds a segment's connection sees the last word alone, so
 * two that differ in front of it would be one there. Header prediction does not look at a source
 * again: no connection is with an address that no segment may come from.
 */
function isTupleSound(record: usize): bool {
  const family: u32 = load<u8>(record, D.INSTALL_FAMILY);
  if (family == 6) return true;
  const remote = record + D.INSTALL_REMOTE_ADDRESS;
  if (family != 4 || !isMapped(remote) || !isMapped(record + D.INSTALL_LOCAL_ADDRESS)) return false;
  return !isInvalidIpv4Peer(load<u32>(remote, ADDRESS_IPV4));
}

/** Enters INSTALL's connection in the database, answered for by the control plane. */
export function bind(core: usize): u32 {
  const record = installRecord(core);
  const connection = load<u32>(record, D.INSTALL_CONNECTION);
  if (!isConnection(core, connection)) return D.InstallStatus.Invalid;
  const pre = preOf(core, connection);
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Free) return D.InstallStatus.Invalid;
  if (!isTupleSound(record)) return D.InstallStatus.Invalid;
  const ports = wirePorts(record);
  const remote = record + D.INSTALL_REMOTE_ADDRESS;
  const local = record + D.INSTALL_LOCAL_ADDRESS;
  const hash = hashAddresses(core, remote, local, ports);
  if (find(core, hash, remote, local, ports) != 0) return D.InstallStatus.Exists;
  clearVectors(pre, F.PRE_SIZE);
  v128.store(pre, v128.load(remote), F.PRE_REMOTE_ADDRESS);
  v128.store(pre, v128.load(local), F.PRE_LOCAL_ADDRESS);
  store<u32>(pre, ports, F.PRE_PORTS);
  store<u32>(pre, hash, F.PRE_HASH);
  store<u32>(pre, load<u32>(record, D.INSTALL_GENERATION), F.PRE_GENERATION);
  store<u8>(pre, <u8>(hash >>> F.GROUP_SHIFT), F.PRE_GROUP);
  store<u8>(pre, load<u8>(record, D.INSTALL_NETIF) & <u8>(L.NETIFS_MAX - 1), F.PRE_NETIF);
  store<u8>(pre, load<u8>(record, D.INSTALL_FAMILY), F.PRE_FAMILY);
  if (!insert(core, connection)) return D.InstallStatus.TableFull;
  store<u8>(protocolOf(core, connection), 0, F.PROTOCOL_RX_SHIFT);
  store<u8>(pre, <u8>F.PreState.Control, F.PRE_STATE);
  return D.InstallStatus.Ok;
}

/** Takes a 4-tuple out of the database, and out of the data path when it is still there. */
export function unbind(core: usize, connection: u32): void {
  if (!isConnection(core, connection)) return;
  const pre = preOf(core, connection);
  if (load<u8>(pre, F.PRE_STATE) == <u8>F.PreState.Free) return;
  uninstall(core, connection);
  closeReceive(core, connection);
  remove(core, connection);
  store<u8>(pre, <u8>F.PreState.Free, F.PRE_STATE);
  cancelTimer(core, connection, TimerKind.Control);
}

/**
 * Reserves the receive buffer of a bound connection, before its first window is announced: log2 of
 * its bytes, `wanted` or less, or 0 when there is no chunk left.
 */
export function reserve(core: usize, connection: u32, wanted: u32): u32 {
  if (!isConnection(core, connection)) return 0;
  if (load<u8>(preOf(core, connection), F.PRE_STATE) != <u8>F.PreState.Control) return 0;
  closeReceive(core, connection);
  return reserveReceive(core, connection, wanted);
}

/** Hands INSTALL's bound connection to the data path. */
export function install(core: usize): u32 {
  const record = installRecord(core);
  const connection = load<u32>(record, D.INSTALL_CONNECTION);
  if (!isInstallable(core, record, connection)) return D.InstallStatus.Invalid;
  const wanted: u32 = load<u8>(record, D.INSTALL_RX_SHIFT);
  let granted: u32 = load<u8>(protocolOf(core, connection), F.PROTOCOL_RX_SHIFT);
  if (granted == 0) {
    if (!reserveWhole(core, connection, wanted)) return D.InstallStatus.NoBuffers;
    granted = wanted;
  }
  const pre = preOf(core, connection);
  installHeader(pre, record);
  installProtocol(core, connection, record, granted);
  installPost(core, connection, record);
  installBuffers(core, connection, granted, wanted);
  resetFlow(core, connection);
  store<u8>(pre, <u8>F.PreState.Installed, F.PRE_STATE);
  store<u32>(core, load<u32>(core, M.CORE_INSTALLED) + 1, M.CORE_INSTALLED);
  count(core, Counter.Installs);
  return D.InstallStatus.Ok;
}

function isInstallable(core: usize, record: usize, connection: u32): bool {
  if (!isConnection(core, connection)) return false;
  const pre = preOf(core, connection);
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Control) return false;
  if (load<u32>(pre, F.PRE_GENERATION) != load<u32>(record, D.INSTALL_GENERATION)) return false;
  const shift = load<u32>(core, M.CORE_CHUNK_SHIFT);
  const rx: u32 = load<u8>(record, D.INSTALL_RX_SHIFT);
  const tx: u32 = load<u8>(record, D.INSTALL_TX_SHIFT);
  const most = largestBufferShift(core);
  if (rx < shift || tx < shift || rx > most || tx > most) return false;
  if (<u32>load<u8>(record, D.INSTALL_RX_LIMIT) > most) return false;
  const context: u32 = load<u16>(record, D.INSTALL_CONTEXT);
  if (context == 0 || context >= load<u32>(core, M.CORE_CONTEXTS)) return false;
  const header: u32 = load<u8>(record, D.INSTALL_HEADER_LENGTH);
  const link: u32 = load<u8>(record, D.INSTALL_LINK_LENGTH);
  const network = isIpv6(pre) ? IPV6_SIZE : IPV4_SIZE;
  if (header > F.PRE_TEMPLATE_MAX || header < link + network) return false;
  if (<u32>load<u8>(record, D.INSTALL_PEER_SCALE) > L.WINDOW_SCALE_MAX) return false;
  if (<u32>load<u8>(record, D.INSTALL_LOCAL_SCALE) > L.WINDOW_SCALE_MAX) return false;
  const limit: u32 = load<u8>(record, D.INSTALL_INTERVAL_LIMIT);
  if (limit > L.OOO_INTERVALS_MAX) return false;
  if (load<u16>(record, D.INSTALL_MSS) == 0) return false;
  return isCongestionChoice(load<u8>(record, D.INSTALL_ALGORITHM));
}

/** The header template and the sums that each segment starts from. */
function installHeader(pre: usize, record: usize): void {
  const link: u32 = load<u8>(record, D.INSTALL_LINK_LENGTH);
  copyBytes(pre + F.PRE_TEMPLATE, record + D.INSTALL_TEMPLATE, F.PRE_TEMPLATE_MAX);
  store<u8>(pre, load<u8>(record, D.INSTALL_HEADER_LENGTH), F.PRE_HEADER_LENGTH);
  store<u8>(pre, <u8>link, F.PRE_LINK_LENGTH);
  store<u16>(pre, load<u16>(record, D.INSTALL_CONTEXT), F.PRE_CONTEXT);
  sumTemplate(pre);
  // Both addresses; the prefix of a mapped one is 0xffff, which adds nothing.
  const addresses = sumWords(pre + F.PRE_REMOTE_ADDRESS, ADDRESS_SIZE * 2);
  const pseudo = addresses + <u64>(PROTOCOL_TCP << 8);
  store<u32>(pre, fold(pseudo), F.PRE_PSEUDO_SUM);
}

// @ts-ignore: decorator
@inline
function isIpv6(pre: usize): bool {
  return <u32>load<u8>(pre, F.PRE_FAMILY) == 6;
}

/** Sum of the IPv4 header's constant part; the variable fields of the template are zeroed. */
function sumTemplate(pre: usize): void {
  // IPv6 has no checksum of its own; the control plane leaves its two ECN bits 0.
  if (isIpv6(pre)) return;
  const ip = pre + F.PRE_TEMPLATE + <u32>load<u8>(pre, F.PRE_LINK_LENGTH);
  store<u16>(ip, 0, IPV4_TOTAL_LENGTH);
  store<u16>(ip, 0, IPV4_IDENTIFICATION);
  store<u16>(ip, 0, IPV4_CHECKSUM);
  store<u8>(ip, load<u8>(ip, IPV4_TOS) & 0xfc, IPV4_TOS);
  store<u32>(pre, fold(sumWords(ip, IPV4_SIZE)), F.PRE_TEMPLATE_SUM);
}

/** AtxOpcode.SetHeader: TTL and TOS of segments from now on (RFC 9293 MUST-48, MUST-49). */
export function setHeader(core: usize, connection: u32, ttl: u32, tos: u32): void {
  const pre = preOf(core, connection);
  const ip = pre + F.PRE_TEMPLATE + <u32>load<u8>(pre, F.PRE_LINK_LENGTH);
  if (isIpv6(pre)) {
    store<u8>(ip, <u8>ttl, IPV6_HOP_LIMIT);
    store<u8>(ip, 0x60 | <u8>((tos & 0xf0) >>> 4));
    store<u8>(ip, (load<u8>(ip, 1) & 0x0f) | <u8>((tos & 0x0c) << 4), 1);
    return;
  }
  store<u8>(ip, <u8>ttl, IPV4_TTL);
  store<u8>(ip, <u8>tos, IPV4_TOS);
  sumTemplate(pre);
}

/** AtxOpcode.SetLink: the next hop's hardware address, of a template that has a link header. */
export function setLink(core: usize, connection: u32, low: u32, high: u32): void {
  const pre = preOf(core, connection);
  if (<u32>load<u8>(pre, F.PRE_LINK_LENGTH) < ETHERNET_SIZE) return;
  store<u32>(pre + F.PRE_TEMPLATE, low, ETHERNET_DESTINATION);
  store<u16>(pre + F.PRE_TEMPLATE, <u16>high, ETHERNET_DESTINATION + 4);
}

function installProtocol(core: usize, connection: u32, record: usize, rxShift: u32): void {
  const p = protocolOf(core, connection);
  const r = recoveryOf(core, connection);
  clearVectors(p, F.PROTOCOL_SIZE);
  clearVectors(r, F.RECOVERY_SIZE);
  const rxSeq = load<u32>(record, D.INSTALL_RX_SEQ);
  const txSeq = load<u32>(record, D.INSTALL_TX_SEQ);
  const window = load<u32>(record, D.INSTALL_PEER_WINDOW);
  store<u32>(p, rxSeq, F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(p, <u32>1 << rxShift, F.PROTOCOL_RX_AVAIL);
  store<u32>(p, load<u32>(record, D.INSTALL_RX_EDGE), F.PROTOCOL_RX_EDGE);
  store<u32>(p, rxSeq, F.PROTOCOL_LAST_ACK_SENT);
  store<u32>(p, txSeq, F.PROTOCOL_TX_UNA);
  store<u32>(p, txSeq + window, F.PROTOCOL_WINDOW_EDGE);
  store<u32>(p, window, F.PROTOCOL_WINDOW_MAX);
  store<u32>(p, load<u32>(record, D.INSTALL_WL1), F.PROTOCOL_WL1);
  store<u32>(p, load<u32>(record, D.INSTALL_TS_RECENT), F.PROTOCOL_TS_RECENT);
  store<u32>(p, load<u32>(record, D.INSTALL_CWND), F.PROTOCOL_CWND);
  store<u8>(p, <u8>rxShift, F.PROTOCOL_RX_SHIFT);
  store<u8>(p, load<u8>(record, D.INSTALL_TX_SHIFT), F.PROTOCOL_TX_SHIFT);
  store<u8>(p, load<u8>(record, D.INSTALL_PEER_SCALE), F.PROTOCOL_PEER_SCALE);
  store<u8>(p, load<u8>(record, D.INSTALL_LOCAL_SCALE), F.PROTOCOL_LOCAL_SCALE);
  store<u16>(p, load<u16>(record, D.INSTALL_FLAGS) & <u16>FLAGS_AT_START, F.PROTOCOL_FLAGS);
  const mss = payloadLimit(core, connection, load<u16>(record, D.INSTALL_MSS));
  store<u16>(p, <u16>mss, F.PROTOCOL_MSS);
  store<u8>(p, max<u8>(1, load<u8>(record, D.INSTALL_ACK_THRESHOLD)), F.PROTOCOL_ACK_THRESHOLD);
  store<u8>(r, load<u8>(record, D.INSTALL_INTERVAL_LIMIT), F.RECOVERY_INTERVAL_LIMIT);
  store<u8>(r, load<u8>(record, D.INSTALL_RX_LIMIT), F.RECOVERY_RX_LIMIT);
  store<u8>(r, load<u8>(record, D.INSTALL_RACK) & <u8>F.RACK_AT_START, F.RECOVERY_RACK);
  store<u8>(r, load<u8>(record, D.INSTALL_STAMP_SLACK), F.RECOVERY_STAMP_SLACK);
  store<u32>(r, txSeq, F.RECOVERY_RECOVER);
  store<u32>(r, load<u32>(record, D.INSTALL_SSTHRESH), F.RECOVERY_SSTHRESH);
  store<u32>(r, load<u32>(record, D.INSTALL_CWND), F.RECOVERY_INITIAL_WINDOW);
  installTimes(core, r, record);
  congestionInitialize(p, r, load<u8>(record, D.INSTALL_ALGORITHM), load<u64>(core, M.CORE_NOW));
}

/**
 * `mss` within what a frame of the map holds beside this connection's headers. The floor counts
 * the options of each segment, as a peer's MSS does (RFC 9293 MUST-16; threats O08).
 */
export function payloadLimit(core: usize, connection: u32, mss: u32): u32 {
  const pre = preOf(core, connection);
  const frame = load<u32>(core, M.CORE_EGRESS_CAPACITY) / L.EGRESS_FRAMES_MAX;
  const flags: u32 = load<u16>(protocolOf(core, connection), F.PROTOCOL_FLAGS);
  const timestamps = (flags & F.FLOW_TIMESTAMPS) != 0;
  const options = timestamps ? TIMESTAMP_OPTION_BYTES : 0;
  const most = frame - load<u8>(pre, F.PRE_HEADER_LENGTH) - TCP_SIZE - options;
  return max(L.MSS_MIN - options, min(mss, most));
}

const FLAGS_AT_START: u32 =
  F.FLOW_TIMESTAMPS |
  F.FLOW_SACK |
  F.FLOW_ECN |
  F.FLOW_NODELAY |
  F.FLOW_CORK |
  F.FLOW_GO_BACK_N |
  F.FLOW_QUICK_ACK;

// @ts-ignore: decorator
@inline
function nanoseconds(record: usize, offset: usize): u64 {
  return <u64>load<f64>(record + offset);
}

function installTimes(core: usize, r: usize, record: usize): void {
  store<u64>(r, nanoseconds(record, D.INSTALL_RTO_MIN), F.RECOVERY_RTO_MIN);
  store<u64>(r, nanoseconds(record, D.INSTALL_RTO_MAX), F.RECOVERY_RTO_MAX);
  store<u64>(r, nanoseconds(record, D.INSTALL_RTO_INITIAL), F.RECOVERY_RTO);
  store<u32>(r, <u32>nanoseconds(record, D.INSTALL_DELAYED_ACK), F.RECOVERY_DELAYED_ACK);
  store<u64>(r, load<u64>(core, M.CORE_NOW), F.RECOVERY_LAST_SEND);
  const sample = nanoseconds(record, D.INSTALL_RTT);
  if (sample != 0) rttSample(r, sample, load<u64>(core, M.CORE_NOW));
}

function installPost(core: usize, connection: u32, record: usize): void {
  const post = postOf(core, connection);
  // A pending notification of the row's last user may still be queued: the link stays valid.
  const next = load<u32>(post, F.POST_PENDING_NEXT);
  const queued = load<u32>(post, F.POST_PENDING_QUEUED);
  clearVectors(post, F.POST_SIZE);
  store<u32>(post, next, F.POST_PENDING_NEXT);
  store<u32>(post, queued, F.POST_PENDING_QUEUED);
  store<u64>(post, load<u64>(record, D.INSTALL_OPAQUE_LOW), F.POST_OPAQUE);
  store<u32>(post, load<u32>(record, D.INSTALL_TS_OFFSET), F.POST_TS_OFFSET);
  store<u32>(post, load<u32>(record, D.INSTALL_RX_SEQ), F.POST_RX_ORIGIN);
  store<u32>(post, load<u32>(record, D.INSTALL_TX_SEQ), F.POST_TX_ORIGIN);
  store<u64>(post, load<u64>(core, M.CORE_NOW), F.POST_LAST_RECEIVE);
}

/** No chunks yet; the rest of a receive buffer that the first window had no room to announce. */
function installBuffers(core: usize, connection: u32, granted: u32, wanted: u32): void {
  emptyTransmit(core, connection);
  emptyReceive(core, connection);
  const p = protocolOf(core, connection);
  const post = postOf(core, connection);
  for (let shift = granted; shift < wanted; shift++) {
    if (!growReceive(core, p, post, 0)) return;
  }
}

/** Takes a connection out of the data path; its 4-tuple stays with the control plane. */
export function uninstall(core: usize, connection: u32): void {
  if (!isConnection(core, connection)) return;
  const pre = preOf(core, connection);
  if (load<u8>(pre, F.PRE_STATE) != <u8>F.PreState.Installed) return;
  store<u8>(pre, <u8>F.PreState.Control, F.PRE_STATE);
  const post = postOf(core, connection);
  const r = recoveryOf(core, connection);
  closeLog(core, r);
  forgetIntervals(core, r);
  closeTransmit(core, connection);
  closeReceive(core, connection);
  store<u32>(post, 0, F.POST_PENDING_RX);
  store<u32>(post, 0, F.POST_PENDING_TX);
  store<u32>(post, 0, F.POST_PENDING_FLAGS);
  cancelTimer(core, connection, TimerKind.Retransmit);
  cancelTimer(core, connection, TimerKind.DelayedAck);
  forgetFlow(core, connection);
  store<u32>(core, load<u32>(core, M.CORE_INSTALLED) - 1, M.CORE_INSTALLED);
}
