/**
 * The four operations on the data path's connection database, and the INSTALL record behind them
 * (bindings/abi/descriptor.ts). Invariant: ROW_IS_BOUND and ROW_IS_INSTALLED say what the data
 * path holds.
 */
import {
  INSTALL_ACK_THRESHOLD,
  INSTALL_ALGORITHM,
  INSTALL_CONNECTION,
  INSTALL_CONTEXT,
  INSTALL_CWND,
  INSTALL_DELAYED_ACK,
  INSTALL_FAMILY,
  INSTALL_FLAGS,
  INSTALL_GENERATION,
  INSTALL_HEADER_LENGTH,
  INSTALL_INTERVAL_LIMIT,
  INSTALL_LINK_LENGTH,
  INSTALL_LOCAL_ADDRESS,
  INSTALL_LOCAL_PORT,
  INSTALL_LOCAL_SCALE,
  INSTALL_MSS,
  INSTALL_NETIF,
  INSTALL_OPAQUE_HIGH,
  INSTALL_OPAQUE_LOW,
  INSTALL_PEER_SCALE,
  INSTALL_RACK,
  INSTALL_STAMP_SLACK,
  INSTALL_PEER_WINDOW,
  INSTALL_REMOTE_ADDRESS,
  INSTALL_REMOTE_PORT,
  INSTALL_RTO_INITIAL,
  INSTALL_RTO_MAX,
  INSTALL_RTO_MIN,
  INSTALL_RTT,
  INSTALL_RX_EDGE,
  INSTALL_RX_LIMIT,
  INSTALL_RX_SEQ,
  INSTALL_RX_SHIFT,
  INSTALL_SSTHRESH,
  INSTALL_TEMPLATE,
  INSTALL_TS_OFFSET,
  INSTALL_TS_RECENT,
  INSTALL_TX_SEQ,
  INSTALL_TX_SHIFT,
  INSTALL_WL1,
  InstallStatus,
} from "../../bindings/abi/descriptor.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ETHER_TYPE_IPV4, ETHER_TYPE_IPV6 } from "../../bindings/abi/ethernet.ts";
import { IPV4_SIZE, IPV6_SIZE } from "../../bindings/abi/ip.ts";
import { ACK_THRESHOLD_BITS, MSS_MIN, WINDOW_BYTES_MAX } from "../../bindings/abi/limits.ts";
import { CORE_INSTALL } from "../../bindings/abi/memory-map.ts";
import { TCP_SIZE } from "../../bindings/abi/tcp.ts";
import type { IpAddress } from "../address.ts";
import { writeAddress } from "../wire/ipv6.ts";
import { type Congestion, congestionAt } from "./congestion/algorithm.ts";
import type { Plane } from "./plane.ts";
import type { Profile } from "./profile.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";

/** RFC 6928, 2: ten segments of Ethernet's size. */
const INITIAL_BYTES = 14_600;
/** ECN codepoint bits of the TOS byte: the data path's own (RFC 3168). */
const DSCP_MASK = 0xfc;

function record({ core }: Plane): number {
  return core.words[(core.address + CORE_INSTALL) >>> 2] as number;
}

/** Upper words of a mapped IPv4 address (RFC 4291, 2.5.5.2). */
const MAPPED = 0xffff;

function writeWide(view: DataView, at: number, address: IpAddress): void {
  if (typeof address === "bigint") {
    writeAddress(view, at, address);
    return;
  }
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint32(at + 8, MAPPED);
  view.setUint32(at + 12, address);
}

/** Writes addresses, ports and family; IPv4 numbers become mapped addresses. */
function writeTuple(
  plane: Plane,
  local: IpAddress,
  remote: IpAddress,
  localPort: number,
  remotePort: number,
): number {
  const view = plane.core.view;
  const at = record(plane);
  writeWide(view, at + INSTALL_REMOTE_ADDRESS, remote);
  writeWide(view, at + INSTALL_LOCAL_ADDRESS, local);
  view.setUint16(at + INSTALL_REMOTE_PORT, remotePort, true);
  view.setUint16(at + INSTALL_LOCAL_PORT, localPort, true);
  view.setUint8(at + INSTALL_FAMILY, typeof local === "number" ? 4 : 6);
  return at;
}

function writeRowTuple(plane: Plane, id: number): number {
  const { rows } = plane;
  const at = writeTuple(
    plane,
    rows.address(id, R.ROW_LOCAL),
    rows.address(id, R.ROW_REMOTE),
    rows.get(id, R.ROW_LOCAL_PORT),
    rows.get(id, R.ROW_REMOTE_PORT),
  );
  return writeRow(plane, id, at);
}

function writeRow(plane: Plane, id: number, at: number): number {
  const { rows, core } = plane;
  core.words[(at + INSTALL_CONNECTION) >>> 2] = id;
  core.words[(at + INSTALL_GENERATION) >>> 2] = rows.get(id, R.ROW_GENERATION);
  core.view.setUint8(at + INSTALL_NETIF, rows.get(id, R.ROW_NETIF));
  core.view.setUint16(at + INSTALL_CONTEXT, rows.get(id, R.ROW_CONTEXT), true);
  return at;
}

/** The connection with this 4-tuple, or 0. */
export function lookupTuple(
  plane: Plane,
  local: IpAddress,
  remote: IpAddress,
  localPort: number,
  remotePort: number,
): number {
  writeTuple(plane, local, remote, localPort, remotePort);
  return plane.core.exports.lookup(plane.core.address);
}

/** Enters the row's 4-tuple in the connection database. */
export function bindRow(plane: Plane, id: number): InstallStatus {
  writeRowTuple(plane, id);
  const status = plane.core.exports.bind(plane.core.address) as InstallStatus;
  if (status === InstallStatus.Ok) plane.rows.raise(id, R.ROW_IS_BOUND);
  return status;
}

/** IP and TCP header without options (RFC 9293 MUST-67, SHLD-5; RFC 6691). */
export function headerBytes(isIpv6: boolean): number {
  return isIpv6 ? IPV6_SIZE + TCP_SIZE : IPV4_SIZE + TCP_SIZE;
}

/** Payload bytes per segment: peer, path and option, less the options of each segment. */
export function segmentBytes(plane: Plane, id: number): number {
  return segmentBytesAt(plane, id, plane.rows.get(id, R.ROW_MTU));
}

/** The same if the path were of `mtu` bytes. */
export function segmentBytesAt(plane: Plane, id: number, mtu: number): number {
  const { rows } = plane;
  const has = rows.get(id, R.ROW_FLAGS);
  const path = mtu - headerBytes((has & R.ROW_IS_IPV6) !== 0);
  const chosen = rows.get(id, R.ROW_MAX_SEGMENT);
  let bytes = Math.min(rows.get(id, R.ROW_PEER_MSS), path);
  if (chosen > 0) bytes = Math.min(bytes, chosen);
  // Threats O08, B07: no path and no option makes segments smaller than the floor.
  bytes = Math.max(MSS_MIN, bytes);
  // RFC 9293 MUST-16, RFC 6691: timestamps are in every segment and count here.
  return (has & R.ROW_HAS_TIMESTAMPS) === 0 ? bytes : bytes - 12;
}

/** The largest packet that the connection sends, IP header and options included. */
export function packetBytes(plane: Plane, id: number): number {
  const { rows } = plane;
  const stamps = rows.has(id, R.ROW_HAS_TIMESTAMPS) ? 12 : 0;
  return headerBytes(rows.has(id, R.ROW_IS_IPV6)) + segmentBytes(plane, id) + stamps;
}

function flowFlags(plane: Plane, id: number): number {
  const flags = plane.rows.get(id, R.ROW_FLAGS);
  return (
    ((flags & R.ROW_HAS_TIMESTAMPS) !== 0 ? F.FLOW_TIMESTAMPS : 0) |
    ((flags & R.ROW_HAS_SACK) !== 0 ? F.FLOW_SACK : 0) |
    ((flags & R.ROW_HAS_ECN) !== 0 ? F.FLOW_ECN : 0) |
    (plane.profile.goBackN ? F.FLOW_GO_BACK_N : 0) |
    optionFlags(plane, id)
  );
}

/** FLOW_* bits that the application's options ask for. */
export function optionFlags({ rows }: Plane, id: number): number {
  const options = rows.get(id, R.ROW_OPTIONS);
  const { policy } = congestionAt(rows.get(id, R.ROW_CONGESTION));
  const isQuick = (options & R.OPTION_QUICK_ACK) !== 0 || policy?.acknowledgesEach === true;
  return (
    ((options & R.OPTION_NO_DELAY) !== 0 ? F.FLOW_NODELAY : 0) |
    ((options & R.OPTION_CORK) !== 0 ? F.FLOW_CORK : 0) |
    (isQuick ? F.FLOW_QUICK_ACK : 0)
  );
}

/** The data path's number of an algorithm, with what the profile adds (SetAlgorithm). */
export function inlineChoice({ algorithm, policy }: Congestion, profile: Profile): number {
  const abe = profile.abe ? F.ALGORITHM_ABE : 0;
  const ect = profile.ectControl > 1 ? F.ALGORITHM_ECT : 0;
  const unbounded = profile.slowStartBound ? 0 : F.ALGORITHM_UNBOUNDED;
  const exact = policy?.countsMarks === true ? F.ALGORITHM_EXACT : 0;
  return algorithm | abe | ect | unbounded | exact;
}

/** Also of a connection without a window: it may get one later. */
function initialWindow(plane: Plane, id: number, mss: number): number {
  // RFC 6928, 2: back to one segment only when the SYN was lost more than once (CC-2).
  if (plane.rows.get(id, R.ROW_RETRIES) > 1) return mss;
  // CC-1: large segments are fewer than ten.
  return Math.min(plane.profile.initialWindow * mss, Math.max(2 * mss, INITIAL_BYTES));
}

/** The IP header of a template; returns its bytes. */
function writeNetwork({ rows, core, egress }: Plane, id: number, at: number): number {
  const tos = rows.get(id, R.ROW_TOS) & DSCP_MASK;
  const ttl = rows.get(id, R.ROW_TTL);
  const flow = rows.get(id, R.ROW_FLOW_LABEL);
  const local = rows.address(id, R.ROW_LOCAL);
  const remote = rows.address(id, R.ROW_REMOTE);
  return egress.writeTemplateNetwork(core.view, at, local, remote, tos, ttl, flow);
}

function writeTemplate(plane: Plane, id: number, at: number, via: Interface): void {
  const { rows, core } = plane;
  const high = rows.get(id, R.ROW_LINK_HIGH);
  const low = rows.get(id, R.ROW_LINK_LOW);
  const { view } = core;
  const type = rows.has(id, R.ROW_IS_IPV6) ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4;
  const from = at + INSTALL_TEMPLATE;
  const link = plane.egress.writeTemplateLink(view, from, via, high, low, type);
  const header = writeNetwork(plane, id, from + link);
  view.setUint8(at + INSTALL_LINK_LENGTH, link);
  view.setUint8(at + INSTALL_HEADER_LENGTH, link + header);
}

function writeSequence(plane: Plane, id: number, at: number): void {
  const { words: from } = plane.rows;
  const { words: to, view } = plane.core;
  const row = plane.rows.wordOf(id);
  const next = from[row + R.ROW_RCV_NXT] as number;
  const edge = next + (from[row + R.ROW_ANNOUNCED] as number);
  const limit = plane.rows.has(id, R.ROW_HAS_SCALE) ? (from[row + R.ROW_RX_LIMIT] as number) : 0;
  to[(at + INSTALL_TX_SEQ) >>> 2] = from[row + R.ROW_SND_NXT] as number;
  to[(at + INSTALL_RX_SEQ) >>> 2] = next;
  to[(at + INSTALL_RX_EDGE) >>> 2] = edge;
  to[(at + INSTALL_PEER_WINDOW) >>> 2] = from[row + R.ROW_PEER_WINDOW] as number;
  to[(at + INSTALL_WL1) >>> 2] = from[row + R.ROW_WL1] as number;
  to[(at + INSTALL_TS_RECENT) >>> 2] = from[row + R.ROW_TS_RECENT] as number;
  to[(at + INSTALL_TS_OFFSET) >>> 2] = from[row + R.ROW_TS_OFFSET] as number;
  view.setUint8(at + INSTALL_RX_SHIFT, from[row + R.ROW_RX_SHIFT] as number);
  view.setUint8(at + INSTALL_TX_SHIFT, from[row + R.ROW_TX_SHIFT] as number);
  view.setUint8(at + INSTALL_RX_LIMIT, limit);
  view.setUint8(at + INSTALL_PEER_SCALE, from[row + R.ROW_PEER_SCALE] as number);
  view.setUint8(at + INSTALL_LOCAL_SCALE, from[row + R.ROW_LOCAL_SCALE] as number);
}

/** What finds losses, and the least of the timer (RACK_AT_START). */
function lossRules(profile: Profile): number {
  return (
    (profile.rack ? F.RACK_ENABLED : 0) |
    (profile.rtoMinOnTop ? F.RTO_MIN_ON_TOP : 0) |
    (profile.lossAtFirst ? F.LOSS_AT_FIRST : 0) |
    (profile.duplicatesBySack ? F.DUP_BY_SACK : 0)
  );
}

/** What INSTALL says of every connection of this plane: once, as nobody else writes there. */
export function writeProfile(plane: Plane): void {
  const { profile } = plane;
  const { view } = plane.core;
  const at = record(plane);
  const quick = profile.quickAcks << ACK_THRESHOLD_BITS;
  view.setUint8(at + INSTALL_ACK_THRESHOLD, profile.ackThreshold | quick);
  view.setUint8(at + INSTALL_INTERVAL_LIMIT, profile.intervals);
  view.setUint8(at + INSTALL_RACK, lossRules(profile));
  view.setUint8(at + INSTALL_STAMP_SLACK, profile.stampSlack);
  view.setUint32(at + INSTALL_SSTHRESH, WINDOW_BYTES_MAX, true);
  view.setFloat64(at + INSTALL_RTO_MIN, profile.rtoMin, true);
  view.setFloat64(at + INSTALL_RTO_MAX, profile.rtoMax, true);
  view.setFloat64(at + INSTALL_DELAYED_ACK, profile.delayedAck, true);
}

function writePolicy(plane: Plane, id: number, at: number): void {
  const { rows, profile } = plane;
  const view = plane.core.view;
  const congestion = congestionAt(rows.get(id, R.ROW_CONGESTION));
  const mss = segmentBytes(plane, id);
  const lost = rows.get(id, R.ROW_RETRIES) > 0;
  const initial = lost ? Math.max(profile.rtoInitial, profile.rtoAfterLostSyn) : profile.rtoInitial;
  view.setUint8(at + INSTALL_ALGORITHM, inlineChoice(congestion, profile));
  view.setUint16(at + INSTALL_FLAGS, flowFlags(plane, id), true);
  view.setUint16(at + INSTALL_MSS, mss, true);
  view.setUint32(at + INSTALL_CWND, initialWindow(plane, id, mss), true);
  view.setFloat64(at + INSTALL_RTT, rows.time(id, R.TIME_RTT), true);
  view.setFloat64(at + INSTALL_RTO_INITIAL, initial, true);
}

/** Hands a bound row to the data path. */
export function installRow(plane: Plane, id: number, via: Interface): InstallStatus {
  const { core, rows } = plane;
  // The 4-tuple is bound: the record says which row it is of.
  const at = writeRow(plane, id, record(plane));
  core.words[(at + INSTALL_OPAQUE_LOW) >>> 2] = id;
  core.words[(at + INSTALL_OPAQUE_HIGH) >>> 2] = rows.get(id, R.ROW_GENERATION);
  writeTemplate(plane, id, at, via);
  writeSequence(plane, id, at);
  writePolicy(plane, id, at);
  const status = core.exports.install(core.address) as InstallStatus;
  if (status === InstallStatus.Ok) rows.raise(id, R.ROW_IS_INSTALLED);
  return status;
}

/** Takes the row's connection out of the data path; its buffers are gone. */
export function uninstallRow(plane: Plane, id: number): void {
  if (!plane.rows.has(id, R.ROW_IS_INSTALLED)) return;
  plane.core.exports.uninstall(plane.core.address, id);
  plane.rows.lower(id, R.ROW_IS_INSTALLED);
}

/** Removes the row's 4-tuple from the connection database. */
export function unbindRow(plane: Plane, id: number): void {
  if (!plane.rows.has(id, R.ROW_IS_BOUND)) return;
  plane.core.exports.unbind(plane.core.address, id);
  plane.rows.lower(id, R.ROW_IS_BOUND);
}
