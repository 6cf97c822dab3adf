/**
 * Listeners: who takes a SYN, and the two bounded queues of each (RFC 9293 MUST-41, MUST-42). A
 * half-open connection is counted in the SYN queue, an established one waits in the accept queue.
 */
import type { IpAddress } from "../address.ts";
import type { ConnectionOptions } from "./interface.ts";
import { RowList, type RowTable } from "./row-table.ts";

export interface Listener {
  readonly id: number;
  readonly port: number;
  /** 0 = any IPv4 address of ours; 0n = any IPv6 one, and IPv4 unless it is `ipv6Only`. */
  readonly address: IpAddress;
  readonly ipv6Only: boolean;
  readonly backlog: number;
  readonly context: number;
  readonly options: ConnectionOptions;
  /** Half-open connections. */
  half: number;
  /** When the last SYN cookie was sent, in ns. */
  cookieAt: number;
  /** Established connections that nobody accepted yet. */
  readonly accepts: RowList;
}

/**
 * True when who listens on `own` gets what is for `address`, 0 and 0n being any (RFC 3493, 5.3).
 */
function takes(own: IpAddress, ipv6Only: boolean, address: IpAddress): boolean {
  if (own === address) return true;
  if (own === 0) return typeof address === "number";
  return own === 0n && (typeof address === "bigint" || !ipv6Only);
}

export class ListenerTable {
  readonly #rows: RowTable;
  readonly #byPort = new Map<number, Listener[]>();
  readonly #byId = new Map<number, Listener>();
  #next = 1;
  #half = 0;

  constructor(rows: RowTable) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Half-open connections of all listeners. */
  get half(): number {
    return this.#half;
  }

  /** One more half-open connection. */
  enter(listener: Listener): void {
    listener.half += 1;
    this.#half += 1;
  }

  /** One less. */
  leave(listener: Listener): void {
    listener.half -= 1;
    this.#half -= 1;
  }

  get(id: number): Listener | undefined {
    return this.#byId.get(id);
  }

  /** Options for the connections that SYNs open from now on. */
  configure(id: number, options: ConnectionOptions): void {
    const listener = this.#byId.get(id);
    if (listener !== undefined) Object.assign(listener.options, options);
  }

  /** True when `address` and `port` meet a listener; with reusePort on both sides they may. */
  conflicts(address: IpAddress, port: number, reusePort: boolean, ipv6Only = false): boolean {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return false;
    return listeners.some((listener) => {
      const overlaps =
        takes(address, ipv6Only, listener.address) ||
        takes(listener.address, listener.ipv6Only, address);
      return overlaps && !(reusePort && listener.options.reusePort);
    });
  }

  add(
    address: IpAddress,
    ipv6Only: boolean,
    port: number,
    backlog: number,
    context: number,
    options: ConnectionOptions,
  ): Listener {
    const accepts = new RowList(this.#rows);
    const id = this.#next++;
    const counts = { half: 0, cookieAt: -Infinity };
    const listener = { id, port, address, ipv6Only, backlog, context, options, accepts, ...counts };
    this.#byId.set(id, listener);
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) this.#byPort.set(port, [listener]);
    else listeners.push(listener);
    return listener;
  }

  remove(listener: Listener): void {
    this.#byId.delete(listener.id);
    const listeners = this.#byPort.get(listener.port);
    if (listeners === undefined) return;
    const kept = listeners.filter((candidate) => candidate !== listener);
    if (kept.length === 0) this.#byPort.delete(listener.port);
    else this.#byPort.set(listener.port, kept);
  }

  /**
   * The listener for a SYN: the most specific address wins, then any of its own family; of several
   * (SO_REUSEPORT) the one that `spread`, any number made from the tuple, points at.
   */
  find(address: IpAddress, port: number, spread: number): Listener | undefined {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return undefined;
    if (listeners.length === 1) {
      const only = listeners[0] as Listener;
      return takes(only.address, only.ipv6Only, address) ? only : undefined;
    }
    const exact = listeners.filter((candidate) => candidate.address === address);
    const family = typeof address === "number" ? 0 : 0n;
    const own = exact.length > 0 ? exact : listeners.filter(({ address: any }) => any === family);
    const fitting =
      own.length > 0
        ? own
        : listeners.filter((other) => takes(other.address, other.ipv6Only, address));
    return fitting[spread % Math.max(1, fitting.length)];
  }
}
