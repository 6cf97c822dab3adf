/**
 * Neighbour discovery (RFC 4861, 7.2) for the neighbour cache: asks, answers for our addresses,
 * learns from what is addressed to us. Invariant: a packet that has passed a router (hop limit
 * below 255), lies about a length or breaks a rule of RFC 4861, 7.1, is a counted drop.
 */
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import * as I from "../../bindings/abi/icmpv6.ts";
import { IPV6_OPTIONS_MAX } from "../../bindings/abi/limits.ts";
import * as E from "../wire/ethernet.ts";
import * as W from "../wire/ipv6.ts";
import type { ArpState } from "./arp.ts";
import type { Neighbor } from "./neighbor.ts";
import { countDrop, type Plane } from "./plane.ts";
import type { Interface } from "./route.ts";

/** A link-layer address option: type, length 1, six bytes. */
const LINK_OPTION_BYTES = 8;
const MULTICAST_HIGH = 0x3333;

/** The hardware address of an IPv6 group (RFC 2464, 7), its lower part. */
function groupLow(group: bigint): number {
  return Number(group & 0xffffffffn);
}

function writeLinkOption(view: DataView, at: number, type: number, via: Interface): void {
  view.setUint8(at, type);
  view.setUint8(at + 1, 1);
  view.setUint16(at + 2, via.hardwareHigh);
  view.setUint32(at + 4, via.hardwareLow);
}

/** Sends a solicitation or an advertisement with the option that says who we are. */
function send(
  plane: Plane,
  via: Interface,
  link: { readonly high: number; readonly low: number },
  source: bigint,
  destination: bigint,
  message: { readonly type: number; readonly flags: number; readonly target: bigint },
): void {
  if (via.medium !== "ethernet") return;
  const isSolicitation = message.type === I.ICMPV6_NEIGHBOR_SOLICITATION;
  // RFC 4861, 4.3: an unspecified source has no link-layer address to be answered at.
  const length = source === 0n ? I.NDP_SIZE : I.NDP_SIZE + LINK_OPTION_BYTES;
  const write = (view: DataView, at: number): void => {
    view.setUint8(at + I.ICMPV6_TYPE, message.type);
    view.setUint8(at + I.ICMPV6_CODE, 0);
    view.setUint32(at + I.NDP_FLAGS, message.flags);
    W.writeAddress(view, at + I.NDP_TARGET, message.target);
    if (source === 0n) return;
    const type = isSolicitation ? I.NDP_OPTION_SOURCE : I.NDP_OPTION_TARGET;
    writeLinkOption(view, at + I.NDP_SIZE, type, via);
  };
  const { high, low } = link;
  plane.egress.sendIcmpv6(via, high, low, source, destination, I.NDP_HOP_LIMIT, length, write);
}

function groupLink(group: bigint): { high: number; low: number } {
  return { high: MULTICAST_HIGH, low: groupLow(group) };
}

/** Asks who has `target`: its solicited-node group, or only who had it (RFC 4861, 7.2.2, 7.3.3). */
export function sendSolicitation(
  plane: Plane,
  via: Interface,
  target: bigint,
  known: Neighbor | undefined,
): void {
  const near = via.addresses6.find((own) => ((own.address ^ target) & own.mask) === 0n);
  const source = near ?? via.addresses6[0];
  if (source === undefined) return;
  const destination = known === undefined ? W.solicitedNode(target) : target;
  const message = { type: I.ICMPV6_NEIGHBOR_SOLICITATION, flags: 0, target };
  send(plane, via, known ?? groupLink(destination), source.address, destination, message);
}

/** Asks whether somebody has an address that we would like to have (RFC 4862, 5.4.2). */
export function probeAddress(plane: Plane, via: Interface, target: bigint): void {
  const group = W.solicitedNode(target);
  const message = { type: I.ICMPV6_NEIGHBOR_SOLICITATION, flags: 0, target };
  send(plane, via, groupLink(group), 0n, group, message);
}

/**
 * Asks for routers (RFC 4861, 6.3.7), from the interface's link-local address; from none while that
 * is on trial (RFC 4861, 4.1).
 */
export function solicitRouters(plane: Plane, via: Interface): void {
  if (via.medium !== "ethernet") return;
  const own = via.addresses6.find(({ address }) => W.isLinkLocal(address))?.address ?? 0n;
  const length = own === 0n ? I.RS_SIZE : I.RS_SIZE + LINK_OPTION_BYTES;
  const write = (view: DataView, at: number): void => {
    view.setUint8(at + I.ICMPV6_TYPE, I.ICMPV6_ROUTER_SOLICITATION);
    view.setUint8(at + I.ICMPV6_CODE, 0);
    view.setUint32(at + I.ICMPV6_PARAMETER, 0);
    if (own !== 0n) writeLinkOption(view, at + I.RS_SIZE, I.NDP_OPTION_SOURCE, via);
  };
  const { high, low } = groupLink(W.ALL_ROUTERS);
  const { egress } = plane;
  egress.sendIcmpv6(via, high, low, own, W.ALL_ROUTERS, I.NDP_HOP_LIMIT, length, write);
}

/** Tells everybody who has an address of ours (RFC 4861, 7.2.6). */
export function announceIpv6(plane: Plane, via: Interface, target: bigint): void {
  const message = { type: I.ICMPV6_NEIGHBOR_ADVERTISEMENT, flags: I.NDP_OVERRIDE, target };
  send(plane, via, groupLink(W.ALL_NODES), target, W.ALL_NODES, message);
}

/** What the options of a message say; `valid` false: a length is wrong (RFC 4861, 4.6). */
export interface NdpOptions {
  readonly valid: boolean;
  /** Offset of the first option of the type that was asked for, 0 = none. */
  readonly found: number;
}

/** Looks for an option of 8 bytes or more among those between `from` and `end`, bounded. */
export function findOption(view: DataView, from: number, end: number, type: number): NdpOptions {
  let found = 0;
  let at = from;
  for (let count = 0; at < end; count += 1) {
    if (at + 8 > end || count >= IPV6_OPTIONS_MAX) return { valid: false, found: 0 };
    const length = view.getUint8(at + 1) * 8;
    if (length === 0 || at + length > end) return { valid: false, found: 0 };
    if (found === 0 && view.getUint8(at) === type) found = at;
    at += length;
  }
  return { valid: true, found };
}

/** RFC 4861, 7.1: what every packet of neighbour discovery must be. */
export function isFromLink(plane: Plane, via: Interface, at: number): boolean {
  const { ingress, frame } = plane;
  const isWhole = ingress.getUint8(at + I.ICMPV6_CODE) === 0;
  const isNear = W.ipv6HopLimit(ingress, frame.ip) === I.NDP_HOP_LIMIT;
  return via.medium === "ethernet" && isWhole && isNear;
}

/** Somebody asks who has an address. */
export function receiveSolicitation(
  plane: Plane,
  state: ArpState,
  via: Interface,
  at: number,
  end: number,
): void {
  const { ingress, frame } = plane;
  const { valid, found } = findOption(ingress, at + I.NDP_SIZE, end, I.NDP_OPTION_SOURCE);
  const source = W.ipv6Source(ingress, frame.ip);
  const target = at + I.NDP_SIZE > end ? 0n : W.readAddress(ingress, at + I.NDP_TARGET);
  const isProbe = source === 0n;
  const destination = W.ipv6Destination(ingress, frame.ip);
  // RFC 4861, 7.1.1: a probe for duplicates is for the group, and says nothing of its sender.
  const isBadProbe = isProbe && (found !== 0 || destination !== W.solicitedNode(target));
  if (at + I.NDP_SIZE > end || !valid || !isFromLink(plane, via, at) || isBadProbe) {
    countDrop(plane.core, DropReason.NdpIgnored);
    return;
  }
  if (!isProbe && via.addresses6.some((own) => own.address === source)) {
    conflict(plane, state);
    return;
  }
  answer(plane, via, source, target, found);
}

function answer(
  plane: Plane,
  via: Interface,
  source: bigint,
  target: bigint,
  option: number,
): void {
  const { ingress, frame, neighbors, now } = plane;
  if (!via.addresses6.some((own) => own.address === target)) {
    // RFC 4862, 5.4.3: of an address on trial only another one's probe counts.
    const isOwnFrame =
      E.sourceHigh(ingress, frame.offset) === via.hardwareHigh &&
      E.sourceLow(ingress, frame.offset) === via.hardwareLow;
    const isLost = source === 0n && plane.trials.heard(plane, via, target, isOwnFrame);
    if (!isLost) countDrop(plane.core, DropReason.NdpIgnored);
    return;
  }
  const type = I.ICMPV6_NEIGHBOR_ADVERTISEMENT;
  if (source === 0n) {
    send(plane, via, groupLink(W.ALL_NODES), target, W.ALL_NODES, {
      type,
      flags: I.NDP_OVERRIDE,
      target,
    });
    return;
  }
  const from = option === 0 ? frame.offset + 6 : option + 2;
  const high = ingress.getUint16(from);
  const low = ingress.getUint32(from + 2);
  if (E.isGroupAddress(high)) {
    countDrop(plane.core, DropReason.NdpIgnored);
    return;
  }
  // What is not of this link fills no cache.
  const isNear = via.addresses6.some((own) => ((own.address ^ source) & own.mask) === 0n);
  if (option !== 0) neighbors.learn(via.index, source, high, low, now, isNear, true);
  const flags = (I.NDP_SOLICITED | I.NDP_OVERRIDE) >>> 0;
  send(plane, via, { high, low }, target, source, { type, flags, target });
}

/** Somebody says who has an address (RFC 4861, 7.2.5). */
export function receiveAdvertisement(
  plane: Plane,
  state: ArpState,
  via: Interface,
  at: number,
  end: number,
): void {
  const { ingress, frame, core } = plane;
  const { valid, found } = findOption(ingress, at + I.NDP_SIZE, end, I.NDP_OPTION_TARGET);
  const isWhole = at + I.NDP_SIZE <= end && valid && isFromLink(plane, via, at);
  const flags = isWhole ? ingress.getUint32(at + I.NDP_FLAGS) : 0;
  const target = isWhole ? W.readAddress(ingress, at + I.NDP_TARGET) : 0n;
  const isSolicited = (flags & I.NDP_SOLICITED) !== 0;
  const isGroup = W.isMulticastIpv6(W.ipv6Destination(ingress, frame.ip));
  // RFC 4861, 7.1.2: an answer goes to who has asked.
  if (!isWhole || W.isMulticastIpv6(target) || (isGroup && isSolicited)) {
    countDrop(core, DropReason.NdpIgnored);
    return;
  }
  if (via.addresses6.some((own) => own.address === target)) {
    conflict(plane, state);
    return;
  }
  // RFC 4862, 5.4.4.
  if (plane.trials.heard(plane, via, target, false)) return;
  if (!learn(plane, via, target, flags, found)) countDrop(core, DropReason.NdpIgnored);
}

function learn(plane: Plane, via: Interface, target: bigint, flags: number, at: number): boolean {
  const { ingress, neighbors, now } = plane;
  const known = neighbors.peek(via.index, target);
  if (known === undefined) return false;
  const isSolicited = (flags & I.NDP_SOLICITED) !== 0;
  if (at === 0) {
    if (isSolicited && known.resolved) neighbors.confirm(via.index, target, now);
    return isSolicited && known.resolved;
  }
  const high = ingress.getUint16(at + 2);
  const low = ingress.getUint32(at + 4);
  const isOther = known.resolved && (known.high !== high || known.low !== low);
  if (E.isGroupAddress(high)) return false;
  if (isOther && (flags & I.NDP_OVERRIDE) === 0) {
    neighbors.doubt(via.index, target, now);
    return false;
  }
  // Unasked and nothing new: no proof of anything.
  if (!isSolicited && known.resolved && !isOther) return true;
  return neighbors.learn(via.index, target, high, low, now, false, !isSolicited);
}

function conflict(plane: Plane, state: ArpState): void {
  state.conflicts += 1;
  countDrop(plane.core, DropReason.NdpIgnored);
}
