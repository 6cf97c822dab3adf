/**
 * SYNs for listeners (RFC 9293, 3.10.7.2), and what a listener does when it has more of them than
 * room (RFC 4987): SYN cookies. Invariants: a SYN that is answered by a cookie takes no row, no
 * entry of the connection database and no payload memory; half-open connections have at most half
 * of the rows, so that no flood keeps others from opening.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import { InstallStatus } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { FLOW_SACK, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { MSS_DEFAULT_IPV4, MSS_DEFAULT_IPV6 } from "../../bindings/abi/limits.ts";
import { TCP_ACK_FLAG, TCP_CWR, TCP_ECE, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import type { ControlSegment } from "../wire/tcp.ts";
import { offeredScale, writeOptions } from "./connection-options.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import * as H from "./handshake.ts";
import { timestampTicks } from "./initial-sequence.ts";
import { bindRow, unbindRow } from "./install.ts";
import type { Listener } from "./listener.ts";
import { negotiate, noteWindow } from "./negotiation.ts";
import { change, countDrop, countEvent, stateOf, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";
import { COOKIE_LIFE_NS, cookieOffer, stampOffer } from "./syn-cookie.ts";
import { allocateRow, comeBack, freeRow, stepAside } from "./teardown.ts";
import { announcedMss, beginAnswer, sendAnswer, sendResetTo } from "./transmit.ts";

/** Who listens where the segment at hand goes. */
export function findListener(plane: Plane): Listener | undefined {
  const { segment, listeners } = plane;
  const { source } = segment;
  const low = typeof source === "number" ? source : Number(BigInt.asUintN(32, source));
  const spread = (low ^ (segment.sourcePort * 0x9e3779b1)) >>> 8;
  return listeners.find(segment.destination, segment.destinationPort, spread);
}

/** SC-8: as many half-open connections as the listener, or the stack, may have. */
function isCrowded({ listeners, rows }: Plane, listener: Listener): boolean {
  return listener.half >= listener.backlog || listeners.half * 2 >= rows.count - 1;
}

/**
 * A bound row of the listener's for the tuple of the segment at hand; 0: counted, or `status`.
 * `old` is the row in TIME-WAIT that has the tuple, or 0.
 */
function openRow(plane: Plane, listener: Listener, via: Interface, old: number): number {
  const { rows, segment, core } = plane;
  const generation = rows.get(old, R.ROW_GENERATION);
  const id = allocateRow(plane, old);
  if (id === 0) {
    countDrop(core, DropReason.BacklogFull);
    return 0;
  }
  if (old !== 0) stepAside(plane, id, old, generation);
  H.writeEndpoints(plane, id, via, segment.destination, segment.source);
  rows.set(id, R.ROW_LOCAL_PORT, segment.destinationPort);
  rows.set(id, R.ROW_REMOTE_PORT, segment.sourcePort);
  rows.set(id, R.ROW_CONTEXT, listener.context);
  // Nobody but the listener knows the row until it is established.
  rows.raise(id, R.ROW_IS_RELEASED);
  const status = bindRow(plane, id);
  if (status === InstallStatus.Ok && writeOptions(plane, id, listener.options)) {
    rows.raise(id, R.ROW_IS_PASSIVE);
    rows.set(id, R.ROW_LISTENER, listener.id);
    return id;
  }
  unbindRow(plane, id);
  comeBack(plane, id);
  freeRow(plane, id);
  if (status !== InstallStatus.Exists) countDrop(core, DropReason.BacklogFull);
  return 0;
}

function enterSynReceived(plane: Plane, id: number, listener: Listener): void {
  change(plane, id, ConnectionEvent.PassiveOpen);
  change(plane, id, ConnectionEvent.ReceiveSyn);
  plane.listeners.enter(listener);
}

/**
 * A SYN for a listener (RFC 9293, 3.10.7.2). `old` is the row in TIME-WAIT that it reopens, or 0:
 * without room for one more nothing happens to it. The connection that has the tuple already, or 0.
 */
export function receiveListen(plane: Plane, listener: Listener, via: Interface, old = 0): number {
  const { limits, core, rows } = plane;
  const isFull = listener.accepts.length >= listener.backlog;
  const crowded = isCrowded(plane, listener);
  const { synCookies } = limits;
  const bakes = synCookies === "always" || (crowded && synCookies === "on");
  // Never in TIME-WAIT: a cookie's number need not be beyond the old ones, and what acknowledges
  // it would meet TIME-WAIT. Such a SYN waits for room, or for the end of 2 MSL.
  if (bakes && !isFull && old === 0) {
    answerWithCookie(plane, listener, via);
    return 0;
  }
  if (isFull || crowded) {
    countDrop(core, DropReason.BacklogFull);
    return 0;
  }
  // Read first: the row itself may be what makes room.
  const beyond = old === 0 ? undefined : rows.get(old, R.ROW_SND_NXT);
  const id = openRow(plane, listener, via, old);
  if (id === 0) return H.lookupSegment(plane);
  H.chooseSequence(plane, id, beyond);
  negotiate(plane, id, false);
  H.rememberLink(plane, id, via);
  enterSynReceived(plane, id, listener);
  H.transmitSyn(plane, id);
  return 0;
}

// SC-1, SC-2: only here, and nothing is kept. SC-6: nor is what the SYN carries acknowledged.
function answerWithCookie(plane: Plane, listener: Listener, via: Interface): void {
  const { segment, cookies, features, sequence, core, frame, now } = plane;
  const { options } = listener;
  const ports = ((segment.destinationPort << 16) | segment.sourcePort) >>> 0;
  sequence.choose(segment.destination, segment.source, ports, now);
  const isIpv6 = typeof segment.source === "bigint";
  const assumed = isIpv6 ? MSS_DEFAULT_IPV6 : MSS_DEFAULT_IPV4;
  const isStamped = segment.timestamps && (features & FLOW_TIMESTAMPS) !== 0;
  const out = beginAnswer(plane);
  out.ack = (segment.seq + 1) >>> 0;
  out.flags = TCP_SYN | TCP_ACK_FLAG;
  out.window = cookieWindow(plane);
  out.mss = announcedMss(plane, via, isIpv6, options.maxSegment);
  const own = offeredScale(options, core.map.options.chunkBytes);
  const offer = isStamped ? putOffer(plane, out, own) : undefined;
  out.seq = cookies.make(segment, segment.mss === 0 ? assumed : segment.mss, offer, own, now);
  listener.cookieAt = now;
  countEvent(core, Counter.CookiesSent);
  // SC-10: the label that the connection will have.
  const flow = sequence.timestampOffset & 0xfffff;
  sendAnswer(plane, frame.offset, via, options.tos, options.ttl, flow);
}

// SC-5, SC-9: what our timestamp brings back. Without one nobody would remember scale and SACK, so
// they are not offered.
function putOffer(plane: Plane, out: ControlSegment, own: number): number {
  const { segment, features, sequence, now } = plane;
  const asked = TCP_ECE | TCP_CWR;
  const ecn = (segment.flags & asked) === asked;
  out.sackPermitted = segment.sackPermitted && (features & FLOW_SACK) !== 0;
  if (segment.windowScale >= 0) out.windowScale = own;
  if (ecn) out.flags |= TCP_ECE;
  const offer = cookieOffer(segment, out.sackPermitted, ecn);
  out.timestamps = true;
  out.tsVal = stampOffer((timestampTicks(now) + sequence.timestampOffset) >>> 0, offer);
  out.tsEcr = segment.tsVal;
  return offer;
}

/**
 * An ACK that no connection has: the end of a handshake by cookie, or not. False when no cookie was
 * sent lately (SC-7), and nothing has been done.
 */
export function receiveCookie(plane: Plane, via: Interface): boolean {
  const { segment, core, frame } = plane;
  if ((segment.flags & (TCP_SYN | TCP_ACK_FLAG | TCP_RST)) !== TCP_ACK_FLAG) return false;
  const listener = findListener(plane);
  if (listener === undefined || !bakedLately(plane, listener)) return false;
  if (!isCookie(plane, listener)) {
    // SC-4: no state, and the answer of LISTEN to any ACK.
    countDrop(core, DropReason.CookieInvalid);
    sendResetTo(plane, frame.offset, via);
    return true;
  }
  openByCookie(plane, listener, via);
  return true;
}

// SC-7: later, an ACK costs no hash.
function bakedLately({ now }: Plane, listener: Listener): boolean {
  return now - listener.cookieAt <= COOKIE_LIFE_NS;
}

/** Whether the ACK at hand acknowledges a cookie of the listener's that is not too old. */
function isCookie(plane: Plane, listener: Listener): boolean {
  const { segment, cookies, core, now } = plane;
  return cookies.check(segment, offeredScale(listener.options, core.map.options.chunkBytes), now);
}

function openByCookie(plane: Plane, listener: Listener, via: Interface): void {
  // The peer's next segment has the same numbers: it may try again.
  if (listener.accepts.length >= listener.backlog) {
    countDrop(plane.core, DropReason.BacklogFull);
    return;
  }
  const id = openRow(plane, listener, via, 0);
  if (id === 0) return;
  H.chooseSequence(plane, id);
  adoptTerms(plane, id);
  H.rememberLink(plane, id, via);
  enterSynReceived(plane, id, listener);
  noteWindow(plane, id);
  H.establishPassive(plane, id, via);
  if (stateOf(plane, id) !== ConnectionState.SynReceived) {
    countEvent(plane.core, Counter.CookiesAccepted);
    return;
  }
  H.failHandshake(plane, id, ConnectionEvent.ReturnToListen, 0);
}

/** Bytes that a cookie's SYN-ACK announces: every connection is sure of one chunk. */
function cookieWindow({ core }: Plane): number {
  return Math.min(65535, core.map.options.chunkBytes);
}

// What negotiate() reads from a SYN comes from the cookie.
function adoptTerms(plane: Plane, id: number): void {
  const { rows, segment, cookies } = plane;
  const { mss, timestamps, scale, sack, ecn } = cookies.terms;
  rows.set(id, R.ROW_ISS, (segment.ack - 1) >>> 0);
  rows.set(id, R.ROW_SND_NXT, segment.ack);
  rows.set(id, R.ROW_IRS, (segment.seq - 1) >>> 0);
  rows.set(id, R.ROW_RCV_NXT, segment.seq);
  rows.set(id, R.ROW_PEER_MSS, mss);
  rows.set(id, R.ROW_ANNOUNCED, Math.min(cookieWindow(plane), rows.get(id, R.ROW_ANNOUNCED)));
  rows.set(id, R.ROW_TS_RECENT, segment.tsVal);
  rows.set(id, R.ROW_PEER_SCALE, Math.max(0, scale));
  if (scale < 0) rows.set(id, R.ROW_LOCAL_SCALE, 0);
  else rows.raise(id, R.ROW_HAS_SCALE);
  if (timestamps) rows.raise(id, R.ROW_HAS_TIMESTAMPS);
  if (sack) rows.raise(id, R.ROW_HAS_SACK);
  if (ecn) rows.raise(id, R.ROW_HAS_ECN);
}

/**
 * A half-open connection gets an ACK of the cookie that answered its first SYN: the peer is where
 * the cookie says. False when it is not so, and nothing has been done.
 */
export function receiveOtherCookie(plane: Plane, id: number, via: Interface): boolean {
  const { rows, segment, listeners } = plane;
  const isAck = (segment.flags & (TCP_SYN | TCP_ACK_FLAG | TCP_RST)) === TCP_ACK_FLAG;
  if (!isAck || segment.ack === rows.get(id, R.ROW_SND_NXT)) return false;
  // What was opened in TIME-WAIT has had no cookie: the old connection's handshake may have.
  if (rows.has(id, R.ROW_IS_SUCCESSOR)) return false;
  const listener = listeners.get(rows.get(id, R.ROW_LISTENER));
  if (listener === undefined || !bakedLately(plane, listener)) return false;
  if (!isCookie(plane, listener)) return false;
  H.failHandshake(plane, id, ConnectionEvent.ReturnToListen, 0);
  openByCookie(plane, listener, via);
  return true;
}
