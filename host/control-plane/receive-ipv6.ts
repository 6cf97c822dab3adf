/**
 * IPv6 packets that the data path redirected (RFC 8200): extension headers, ICMPv6, and what no
 * transport of ours takes. A segment behind extension headers goes back to the data path without
 * them: so the data path, on both of its kinds, sees one form of segment, has no loop over headers,
 * and remains the only judge of checksums and sequence numbers.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as ICMP from "../../bindings/abi/icmpv6.ts";
import * as I from "../../bindings/abi/ip.ts";
import { checksumAdd, checksumHolds } from "../wire/checksum.ts";
import { UDP_LENGTH, UDP_SIZE } from "../../bindings/abi/udp.ts";
import { destinationHigh, isGroupAddress, sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { QUOTED_BYTES_IPV6 } from "../wire/icmpv6.ts";
import { walkExtensions, type ExtensionWalk } from "../wire/ipv6-extension.ts";
import * as W from "../wire/ipv6.ts";
import type { ArpState } from "./arp.ts";
import { receiveIcmpv6 } from "./icmpv6.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

/** True when the packet at hand is a segment that the data path has validated. */
export function receiveIpv6(plane: Plane, arp: ArpState, via: Interface): boolean {
  const { ingress, frame, core } = plane;
  const { ip } = frame;
  // Lengths are the data path's check; a frame of another executor is no exception.
  const end = ip + I.IPV6_SIZE + W.ipv6PayloadLength(ingress, ip);
  const walk = walkExtensions(ingress, ip, end);
  if (walk.problem !== 0) {
    countDrop(core, walk.problem as DropReason);
    if (walk.code >= 0) complain(plane, via, walk.code, walk.pointAt - ip, walk.toMulticast);
    return false;
  }
  switch (walk.protocol) {
    case I.PROTOCOL_TCP:
      if (walk.at === ip + I.IPV6_SIZE) return true;
      unwrap(plane, walk);
      break;
    case I.PROTOCOL_ICMPV6:
      receiveIcmpv6(plane, arp, via, walk.at, end);
      break;
    case I.PROTOCOL_FRAGMENT:
      countDrop(core, DropReason.IpFragment);
      break;
    case I.PROTOCOL_UDP:
      receiveUdp(plane, via, walk.at, end);
      break;
    default:
      refuseProtocol(plane, via, walk);
  }
  return false;
}

/** Offers the frame again, its link and IPv6 header moved over the headers between. */
function unwrap(plane: Plane, { at, protocol }: ExtensionWalk): void {
  const { ingress, frame, replays } = plane;
  const { offset, ip, length, netif } = frame;
  const moved = at - ip - I.IPV6_SIZE;
  ingress.setUint16(ip + I.IPV6_PAYLOAD_LENGTH, W.ipv6PayloadLength(ingress, ip) - moved);
  ingress.setUint8(ip + I.IPV6_NEXT_HEADER, protocol);
  const bytes = new Uint8Array(ingress.buffer, ingress.byteOffset, ingress.byteLength);
  bytes.copyWithin(offset + moved, offset, ip + I.IPV6_SIZE);
  replays.add(offset + moved, length - moved, netif, 0);
}

function receiveUdp(plane: Plane, via: Interface, at: number, end: number): void {
  const { ingress, frame, core } = plane;
  const length = at + UDP_SIZE > end ? 0 : ingress.getUint16(at + UDP_LENGTH);
  const { ip } = frame;
  const pseudo =
    W.addressSum(W.ipv6Source(ingress, ip)) +
    W.addressSum(W.ipv6Destination(ingress, ip)) +
    I.PROTOCOL_UDP +
    length;
  // RFC 8200, 8.1: over IPv6 the checksum may not be left out.
  const isSound = length >= UDP_SIZE && at + length <= end;
  if (!isSound || !checksumHolds(checksumAdd(pseudo, ingress, at, length))) {
    countDrop(core, DropReason.ProtocolUnknown);
    return;
  }
  countDrop(core, DropReason.NoListener);
  report(plane, via, ICMP.ICMPV6_UNREACHABLE, ICMP.UNREACHABLE6_PORT, 0, false);
}

// RFC 8200, 4: an unknown next header is answered, "no next header" is not.
function refuseProtocol(plane: Plane, via: Interface, walk: ExtensionWalk): void {
  countDrop(plane.core, DropReason.ProtocolUnknown);
  if (walk.protocol === I.PROTOCOL_NO_NEXT) return;
  complain(plane, via, ICMP.PARAMETER_NEXT_HEADER, walk.nameAt - plane.frame.ip, false);
}

function complain(
  plane: Plane,
  via: Interface,
  code: number,
  pointer: number,
  toMulticast: boolean,
): void {
  report(plane, via, ICMP.ICMPV6_PARAMETER_PROBLEM, code, pointer, toMulticast);
}

/** RFC 4443, 2.4 e: never about a group's packet, but for the two exceptions. */
function mayReport(plane: Plane, via: Interface, toMulticast: boolean): boolean {
  const { ingress, frame, routes } = plane;
  if (!routes.isPeer(W.ipv6Source(ingress, frame.ip))) return false;
  const destination = W.ipv6Destination(ingress, frame.ip);
  if (toMulticast && W.isMulticastIpv6(destination)) return via.addresses6.length > 0;
  if (!routes.isOwn(destination)) return false;
  return via.medium === "ip" || !isGroupAddress(destinationHigh(ingress, frame.offset));
}

/** Sends an error about the packet at hand, no faster than echoes (RFC 4443, 2.4 f). */
function report(
  plane: Plane,
  via: Interface,
  type: number,
  code: number,
  parameter: number,
  toMulticast: boolean,
): void {
  const { ingress, frame, egress, routes, core, now } = plane;
  const { ip } = frame;
  if (!mayReport(plane, via, toMulticast)) return;
  if (!plane.echoes.take(now)) {
    countDrop(core, DropReason.RateLimited);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(ingress, frame.offset) : 0;
  const low = isEthernet ? sourceLow(ingress, frame.offset) : 0;
  const whole = I.IPV6_SIZE + W.ipv6PayloadLength(ingress, ip);
  const quoted = Math.min(QUOTED_BYTES_IPV6, whole);
  const destination = W.ipv6Destination(ingress, ip);
  const source = routes.isOwn(destination) ? destination : (via.addresses6[0]?.address ?? 0n);
  const length = ICMP.ICMPV6_QUOTE + quoted;
  const packet = new Uint8Array(ingress.buffer, ingress.byteOffset + ip, quoted);
  const write = (view: DataView, at: number): void => {
    view.setUint8(at + ICMP.ICMPV6_TYPE, type);
    view.setUint8(at + ICMP.ICMPV6_CODE, code);
    view.setUint32(at + ICMP.ICMPV6_PARAMETER, parameter);
    new Uint8Array(view.buffer, view.byteOffset + at + ICMP.ICMPV6_QUOTE, quoted).set(packet);
  };
  egress.sendIcmpv6(via, high, low, source, W.ipv6Source(ingress, ip), 64, length, write);
}
