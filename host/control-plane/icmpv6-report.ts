/**
 * ICMPv6 errors of ours (RFC 4443, 2.4): about the frame at hand, and, of both families, about
 * fragments that a carrier has waited for in vain. Invariant: no more of them than echo replies,
 * and none about what an error may not be about.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ICMP_TIME_EXCEEDED } from "../../bindings/abi/icmp.ts";
import * as ICMP from "../../bindings/abi/icmpv6.ts";
import * as I from "../../bindings/abi/ip.ts";
import { EXTENSION_HEADERS_MAX } from "../../bindings/abi/limits.ts";
import { destinationHigh, isGroupAddress, sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { EXCEEDED_REASSEMBLY } from "../wire/icmp.ts";
import { QUOTED_BYTES_IPV6 } from "../wire/icmpv6.ts";
import { fragmentOffset, packetEnd } from "../wire/ipv6-fragment.ts";
import { ipVersion } from "../wire/ipv4.ts";
import * as W from "../wire/ipv6.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";
import { reportIpv4, type ReportedPacket } from "./unreachable.ts";

/** Packets that a report may still have to be sent about. */
const OWED_MAX = 16;

/** A frame of which a report is owed: carriers tell of it while no answer can be written. */
export interface OwedReport extends ReportedPacket {
  readonly via: Interface;
}

/** First type of what informs, below which messages are errors (RFC 4443, 2.1). */
const INFORMATIONAL = 128;

/** The header behind this one; undefined when nothing we know of is. */
function behind(view: DataView, protocol: number, at: number): number | undefined {
  switch (protocol) {
    case I.PROTOCOL_HOP_BY_HOP:
    case I.PROTOCOL_DESTINATION_OPTIONS:
    case I.PROTOCOL_ROUTING:
      return at + (view.getUint8(at + 1) + 1) * 8;
    case I.PROTOCOL_FRAGMENT:
      return fragmentOffset(view, at) === 0 ? at + I.FRAGMENT_SIZE : undefined;
    default:
      return undefined;
  }
}

/**
 * RFC 4443, 2.4 e: an ICMPv6 error or a redirect, behind whatever headers. These are followed by
 * their lengths alone, since what is wrong with one of them may be what the report is about.
 */
function isComplaint({ view, ip }: ReportedPacket): boolean {
  const end = Math.min(packetEnd(view, ip), view.byteLength);
  let protocol = view.getUint8(ip + I.IPV6_NEXT_HEADER);
  let at: number | undefined = ip + I.IPV6_SIZE;
  for (let count = 0; count <= EXTENSION_HEADERS_MAX; count += 1) {
    if (at >= end) return false;
    if (protocol === I.PROTOCOL_ICMPV6) {
      const type = view.getUint8(at + ICMP.ICMPV6_TYPE);
      return type < INFORMATIONAL || type === ICMP.ICMPV6_REDIRECT;
    }
    // Every header that may stand in between has eight bytes or more.
    if (at + I.FRAGMENT_SIZE > end) return false;
    const next: number | undefined = behind(view, protocol, at);
    if (next === undefined) return false;
    protocol = view.getUint8(at);
    at = next;
  }
  return false;
}

/** RFC 4443, 2.4 e: never about a group's packet, but for the two exceptions. */
function mayReport(
  plane: Plane,
  via: Interface,
  about: ReportedPacket,
  toMulticast: boolean,
): boolean {
  const { view, offset, ip } = about;
  const { routes } = plane;
  if (!routes.isPeer(W.ipv6Source(view, ip)) || isComplaint(about)) return false;
  const destination = W.ipv6Destination(view, ip);
  if (toMulticast && W.isMulticastIpv6(destination)) return via.addresses6.length > 0;
  if (!routes.isOwn(destination)) return false;
  return via.medium === "ip" || !isGroupAddress(destinationHigh(view, offset));
}

/** Sends an error about a packet, no faster than echoes (RFC 4443, 2.4 f). */
function report(
  plane: Plane,
  via: Interface,
  about: ReportedPacket,
  type: number,
  code: number,
  parameter: number,
  toMulticast: boolean,
): void {
  const { egress, routes, core, now } = plane;
  const { view: from, offset, ip } = about;
  if (!mayReport(plane, via, about, toMulticast)) return;
  if (!plane.echoes.take(now)) {
    countDrop(core, DropReason.RateLimited);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(from, offset) : 0;
  const low = isEthernet ? sourceLow(from, offset) : 0;
  const whole = I.IPV6_SIZE + W.ipv6PayloadLength(from, ip);
  const quoted = Math.min(QUOTED_BYTES_IPV6, whole);
  const destination = W.ipv6Destination(from, ip);
  const source = routes.isOwn(destination) ? destination : (via.addresses6[0]?.address ?? 0n);
  const length = ICMP.ICMPV6_QUOTE + quoted;
  const packet = new Uint8Array(from.buffer, from.byteOffset + ip, quoted);
  const write = (view: DataView, at: number): void => {
    view.setUint8(at + ICMP.ICMPV6_TYPE, type);
    view.setUint8(at + ICMP.ICMPV6_CODE, code);
    view.setUint32(at + ICMP.ICMPV6_PARAMETER, parameter);
    new Uint8Array(view.buffer, view.byteOffset + at + ICMP.ICMPV6_QUOTE, quoted).set(packet);
  };
  egress.sendIcmpv6(via, high, low, source, W.ipv6Source(from, ip), 64, length, write);
}

/** Sends an error about the packet at hand. */
export function reportFrame(
  plane: Plane,
  via: Interface,
  type: number,
  code: number,
  parameter: number,
  toMulticast: boolean,
): void {
  const { ingress, frame } = plane;
  const about = { view: ingress, offset: frame.offset, ip: frame.ip };
  report(plane, via, about, type, code, parameter, toMulticast);
}

/** Counts what an interface's carrier drops itself, and remembers whom to tell. */
export function listenToCarrier(plane: Plane, via: Interface): void {
  via.netif.onDropped?.((reason, first, ip = 0) => {
    countDrop(plane.core, reason as DropReason);
    if (first === undefined || plane.owed.length >= OWED_MAX) return;
    const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
    plane.owed.push({ via, view, offset: 0, ip });
    plane.attention.due = true;
  });
}

/** RFC 1122, 3.3.2; RFC 8200, 4.5: tells senders of what has not come together in time. */
export function sendOwedReports(plane: Plane): void {
  for (const owed of plane.owed) {
    if (plane.routes.at(owed.via.index) !== owed.via) continue;
    if (ipVersion(owed.view, owed.ip) === 4) {
      reportIpv4(plane, owed.via, owed, ICMP_TIME_EXCEEDED, EXCEEDED_REASSEMBLY);
      continue;
    }
    report(plane, owed.via, owed, ICMP.ICMPV6_TIME_EXCEEDED, ICMP.EXCEEDED_REASSEMBLY, 0, false);
  }
  plane.owed.length = 0;
}
