/**
 * The control segments of a connection: SYN, SYN-ACK, the ACK of TIME-WAIT, and resets, those of
 * connections and those that answer a segment which belongs to none (RFC 9293, 3.5.2, 3.10.7.1).
 */
import { CongestionAlgorithm, FLOW_SACK, FLOW_TIMESTAMPS } from "../../bindings/abi/flow-state.ts";
import { ECN_ECT0, ECN_NOT_ECT } from "../../bindings/abi/ip.ts";
import { TCP_ACK_FLAG, TCP_CWR, TCP_ECE, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { destinationHigh, isGroupAddress, sourceHigh, sourceLow } from "../wire/ethernet.ts";
import type { ControlSegment } from "../wire/tcp.ts";
import { congestionAt } from "./congestion/algorithm.ts";
import { ConnectionState } from "./connection-state.ts";
import { timestampTicks } from "./initial-sequence.ts";
import { headerBytes } from "./install.ts";
import { countDrop, stateOf, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";
import { offeredTimeout } from "./user-timeout.ts";

/** TTL of segments that belong to no connection (RFC 9293 MUST-49: 64 is IANA's value). */
const TTL_DEFAULT = 64;
/** ECN-setup is given up after this many tries (RFC 3168, 6.1.1.1). */
const ECN_TRIES = 2;
const DSCP_MASK = 0xfc;

/** Bytes that one IP packet on this interface may have, our own frame size included. */
export function linkMtu(plane: Plane, via: Interface): number {
  const frame = plane.core.map.options.frameBytes - plane.egress.linkLength(via);
  return Math.min(via.mtu, frame);
}

function fill(plane: Plane, id: number): ControlSegment {
  const { rows } = plane;
  const out = plane.egress.segment;
  out.source = rows.address(id, R.ROW_LOCAL);
  out.destination = rows.address(id, R.ROW_REMOTE);
  out.sourcePort = rows.get(id, R.ROW_LOCAL_PORT);
  out.destinationPort = rows.get(id, R.ROW_REMOTE_PORT);
  out.clearOptions();
  return out;
}

function fillTimestamps(plane: Plane, id: number, out: ControlSegment): void {
  const { rows } = plane;
  out.timestamps = true;
  out.tsVal = (timestampTicks(plane.now) + rows.get(id, R.ROW_TS_OFFSET)) >>> 0;
  out.tsEcr = rows.get(id, R.ROW_TS_RECENT);
}

/** ECT(0), where the profile has it on control segments (RFC 8257, 3.6, DC-9, and 4.1, DC-15). */
function codepoint({ rows, profile }: Plane, id: number): number {
  if (profile.ectControl === 0 || !rows.has(id, R.ROW_HAS_ECN)) return ECN_NOT_ECT;
  const { algorithm } = congestionAt(rows.get(id, R.ROW_CONGESTION));
  return profile.ectControl > 1 || algorithm === CongestionAlgorithm.Dctcp ? ECN_ECT0 : ECN_NOT_ECT;
}

function send(plane: Plane, id: number): boolean {
  const { rows } = plane;
  const via = plane.routes.at(rows.get(id, R.ROW_NETIF));
  if (via === undefined) return false;
  const high = rows.get(id, R.ROW_LINK_HIGH);
  const low = rows.get(id, R.ROW_LINK_LOW);
  const tos = (rows.get(id, R.ROW_TOS) & DSCP_MASK) | codepoint(plane, id);
  const flow = rows.get(id, R.ROW_FLOW_LABEL);
  return plane.egress.sendSegment(via, high, low, tos, rows.get(id, R.ROW_TTL), flow);
}

/** ECN flags of a SYN (RFC 3168, 6.1.1; ECN-7: dropped when tries stay unanswered). */
function ecnFlags(plane: Plane, id: number, isSynAck: boolean): number {
  if (!plane.rows.has(id, R.ROW_HAS_ECN)) return 0;
  if (isSynAck) return TCP_ECE;
  if (plane.rows.get(id, R.ROW_RETRIES) < ECN_TRIES) return TCP_ECE | TCP_CWR;
  plane.rows.lower(id, R.ROW_HAS_ECN);
  return 0;
}

/** RFC 9293 SHLD-5, MAY-3, MUST-67: in every SYN, and never more than we can receive. */
export function announcedMss(
  plane: Plane,
  via: Interface,
  isIpv6: boolean,
  maxSegment: number,
): number {
  const largest = linkMtu(plane, via) - headerBytes(isIpv6);
  return maxSegment > 0 ? Math.min(maxSegment, largest) : largest;
}

/**
 * Sends the row's SYN or, in SYN-RECEIVED, SYN-ACK. A SYN offers what the data path has; a SYN-ACK
 * repeats what the peer's SYN offered (RFC 7323, 2.2 and 3.2; RFC 2018, 2).
 */
export function sendSyn(plane: Plane, id: number): boolean {
  const { rows } = plane;
  const via = plane.routes.at(rows.get(id, R.ROW_NETIF));
  if (via === undefined) return false;
  const answers = stateOf(plane, id) === ConnectionState.SynReceived;
  const has = rows.get(id, R.ROW_FLAGS);
  const out = fill(plane, id);
  out.seq = rows.get(id, R.ROW_ISS);
  out.ack = answers ? rows.get(id, R.ROW_RCV_NXT) : 0;
  out.flags = TCP_SYN | (answers ? TCP_ACK_FLAG : 0) | ecnFlags(plane, id, answers);
  // RFC 7323, 2.2: the window of a SYN is never scaled.
  out.window = rows.get(id, R.ROW_ANNOUNCED);
  const isIpv6 = (has & R.ROW_IS_IPV6) !== 0;
  out.mss = announcedMss(plane, via, isIpv6, rows.get(id, R.ROW_MAX_SEGMENT));
  if (!answers || (has & R.ROW_HAS_SCALE) !== 0) {
    out.windowScale = rows.get(id, R.ROW_LOCAL_SCALE);
  }
  out.userTimeout = offeredTimeout(plane, id);
  const offers = answers ? 0 : plane.features;
  out.sackPermitted = (offers & FLOW_SACK) !== 0 || (has & R.ROW_HAS_SACK) !== 0;
  if ((offers & FLOW_TIMESTAMPS) !== 0 || (has & R.ROW_HAS_TIMESTAMPS) !== 0) {
    fillTimestamps(plane, id, out);
  }
  return send(plane, id);
}

/** Sends <SND.NXT, RCV.NXT, ACK> of a row that the data path does not have. */
export function sendAcknowledgment(plane: Plane, id: number): void {
  const { rows } = plane;
  const out = fill(plane, id);
  out.seq = rows.get(id, R.ROW_SND_NXT);
  out.ack = rows.get(id, R.ROW_RCV_NXT);
  out.flags = TCP_ACK_FLAG;
  out.window = Math.min(65535, rows.get(id, R.ROW_ANNOUNCED) >>> rows.get(id, R.ROW_LOCAL_SCALE));
  if (rows.has(id, R.ROW_HAS_TIMESTAMPS)) fillTimestamps(plane, id, out);
  send(plane, id);
}

/** Sends <SND.NXT, RCV.NXT, RST|ACK> of a row (RFC 9293, 3.10.5). */
export function sendReset(plane: Plane, id: number, refuses = false): void {
  const { rows } = plane;
  const out = fill(plane, id);
  out.seq = rows.get(id, R.ROW_SND_NXT);
  out.ack = refuses ? 0 : rows.get(id, R.ROW_RCV_NXT);
  out.flags = refuses ? TCP_RST : TCP_RST | TCP_ACK_FLAG;
  out.window = 0;
  if (rows.has(id, R.ROW_HAS_TIMESTAMPS)) fillTimestamps(plane, id, out);
  send(plane, id);
}

/**
 * Answers the received segment with a reset in the form of RFC 9293, 3.10.7.1: never to a reset,
 * never to a group address, and no faster than the limit. It goes back where the frame came from,
 * so that no address has to be resolved for a stranger.
 */
export function sendResetTo(plane: Plane, frame: number, via: Interface): void {
  const { segment, ingress } = plane;
  if ((segment.flags & TCP_RST) !== 0) return;
  const isEthernet = via.medium === "ethernet";
  if (isEthernet && isGroupAddress(destinationHigh(ingress, frame))) return;
  if (!plane.resets.take(plane.now)) {
    countDrop(plane.core, DropReason.RateLimited);
    return;
  }
  const out = beginAnswer(plane);
  if ((segment.flags & TCP_ACK_FLAG) !== 0) {
    out.seq = segment.ack;
    out.ack = 0;
    out.flags = TCP_RST;
  } else {
    out.seq = 0;
    out.ack = (segment.seq + segment.length) >>> 0;
    out.flags = TCP_RST | TCP_ACK_FLAG;
  }
  // RFC 7323 5.2 (TS-11): the peer's clock comes back, ours is nobody's here.
  out.timestamps = segment.timestamps && plane.profile.resetsStamped;
  out.tsVal = 0;
  out.tsEcr = segment.tsVal;
  sendAnswer(plane, frame, via, 0, TTL_DEFAULT, 0);
}

/** The segment to be sent, addressed to whom the segment at hand is from; without options. */
export function beginAnswer({ segment, egress }: Plane): ControlSegment {
  const out = egress.segment;
  out.source = segment.destination;
  out.destination = segment.source;
  out.sourcePort = segment.destinationPort;
  out.destinationPort = segment.sourcePort;
  out.window = 0;
  out.clearOptions();
  return out;
}

/** Sends it back where the frame at `frame` came from. */
export function sendAnswer(
  plane: Plane,
  frame: number,
  via: Interface,
  tos: number,
  ttl: number,
  flow: number,
): void {
  const { ingress, egress } = plane;
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(ingress, frame) : 0;
  const low = isEthernet ? sourceLow(ingress, frame) : 0;
  egress.sendSegment(via, high, low, tos & DSCP_MASK, ttl, flow);
}
