/**
 * Changes of interfaces under live connections: addresses come and go, links go down and up, the
 * MTU changes. Invariant: listeners stay whatever happens; a connection ends only when its own
 * address is taken away.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { ERRNO } from "../errors.ts";
import { addressBytes, formatAddress, type IpAddress } from "../address.ts";
import { announce } from "./arp.ts";
import { tryAddresses } from "./duplicate-address.ts";
import { parseHost } from "./interface-address.ts";
import { announceIpv6 } from "./neighbor-discovery.ts";
import type { Plane, TrialOutcome } from "./plane.ts";
import type { Interface } from "./route.ts";
import * as R from "./row-table.ts";
import { followInterface } from "./segment-size.ts";
import { dropConnection } from "./teardown.ts";

/** An address is gone: its connections end with EADDRNOTAVAIL, in silence towards the peer. */
export function dropAddress(plane: Plane, index: number, address: IpAddress): void {
  const { rows } = plane;
  for (let id = 1; id < rows.count; id += 1) {
    if (!rows.has(id, R.ROW_IS_USED) || rows.get(id, R.ROW_NETIF) !== index) continue;
    if (rows.address(id, R.ROW_LOCAL) !== address) continue;
    dropConnection(plane, id, ERRNO.EADDRNOTAVAIL, false);
  }
}

/**
 * A link is up again: neighbours may be others, and who waits for a retransmission does so no
 * longer (its backoff says nothing of the link as it is now).
 */
export function resumeLink(plane: Plane, index: number): void {
  const { rows, neighbors, commands } = plane;
  neighbors.suspectAll(index, plane.now);
  for (let id = 1; id < rows.count; id += 1) {
    if (!rows.has(id, R.ROW_IS_INSTALLED) || rows.get(id, R.ROW_NETIF) !== index) continue;
    if (rows.get(id, R.ROW_RETRIES) === 0) continue;
    commands.push(id, rows.get(id, R.ROW_GENERATION), AtxOpcode.Retransmit, 0);
  }
}

/** An address of an interface, and whether it is used (RFC 4862, 2). */
export interface AddressState {
  readonly address: string;
  /** "duplicate": somebody else has it, or had the interface's link-local address. */
  readonly state: TrialOutcome | "tentative";
}

interface Told {
  readonly index: number;
  readonly address: string;
  readonly outcome: TrialOutcome;
}

/** What an embedder may change of a stack's interfaces while connections are open. */
export class InterfaceControl {
  readonly #plane: Plane;
  /** Interfaces whose addresses are to be announced. */
  #announcements: Interface[] = [];
  #told: Told[] = [];
  /**
   * Hears what has become of each IPv6 address that was probed (RFC 4862, 5.4), between bursts. A
   * duplicate is not used, and its interface's IPv6 not at all when it is the hardware's own.
   */
  onAddress: ((index: number, address: string, outcome: TrialOutcome) => void) | undefined;

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  /**
   * Gives an interface one more address, "fd00::5/64", which is tentative at first when it is to be
   * probed. Throws RangeError when it cannot.
   */
  addAddress(index: number, text: string): void {
    const { routes } = this.#plane;
    const tried = routes.addAddress(index, text);
    const via = routes.at(index);
    if (via === undefined) return;
    if (tried.length === 0) this.announce(via);
    tryAddresses(this.#plane, via, tried, true);
  }

  /** Every address of an interface, with those that are not used. */
  addresses(index: number): AddressState[] {
    const { routes, trials } = this.#plane;
    const via = routes.at(index);
    if (via === undefined) return [];
    const lists = [
      [[...via.addresses, ...via.addresses6], "preferred"],
      [trials.of(via), "tentative"],
      [via.refused, "duplicate"],
    ] as const;
    return lists.flatMap(([list, state]) =>
      list.map(({ address }) => ({ address: formatAddress(addressBytes(address)), state })),
    );
  }

  /** The next flush() tells the program; callbacks may change interfaces. */
  tell(index: number, address: string, outcome: TrialOutcome): void {
    this.#told.push({ index, address, outcome });
    this.#plane.attention.due = true;
  }

  /** Takes an address away; its connections end with EADDRNOTAVAIL. False: there was none. */
  removeAddress(index: number, text: string): boolean {
    return this.drop(index, parseHost(text, "removeAddress"));
  }

  /** The same by value. */
  drop(index: number, address: IpAddress): boolean {
    if (!this.#plane.routes.removeAddress(index, address)) return false;
    if (typeof address === "bigint") this.#forget(index, address);
    dropAddress(this.#plane, index, address);
    this.#plane.attention.due = true;
    return true;
  }

  #forget(index: number, address: bigint): void {
    const { routes, trials, discovery } = this.#plane;
    trials.cancel(index, address);
    const via = routes.at(index);
    // Ways over routers from that address are gone with it; another one may take its place.
    if (via !== undefined) discovery.refresh(this.#plane, via);
  }

  /** Changes an interface's MTU; live connections follow. Throws RangeError when it cannot. */
  setMtu(index: number, mtu: number): void {
    this.#plane.routes.setMtu(index, mtu);
    followInterface(this.#plane, index);
    this.#plane.attention.due = true;
  }

  /** The carrier of an interface went down or came up. */
  setLinkUp(index: number, up: boolean): void {
    const via = this.#plane.routes.at(index);
    if (via === undefined || via.up === up) return;
    via.up = up;
    if (!up) return;
    this.#plane.trials.restart(via, this.#plane.now);
    this.#plane.discovery.restart(via, this.#plane.now);
    resumeLink(this.#plane, index);
    this.#announceAt(index);
  }

  #announceAt(index: number): void {
    const via = this.#plane.routes.at(index);
    if (via !== undefined) this.announce(via);
  }

  /** The next flush() tells the link of the interface's addresses. */
  announce(via: Interface): void {
    this.#announcements.push(via);
    this.#plane.attention.due = true;
  }

  flush(): void {
    if (this.#told.length > 0) {
      const told = this.#told;
      this.#told = [];
      for (const { index, address, outcome } of told) this.onAddress?.(index, address, outcome);
    }
    if (this.#announcements.length === 0) return;
    for (const via of this.#announcements) {
      // It may have been removed since.
      if (this.#plane.routes.at(via.index) !== via) continue;
      for (const { address } of via.addresses) announce(this.#plane, via, address);
      for (const { address } of via.addresses6) announceIpv6(this.#plane, via, address);
    }
    this.#announcements = [];
  }
}
