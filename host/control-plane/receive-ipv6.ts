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
import { walkExtensions, type ExtensionWalk } from "../wire/ipv6-extension.ts";
import { isDiscovery, judgeFragment } from "../wire/ipv6-fragment.ts";
import * as W from "../wire/ipv6.ts";
import type { ArpState } from "./arp.ts";
import { receiveIcmpv6 } from "./icmpv6.ts";
import { reportFrame } from "./icmpv6-report.ts";
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
      // RFC 6980, 5: silently, also in one fragment that is the whole.
      if (walk.isAtomic && walk.at < end && isDiscovery(ingress, walk.at)) {
        countDrop(core, DropReason.FragmentNdp);
      } else receiveIcmpv6(plane, arp, via, walk.at, end);
      break;
    case I.PROTOCOL_FRAGMENT:
      refuseFragment(plane, via, walk.at, end);
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
  reportFrame(plane, via, ICMP.ICMPV6_UNREACHABLE, ICMP.UNREACHABLE6_PORT, 0, false);
}

// A sound one has come by no reassembler: nobody has asked for its datagram to be put together.
function refuseFragment(plane: Plane, via: Interface, at: number, end: number): void {
  const { ingress, frame, core } = plane;
  const { reason, code, pointer } = judgeFragment(ingress, frame.ip, at, end);
  countDrop(core, reason === 0 ? DropReason.IpFragment : (reason as DropReason));
  if (reason !== 0 && code >= 0) complain(plane, via, code, pointer, false);
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
  reportFrame(plane, via, ICMP.ICMPV6_PARAMETER_PROBLEM, code, pointer, toMulticast);
}
