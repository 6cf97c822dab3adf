/**
 * ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo, and errors about our TCP segments (RFC 9293,
 * 3.9.2.2), which icmp-error.ts judges.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as I from "../../bindings/abi/icmp.ts";
import { ERRNO } from "../errors.ts";
import { sourceHigh, sourceLow } from "../wire/ethernet.ts";
import * as W from "../wire/icmp.ts";
import { ipv4Destination, ipv4HeaderLength, ipv4Source, ipv4TotalLength } from "../wire/ipv4.ts";
import { tooBig, unreachable } from "./icmp-error.ts";
import { reportedMtu } from "./path-mtu.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

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

function receiveError(plane: Plane, at: number, length: number): void {
  const { ingress, core } = plane;
  if (!QUOTATION.read(ingress, at, length)) {
    countDrop(core, DropReason.IcmpIgnored);
    return;
  }
  const type = W.icmpType(ingress, at);
  const code = W.icmpCode(ingress, at);
  if (type === I.ICMP_UNREACHABLE && code === I.UNREACHABLE_FRAGMENTATION_NEEDED) {
    tooBig(plane, QUOTATION, reportedMtu(W.icmpNextHopMtu(ingress, at), QUOTATION.totalLength));
    return;
  }
  const isHard =
    type === I.ICMP_UNREACHABLE && (code === I.UNREACHABLE_PROTOCOL || code === I.UNREACHABLE_PORT);
  unreachable(plane, QUOTATION, errorOf(type, code), isHard);
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
