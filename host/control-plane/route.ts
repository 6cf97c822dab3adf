/**
 * Interfaces, their addresses, and routes by longest prefix (RFC 1122, 3.3.1; RFC 8200). IPv4 and
 * IPv6 are told apart by an address's type alone. Configuration errors throw RangeError; lookups
 * return what they find.
 */
import { addressBytes, formatAddress, type IpAddress } from "../address.ts";
import type { Medium, Netif } from "../netif/netif.ts";
import { isMulticast } from "../wire/ipv4.ts";
import { isLinkLocal } from "../wire/ipv6.ts";
import * as A from "./interface-address.ts";
import type { RouterOptions } from "./router-discovery.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";

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
  /** `accept`: addresses, routers and MTU from router advertisements (RFC 4861, RFC 4862). */
  readonly ipv6?: RouterOptions;
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
}

/** A way out. `gateway` 0 or 0n = the destination itself is the next hop. */
export interface Route {
  readonly prefix: IpAddress;
  readonly mask: IpAddress;
  readonly gateway: IpAddress;
  readonly via: Interface;
  /** Source address of what leaves here. */
  readonly source: IpAddress;
}

/** Routes of a stack; far more than a host has. */
const ROUTES_MAX = 4096;
/** Addresses of one interface. */
const ADDRESSES_MAX = 64;
const BROADCAST = 0xffffffff;
/** RFC 791: every link carries 68 bytes; RFC 8200, 5: of IPv6 1,280. */
const MTU_MIN = 68;
const MTU_MIN_IPV6 = 1280;

type Own = A.InterfaceAddress | A.InterfaceAddress6;

function isIpv4Own(own: Own): own is A.InterfaceAddress {
  return typeof own.address === "number";
}

/** Throws RangeError when a link with these addresses cannot have this MTU. */
function checkMtu(mtu: number, hasIpv6: boolean, where: string): void {
  const least = hasIpv6 ? MTU_MIN_IPV6 : MTU_MIN;
  if (Number.isInteger(mtu) && mtu >= least && mtu <= 65535) return;
  throw new RangeError(`${where}: expected mtu ${least}..65535, got ${mtu}`);
}

function parseInterface(config: NetifConfig): Interface {
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
  };
  for (const text of config.addresses) assign(added, A.parseOwn(text, "addNetif"));
  const speaks = config.ipv6?.accept === true || added.addresses6.length > 0;
  checkMtu(netif.mtu, speaks, "addNetif");
  if (speaks) giveLinkLocal(added);
  return added;
}

function assign(via: Interface, own: Own): void {
  if (isIpv4Own(own)) via.addresses = [...via.addresses, own];
  else via.addresses6 = [...via.addresses6, own];
}

/** RFC 4291, 2.8: every interface that speaks IPv6 over a link has a link-local address. */
function giveLinkLocal(via: Interface): void {
  const has = via.addresses6.some(({ address }) => isLinkLocal(address));
  if (via.medium !== "ethernet" || has) return;
  const identifier = A.interfaceIdentifier(via.hardwareHigh, via.hardwareLow);
  assign(via, A.linkLocalAddress(identifier));
}

function ownOf(via: Interface): Own[] {
  return [...via.addresses, ...via.addresses6];
}

/** An address of the interface whose network has `address`. */
function nearOf(via: Interface, address: IpAddress): Own | undefined {
  if (typeof address === "bigint") {
    return via.addresses6.find((own) => ((own.address ^ address) & own.mask) === 0n);
  }
  return via.addresses.find((own) => ((own.address ^ address) & own.mask) === 0);
}

function connectedRoute(via: Interface, own: Own): Route {
  if (isIpv4Own(own)) {
    const { address, mask } = own;
    return { prefix: (address & mask) >>> 0, mask, gateway: 0, via, source: address };
  }
  const { address, mask } = own;
  return { prefix: address & mask, mask, gateway: 0n, via, source: address };
}

/** A route over a gateway, from an address of the gateway's network. */
function gatewayRoute(via: Interface, prefix: A.Prefix, gateway: IpAddress): Route | undefined {
  const near = nearOf(via, gateway);
  if (near === undefined) return undefined;
  const { address, length } = prefix;
  if (typeof address === "number") {
    const mask = A.maskOf(length);
    return { prefix: (address & mask) >>> 0, mask, gateway, via, source: near.address };
  }
  const mask = A.maskOfIpv6(length);
  // A router is known by its link-local address; what leaves has a wider one (RFC 6724, 5).
  const wide = via.addresses6.find((own) => !isLinkLocal(own.address));
  const source = wide?.address ?? near.address;
  return { prefix: address & mask, mask, gateway, via, source };
}

/** RFC 6724, 5, rules 2 and 8: of a wide scope, then the longest prefix in common. */
function nearestTo({ via, source }: Route, destination: bigint): IpAddress {
  let best = source as bigint;
  for (const { address } of via.addresses6) {
    if (isLinkLocal(address)) continue;
    if (isLinkLocal(best) || (address ^ destination) < (best ^ destination)) best = address;
  }
  return best;
}

function byLength(a: Route, b: Route): number {
  if (a.mask === b.mask) return 0;
  return a.mask > b.mask ? -1 : 1;
}

export class RouteTable {
  readonly #interfaces: (Interface | undefined)[] = [];
  /** Longest prefix first. */
  #routes: Route[] = [];
  #routes6: Route[] = [];
  /** Every address of ours: few, so a scan beats a hash. */
  #own: number[] = [];
  #own6: bigint[] = [];
  /** Every directed broadcast address. */
  #broadcasts: number[] = [];

  /** Adds an interface with its connected routes. Throws RangeError on a bad configuration. */
  add(config: NetifConfig): Interface {
    const added = parseInterface(config);
    if (this.#interfaces[added.index] !== undefined) {
      throw new RangeError(`addNetif: expected an unused index, got ${added.index}`);
    }
    for (const { address } of ownOf(added)) this.#refuseOwn(added, address, "addNetif");
    const routes = this.#routesOf(config, added);
    if (this.#routes.length + this.#routes6.length + routes.length > ROUTES_MAX) {
      throw new RangeError(`addNetif: expected at most ${ROUTES_MAX} routes in all`);
    }
    this.#interfaces[added.index] = added;
    this.#enter(routes);
    this.#list();
    return added;
  }

  // Link-local addresses are unique on their link alone (RFC 4007, 6).
  #refuseOwn(via: Interface, address: IpAddress, where: string): void {
    const isLocal = typeof address === "bigint" && isLinkLocal(address);
    const taken = isLocal
      ? via.addresses6.filter((own) => own.address === address).length > 1
      : this.isOwn(address);
    if (!taken) return;
    throw new RangeError(`${where}: expected new addresses, got one in use`);
  }

  /** Removes an interface with its routes and addresses. */
  remove(index: number): void {
    const removed = this.#interfaces[index];
    if (removed === undefined) return;
    this.#interfaces[index] = undefined;
    this.#keep(({ via }) => via !== removed);
    this.#list();
  }

  /** Gives an interface one more address. Throws RangeError when it cannot have it. */
  addAddress(index: number, text: string): IpAddress {
    const own = A.parseOwn(text, "addAddress");
    this.assign(this.#present(index, "addAddress"), own);
    return own.address;
  }

  /** The same from values; throws RangeError. */
  assign(via: Interface, own: Own): void {
    if (ownOf(via).length >= ADDRESSES_MAX) {
      throw new RangeError(`addAddress: expected at most ${ADDRESSES_MAX} addresses`);
    }
    if (ownOf(via).some(({ address }) => address === own.address) || this.isOwn(own.address)) {
      throw new RangeError("addAddress: expected new addresses, got one in use");
    }
    if (!isIpv4Own(own)) checkMtu(via.mtu, true, "addAddress");
    const before = ownOf(via);
    assign(via, own);
    if (!isIpv4Own(own)) giveLinkLocal(via);
    const added = ownOf(via).filter((one) => !before.includes(one));
    this.#enter(added.map((one) => connectedRoute(via, one)));
    this.#list();
  }

  /** Takes an address from an interface, with the routes from it; false when it has no such. */
  removeAddress(index: number, address: IpAddress): boolean {
    const via = this.#present(index, "removeAddress");
    if (!ownOf(via).some((own) => own.address === address)) return false;
    via.addresses = via.addresses.filter((own) => own.address !== address);
    via.addresses6 = via.addresses6.filter((own) => own.address !== address);
    this.#keep((route) => route.via !== via || route.source !== address);
    this.#list();
    return true;
  }

  /** Changes an interface's MTU, within what its carrier takes. Throws RangeError. */
  setMtu(index: number, mtu: number): Interface {
    const via = this.#present(index, "setMtu");
    checkMtu(mtu, via.addresses6.length > 0, "setMtu");
    if (mtu > via.netif.mtu) {
      throw new RangeError(`setMtu: expected at most ${via.netif.mtu}, got ${mtu}`);
    }
    via.mtu = mtu;
    return via;
  }

  #present(index: number, where: string): Interface {
    const via = this.#interfaces[index];
    if (via !== undefined) return via;
    throw new RangeError(`${where}: expected an interface, got ${index}`);
  }

  /** A default route over a router of the link (RFC 4861, 6.3.4); replaces that router's last. */
  setRouter(via: Interface, gateway: bigint): void {
    this.removeRouter(via, gateway);
    const route = gatewayRoute(via, { address: 0n, length: 0 }, gateway);
    if (route !== undefined) this.#enter([route]);
  }

  removeRouter(via: Interface, gateway: bigint): void {
    this.#keep((route) => route.via !== via || route.gateway !== gateway || route.mask !== 0n);
  }

  at(index: number): Interface | undefined {
    return this.#interfaces[index];
  }

  /** True for an address of ours on any interface (weak host model, RFC 1122, 3.3.4.2). */
  isOwn(address: IpAddress): boolean {
    if (typeof address === "bigint") return this.#own6.includes(address);
    const own = this.#own;
    for (let i = 0; i < own.length; i += 1) if (own[i] === address) return true;
    return false;
  }

  /** True for limited and directed broadcast of any interface. */
  isBroadcast(address: number): boolean {
    if (address === BROADCAST) return true;
    const broadcasts = this.#broadcasts;
    for (let i = 0; i < broadcasts.length; i += 1) if (broadcasts[i] === address) return true;
    return false;
  }

  #list(): void {
    const all = this.#interfaces.flatMap((each) => each?.addresses ?? []);
    this.#own = all.map(({ address }) => address);
    const wide = this.#interfaces.flatMap((each) => each?.addresses6 ?? []);
    this.#own6 = wide.map(({ address }) => address);
    this.#broadcasts = [...new Set(all.map(({ broadcast }) => broadcast))];
  }

  #enter(routes: readonly Route[]): void {
    // Stable: of equal prefixes the one added first wins.
    const is4 = ({ prefix }: Route): boolean => typeof prefix === "number";
    this.#routes = [...this.#routes, ...routes.filter(is4)].sort(byLength);
    this.#routes6 = [...this.#routes6, ...routes.filter((one) => !is4(one))].sort(byLength);
  }

  #keep(keeps: (route: Route) => boolean): void {
    this.#routes = this.#routes.filter(keeps);
    this.#routes6 = this.#routes6.filter(keeps);
  }

  /** True when a segment may come from, or a connection be opened to, this address. */
  isPeer(address: IpAddress): boolean {
    if (typeof address === "bigint") return A.isUnicastIpv6(address) && !this.isOwn(address);
    return (
      A.isUnicast(address) &&
      !isMulticast(address) &&
      !this.isOwn(address) &&
      !this.isBroadcast(address)
    );
  }

  /** The best route, or undefined. */
  lookup(destination: IpAddress): Route | undefined {
    if (typeof destination === "bigint") return this.#lookupIpv6(destination);
    for (const route of this.#routes) {
      if ((destination & (route.mask as number)) >>> 0 === route.prefix) return route;
    }
    return undefined;
  }

  #lookupIpv6(destination: bigint): Route | undefined {
    const found = this.#routes6.find(
      (route) => (destination & (route.mask as bigint)) === route.prefix,
    );
    if (found === undefined || found.gateway === 0n) return found;
    return { ...found, source: nearestTo(found, destination) };
  }

  #routesOf(config: NetifConfig, via: Interface): Route[] {
    const routes = ownOf(via).map((own) => connectedRoute(via, own));
    const further = [...(config.routes ?? [])];
    for (const gateway of [config.gateway ?? []].flat()) {
      further.push({ prefix: gateway.includes(":") ? "::/0" : "0.0.0.0/0", gateway });
    }
    for (const { prefix, gateway } of further) {
      const hop = A.parseHost(gateway, "addNetif");
      const network = A.parsePrefix(prefix, "addNetif");
      const isSame = typeof hop === typeof network.address;
      const route = isSame ? gatewayRoute(via, network, hop) : undefined;
      if (route === undefined) {
        const got = formatAddress(addressBytes(hop));
        throw new RangeError(`addNetif: expected a gateway on the link, got ${got}`);
      }
      routes.push(route);
    }
    return routes;
  }
}
