/**
 * Listeners: who takes a SYN, and the two bounded queues of each (RFC 9293 MUST-41, MUST-42). A
 * half-open connection is counted in the SYN queue, an established one waits in the accept queue.
 */
import type { ConnectionOptions } from "./interface.ts";
import { RowList, type RowTable } from "./row-table.ts";

export interface Listener {
  readonly id: number;
  readonly port: number;
  /** IPv4 number; 0 = any address of ours. */
  readonly address: number;
  readonly backlog: number;
  readonly context: number;
  readonly options: ConnectionOptions;
  /** Half-open connections. */
  half: number;
  /** Established connections that nobody accepted yet. */
  readonly accepts: RowList;
}

export class ListenerTable {
  readonly #rows: RowTable;
  readonly #byPort = new Map<number, Listener[]>();
  readonly #byId = new Map<number, Listener>();
  #next = 1;

  constructor(rows: RowTable) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#byId.size;
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
  conflicts(address: number, port: number, reusePort: boolean): boolean {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return false;
    return listeners.some((listener) => {
      const overlaps = address === 0 || listener.address === 0 || listener.address === address;
      return overlaps && !(reusePort && listener.options.reusePort);
    });
  }

  add(
    address: number,
    port: number,
    backlog: number,
    context: number,
    options: ConnectionOptions,
  ): Listener {
    const accepts = new RowList(this.#rows);
    const id = this.#next++;
    const listener = { id, port, address, backlog, context, options, half: 0, accepts };
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
   * The listener for a SYN: the most specific address wins; of several (SO_REUSEPORT) the one
   * that `spread`, any number made from the tuple, points at.
   */
  find(address: number, port: number, spread: number): Listener | undefined {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return undefined;
    if (listeners.length === 1) {
      const only = listeners[0] as Listener;
      return only.address === 0 || only.address === address ? only : undefined;
    }
    const exact = listeners.filter((candidate) => candidate.address === address);
    const fitting = exact.length > 0 ? exact : listeners.filter(({ address: any }) => any === 0);
    return fitting[spread % Math.max(1, fitting.length)];
  }
}
