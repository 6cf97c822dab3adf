/**
 * Destination Unreachable for what no transport of ours takes (RFC 1122, 3.2.2.1): a UDP datagram,
 * or a protocol that we do not speak. Invariants: only a whole packet from a single host, sent to
 * one of our addresses and to us alone, is answered (RFC 1122, 3.2.2), and no faster than echoes.
 * Fragments do not come here: the data path drops them.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { UNREACHABLE_PORT, UNREACHABLE_PROTOCOL } from "../../bindings/abi/icmp.ts";
import { PROTOCOL_UDP } from "../../bindings/abi/ip.ts";
import { destinationHigh, isGroupAddress, sourceHigh, sourceLow } from "../wire/ethernet.ts";
import { QUOTED_BYTES } from "../wire/icmp.ts";
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

function mayAnswer(plane: Plane, via: Interface): boolean {
  const { ingress, frame, routes } = plane;
  if (!routes.isOwn(P.ipv4Destination(ingress, frame.ip))) return false;
  if (!routes.isPeer(P.ipv4Source(ingress, frame.ip))) return false;
  return via.medium === "ip" || !isGroupAddress(destinationHigh(ingress, frame.offset));
}

function refuse(plane: Plane, via: Interface, code: number): void {
  const { ingress, frame, egress, core, now } = plane;
  const { ip } = frame;
  if (!mayAnswer(plane, via)) return;
  if (!plane.echoes.take(now)) {
    countDrop(core, DropReason.RateLimited);
    return;
  }
  const isEthernet = via.medium === "ethernet";
  const high = isEthernet ? sourceHigh(ingress, frame.offset) : 0;
  const low = isEthernet ? sourceLow(ingress, frame.offset) : 0;
  const whole = P.ipv4TotalLength(ingress, ip);
  const length = Math.min(P.ipv4HeaderLength(ingress, ip) + QUOTED_BYTES, whole);
  const quoted = new Uint8Array(ingress.buffer, ingress.byteOffset + ip, length);
  const source = P.ipv4Destination(ingress, ip);
  egress.sendUnreachable(via, high, low, source, P.ipv4Source(ingress, ip), code, quoted);
}
