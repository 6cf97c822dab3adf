/**
 * Frames that the control plane sends itself: link header, IP header and a control segment, an ARP
 * packet or an ICMP message of either version, appended to the egress burst. A full burst drops the
 * frame and counts it: everything sent here is repeated by a timer or by the peer.
 */
import { ARP_SIZE } from "../../bindings/abi/arp.ts";
import type { ControlCore } from "./core-calls.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ETHERNET_SIZE, ETHER_TYPE_ARP, ETHER_TYPE_IPV4 } from "../../bindings/abi/ethernet.ts";
import { VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import { ETHER_TYPE_IPV6 } from "../../bindings/abi/ethernet.ts";
import { IPV4_SIZE, IPV6_SIZE, PROTOCOL_ICMP } from "../../bindings/abi/ip.ts";
import { PROTOCOL_ICMPV6, PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { ICMP_QUOTE } from "../../bindings/abi/icmp.ts";
import { BATCH_MAX } from "../../bindings/abi/limits.ts";
import { CORE_VLAN } from "../../bindings/abi/memory-map.ts";
import type { IpAddress } from "../address.ts";
import type { Burst } from "../netif/netif.ts";
import { writeArp, type ArpPacket } from "../wire/arp.ts";
import { writeLinkHeader, type LinkHeader } from "../wire/ethernet.ts";
import { makeEchoReply, writeError } from "../wire/icmp.ts";
import { finishIcmpv6 } from "../wire/icmpv6.ts";
import { type Ipv4Header, writeIpv4Header, writeIpv4Template } from "../wire/ipv4.ts";
import { type Ipv6Header, writeIpv6Header } from "../wire/ipv6.ts";
import { ControlSegment } from "../wire/tcp.ts";
import { countDrop, countEvent } from "./plane.ts";
import type { Interface } from "./route.ts";

/** Link header with tag, IP header, TCP header with all its options. */
const SEGMENT_BYTES_MAX = ETHERNET_SIZE + VLAN_SIZE + IPV6_SIZE + 60;

interface Packet {
  length: number;
  payload: number;
  tos: number;
  ttl: number;
  protocol: number;
  flow: number;
  source: IpAddress;
  destination: IpAddress;
}

export class ControlEgress {
  /** The segment that sendSegment() writes. */
  readonly segment = new ControlSegment();
  readonly #core: ControlCore;
  readonly #burst: Burst;
  readonly #view: DataView;
  readonly #link = {
    destinationHigh: 0,
    destinationLow: 0,
    sourceHigh: 0,
    sourceLow: 0,
    vlan: 0,
    type: 0,
  };
  /** The IP header that is being written: fields of both versions. */
  readonly #packet: Packet = {
    length: 0,
    payload: 0,
    tos: 0,
    ttl: 0,
    protocol: 0,
    flow: 0,
    source: 0,
    destination: 0,
  };

  constructor(core: ControlCore, burst: Burst) {
    this.#core = core;
    this.#burst = burst;
    const { buffer, byteOffset, byteLength } = burst.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** True when the burst takes one more segment, and an answer to each frame of a whole burst. */
  hasRoom(): boolean {
    const { bytes, used } = this.#burst;
    return this.#burst.room() > BATCH_MAX && used + SEGMENT_BYTES_MAX <= bytes.length;
  }

  /** Bytes of link header in front of an IP packet. */
  linkLength(via: Interface): number {
    if (via.medium === "ip") return 0;
    return this.#vlan() === 0 ? ETHERNET_SIZE : ETHERNET_SIZE + VLAN_SIZE;
  }

  /** Sends `segment` to a hardware address; false when the burst was full. */
  sendSegment(
    via: Interface,
    high: number,
    low: number,
    tos: number,
    ttl: number,
    flow: number,
  ): boolean {
    const { source, destination, length } = this.segment;
    const packet = this.#packet;
    packet.protocol = PROTOCOL_TCP;
    packet.tos = tos;
    packet.ttl = ttl;
    packet.flow = flow;
    const at = this.#beginPacket(via, high, low, source, destination, length);
    if (at < 0) return false;
    this.segment.write(this.#view, at);
    return true;
  }

  /** Sends an ARP packet. */
  sendArp(via: Interface, high: number, low: number, packet: ArpPacket): void {
    if (via.medium === "ip") return;
    const link = this.linkLength(via);
    const at = this.#reserve(link + ARP_SIZE, via.index);
    if (at < 0) return;
    this.#writeLink(at, via, high, low, ETHER_TYPE_ARP);
    writeArp(this.#view, at + link, packet);
  }

  /** Sends the reply to the echo request of `length` bytes at `from` in `view`. */
  sendEchoReply(
    via: Interface,
    high: number,
    low: number,
    source: number,
    destination: number,
    request: Uint8Array,
  ): void {
    const at = this.#beginIcmp(via, high, low, source, destination, request.length);
    if (at < 0) return;
    this.#burst.bytes.set(request, at);
    makeEchoReply(this.#view, at, request.length);
  }

  /** Sends an ICMP error that quotes `quoted`, the packet's first bytes. */
  sendIcmpError(
    via: Interface,
    high: number,
    low: number,
    source: number,
    destination: number,
    type: number,
    code: number,
    quoted: Uint8Array,
  ): void {
    const length = ICMP_QUOTE + quoted.length;
    const at = this.#beginIcmp(via, high, low, source, destination, length);
    if (at < 0) return;
    this.#burst.bytes.set(quoted, at + ICMP_QUOTE);
    writeError(this.#view, at, type, code, quoted.length);
  }

  // Headers of an ICMP message of `length` bytes; where it begins, below 0 when the burst is full.
  #beginIcmp(
    via: Interface,
    high: number,
    low: number,
    source: IpAddress,
    destination: IpAddress,
    length: number,
    ttl = 64,
  ): number {
    const packet = this.#packet;
    packet.protocol = typeof source === "number" ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
    packet.tos = 0;
    packet.ttl = ttl;
    packet.flow = 0;
    return this.#beginPacket(via, high, low, source, destination, length);
  }

  // Link and IP header in front of `length` bytes; where those begin, below 0 as above.
  #beginPacket(
    via: Interface,
    high: number,
    low: number,
    source: IpAddress,
    destination: IpAddress,
    length: number,
  ): number {
    const link = this.linkLength(via);
    const isIpv4 = typeof source === "number";
    const header = isIpv4 ? IPV4_SIZE : IPV6_SIZE;
    const at = this.#reserve(link + header + length, via.index);
    if (at < 0) return at;
    if (link > 0) this.#writeLink(at, via, high, low, isIpv4 ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6);
    const packet = this.#packet;
    packet.length = IPV4_SIZE + length;
    packet.payload = length;
    packet.source = source;
    packet.destination = destination;
    if (isIpv4) writeIpv4Header(this.#view, at + link, packet as Ipv4Header);
    else writeIpv6Header(this.#view, at + link, packet as Ipv6Header);
    return at + link + header;
  }

  /**
   * Sends an ICMPv6 message of `length` bytes, which `write` puts at an offset of a view without
   * its checksum.
   */
  sendIcmpv6(
    via: Interface,
    high: number,
    low: number,
    source: bigint,
    destination: bigint,
    ttl: number,
    length: number,
    write: (view: DataView, at: number) => void,
  ): void {
    const at = this.#beginIcmp(via, high, low, source, destination, length, ttl);
    if (at < 0) return;
    write(this.#view, at);
    finishIcmpv6(this.#view, at, length, source, destination);
  }

  /** Writes the link header of a connection's template into `view`; returns its bytes. */
  writeTemplateLink(
    view: DataView,
    at: number,
    via: Interface,
    high: number,
    low: number,
    type: number,
  ): number {
    if (via.medium === "ip") return 0;
    return writeLinkHeader(view, at, this.#linkHeader(via, high, low, type));
  }

  /** Writes the IP header of a connection's template, as writeTemplateLink(); returns its bytes. */
  writeTemplateNetwork(
    view: DataView,
    at: number,
    local: IpAddress,
    remote: IpAddress,
    tos: number,
    ttl: number,
    flow: number,
  ): number {
    const packet = this.#packet;
    packet.length = 0;
    packet.payload = 0;
    packet.protocol = PROTOCOL_TCP;
    packet.tos = tos;
    packet.ttl = ttl;
    packet.flow = flow;
    packet.source = local;
    packet.destination = remote;
    if (typeof local === "bigint") return writeIpv6Header(view, at, packet as Ipv6Header);
    writeIpv4Template(view, at, packet as Ipv4Header);
    return IPV4_SIZE;
  }

  #vlan(): number {
    return this.#core.words[(this.#core.address + CORE_VLAN) >>> 2] as number;
  }

  #reserve(length: number, netif: number): number {
    const at = this.#burst.reserve(length, netif);
    if (at < 0) {
      countDrop(this.#core, DropReason.EgressFull);
      return at;
    }
    countEvent(this.#core, Counter.ControlFramesOut);
    countEvent(this.#core, Counter.ControlBytesOut, length);
    return at;
  }

  #linkHeader(via: Interface, high: number, low: number, type: number): LinkHeader {
    const link = this.#link;
    link.destinationHigh = high;
    link.destinationLow = low;
    link.sourceHigh = via.hardwareHigh;
    link.sourceLow = via.hardwareLow;
    link.vlan = this.#vlan();
    link.type = type;
    return link;
  }

  #writeLink(at: number, via: Interface, high: number, low: number, type: number): void {
    writeLinkHeader(this.#view, at, this.#linkHeader(via, high, low, type));
  }
}
