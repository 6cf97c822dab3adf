/**
 * Interfaces, their addresses, and routes by longest prefix (RFC 1122, 3.3.1; RFC 8200). IPv4 and
 * IPv6 are told apart by an address's type alone. Configuration errors throw RangeError; lookups
 * return what they find.
 */
import { addressBytes, formatAddress, type IpAddress } from "../address.ts";
import { isMulticast } from "../wire/ipv4.ts";
import { isLinkLocal } from "../wire/ipv6.ts";
import * as A from "./interface-address.ts";
import * as J from "./interface-join.ts";
import type { Interface, NetifConfig, Own, Wish } from "./interface-join.ts";
import { MTU_MIN_IPV6 } from "./path-mtu.ts";

export type { Interface, Ipv6Options, NetifConfig, RouteConfig } from "./interface-join.ts";

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
const BROADCAST = 0xffffffff;

function connectedRoute(via: Interface, own: Own): Route {
  if (J.isIpv4Own(own)) {
    const { address, mask } = own;
    return { prefix: (address & mask) >>> 0, mask, gateway: 0, via, source: address };
  }
  const { address, mask } = own;
  return { prefix: address & mask, mask, gateway: 0n, via, source: address };
}

/** A route over a gateway, from an address of the gateway's network. */
function gatewayRoute(via: Interface, prefix: A.Prefix, gateway: IpAddress): Route | undefined {
  const near = J.nearOf(via, gateway);
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

function isLocal(address: IpAddress): boolean {
  return typeof address === "bigint" && isLinkLocal(address);
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

  /**
   * Adds an interface with its connected routes; its IPv6 addresses are tentative when they are to
   * be probed, `probes` times unless it says otherwise. Throws RangeError on a bad configuration.
   */
  add(config: NetifConfig, probes = 0): Interface {
    const added = J.parseInterface(config, probes);
    if (this.#interfaces[added.index] !== undefined) {
      throw new RangeError(`addNetif: expected an unused index, got ${added.index}`);
    }
    for (const { address } of J.ownOf(added)) this.#refuseOwn(added, address, "addNetif");
    const wishes = J.wishesOf(config);
    const routes = this.#routesOf(wishes, added);
    if (this.#routes.length + this.#routes6.length + routes.length > ROUTES_MAX) {
      throw new RangeError(`addNetif: expected at most ${ROUTES_MAX} routes in all`);
    }
    this.#interfaces[added.index] = added;
    const isHeld = added.probes > 0;
    if (isHeld) J.withhold(added, wishes);
    this.#enter(routes.filter(({ prefix }) => !isHeld || typeof prefix === "number"));
    this.#list();
    return added;
  }

  // Link-local addresses are unique on their link alone (RFC 4007, 6).
  #refuseOwn(via: Interface, address: IpAddress, where: string): void {
    const taken = isLocal(address)
      ? via.addresses6.filter((own) => own.address === address).length > 1
      : this.#isTaken(address);
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

  /**
   * Gives an interface one more address; those that are to be probed first, which have become
   * tentative. Throws RangeError when it cannot have it.
   */
  addAddress(index: number, text: string): readonly A.InterfaceAddress6[] {
    const own = A.parseOwn(text, "addAddress");
    const via = this.#present(index, "addAddress");
    if (!J.isIpv4Own(own) && via.probes > 0) return this.#propose(via, own);
    this.assign(via, own);
    return [];
  }

  #propose(via: Interface, own: A.InterfaceAddress6): readonly A.InterfaceAddress6[] {
    via.refused = via.refused.filter(({ address }) => address !== own.address);
    this.#check(via, own);
    if (via.endedIpv6) {
      via.refused = [...via.refused, own];
      return [];
    }
    const before = via.tentative;
    via.tentative = [...before, own];
    if (J.lacksLinkLocal(via)) via.tentative = [...via.tentative, J.derivedLinkLocal(via)];
    return via.tentative.slice(before.length);
  }

  /** A tentative address is ours, and what waited for one may have a way out now. */
  admit(via: Interface, own: A.InterfaceAddress6): void {
    via.tentative = via.tentative.filter((one) => one !== own);
    this.#take(via, own);
    const ready: Route[] = [];
    via.waiting = via.waiting.filter(({ network, gateway }) => {
      const route = gatewayRoute(via, network, gateway);
      if (route !== undefined) ready.push(route);
      return route === undefined;
    });
    this.#enter(ready);
  }

  /** A tentative address is somebody else's. */
  refuse(via: Interface, own: A.InterfaceAddress6): void {
    via.tentative = via.tentative.filter((one) => one !== own);
    via.refused = [...via.refused, own];
  }

  /** An interface without addresses of IPv6 has none from here on. */
  endIpv6(via: Interface): void {
    via.refused = [...via.refused, ...via.tentative];
    via.tentative = [];
    via.waiting = [];
    via.endedIpv6 = true;
  }

  /** The same from values; throws RangeError. */
  assign(via: Interface, own: Own): void {
    this.#check(via, own);
    this.#take(via, own);
  }

  #take(via: Interface, own: Own): void {
    const before = J.ownOf(via);
    J.assign(via, own);
    // One that is probed had its link-local address proposed beside it.
    const derives = !J.isIpv4Own(own) && via.probes === 0 && J.lacksLinkLocal(via);
    if (derives) J.assign(via, J.derivedLinkLocal(via));
    const added = J.ownOf(via).filter((one) => !before.includes(one));
    this.#enter(added.map((one) => connectedRoute(via, one)));
    this.#list();
  }

  /** The network of an address has turned out to be on the link. */
  widen(via: Interface, own: A.InterfaceAddress6, wider: A.InterfaceAddress6): void {
    if (!via.addresses6.includes(own)) return;
    via.addresses6 = via.addresses6.map((one) => (one === own ? wider : one));
    this.#enter([connectedRoute(via, wider)]);
  }

  /** Throws RangeError when an interface cannot have one more address, and this one. */
  #check(via: Interface, own: Own): void {
    const all = [...J.ownOf(via), ...via.tentative];
    if (all.length >= J.ADDRESSES_MAX) {
      throw new RangeError(`addAddress: expected at most ${J.ADDRESSES_MAX} addresses`);
    }
    const isTaken = !isLocal(own.address) && this.#isTaken(own.address);
    if (isTaken || all.some(({ address }) => address === own.address)) {
      throw new RangeError("addAddress: expected new addresses, got one in use");
    }
    if (!J.isIpv4Own(own)) J.checkMtu(via.mtu, true, "addAddress");
  }

  #isTaken(address: IpAddress): boolean {
    const isTried = this.#interfaces.some((via) =>
      via?.tentative.some((own) => own.address === address),
    );
    return isTried || this.isOwn(address);
  }

  /** False when assign() would throw: what a router does must not end in that. */
  mayAssign(via: Interface, { address }: A.InterfaceAddress6): boolean {
    const count = J.ownOf(via).length + via.tentative.length;
    return count < J.ADDRESSES_MAX && via.mtu >= MTU_MIN_IPV6 && !this.#isTaken(address);
  }

  /** Takes an address from an interface, with the routes from it; false when it has no such. */
  removeAddress(index: number, address: IpAddress): boolean {
    const via = this.#present(index, "removeAddress");
    const unused = [...via.tentative, ...via.refused];
    via.tentative = via.tentative.filter((own) => own.address !== address);
    via.refused = via.refused.filter((own) => own.address !== address);
    if (unused.some((own) => own.address === address)) return true;
    if (!J.ownOf(via).some((own) => own.address === address)) return false;
    via.addresses = via.addresses.filter((own) => own.address !== address);
    via.addresses6 = via.addresses6.filter((own) => own.address !== address);
    this.#keep((route) => route.via !== via || route.source !== address);
    this.#list();
    return true;
  }

  /** Changes an interface's MTU, within what its carrier takes. Throws RangeError. */
  setMtu(index: number, mtu: number): Interface {
    const via = this.#present(index, "setMtu");
    J.checkMtu(mtu, via.addresses6.length + via.tentative.length > 0, "setMtu");
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
    const route = gatewayRoute(via, { address: 0n, length: 0 }, gateway);
    if (route === undefined) return;
    this.removeRouter(via, gateway);
    this.#enter([route]);
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

  #routesOf(wishes: readonly Wish[], via: Interface): Route[] {
    const routes = J.ownOf(via).map((own) => connectedRoute(via, own));
    for (const { network, gateway } of wishes) {
      const isSame = typeof gateway === typeof network.address;
      const route = isSame ? gatewayRoute(via, network, gateway) : undefined;
      if (route === undefined) {
        const got = formatAddress(addressBytes(gateway));
        throw new RangeError(`addNetif: expected a gateway on the link, got ${got}`);
      }
      routes.push(route);
    }
    return routes;
  }
}
