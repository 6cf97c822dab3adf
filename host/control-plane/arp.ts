/**
 * ARP (RFC 826) for the neighbour cache: answers for our addresses, learns from what is addressed
 * to us or known already, counts conflicts (RFC 5227, 2.4), announces.
 */
import { ARP_REPLY, ARP_REQUEST } from "../../bindings/abi/arp.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ETHERNET_SIZE, ETHER_TYPE_ARP } from "../../bindings/abi/ethernet.ts";
import * as A from "../wire/arp.ts";
import * as E from "../wire/ethernet.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Neighbor } from "./neighbor.ts";
import type { Interface } from "./route.ts";

/** RFC 5227, 2.4: an address is defended at most this often. */
const DEFEND_NS = 10e9;

/** What ARP and neighbour discovery of one stack remember beside the cache. */
export interface ArpState {
  /** Frames in which somebody else claimed an address of ours. */
  conflicts: number;
  defendedAt: number;
}

/** Asks who has `address`: everybody, or only who had it (RFC 1122, 2.3.2.1). */
export function sendArpRequest(
  plane: Plane,
  via: Interface,
  address: number,
  known?: Neighbor,
): void {
  const near = via.addresses.find((own) => ((own.address ^ address) & own.mask) === 0);
  const sender = (near ?? via.addresses[0])?.address ?? 0;
  const high = known?.high ?? E.BROADCAST_HIGH;
  plane.egress.sendArp(via, high, known?.low ?? E.BROADCAST_LOW, {
    operation: ARP_REQUEST,
    senderHigh: via.hardwareHigh,
    senderLow: via.hardwareLow,
    senderAddress: sender,
    targetHigh: 0,
    targetLow: 0,
    targetAddress: address,
  });
}

/** Gratuitous ARP: tells everybody who has `address` (RFC 5227, 2.3). */
export function announce(plane: Plane, via: Interface, address: number): void {
  plane.egress.sendArp(via, E.BROADCAST_HIGH, E.BROADCAST_LOW, {
    operation: ARP_REQUEST,
    senderHigh: via.hardwareHigh,
    senderLow: via.hardwareLow,
    senderAddress: address,
    targetHigh: 0,
    targetLow: 0,
    targetAddress: address,
  });
}

function reply(plane: Plane, via: Interface, at: number): void {
  const { ingress, egress } = plane;
  const high = A.arpSenderHigh(ingress, at);
  const low = A.arpSenderLow(ingress, at);
  egress.sendArp(via, high, low, {
    operation: ARP_REPLY,
    senderHigh: via.hardwareHigh,
    senderLow: via.hardwareLow,
    senderAddress: A.arpTargetAddress(ingress, at),
    targetHigh: high,
    targetLow: low,
    targetAddress: A.arpSenderAddress(ingress, at),
  });
}

function defend(plane: Plane, state: ArpState, via: Interface, address: number): void {
  state.conflicts += 1;
  countDrop(plane.core, DropReason.ArpIgnored);
  if (plane.now - state.defendedAt < DEFEND_NS) return;
  state.defendedAt = plane.now;
  announce(plane, via, address);
}

/** A frame that is not IP. */
export function receiveArp(plane: Plane, state: ArpState, via: Interface): void {
  const { ingress, frame, core } = plane;
  const { offset, length } = frame;
  if (via.medium !== "ethernet" || length < ETHERNET_SIZE) {
    countDrop(core, DropReason.LinkMalformed);
    return;
  }
  if (E.etherType(ingress, offset) !== ETHER_TYPE_ARP) {
    countDrop(core, DropReason.EtherTypeUnknown);
    return;
  }
  const link = E.linkLength(ingress, offset);
  const at = offset + link;
  if (!A.isArpOverEthernet(ingress, at, length - link)) {
    countDrop(core, DropReason.ArpIgnored);
    return;
  }
  judge(plane, state, via, at);
}

function judge(plane: Plane, state: ArpState, via: Interface, at: number): void {
  const { ingress, core, neighbors, now } = plane;
  const high = A.arpSenderHigh(ingress, at);
  const low = A.arpSenderLow(ingress, at);
  const sender = A.arpSenderAddress(ingress, at);
  if (E.isGroupAddress(high) || (high === 0 && low === 0)) {
    countDrop(core, DropReason.ArpIgnored);
    return;
  }
  if (high === via.hardwareHigh && low === via.hardwareLow) return;
  if (via.addresses.some((own) => own.address === sender)) {
    defend(plane, state, via, sender);
    return;
  }
  const target = A.arpTargetAddress(ingress, at);
  const isForUs = via.addresses.some((own) => own.address === target);
  const isRequest = A.arpOperation(ingress, at) === ARP_REQUEST;
  // RFC 826: merge what is known, add what talks to us. An unasked reply adds nothing.
  const isNear = via.addresses.some((own) => ((own.address ^ sender) & own.mask) === 0);
  const create = isForUs && isRequest && isNear;
  const learnt = sender !== 0 && neighbors.learn(via.index, sender, high, low, now, create);
  if (isForUs && isRequest) reply(plane, via, at);
  else if (!learnt) countDrop(core, DropReason.ArpIgnored);
}
