/**
 * Hardware addresses of live connections: each keeps the one it began with, until ARP or
 * neighbour discovery says that
 * its next hop has another (RFC 1122, 2.3.2.1). Invariant: a change reaches every connection behind
 * that next hop, also when the command ring is full for a while; the rows are walked once for all
 * changes of a batch, so that a flood of ARP costs no walk for each frame.
 */
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import type { IpAddress } from "../address.ts";
import { keyOf, type Neighbor } from "./neighbor.ts";
import type { Plane } from "./plane.ts";
import * as R from "./row-table.ts";

/** The address on the link that the row's segments go to. */
export function nextHop(plane: Plane, id: number): IpAddress {
  const remote = plane.rows.address(id, R.ROW_REMOTE);
  return plane.routes.lookup(remote)?.gateway || remote;
}

/** A row's segments get no answer: is its next hop still there, and at the same address? */
export function suspectNextHop(plane: Plane, id: number): void {
  const { rows, routes, neighbors, now } = plane;
  const via = routes.at(rows.get(id, R.ROW_NETIF));
  if (via?.medium === "ethernet") neighbors.suspect(via.index, nextHop(plane, id), now);
}

/** A row's peer answered, so its next hop does (RFC 4861, 7.3.1). */
export function confirmNextHop(plane: Plane, id: number): void {
  const { rows, neighbors, now } = plane;
  if (!rows.has(id, R.ROW_IS_IPV6)) return;
  neighbors.confirm(rows.get(id, R.ROW_NETIF), nextHop(plane, id), now);
}

/** The four bytes of a number in the other order. */
function reversed(value: number): number {
  const pairs = ((value & 0xff00ff) << 8) | ((value >>> 8) & 0xff00ff);
  return ((pairs << 16) | (pairs >>> 16)) >>> 0;
}

export class LinkChanges {
  readonly #moved = new Map<IpAddress, Neighbor>();
  /** The row at which the walk goes on. */
  #row = 1;

  /** Notes that a neighbour has another address. */
  note(neighbor: Neighbor): void {
    this.#moved.set(keyOf(neighbor.netif, neighbor.address), neighbor);
    this.#row = 1;
  }

  /** Tells all connections, as far as commands can be sent; goes on at the next call. */
  apply(plane: Plane): void {
    if (this.#moved.size === 0) return;
    const { rows } = plane;
    for (; this.#row < rows.count; this.#row += 1) {
      if (rows.has(this.#row, R.ROW_IS_USED) && !this.#tell(plane, this.#row)) return;
    }
    this.#moved.clear();
  }

  // False when the command did not fit.
  #tell(plane: Plane, id: number): boolean {
    const { rows, commands } = plane;
    const neighbor = this.#moved.get(keyOf(rows.get(id, R.ROW_NETIF), nextHop(plane, id)));
    if (neighbor === undefined) return true;
    const { high, low } = neighbor;
    if (rows.get(id, R.ROW_LINK_HIGH) === high && rows.get(id, R.ROW_LINK_LOW) === low) return true;
    if (rows.has(id, R.ROW_IS_INSTALLED)) {
      // The wire's first byte is the argument's lowest one.
      const first = reversed(((high << 16) | (low >>> 16)) >>> 0);
      const last = reversed(low) >>> 16;
      const generation = rows.get(id, R.ROW_GENERATION);
      if (!commands.push(id, generation, AtxOpcode.SetLink, first, last)) return false;
    }
    rows.set(id, R.ROW_LINK_HIGH, high);
    rows.set(id, R.ROW_LINK_LOW, low);
    return true;
  }
}
