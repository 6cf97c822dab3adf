/**
 * How a netif becomes an interface: its configuration read and checked, its addresses of both
 * families, and what of IPv6 waits until it has been probed (RFC 4862, 5.4). Throws RangeError
 * `addNetif: expected ..., got ...`.
 */
import type { IpAddress } from "../address.ts";
import type { Medium, Netif } from "../netif/netif.ts";
import { isLinkLocal } from "../wire/ipv6.ts";
import * as A from "./interface-address.ts";
import { MTU_MIN, MTU_MIN_IPV6 } from "./path-mtu.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";

/** What an interface does about IPv6. */
export interface Ipv6Options {
  /** Addresses, routers and MTU from router advertisements (RFC 4861, RFC 4862); default no. */
  readonly accept?: boolean;
  /**
   * DupAddrDetectTransmits (RFC 4862, 5.1), 0 to 16; default the profile's. 0: addresses are ours
   * at once. Those made from advertisements are probed in any case. Where no neighbour is asked
   * for, on medium "ip", none is.
   */
  readonly dadTransmits?: number;
}

/** How a netif joins a stack. */
export interface NetifConfig {
  readonly netif: Netif;
  /** The netif's number in bursts, below NETIFS_MAX. */
  readonly index: number;
  /** "10.0.0.1/24", "fd00::1/64": at least one. */
  readonly addresses: readonly string[];
  /** Next hop of everything that has no better route; one of each family as a list. */
  readonly gateway?: string | readonly string[];
  /** Further routes. */
  readonly routes?: readonly RouteConfig[];
  readonly ipv6?: Ipv6Options;
  /** Announces the addresses by gratuitous ARP; off unless asked for. */
  readonly announce?: boolean;
}

export interface RouteConfig {
  /** "192.168.0.0/16", "2001:db8::/32". */
  readonly prefix: string;
  readonly gateway: string;
}

/** A netif as the control plane uses it. Addresses and MTU may change while it is there. */
export interface Interface {
  readonly index: number;
  readonly netif: Netif;
  readonly medium: Medium;
  /** Largest IP packet in bytes. */
  mtu: number;
  readonly hardwareHigh: number;
  readonly hardwareLow: number;
  /** False while the link is down: nothing new goes out. */
  up: boolean;
  addresses: readonly A.InterfaceAddress[];
  addresses6: readonly A.InterfaceAddress6[];
  /** Probes before an IPv6 address is one of these (RFC 4862, 5.1); 0 = it is at once. */
  readonly probes: number;
  /** Addresses on trial, and those that somebody else has: neither are used. */
  tentative: readonly A.InterfaceAddress6[];
  refused: readonly A.InterfaceAddress6[];
  /** Routes that wait for an address on trial. */
  waiting: readonly Wish[];
  /** A duplicate of its hardware address is on the link (RFC 4862, 5.4.5). */
  endedIpv6: boolean;
}

/** A route over a gateway, before it is known from which address. */
export interface Wish {
  readonly network: A.Prefix;
  readonly gateway: IpAddress;
}

/** Addresses of one interface. */
export const ADDRESSES_MAX = 64;
const PROBES_MAX = 16;

/** An address of either family. */
export type Own = A.InterfaceAddress | A.InterfaceAddress6;

export function isIpv4Own(own: Own): own is A.InterfaceAddress {
  return typeof own.address === "number";
}

/** Throws RangeError when a link with these addresses cannot have this MTU. */
export function checkMtu(mtu: number, hasIpv6: boolean, where: string): void {
  const least = hasIpv6 ? MTU_MIN_IPV6 : MTU_MIN;
  if (Number.isInteger(mtu) && mtu >= least && mtu <= 65535) return;
  throw new RangeError(`${where}: expected mtu ${least}..65535, got ${mtu}`);
}

/** Probes of an address: none where no neighbour could answer, as on Linux's NOARP interfaces. */
function probesOf({ netif, ipv6 }: NetifConfig, usual: number): number {
  const probes = ipv6?.dadTransmits ?? usual;
  if (!Number.isInteger(probes) || probes < 0 || probes > PROBES_MAX) {
    throw new RangeError(`addNetif: expected dadTransmits 0..${PROBES_MAX}, got ${probes}`);
  }
  return netif.medium === "ethernet" ? probes : 0;
}

export function parseInterface(config: NetifConfig, probes: number): Interface {
  const { netif, index } = config;
  if (!Number.isInteger(index) || index < 0 || index >= NETIFS_MAX) {
    throw new RangeError(`addNetif: expected index 0..${NETIFS_MAX - 1}, got ${index}`);
  }
  const isEmpty = config.addresses.length === 0 && config.ipv6?.accept !== true;
  if (isEmpty || config.addresses.length > ADDRESSES_MAX) {
    const got = config.addresses.length;
    throw new RangeError(`addNetif: expected at least one address, got ${got}`);
  }
  const hardware = netif.hardwareAddress;
  const byte = (i: number): number => hardware[i] ?? 0;
  const added: Interface = {
    index,
    netif,
    medium: netif.medium,
    mtu: netif.mtu,
    hardwareHigh: (byte(0) << 8) | byte(1),
    hardwareLow: ((byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5)) >>> 0,
    up: true,
    addresses: [],
    addresses6: [],
    probes: probesOf(config, probes),
    tentative: [],
    refused: [],
    waiting: [],
    endedIpv6: false,
  };
  for (const text of config.addresses) assign(added, A.parseOwn(text, "addNetif"));
  const speaks = config.ipv6?.accept === true || added.addresses6.length > 0;
  checkMtu(netif.mtu, speaks, "addNetif");
  if (speaks && lacksLinkLocal(added)) assign(added, derivedLinkLocal(added));
  return added;
}

export function assign(via: Interface, own: Own): void {
  if (isIpv4Own(own)) via.addresses = [...via.addresses, own];
  else via.addresses6 = [...via.addresses6, own];
}

/** RFC 4291, 2.8: every interface that speaks IPv6 over a link has a link-local address. */
export function lacksLinkLocal(via: Interface): boolean {
  const all = [...via.addresses6, ...via.tentative, ...via.refused];
  return via.medium === "ethernet" && !all.some(({ address }) => isLinkLocal(address));
}

export function derivedLinkLocal(via: Interface): A.InterfaceAddress6 {
  return A.linkLocalAddress(A.interfaceIdentifier(via.hardwareHigh, via.hardwareLow));
}

/** What a configuration asks for beside the networks of its addresses. */
export function wishesOf(config: NetifConfig): Wish[] {
  const further = [...(config.routes ?? [])];
  for (const gateway of [config.gateway ?? []].flat()) {
    further.push({ prefix: gateway.includes(":") ? "::/0" : "0.0.0.0/0", gateway });
  }
  return further.map(({ prefix, gateway }) => ({
    gateway: A.parseHost(gateway, "addNetif"),
    network: A.parsePrefix(prefix, "addNetif"),
  }));
}

/** Takes the IPv6 addresses of a new interface back until they have been probed. */
export function withhold(via: Interface, wishes: readonly Wish[]): void {
  via.tentative = via.addresses6;
  via.addresses6 = [];
  via.waiting = wishes.filter(({ gateway }) => typeof gateway === "bigint");
}

export function ownOf(via: Interface): Own[] {
  return [...via.addresses, ...via.addresses6];
}

/** An address of the interface whose network has `address`. */
export function nearOf(via: Interface, address: IpAddress): Own | undefined {
  if (typeof address === "bigint") {
    return via.addresses6.find((own) => ((own.address ^ address) & own.mask) === 0n);
  }
  return via.addresses.find((own) => ((own.address ^ address) & own.mask) === 0);
}
