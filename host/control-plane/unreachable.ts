/**
 * ICMP errors of ours: Destination Unreachable for what no transport of ours takes (RFC 1122,
 * 3.2.2.1), a UDP datagram or a protocol that we do not speak; and what a carrier gives cause to.
 * Invariants: only a packet from a single host, sent to one of our addresses and to us alone, and
 * no error itself, is answered (RFC 1122, 3.2.2), and no faster than echoes. Of fragments the data
 * path drops each; a carrier that has waited for more of them tells of the first.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { UNREACHABLE_PORT, UNREACHABLE_PROTOCOL } from "../../bindings/abi/icmp.ts";
import * as ICMP from "../../bindings/abi/icmp.ts";
import { PROTOCOL_ICMP, PROTOCOL_UDP } from "../../bindings/abi/ip.ts";
import { destinationHigh, isGroupAddress, sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { icmpType, QUOTED_BYTES } from "../wire/icmp.ts";
import * as P from "../wire/ipv4.ts";
import { udpHolds } from "../wire/udp.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

/** A packet of a protocol other than TCP and ICMP, its IP header validated. */
export function receiveUnclaimed(plane: Plane, via: Interface): void {
  const { ingress, frame, core } = plane;
  const { ip } = frame;
  if (P.ipv4Protocol(ingress, ip) !== PROTOCOL_UDP) {
    countDrop(core, DropReason.ProtocolUnknown);
    refuse(plane, via, UNREACHABLE_PROTOCOL);
    return;
  }
  const header = P.ipv4HeaderLength(ingress, ip);
  const available = P.ipv4TotalLength(ingress, ip) - header;
  if (!udpHolds(ingress, ip, ip + header, available)) {
    countDrop(core, DropReason.ProtocolUnknown);
    return;
  }
  countDrop(core, DropReason.NoListener);
  refuse(plane, via, UNREACHABLE_PORT);
}

/** A frame that an error is about, and its IP header within `view`. */
export interface ReportedPacket {
  readonly view: DataView;
  readonly offset: number;
  readonly ip: number;
}

/** RFC 1122, 3.2.2: not about an ICMP error; what asks or answers may be reported. */
function isComplaint({ view, ip }: ReportedPacket): boolean {
  if (P.ipv4Protocol(view, ip) !== PROTOCOL_ICMP) return false;
  switch (icmpType(view, ip + P.ipv4HeaderLength(view, ip))) {
    case ICMP.ICMP_UNREACHABLE:
    case ICMP.ICMP_SOURCE_QUENCH:
    case ICMP.ICMP_REDIRECT:
    case ICMP.ICMP_TIME_EXCEEDED:
    case ICMP.ICMP_PARAMETER_PROBLEM:
      return true;
    default:
      return false;
  }
}

function mayAnswer(plane: Plane, via: Interface, about: ReportedPacket): boolean {
  const { view, offset, ip } = about;
  const { routes } = plane;
  if (!routes.isOwn(P.ipv4Destination(view, ip))) return false;
  if (!routes.isPeer(P.ipv4Source(view, ip)) || isComplaint(about)) return false;
  return via.medium === "ip" || !isGroupAddress(destinationHigh(view, offset));
}

function refuse(plane: Plane, via: Interface, code: number): void {
  const { ingress, frame } = plane;
  const about = { view: ingress, offset: frame.offset, ip: frame.ip };
  reportIpv4(plane, via, about, ICMP.ICMP_UNREACHABLE, code);
}

/** Sends an error about a packet of IPv4. */
export function reportIpv4(
  plane: Plane,
  via: Interface,
  about: ReportedPacket,
  type: number,
  code: number,
): void {
  const { egress, core, now } = plane;
  const { view, offset, ip } = about;
  if (!mayAnswer(plane, via, about)) return;
  if (!plane.echoes.take(now)) {
    countDrop(core, DropReason.RateLimited);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(view, offset) : 0;
  const low = isEthernet ? sourceLow(view, offset) : 0;
  const whole = P.ipv4TotalLength(view, ip);
  const length = Math.min(P.ipv4HeaderLength(view, ip) + QUOTED_BYTES, whole);
  const quoted = new Uint8Array(view.buffer, view.byteOffset + ip, length);
  const source = P.ipv4Destination(view, ip);
  egress.sendIcmpError(via, high, low, source, P.ipv4Source(view, ip), type, code, quoted);
}
