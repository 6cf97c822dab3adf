/**
 * Two stacks on one thread, joined by the direct link behind corrupting ends: what bench/bulk.ts
 * and bench/rpc.ts drive through libTOE's POSIX-like calls. Time is virtual: a fixed step a turn,
 * and a jump to the next deadline when neither stack has work, so the same run is the same work.
 */
import type { Counter } from "../bindings/abi/counters.ts";
import type { DropReason } from "../bindings/abi/drop-reason.ts";
import { CoreGroup, type CoreSource } from "../bindings/core.ts";
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM } from "../host/libtoe/constants.ts";
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../host/libtoe/constants.ts";
import type { LibToe } from "../host/libtoe/libtoe.ts";
import type { DataPath, LayoutOptions } from "../bindings/layout.ts";
import { joinDirect } from "../host/netif/direct-link.ts";
import { Stack } from "../host/stack.ts";
import { loadModule } from "./harness.ts";
import { MarkedNetif } from "./marked-link.ts";

const CLIENT = "10.0.0.1";
export const SERVER = "10.0.0.2";
export const PORT = 80;
const WINDOW = 65_536;
/** Nanoseconds of virtual time a turn. */
const TURN_NS = 2000;
/** Above 2^31, as the clocks of bindings/clock.ts, and for the same reason. */
const START_NS = 2 ** 40;
/** Turns without progress before a run is called stuck. */
const STUCK_TURNS = 10_000;

export interface PairOptions {
  readonly timestamps: boolean;
  readonly connections: number;
  /** In place of one for so many connections; and another one for the server. */
  readonly layout?: Partial<LayoutOptions>;
  readonly serverLayout?: Partial<LayoutOptions>;
  /** Buffer bytes each way; 0 leaves the stack's defaults. */
  readonly buffers?: number;
  /** Addresses of the client: 10.0.0.1 and those behind SERVER. */
  readonly addresses?: number;
  /** Data path of both. */
  readonly datapath?: DataPath;
  /** Executors for client and server, with layouts of their own; left out: one CoreGroup. */
  readonly executors?: readonly [CoreSource, CoreSource];
}

/** The client's addresses. */
export function clientAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? CLIENT : `10.0.0.${i + 2}`));
}

/** A result of a POSIX-like call that has to be good. Throws Error with the call's name. */
export function must(result: number, call: string): number {
  if (result < 0) throw new Error(`bench: expected ${call} to succeed, got ${result}`);
  return result;
}

/** Seeded by the address: the same run draws the same keys and ports. */
function seededEntropy(address: string): (bytes: Uint8Array) => void {
  let state = 0x9e3779b9;
  for (const char of address) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193);
  return (bytes) => {
    for (let i = 0; i < bytes.length; i += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[i] = state >>> 24;
    }
  };
}

/** A counter of a stack's data path. */
export function counterOf(stack: Stack, counter: Counter): number {
  const at = (stack.core.map.base.counters as number) + 8 * counter;
  return Number(stack.core.view.getBigUint64(at, true));
}

/** Frames that a stack's data path dropped for a reason. */
export function dropsOf(stack: Stack, reason: DropReason): number {
  return stack.core.view.getUint32((stack.core.map.base.drops as number) + 4 * reason, true);
}

/** Two places in one memory. */
function coresOf(options: PairOptions): readonly [CoreGroup, CoreGroup] {
  const layout = options.layout ?? { connections: options.connections * 2 + 16 };
  const layouts = [layout, options.serverLayout ?? layout];
  const group = new CoreGroup(loadModule(`${options.datapath ?? "flextoe"}.wasm`), layouts);
  return [group, group];
}

function createStack(group: CoreGroup | CoreSource, link: MarkedNetif, addresses: string[]): Stack {
  const address = addresses[0] as string;
  return new Stack({
    module: group,
    name: address,
    profile: "internet",
    entropy: seededEntropy(address),
    netifs: [{ netif: link, addresses: addresses.map((each) => `${each}/24`) }],
  });
}

/** The two stacks and their connected descriptors. */
export class StackPair {
  readonly client: Stack;
  readonly server: Stack;
  readonly clientLink: MarkedNetif;
  readonly serverLink: MarkedNetif;
  /** Connected descriptors: index i of one is joined to index i of the other. */
  readonly clientFds: number[] = [];
  readonly serverFds: number[] = [];
  readonly #buffers: number;
  #now = START_NS;
  #idle = 0;

  constructor(options: PairOptions) {
    const link = { names: ["client", "server"], medium: "ip" } as const;
    this.clientLink = new MarkedNetif(0, link);
    this.serverLink = new MarkedNetif(1, link);
    joinDirect(this.clientLink, this.serverLink);
    const [clientCore, serverCore] = options.executors ?? coresOf(options);
    this.#buffers = options.buffers ?? WINDOW;
    const addresses = clientAddresses(options.addresses ?? 1);
    this.client = createStack(clientCore, this.clientLink, addresses);
    this.server = createStack(serverCore, this.serverLink, [SERVER]);
    this.serverLink.stripping = !options.timestamps;
    if (options.connections > 0) this.#connect(options.connections);
    this.serverLink.stripping = false;
  }

  get now(): number {
    return this.#now;
  }

  /**
   * One turn: each stack polled once. `progress` says whether the application did anything since
   * the last turn; time jumps when nobody has anything to do. `step`: ns of virtual time. Throws
   * Error when stuck.
   */
  turn(progress: boolean, step?: number): void {
    const now = this.#now + (step ?? TURN_NS);
    this.#now = now;
    const client = this.client.poll(now);
    const server = this.server.poll(now);
    if (progress || client || server) {
      this.#idle = 0;
      return;
    }
    this.#idle += 1;
    if (this.#idle > STUCK_TURNS) throw new Error(`bench: stuck at ${this.#now} ns`);
    const next = Math.min(this.client.nextDeadline(), this.server.nextDeadline());
    if (next > this.#now && next < Number.POSITIVE_INFINITY) this.#now = next;
  }

  #socket(toe: LibToe): number {
    const fd = must(toe.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    if (this.#buffers === 0) return fd;
    must(toe.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, this.#buffers), "setsockopt");
    must(toe.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, this.#buffers), "setsockopt");
    return fd;
  }

  #connect(count: number): void {
    const listener = this.#socket(this.server.toe);
    must(this.server.toe.bind(listener, { address: SERVER, port: PORT }), "bind");
    must(this.server.toe.listen(listener, count), "listen");
    for (let i = 0; i < count; i += 1) {
      const fd = this.#socket(this.client.toe);
      // -EINPROGRESS: the handshake runs in the turns below.
      this.client.toe.connect(fd, { address: SERVER, port: PORT });
      this.clientFds.push(fd);
      this.serverFds.push(this.#accept(listener));
    }
  }

  #accept(listener: number): number {
    for (;;) {
      this.turn(false);
      const fd = this.server.toe.accept(listener);
      if (fd >= 0) return fd;
    }
  }
}
