/**
 * Interfaces, their addresses, and IPv4 routes by longest prefix (RFC 1122, 3.3.1). Configuration
 * errors throw RangeError; lookups return what they find.
 */
import { ipv4Number, parseAddress } from "../address.ts";
import type { Medium, Netif } from "../netif/netif.ts";
import { isMulticast } from "../wire/ipv4.ts";
import { NETIFS_MAX } from "../../bindings/abi/limits.ts";

/** How a netif joins a stack. */
export interface NetifConfig {
  readonly netif: Netif;
  /** The netif's number in bursts, below NETIFS_MAX. */
  readonly index: number;
  /** "10.0.0.1/24": at least one. */
  readonly addresses: readonly string[];
  /** Next hop of everything that has no better route. */
  readonly gateway?: string;
  /** Further routes. */
  readonly routes?: readonly RouteConfig[];
  /** Announces the addresses by gratuitous ARP; off unless asked for. */
  readonly announce?: boolean;
}

export interface RouteConfig {
  /** "192.168.0.0/16". */
  readonly prefix: string;
  readonly gateway: string;
}

/** One address of ours. */
export interface InterfaceAddress {
  readonly address: number;
  readonly mask: number;
  readonly broadcast: number;
}

/** A netif as the control plane uses it. */
export interface Interface {
  readonly index: number;
  readonly netif: Netif;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareHigh: number;
  readonly hardwareLow: number;
  readonly addresses: readonly InterfaceAddress[];
}

/** A way out. `gateway` 0 = the destination itself is the next hop. */
export interface Route {
  readonly prefix: number;
  readonly mask: number;
  readonly gateway: number;
  readonly via: Interface;
  /** Source address of what leaves here. */
  readonly source: number;
}

/** Routes of a stack; far more than a host has. */
const ROUTES_MAX = 4096;
const BROADCAST = 0xffffffff;

function number(text: string, where: string): number {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    throw new RangeError(`${where}: expected an IPv4 address, got ${JSON.stringify(text)}`);
  }
  return ipv4Number(parsed);
}

/** Network mask of a prefix length. */
function maskOf(length: number): number {
  return length === 0 ? 0 : (BROADCAST << (32 - length)) >>> 0;
}

function parsePrefix(text: string, where: string): { address: number; mask: number } {
  const match = /^([0-9.]+)\/([0-9]{1,2})$/.exec(text);
  const length = match === null ? 33 : Number(match[2]);
  if (match === null || length > 32) {
    const got = JSON.stringify(text);
    throw new RangeError(`${where}: expected "a.b.c.d/0..32", got ${got}`);
  }
  return { address: number(match[1] as string, where), mask: maskOf(length) };
}

/** An address that a host may have: not 0.0.0.0, not loopback, not multicast or above. */
function isUnicast(address: number): boolean {
  return address !== 0 && address >>> 24 !== 127 && address >>> 24 !== 0 && address >>> 28 < 14;
}

function parseInterface(config: NetifConfig): Interface {
  const { netif, index } = config;
  if (!Number.isInteger(index) || index < 0 || index >= NETIFS_MAX) {
    throw new RangeError(`addNetif: expected index 0..${NETIFS_MAX - 1}, got ${index}`);
  }
  if (!Number.isInteger(netif.mtu) || netif.mtu < 68 || netif.mtu > 65535) {
    throw new RangeError(`addNetif: expected mtu 68..65535, got ${netif.mtu}`);
  }
  if (config.addresses.length === 0) {
    throw new RangeError("addNetif: expected at least one address, got 0");
  }
  const addresses = config.addresses.map((text) => {
    const { address, mask } = parsePrefix(text, "addNetif");
    if (!isUnicast(address)) {
      throw new RangeError(`addNetif: expected a unicast address, got ${JSON.stringify(text)}`);
    }
    // RFC 3021: /31 and /32 have no directed broadcast.
    const broadcast = mask >= 0xfffffffe ? BROADCAST : (address | ~mask) >>> 0;
    return { address, mask, broadcast };
  });
  const hardware = netif.hardwareAddress;
  const byte = (i: number): number => hardware[i] ?? 0;
  return {
    index,
    netif,
    medium: netif.medium,
    mtu: netif.mtu,
    hardwareHigh: (byte(0) << 8) | byte(1),
    hardwareLow: ((byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5)) >>> 0,
    addresses,
  };
}

export class RouteTable {
  readonly #interfaces: (Interface | undefined)[] = [];
  /** Longest prefix first. */
  #routes: Route[] = [];
  /** Every address of ours: few, so a scan beats a hash. */
  #own: number[] = [];
  /** Every directed broadcast address. */
  #broadcasts: number[] = [];

  /** Adds an interface with its connected routes. Throws RangeError on a bad configuration. */
  add(config: NetifConfig): Interface {
    const added = parseInterface(config);
    if (this.#interfaces[added.index] !== undefined) {
      throw new RangeError(`addNetif: expected an unused index, got ${added.index}`);
    }
    for (const { address } of added.addresses) {
      if (!this.isOwn(address)) continue;
      throw new RangeError("addNetif: expected new addresses, got one in use");
    }
    const routes = this.#routesOf(config, added);
    if (this.#routes.length + routes.length > ROUTES_MAX) {
      throw new RangeError(`addNetif: expected at most ${ROUTES_MAX} routes in all`);
    }
    this.#interfaces[added.index] = added;
    this.#own.push(...added.addresses.map(({ address }) => address));
    this.#listBroadcasts();
    // Stable: of equal prefixes the one added first wins.
    this.#routes = [...this.#routes, ...routes].sort((a, b) => b.mask - a.mask);
    return added;
  }

  /** Removes an interface with its routes and addresses. */
  remove(index: number): void {
    const removed = this.#interfaces[index];
    if (removed === undefined) return;
    this.#interfaces[index] = undefined;
    this.#routes = this.#routes.filter(({ via }) => via !== removed);
    this.#own = this.#own.filter((own) => !removed.addresses.some((a) => a.address === own));
    this.#listBroadcasts();
  }

  at(index: number): Interface | undefined {
    return this.#interfaces[index];
  }

  /** True for an address of ours on any interface (weak host model, RFC 1122, 3.3.4.2). */
  isOwn(address: number): boolean {
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

  #listBroadcasts(): void {
    const all = this.#interfaces.flatMap((each) => each?.addresses ?? []);
    this.#broadcasts = [...new Set(all.map(({ broadcast }) => broadcast))];
  }

  /** True when a segment may come from, or a connection be opened to, this address. */
  isPeer(address: number): boolean {
    return (
      isUnicast(address) &&
      !isMulticast(address) &&
      !this.isOwn(address) &&
      !this.isBroadcast(address)
    );
  }

  /** The best route, or undefined. */
  lookup(destination: number): Route | undefined {
    for (const route of this.#routes) {
      if ((destination & route.mask) >>> 0 === route.prefix) return route;
    }
    return undefined;
  }

  #routesOf(config: NetifConfig, via: Interface): Route[] {
    const routes: Route[] = via.addresses.map(({ address, mask }) => {
      return { prefix: (address & mask) >>> 0, mask, gateway: 0, via, source: address };
    });
    const further = [...(config.routes ?? [])];
    if (config.gateway !== undefined) {
      further.push({ prefix: "0.0.0.0/0", gateway: config.gateway });
    }
    for (const { prefix, gateway } of further) {
      const { address, mask } = parsePrefix(prefix, "addNetif");
      const hop = number(gateway, "addNetif");
      const near = via.addresses.find((own) => ((hop ^ own.address) & own.mask) === 0);
      if (near === undefined) {
        throw new RangeError(`addNetif: expected a gateway on the link, got ${gateway}`);
      }
      routes.push({
        prefix: (address & mask) >>> 0,
        mask,
        gateway: hop,
        via,
        source: near.address,
      });
    }
    return routes;
  }
}
