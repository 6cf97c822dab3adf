/**
 * ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo, and errors about our TCP segments (RFC 9293,
 * 3.9.2.2). Invariants: an error counts only when it quotes a sequence number in flight (RFC 5927,
 * 4.1), and only a handshake can fail by one (RFC 5461; RFC 9293 SHLD-26 is not followed in
 * synchronized states, as the RFC itself notes of stacks).
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as I from "../../bindings/abi/icmp.ts";
import { ERRNO } from "../errors.ts";
import { sourceHigh, sourceLow } from "../wire/ethernet.ts";
import * as W from "../wire/icmp.ts";
import { ipv4Destination, ipv4HeaderLength, ipv4Source, ipv4TotalLength } from "../wire/ipv4.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { failHandshake } from "./handshake.ts";
import { inspect } from "./inspection.ts";
import { lookupTuple, segmentBytes } from "./install.ts";
import { reportedMtu } from "./path-mtu.ts";
import { countDrop, stateOf, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";

/** At most one change of a connection's MTU in this time, or in a round trip (threats B07). */
const MTU_CHANGE_NS = 1e6;

const QUOTATION = new W.Quotation();

/** An ICMP packet, its IP header validated. */
export function receiveIcmp(plane: Plane, via: Interface): void {
  const { ingress, frame, routes, core } = plane;
  const { ip } = frame;
  const at = ip + ipv4HeaderLength(ingress, ip);
  const length = ip + ipv4TotalLength(ingress, ip) - at;
  // RFC 1122, 3.2.2.6: echo to a broadcast address is not answered.
  const isForUs = routes.isOwn(ipv4Destination(ingress, ip));
  if (!isForUs || length < I.ICMP_SIZE || !W.icmpChecksumHolds(ingress, at, length)) {
    countDrop(core, DropReason.IcmpIgnored);
    return;
  }
  switch (W.icmpType(ingress, at)) {
    case I.ICMP_ECHO_REQUEST:
      answerEcho(plane, via, at, length);
      return;
    case I.ICMP_UNREACHABLE:
    case I.ICMP_TIME_EXCEEDED:
    case I.ICMP_PARAMETER_PROBLEM:
      receiveError(plane, at, length);
      return;
    default:
      // RFC 9293 MUST-55, RFC 6633: Source Quench is dropped in silence; so is a redirect.
      countDrop(core, DropReason.IcmpIgnored);
  }
}

function answerEcho(plane: Plane, via: Interface, at: number, length: number): void {
  const { ingress, frame, routes, egress, core, now } = plane;
  const source = ipv4Source(ingress, frame.ip);
  if (!routes.isPeer(source) || !plane.echoes.take(now)) {
    countDrop(core, routes.isPeer(source) ? DropReason.RateLimited : DropReason.IcmpIgnored);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(ingress, frame.offset) : 0;
  const low = isEthernet ? sourceLow(ingress, frame.offset) : 0;
  const request = new Uint8Array(ingress.buffer, ingress.byteOffset + at, length);
  egress.sendEchoReply(via, high, low, ipv4Destination(ingress, frame.ip), source, request);
}

// RFC 9293 MUST-54: the connection is found by the quotation.
function receiveError(plane: Plane, at: number, length: number): void {
  const { ingress, core, rows } = plane;
  const quote = QUOTATION;
  if (!quote.read(ingress, at, length)) {
    countDrop(core, DropReason.IcmpIgnored);
    return;
  }
  const { local, remote, localPort, remotePort, seq } = quote;
  const id = lookupTuple(plane, local, remote, localPort, remotePort);
  if (id === 0 || !isInFlight(plane, id, seq)) {
    countDrop(core, id === 0 ? DropReason.NoConnection : DropReason.IcmpIgnored);
    return;
  }
  const type = W.icmpType(ingress, at);
  const code = W.icmpCode(ingress, at);
  if (type === I.ICMP_UNREACHABLE && code === I.UNREACHABLE_FRAGMENTATION_NEEDED) {
    const mtu = reportedMtu(W.icmpNextHopMtu(ingress, at), quote.totalLength);
    lowerMtu(plane, id, mtu);
    return;
  }
  const isHard =
    type === I.ICMP_UNREACHABLE && (code === I.UNREACHABLE_PROTOCOL || code === I.UNREACHABLE_PORT);
  if (isHard && !rows.has(id, R.ROW_IS_INSTALLED)) {
    failHandshake(plane, id, ConnectionEvent.HardError, ERRNO.ECONNREFUSED);
    return;
  }
  softError(plane, id, errorOf(type, code));
}

function errorOf(type: number, code: number): number {
  if (type !== I.ICMP_UNREACHABLE) return ERRNO.EHOSTUNREACH;
  switch (code) {
    case I.UNREACHABLE_NET:
      return ERRNO.ENETUNREACH;
    case I.UNREACHABLE_PORT:
      return ERRNO.ECONNREFUSED;
    case I.UNREACHABLE_PROTOCOL:
      return ERRNO.ENOPROTOOPT;
    default:
      return ERRNO.EHOSTUNREACH;
  }
}

// RFC 5927, 4.1. In a handshake only our SYN is in flight.
function isInFlight(plane: Plane, id: number, seq: number): boolean {
  const { rows, core } = plane;
  if (rows.has(id, R.ROW_IS_INSTALLED)) {
    return core.exports.quotes(core.address, id, seq) !== 0;
  }
  const state = stateOf(plane, id);
  const isOpening = state === ConnectionState.SynSent || state === ConnectionState.SynReceived;
  return isOpening && seq === rows.get(id, R.ROW_ISS);
}

// RFC 9293 MUST-56, MUST-47: never the end of a connection; the application may ask.
function softError(plane: Plane, id: number, error: number): void {
  const { rows } = plane;
  rows.set(id, R.ROW_SOFT_ERROR, error);
  if (!rows.has(id, R.ROW_IS_RELEASED)) plane.events.softError(id, error);
}

// RFC 1191, 6: only down, only for what is in flight, at most once in a round trip.
function lowerMtu(plane: Plane, id: number, mtu: number): void {
  const { rows, commands, now } = plane;
  const seen = inspect(plane, id);
  const recent = now - rows.time(id, R.TIME_MTU_CHANGED);
  const changed = rows.time(id, R.TIME_MTU_CHANGED) !== 0;
  if (seen === undefined || mtu >= rows.get(id, R.ROW_MTU)) return;
  if (changed && recent < Math.max(MTU_CHANGE_NS, seen.srtt)) return;
  rows.set(id, R.ROW_MTU, mtu);
  rows.setTime(id, R.TIME_MTU_CHANGED, now);
  plane.pathMtu.lower(rows.get(id, R.ROW_REMOTE_IPV4), mtu, now);
  const generation = rows.get(id, R.ROW_GENERATION);
  commands.push(id, generation, AtxOpcode.SetMss, segmentBytes(plane, id));
  // What was too large is lost: again at once, without a cut of the window (RFC 1191, 6.4).
  commands.push(id, generation, AtxOpcode.Retransmit, 0);
}
