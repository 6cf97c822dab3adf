/**
 * Opening connections (RFC 9293, 3.5, 3.10.7.2 to 3.10.7.4; option negotiation by RFC 7323, 2018
 * and 3168): active, passive and simultaneous. Invariant: a connection enters the data path exactly
 * when it becomes ESTABLISHED, with everything the handshake settled.
 */
import { ATX_FIN, AtxOpcode, InstallStatus } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { seqAfter, seqBefore } from "../../bindings/abi/seq.ts";
import * as T from "../../bindings/abi/tcp.ts";
import type { IpAddress } from "../address.ts";
import { ERRNO } from "../errors.ts";
import { sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { stripSyn } from "../wire/tcp.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { setDeadline } from "./deadlines.ts";
import { installRow, lookupTuple } from "./install.ts";
import { restartKeepAlive } from "./keep-alive.ts";
import { confirmNextHop, nextHop } from "./link-address.ts";
import { negotiate, negotiateEcn, noteWindow } from "./negotiation.ts";
import type { Neighbor } from "./neighbor.ts";
import { change, countDrop, stateOf, type Plane } from "./plane.ts";
import { startRate } from "./rate-control.ts";
import type { Interface } from "./route.ts";
import { R1 } from "./retransmission-policy.ts";
import * as R from "./row-table.ts";
import { beginSearch } from "./segment-size.ts";
import { isAcceptable } from "./sequence-check.ts";
import { dropConnection, leaveSynQueue, replacePredecessor, settle } from "./teardown.ts";
import { linkMtu, sendAcknowledgment, sendResetTo, sendSyn } from "./transmit.ts";

/** Longest wait between two SYNs. */
const SYN_INTERVAL_MAX = 60e9;
/** An ISN that must follow an old connection's numbers goes this far beyond them. */
const ISN_GAP = 65536;

/** Writes the addresses of a new row. */
export function writeEndpoints(
  plane: Plane,
  id: number,
  via: Interface,
  local: IpAddress,
  remote: IpAddress,
): void {
  const { rows } = plane;
  rows.setAddress(id, R.ROW_LOCAL, local);
  rows.setAddress(id, R.ROW_REMOTE, remote);
  rows.set(id, R.ROW_NETIF, via.index);
  rows.set(id, R.ROW_MTU, plane.pathMtu.lookup(remote, linkMtu(plane, via), plane.now));
}

/** Chooses the ISN and the timestamp offset; the ISN lies beyond `beyond` when that is given. */
export function chooseSequence(plane: Plane, id: number, beyond?: number): void {
  const { rows, sequence, now } = plane;
  const ports = ((rows.get(id, R.ROW_LOCAL_PORT) << 16) | rows.get(id, R.ROW_REMOTE_PORT)) >>> 0;
  const local = rows.address(id, R.ROW_LOCAL);
  let iss = sequence.choose(local, rows.address(id, R.ROW_REMOTE), ports, now);
  // RFC 9293 MAY-2: above every number that the old incarnation used.
  if (beyond !== undefined && !seqAfter(iss, beyond)) iss = (beyond + ISN_GAP) >>> 0;
  const { words } = rows;
  const row = rows.wordOf(id);
  words[row + R.ROW_ISS] = iss;
  words[row + R.ROW_SND_NXT] = iss + 1;
  words[row + R.ROW_TS_OFFSET] = sequence.timestampOffset;
  // SC-10, RFC 6437, 3: one label for all of a connection's packets, from the same hash.
  words[row + R.ROW_FLOW_LABEL] = sequence.timestampOffset & 0xfffff;
  rows.setTime(id, R.TIME_OPENED, now);
}

function backoff(plane: Plane, id: number): number {
  const { rows, profile } = plane;
  // TCP_SYNCNT is at most 127; the longest wait is reached long before the shift's end.
  const wait = profile.rtoInitial * (1 << Math.min(30, rows.get(id, R.ROW_RETRIES)));
  return Math.min(wait, Math.max(SYN_INTERVAL_MAX, profile.rtoInitial));
}

/** Sends the SYN or SYN-ACK of a row and starts its timer (RFC 9293 MUST-22). */
export function transmitSyn(plane: Plane, id: number): void {
  const { rows } = plane;
  if (!rows.has(id, R.ROW_HAS_LINK) && !resolveLink(plane, id)) return;
  sendSyn(plane, id);
  rows.setTime(id, R.TIME_SENT, plane.now);
  setDeadline(plane, id, R.TIME_STATE, plane.now + backoff(plane, id));
}

/** Finds the next hop's hardware address; false while it is being asked for. */
function resolveLink(plane: Plane, id: number): boolean {
  const { rows, routes, neighbors, now } = plane;
  const via = routes.at(rows.get(id, R.ROW_NETIF));
  if (via === undefined || via.medium === "ip") return true;
  const hop = nextHop(plane, id);
  const neighbor = neighbors.find(via.index, hop, now);
  if (neighbor !== undefined) {
    rows.set(id, R.ROW_LINK_HIGH, neighbor.high);
    rows.set(id, R.ROW_LINK_LOW, neighbor.low);
    return true;
  }
  if (neighbors.wait(via.index, hop, now, id, rows.get(id, R.ROW_GENERATION))) {
    rows.raise(id, R.ROW_IS_RESOLVING);
    setDeadline(plane, id, R.TIME_STATE, Infinity);
  } else {
    // RFC 1122, 2.3.2.2: the queue is bounded; the SYN's own timer tries again.
    countDrop(plane.core, DropReason.NeighborUnreachable);
    setDeadline(plane, id, R.TIME_STATE, now + backoff(plane, id));
  }
  return false;
}

/** The neighbour cache found the next hop of a waiting SYN. */
export function linkResolved(
  plane: Plane,
  id: number,
  generation: number,
  neighbor: Neighbor,
): void {
  const { rows } = plane;
  if (!isWaiting(plane, id, generation)) return;
  rows.lower(id, R.ROW_IS_RESOLVING);
  rows.set(id, R.ROW_LINK_HIGH, neighbor.high);
  rows.set(id, R.ROW_LINK_LOW, neighbor.low);
  transmitSyn(plane, id);
}

/** Nobody answered for the next hop of a waiting SYN. */
export function linkUnreachable(plane: Plane, id: number, generation: number): void {
  if (!isWaiting(plane, id, generation)) return;
  plane.rows.lower(id, R.ROW_IS_RESOLVING);
  countDrop(plane.core, DropReason.NeighborUnreachable);
  failHandshake(plane, id, ConnectionEvent.UserTimeout, ERRNO.EHOSTUNREACH);
}

function isWaiting(plane: Plane, id: number, generation: number): boolean {
  const { rows } = plane;
  const isSame = rows.isUsed(id) && rows.get(id, R.ROW_GENERATION) === generation;
  return isSame && rows.has(id, R.ROW_IS_RESOLVING);
}

/** A handshake ends without a connection: back to LISTEN for a passive one (MUST-11). */
export function failHandshake(
  plane: Plane,
  id: number,
  event: ConnectionEvent,
  error: number,
): void {
  const isPassive = plane.rows.has(id, R.ROW_IS_PASSIVE);
  const isHalf = stateOf(plane, id) === ConnectionState.SynReceived;
  if (isHalf) leaveSynQueue(plane, id);
  const happened = isPassive && isHalf ? ConnectionEvent.ReturnToListen : event;
  if (change(plane, id, happened)) settle(plane, id, error);
}

/** The timer of SYN-SENT or SYN-RECEIVED went off (RFC 9293 MUST-20 to MUST-23). */
export function handshakeTimeout(plane: Plane, id: number): void {
  const { rows, limits, now } = plane;
  const retries = rows.get(id, R.ROW_RETRIES);
  const isPassive = rows.has(id, R.ROW_IS_PASSIVE);
  const most = rows.get(id, R.ROW_SYN_RETRIES);
  const patience = rows.time(id, R.TIME_USER_TIMEOUT);
  const isLate = patience > 0 && now - rows.time(id, R.TIME_OPENED) >= patience;
  if (isLate || retries >= (isPassive ? Math.min(most, limits.synAckRetries) : most)) {
    const soft = rows.get(id, R.ROW_SOFT_ERROR);
    const error = soft === 0 ? ERRNO.ETIMEDOUT : soft;
    failHandshake(plane, id, ConnectionEvent.UserTimeout, error);
    return;
  }
  rows.set(id, R.ROW_RETRIES, retries + 1);
  transmitSyn(plane, id);
  // RFC 9293 MUST-22, SHLD-9: the notice at R1 is about SYNs too.
  if (retries + 1 === R1 && !isPassive) plane.events.softError(id, ERRNO.ETIMEDOUT);
}

/** Everything that happens when a connection becomes ESTABLISHED; false when it could not. */
function establish(plane: Plane, id: number, via: Interface, event: ConnectionEvent): boolean {
  const { rows, now } = plane;
  const isFirst = rows.get(id, R.ROW_RETRIES) === 0;
  // RFC 6298, 3 (Karn): no sample when the SYN was sent more than once, or nobody knows when.
  const sent = rows.time(id, R.TIME_SENT);
  rows.setTime(id, R.TIME_RTT, isFirst && sent > 0 ? Math.max(1, now - sent) : 0);
  beginSearch(plane, id, via);
  if (installRow(plane, id, via) !== InstallStatus.Ok) return false;
  change(plane, id, event);
  replacePredecessor(plane, id);
  // The peer's answer has overtaken that of ARP: no SYN has to wait for it any more.
  rows.lower(id, R.ROW_IS_RESOLVING);
  confirmNextHop(plane, id);
  rows.set(id, R.ROW_RETRIES, 0);
  rows.set(id, R.ROW_SOFT_ERROR, 0);
  setDeadline(plane, id, R.TIME_STATE, Infinity);
  if (rows.has(id, R.ROW_WANTS_CLOSE)) closeNow(plane, id);
  startRate(plane, id);
  restartKeepAlive(plane, id);
  return true;
}

// RFC 9293, 3.10.4: the close that waited for ESTABLISHED; the FIN is ours to ask for.
function closeNow(plane: Plane, id: number): void {
  const generation = plane.rows.get(id, R.ROW_GENERATION);
  change(plane, id, ConnectionEvent.Close);
  plane.commands.push(id, generation, AtxOpcode.Update, 0, 0, ATX_FIN);
}

function replayRest(plane: Plane, id: number): boolean {
  const { segment, frame, replays } = plane;
  if (segment.payloadLength === 0 && (segment.flags & T.TCP_FIN) === 0) return false;
  replays.add(frame.offset, frame.length, frame.netif, id);
  return true;
}

function establishActive(plane: Plane, id: number, via: Interface): void {
  const { rows, segment, commands } = plane;
  noteWindow(plane, id);
  if (!establish(plane, id, via, ConnectionEvent.ReceiveSynAck)) {
    dropConnection(plane, id, ERRNO.ENOBUFS, true);
    return;
  }
  const generation = rows.get(id, R.ROW_GENERATION);
  if ((segment.flags & T.TCP_SYN) !== 0 && replayRest(plane, id)) {
    stripSyn(plane.ingress, segment.at);
  } else {
    commands.push(id, generation, AtxOpcode.Acknowledge);
  }
  plane.events.opened(id, generation, 0);
}

function establishSimultaneous(plane: Plane, id: number, via: Interface): void {
  const { rows, events } = plane;
  if (!establish(plane, id, via, ConnectionEvent.ReceiveAckOfSyn)) {
    dropConnection(plane, id, ERRNO.ENOBUFS, true);
    return;
  }
  replayRest(plane, id);
  events.opened(id, rows.get(id, R.ROW_GENERATION), 0);
}

/** The peer acknowledged our SYN-ACK: the connection joins its listener's accept queue. */
export function establishPassive(plane: Plane, id: number, via: Interface): void {
  const { rows, events, core } = plane;
  const listener = plane.listeners.get(rows.get(id, R.ROW_LISTENER));
  if (listener === undefined) {
    failHandshake(plane, id, ConnectionEvent.ReturnToListen, 0);
    return;
  }
  // The peer's ACK is lost on us; the SYN-ACK that we send again asks for another one.
  const isFull = listener.accepts.length >= listener.backlog;
  if (isFull || !establish(plane, id, via, ConnectionEvent.ReceiveAckOfSyn)) {
    countDrop(core, DropReason.BacklogFull);
    return;
  }
  plane.listeners.leave(listener);
  replayRest(plane, id);
  rows.lower(id, R.ROW_IS_RELEASED);
  rows.raise(id, R.ROW_IS_ACCEPTABLE);
  listener.accepts.append(id);
  events.opened(id, rows.get(id, R.ROW_GENERATION), listener.id);
  events.acceptReady(listener.id);
}

/** RFC 3168, 6.1.1.1 (ECN-7): a reset may have been meant for the flags. */
function tryWithoutEcn(plane: Plane, id: number): void {
  plane.rows.lower(id, R.ROW_HAS_ECN);
  transmitSyn(plane, id);
}

/** A segment for a connection in SYN-SENT (RFC 9293, 3.10.7.3). */
export function receiveSynSent(plane: Plane, id: number, via: Interface): void {
  const { rows, segment, core, frame } = plane;
  const { flags } = segment;
  const hasAck = (flags & T.TCP_ACK_FLAG) !== 0;
  // No data leaves with our SYN, so SND.NXT is the only acceptable number.
  if (hasAck && segment.ack !== rows.get(id, R.ROW_SND_NXT)) {
    countDrop(core, DropReason.AckOutOfRange);
    sendResetTo(plane, frame.offset, via);
    return;
  }
  if ((flags & T.TCP_RST) !== 0) {
    if (!hasAck) countDrop(core, DropReason.ResetOutOfWindow);
    else if (rows.has(id, R.ROW_HAS_ECN)) tryWithoutEcn(plane, id);
    else failHandshake(plane, id, ConnectionEvent.ReceiveReset, ERRNO.ECONNREFUSED);
    return;
  }
  if ((flags & T.TCP_SYN) === 0 || (!hasAck && (flags & T.TCP_FIN) !== 0)) {
    countDrop(core, DropReason.NoAck);
    return;
  }
  negotiate(plane, id, hasAck);
  if (hasAck) {
    establishActive(plane, id, via);
    return;
  }
  // RFC 9293 MUST-10: both sides sent a SYN; ours goes again with the ACK of theirs.
  change(plane, id, ConnectionEvent.ReceiveSyn);
  rows.lower(id, R.ROW_IS_RESOLVING);
  rememberLink(plane, id, via);
  transmitSyn(plane, id);
}

/** Later segments of this connection go back where this frame came from. */
export function rememberLink(plane: Plane, id: number, via: Interface): void {
  const { rows, ingress, frame } = plane;
  if (via.medium === "ethernet") {
    rows.set(id, R.ROW_LINK_HIGH, sourceHigh(ingress, frame.offset));
    rows.set(id, R.ROW_LINK_LOW, sourceLow(ingress, frame.offset));
  }
  rows.raise(id, R.ROW_HAS_LINK);
}

/** A segment for a connection in SYN-RECEIVED (RFC 9293, 3.10.7.4). */
export function receiveSynReceived(plane: Plane, id: number, via: Interface): void {
  const { rows, segment, core } = plane;
  const { flags } = segment;
  if ((flags & T.TCP_SYN) !== 0 && segment.seq === rows.get(id, R.ROW_IRS)) {
    repeatedSyn(plane, id, via);
    return;
  }
  const isReset = (flags & T.TCP_RST) !== 0;
  if (!isAcceptable(plane, id)) {
    countDrop(core, isReset ? DropReason.ResetOutOfWindow : DropReason.OutOfWindow);
    if (!isReset) sendAcknowledgment(plane, id);
    return;
  }
  const recent = rows.get(id, R.ROW_TS_RECENT);
  const isStamped = segment.timestamps && rows.has(id, R.ROW_HAS_TIMESTAMPS);
  if (isStamped && !isReset && seqBefore(segment.tsVal, recent)) {
    // RFC 7323, 5.3 R1.
    countDrop(core, DropReason.Paws);
    sendAcknowledgment(plane, id);
    return;
  }
  if (isReset || (flags & T.TCP_SYN) !== 0) {
    interruptSynReceived(plane, id, isReset);
    return;
  }
  if (isStamped) rows.set(id, R.ROW_TS_RECENT, segment.tsVal);
  acknowledgeSynReceived(plane, id, via);
}

// The peer's SYN again, or in a simultaneous open its SYN-ACK: below the window, yet ours to read
// (RFC 9293, appendix A.2).
function repeatedSyn(plane: Plane, id: number, via: Interface): void {
  const { rows, segment, core, frame } = plane;
  if ((segment.flags & (T.TCP_ACK_FLAG | T.TCP_RST)) === 0) {
    negotiateEcn(plane, id, false);
    sendSyn(plane, id);
    return;
  }
  if ((segment.flags & T.TCP_RST) !== 0 || rows.has(id, R.ROW_IS_PASSIVE)) {
    countDrop(core, DropReason.OutOfWindow);
    // RFC 9293, 3.10.7.4, first check: what lies below the window is answered, unless it resets.
    if ((segment.flags & T.TCP_RST) === 0) sendAcknowledgment(plane, id);
    return;
  }
  if (segment.ack !== rows.get(id, R.ROW_SND_NXT)) {
    countDrop(core, DropReason.AckOutOfRange);
    sendResetTo(plane, frame.offset, via);
    return;
  }
  establishActive(plane, id, via);
}

// RFC 9293, 3.10.7.4, second and fourth check; RFC 5961, 3.2 for a RST that is not exact.
function interruptSynReceived(plane: Plane, id: number, isReset: boolean): void {
  const { rows, segment, core } = plane;
  const isExact = segment.seq === rows.get(id, R.ROW_RCV_NXT);
  const isPassive = rows.has(id, R.ROW_IS_PASSIVE);
  if (isReset ? isExact : isPassive) {
    failHandshake(plane, id, ConnectionEvent.ReceiveReset, ERRNO.ECONNREFUSED);
    return;
  }
  countDrop(core, isReset ? DropReason.ResetChallenge : DropReason.SynChallenge);
  challenge(plane, id);
}

// BA-6, BA-12: throttled for each connection, as the data path does for those that it has.
function challenge(plane: Plane, id: number): void {
  const { rows, core, now } = plane;
  const { challengeAcks, challengeIntervalMs } = core.map.options;
  const interval = Math.floor(now / (challengeIntervalMs * 1e6)) & 0xfffffff;
  const before = rows.get(id, R.ROW_CHALLENGES);
  const sent = before >>> 4 === interval ? before & 15 : 0;
  if (sent >= challengeAcks) {
    countDrop(core, DropReason.RateLimited);
    return;
  }
  rows.set(id, R.ROW_CHALLENGES, ((interval << 4) | (sent + 1)) >>> 0);
  sendAcknowledgment(plane, id);
}

function acknowledgeSynReceived(plane: Plane, id: number, via: Interface): void {
  const { rows, segment, core, frame } = plane;
  if ((segment.flags & T.TCP_ACK_FLAG) === 0) {
    countDrop(core, DropReason.NoAck);
    return;
  }
  if (segment.ack !== rows.get(id, R.ROW_SND_NXT)) {
    // RFC 9293, 3.5.2 group 2 before RFC 5961, 5.2: the connection is not synchronized yet.
    countDrop(core, DropReason.AckOutOfRange);
    sendResetTo(plane, frame.offset, via);
    return;
  }
  noteWindow(plane, id);
  if (rows.has(id, R.ROW_IS_PASSIVE)) establishPassive(plane, id, via);
  else establishSimultaneous(plane, id, via);
}

/** The connection with the tuple of the segment at hand, or 0. */
export function lookupSegment(plane: Plane): number {
  const { source, destination, sourcePort, destinationPort } = plane.segment;
  return lookupTuple(plane, destination, source, destinationPort, sourcePort);
}
