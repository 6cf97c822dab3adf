/**
 * ARP for IPv4 over Ethernet (RFC 826; offsets in bindings/abi/arp.ts): one packet form, 28 bytes.
 */
import {
  ARP_HARDWARE_SIZE,
  ARP_HARDWARE_TYPE,
  ARP_OPERATION,
  ARP_PROTOCOL_SIZE,
  ARP_PROTOCOL_TYPE,
  ARP_SENDER_HARDWARE,
  ARP_SENDER_PROTOCOL,
  ARP_SIZE,
  ARP_TARGET_HARDWARE,
  ARP_TARGET_PROTOCOL,
} from "../../bindings/abi/arp.ts";
import { ETHER_TYPE_IPV4 } from "../../bindings/abi/ethernet.ts";

const HARDWARE_ETHERNET = 1;

/** True for a whole packet of the one form that we speak. */
export function isArpOverEthernet(view: DataView, at: number, length: number): boolean {
  return (
    length >= ARP_SIZE &&
    view.getUint16(at + ARP_HARDWARE_TYPE) === HARDWARE_ETHERNET &&
    view.getUint16(at + ARP_PROTOCOL_TYPE) === ETHER_TYPE_IPV4 &&
    view.getUint8(at + ARP_HARDWARE_SIZE) === 6 &&
    view.getUint8(at + ARP_PROTOCOL_SIZE) === 4
  );
}

export function arpOperation(view: DataView, at: number): number {
  return view.getUint16(at + ARP_OPERATION);
}

export function arpSenderHigh(view: DataView, at: number): number {
  return view.getUint16(at + ARP_SENDER_HARDWARE);
}

export function arpSenderLow(view: DataView, at: number): number {
  return view.getUint32(at + ARP_SENDER_HARDWARE + 2);
}

export function arpSenderAddress(view: DataView, at: number): number {
  return view.getUint32(at + ARP_SENDER_PROTOCOL);
}

export function arpTargetAddress(view: DataView, at: number): number {
  return view.getUint32(at + ARP_TARGET_PROTOCOL);
}

/** Fields of a packet to be written. */
export interface ArpPacket {
  readonly operation: number;
  readonly senderHigh: number;
  readonly senderLow: number;
  readonly senderAddress: number;
  readonly targetHigh: number;
  readonly targetLow: number;
  readonly targetAddress: number;
}

/** Writes a packet; returns its bytes. */
export function writeArp(view: DataView, at: number, packet: ArpPacket): number {
  view.setUint16(at + ARP_HARDWARE_TYPE, HARDWARE_ETHERNET);
  view.setUint16(at + ARP_PROTOCOL_TYPE, ETHER_TYPE_IPV4);
  view.setUint8(at + ARP_HARDWARE_SIZE, 6);
  view.setUint8(at + ARP_PROTOCOL_SIZE, 4);
  view.setUint16(at + ARP_OPERATION, packet.operation);
  view.setUint16(at + ARP_SENDER_HARDWARE, packet.senderHigh);
  view.setUint32(at + ARP_SENDER_HARDWARE + 2, packet.senderLow);
  view.setUint32(at + ARP_SENDER_PROTOCOL, packet.senderAddress);
  view.setUint16(at + ARP_TARGET_HARDWARE, packet.targetHigh);
  view.setUint32(at + ARP_TARGET_HARDWARE + 2, packet.targetLow);
  view.setUint32(at + ARP_TARGET_PROTOCOL, packet.targetAddress);
  return ARP_SIZE;
}
