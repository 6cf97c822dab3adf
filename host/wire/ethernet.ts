/**
 * Ethernet II with at most one 802.1Q tag (bindings/abi/ethernet.ts). A hardware address is two
 * numbers, the upper 16 and the lower 32 bits, so that no object is made per frame. The caller has
 * checked that the header lies within the view.
 */
import {
  ETHERNET_DESTINATION,
  ETHERNET_SIZE,
  ETHERNET_SOURCE,
  ETHERNET_TYPE,
  ETHER_TYPE_VLAN,
  VLAN_SIZE,
  VLAN_TAG,
  VLAN_TYPE,
} from "../../bindings/abi/ethernet.ts";

/** Upper and lower part of ff:ff:ff:ff:ff:ff. */
export const BROADCAST_HIGH = 0xffff;
export const BROADCAST_LOW = 0xffffffff;

export function destinationHigh(view: DataView, at: number): number {
  return view.getUint16(at + ETHERNET_DESTINATION);
}

export function destinationLow(view: DataView, at: number): number {
  return view.getUint32(at + ETHERNET_DESTINATION + 2);
}

export function sourceHigh(view: DataView, at: number): number {
  return view.getUint16(at + ETHERNET_SOURCE);
}

export function sourceLow(view: DataView, at: number): number {
  return view.getUint32(at + ETHERNET_SOURCE + 2);
}

/** True for a multicast or broadcast address (the group bit of its first byte). */
export function isGroupAddress(high: number): boolean {
  return (high & 0x0100) !== 0;
}

/** True when the frame carries an 802.1Q tag. */
export function isTagged(view: DataView, at: number): boolean {
  return view.getUint16(at + ETHERNET_TYPE) === ETHER_TYPE_VLAN;
}

/** Bytes of the link header: 14, or 18 with a tag. */
export function linkLength(view: DataView, at: number): number {
  return isTagged(view, at) ? ETHERNET_SIZE + VLAN_SIZE : ETHERNET_SIZE;
}

/** The EtherType, behind the tag when there is one. */
export function etherType(view: DataView, at: number): number {
  return view.getUint16(at + (isTagged(view, at) ? VLAN_TYPE : ETHERNET_TYPE));
}

/** Fields of a link header to be written. `vlan` 0 = untagged. */
export interface LinkHeader {
  readonly destinationHigh: number;
  readonly destinationLow: number;
  readonly sourceHigh: number;
  readonly sourceLow: number;
  readonly vlan: number;
  readonly type: number;
}

/** Writes a link header; returns its bytes. */
export function writeLinkHeader(view: DataView, at: number, header: LinkHeader): number {
  view.setUint16(at + ETHERNET_DESTINATION, header.destinationHigh);
  view.setUint32(at + ETHERNET_DESTINATION + 2, header.destinationLow);
  view.setUint16(at + ETHERNET_SOURCE, header.sourceHigh);
  view.setUint32(at + ETHERNET_SOURCE + 2, header.sourceLow);
  if (header.vlan === 0) {
    view.setUint16(at + ETHERNET_TYPE, header.type);
    return ETHERNET_SIZE;
  }
  view.setUint16(at + ETHERNET_TYPE, ETHER_TYPE_VLAN);
  view.setUint16(at + VLAN_TAG, header.vlan & 0x0fff);
  view.setUint16(at + VLAN_TYPE, header.type);
  return ETHERNET_SIZE + VLAN_SIZE;
}
