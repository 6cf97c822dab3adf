/**
 * Frames that the data path redirected: by protocol, by connection, by state. The data path has
 * validated headers and checksums; whether an address is ours and whether a peer may use its own
 * is judged here (RFC 9293, 3.9.2.3).
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { PROTOCOL_ICMP, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { TCP_ACK_FLAG, TCP_FIN, TCP_RST, TCP_SYN } from "../../bindings/abi/tcp.ts";
import { destinationHigh, isGroupAddress } from "../wire/ethernet.ts";
import { ipVersion, ipv4Protocol } from "../wire/ipv4.ts";
import { receiveArp, type ArpState } from "./arp.ts";
import { ConnectionState } from "./connection-state.ts";
import { lookupSegment, receiveSynReceived, receiveSynSent } from "./handshake.ts";
import { receiveIcmp } from "./icmp.ts";
import { findListener, receiveCookie, receiveListen } from "./passive-open.ts";
import { receiveOtherCookie } from "./passive-open.ts";
import { countDrop, stateOf, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";
import { receiveIpv6 } from "./receive-ipv6.ts";
import { mayReopen, receiveTimeWait } from "./teardown.ts";
import { sendResetTo } from "./transmit.ts";
import { receiveUnclaimed } from "./unreachable.ts";

/** Not an IP packet. */
const NOT_IP = 0xffff;

/**
 * A redirected frame. `id` is the connection that the data path found, 0 for none; `ip` the offset
 * of the IP header within the frame.
 */
export function receiveFrame(plane: Plane, arp: ArpState, id: number, ip: number): void {
  const { core, frame, ingress } = plane;
  const via = plane.routes.at(frame.netif);
  if (via === undefined) {
    countDrop(core, DropReason.NoRoute);
    return;
  }
  if (ip === NOT_IP) {
    receiveArp(plane, arp, via);
    return;
  }
  frame.ip = frame.offset + ip;
  if (ipVersion(ingress, frame.ip) === 6) {
    if (receiveIpv6(plane, arp, via)) receiveSegment(plane, id, via);
    return;
  }
  switch (ipv4Protocol(ingress, frame.ip)) {
    case PROTOCOL_TCP:
      receiveSegment(plane, id, via);
      return;
    case PROTOCOL_ICMP:
      receiveIcmp(plane, via);
      return;
    default:
      receiveUnclaimed(plane, via);
  }
}

function receiveSegment(plane: Plane, id: number, via: Interface): void {
  const { segment, ingress, frame, core } = plane;
  if (!segment.read(ingress, frame.ip, frame.offset + frame.length)) {
    countDrop(core, DropReason.TcpHeaderLength);
    return;
  }
  if (!addressesHold(plane, via)) return;
  const { flags } = segment;
  // Threats S04: no sane sender combines these. With a RST the RST is what counts.
  if ((flags & (TCP_SYN | TCP_FIN | TCP_ACK_FLAG | TCP_RST)) === (TCP_SYN | TCP_FIN)) {
    countDrop(core, DropReason.SynChallenge);
    return;
  }
  // The tuple may have been bound, or unbound, by an earlier event of the same batch.
  if (id !== 0 && plane.rows.has(id, R.ROW_IS_BOUND)) receiveConnected(plane, id, via);
  else receiveUnknown(plane, via);
}

// RFC 9293 MUST-57, MUST-63; LAND has our own address as its source. All of it in silence.
function addressesHold(plane: Plane, via: Interface): boolean {
  const { segment, routes, ingress, frame, core } = plane;
  if (!routes.isOwn(segment.destination)) {
    countDrop(core, DropReason.IpDestination);
    return false;
  }
  if (via.medium === "ethernet" && isGroupAddress(destinationHigh(ingress, frame.offset))) {
    countDrop(core, DropReason.IpDestination);
    return false;
  }
  if (!routes.isPeer(segment.source)) {
    countDrop(core, DropReason.IpSource);
    return false;
  }
  return true;
}

function receiveConnected(plane: Plane, id: number, via: Interface): void {
  const { rows, frame, replays } = plane;
  if (rows.has(id, R.ROW_IS_INSTALLED)) {
    replays.add(frame.offset, frame.length, frame.netif, id);
    return;
  }
  switch (stateOf(plane, id)) {
    case ConnectionState.SynSent:
      receiveSynSent(plane, id, via);
      return;
    case ConnectionState.SynReceived:
      if (!receiveOtherCookie(plane, id, via)) receiveSynReceived(plane, id, via);
      return;
    case ConnectionState.TimeWait:
      if (!reopen(plane, id, via)) receiveTimeWait(plane, id);
      return;
    default:
      countDrop(plane.core, DropReason.NoConnection);
  }
}

// RFC 9293 MAY-2: a SYN that RFC 6191 trusts starts over; our ISN goes beyond the old numbers, and
// TIME-WAIT is there again should nothing come of it.
function reopen(plane: Plane, id: number, via: Interface): boolean {
  const { segment } = plane;
  const isSyn = (segment.flags & (TCP_SYN | TCP_ACK_FLAG | TCP_RST)) === TCP_SYN;
  if (!isSyn || !mayReopen(plane, id)) return false;
  const listener = findListener(plane);
  if (listener === undefined) return false;
  receiveListen(plane, listener, via, id);
  return true;
}

// CLOSED and LISTEN (RFC 9293, 3.10.7.1, 3.10.7.2).
function receiveUnknown(plane: Plane, via: Interface): void {
  const { segment, core, frame } = plane;
  const { flags } = segment;
  const isReset = (flags & TCP_RST) !== 0;
  const isBare = !isReset && (flags & TCP_ACK_FLAG) === 0;
  const isSyn = isBare && (flags & TCP_SYN) !== 0;
  const listener = isBare ? findListener(plane) : undefined;
  const opens = isSyn && listener !== undefined;
  const existing = opens ? receiveListen(plane, listener, via) : lookupSegment(plane);
  if (existing !== 0) {
    receiveConnected(plane, existing, via);
    return;
  }
  if (opens || receiveCookie(plane, via)) return;
  if (listener !== undefined) {
    // RFC 9293, 3.10.7.2, fourth step: neither RST, ACK nor SYN, so nothing for a listener.
    countDrop(core, DropReason.NoAck);
    return;
  }
  countDrop(core, isSyn ? DropReason.NoListener : DropReason.NoConnection);
  sendResetTo(plane, frame.offset, via);
}
