/**
 * ICMPv6 (RFC 4443): echo, errors about our TCP segments, which icmp-error.ts judges, and neighbour
 * discovery by type.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as I from "../../bindings/abi/icmpv6.ts";
import { ERRNO } from "../errors.ts";
import { sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { Quotation } from "../wire/icmp.ts";
import * as W from "../wire/icmpv6.ts";
import { isMulticastIpv6, ipv6Destination, ipv6Source } from "../wire/ipv6.ts";
import { ALL_NODES, solicitedNode } from "../wire/ipv6.ts";
import type { ArpState } from "./arp.ts";
import { tooBig, unreachable } from "./icmp-error.ts";
import { receiveAdvertisement, receiveSolicitation } from "./neighbor-discovery.ts";
import { MTU_MIN_IPV6 } from "./path-mtu.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

const QUOTATION = new Quotation();

/** One of ours, or a group that we are in: all nodes, or that of an address of ours. */
function isForUs(plane: Plane, via: Interface, destination: bigint): boolean {
  if (!isMulticastIpv6(destination)) return plane.routes.isOwn(destination);
  if (destination === ALL_NODES) return true;
  if (via.addresses6.some(({ address }) => solicitedNode(address) === destination)) return true;
  return plane.trials.isListening(via, destination);
}

/** A message between `at` and `end`, its IPv6 header validated. */
export function receiveIcmpv6(
  plane: Plane,
  arp: ArpState,
  via: Interface,
  at: number,
  end: number,
): void {
  const { ingress, frame, core } = plane;
  const destination = ipv6Destination(ingress, frame.ip);
  const length = end - at;
  if (
    length < I.ICMPV6_SIZE ||
    !isForUs(plane, via, destination) ||
    !W.icmpv6Holds(ingress, frame.ip, at, length)
  ) {
    countDrop(core, DropReason.IcmpIgnored);
    return;
  }
  switch (W.icmpv6Type(ingress, at)) {
    case I.ICMPV6_ECHO_REQUEST:
      answerEcho(plane, via, at, length);
      return;
    case I.ICMPV6_NEIGHBOR_SOLICITATION:
      receiveSolicitation(plane, arp, via, at, end);
      return;
    case I.ICMPV6_NEIGHBOR_ADVERTISEMENT:
      receiveAdvertisement(plane, arp, via, at, end);
      return;
    case I.ICMPV6_ROUTER_ADVERTISEMENT:
      plane.discovery.receive(plane, via, at, end);
      return;
    case I.ICMPV6_UNREACHABLE:
    case I.ICMPV6_PACKET_TOO_BIG:
    case I.ICMPV6_TIME_EXCEEDED:
    case I.ICMPV6_PARAMETER_PROBLEM:
      receiveError(plane, at, length);
      return;
    default:
      // RFC 4443, 2.4 a and b: unknown messages; redirects, as of IPv4.
      countDrop(core, DropReason.IcmpIgnored);
  }
}

function answerEcho(plane: Plane, via: Interface, at: number, length: number): void {
  const { ingress, frame, routes, egress, core, now } = plane;
  const source = ipv6Source(ingress, frame.ip);
  const destination = ipv6Destination(ingress, frame.ip);
  // RFC 4443, 4.2 lets a group's echo go unanswered: no amplifier.
  const isSingle = routes.isPeer(source) && !isMulticastIpv6(destination);
  if (!isSingle || !plane.echoes.take(now)) {
    countDrop(core, isSingle ? DropReason.RateLimited : DropReason.IcmpIgnored);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(ingress, frame.offset) : 0;
  const low = isEthernet ? sourceLow(ingress, frame.offset) : 0;
  const request = new Uint8Array(ingress.buffer, ingress.byteOffset + at, length);
  egress.sendIcmpv6(via, high, low, destination, source, 64, length, (view, to) => {
    new Uint8Array(view.buffer, view.byteOffset + to, length).set(request);
    view.setUint8(to + I.ICMPV6_TYPE, I.ICMPV6_ECHO_REPLY);
  });
}

// RFC 9293, 3.9.2.2 names no hard error of ICMPv6. RFC 5927, 5.1 counts port unreachable and
// prohibited as such, and a handshake may end by them as by IPv4's.
function receiveError(plane: Plane, at: number, length: number): void {
  const { ingress, core } = plane;
  if (!W.readQuotation(QUOTATION, ingress, at, length)) {
    countDrop(core, DropReason.IcmpIgnored);
    return;
  }
  const type = W.icmpv6Type(ingress, at);
  const code = W.icmpv6Code(ingress, at);
  if (type === I.ICMPV6_PACKET_TOO_BIG) {
    const mtu = W.icmpv6Parameter(ingress, at);
    // RFC 8201, 4: no path of IPv6 is narrower than 1,280 bytes.
    if (mtu < MTU_MIN_IPV6) countDrop(core, DropReason.IcmpIgnored);
    else tooBig(plane, QUOTATION, mtu);
    return;
  }
  const isUnreachable = type === I.ICMPV6_UNREACHABLE;
  const isHard =
    isUnreachable && (code === I.UNREACHABLE6_PROHIBITED || code === I.UNREACHABLE6_PORT);
  unreachable(plane, QUOTATION, isUnreachable ? errorOf(code) : ERRNO.EHOSTUNREACH, isHard);
}

function errorOf(code: number): number {
  switch (code) {
    case I.UNREACHABLE6_NO_ROUTE:
      return ERRNO.ENETUNREACH;
    case I.UNREACHABLE6_PROHIBITED:
      return ERRNO.EACCES;
    case I.UNREACHABLE6_PORT:
      return ERRNO.ECONNREFUSED;
    default:
      return ERRNO.EHOSTUNREACH;
  }
}
