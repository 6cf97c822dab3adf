/**
 * Two whole stacks on virtual time for tests of the running system: client 10.0.0.1, server
 * 10.0.0.2, one link, everything from one seed. Applications are functions run after each poll of
 * their host.
 */
import type { CoreSource } from "../../bindings/core.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import type { ControlPlaneLimits } from "../../host/control-plane/plane.ts";
import type { Profile, ProfileName } from "../../host/control-plane/profile.ts";
import { ERRNO } from "../../host/errors.ts";
import type { SocketAddress } from "../../host/libtoe/calls.ts";
import { AF_INET, AF_INET6 } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Link } from "../../host/netif/link.ts";
import type { Netif } from "../../host/netif/netif.ts";
import type { InterconnectDescription } from "../../host/pcie/interconnect.ts";
import { Stack } from "../../host/stack.ts";
import { type Host, World, type WorldLinkOptions } from "../../host/world.ts";
import { loadModule, TEST_LAYOUT } from "../support/load-core.ts";
import { type PoolCounts, poolCounts } from "../support/pool-counts.ts";
import { WindowWatch } from "../support/window-watch.ts";

const ADDRESSES = ["10.0.0.1", "10.0.0.2"] as const;
const ADDRESSES_IPV6 = ["fd00::1", "fd00::2"] as const;

export const SECOND = 1e9;
export const MINUTE = 60 * SECOND;

/** Does what it can now; true when it did anything. */
export type Application = () => boolean;

/** A stack and its applications as one host. */
export class ApplicationHost implements Host {
  readonly stack: Stack;
  readonly applications: Application[] = [];
  /** When an application wants to run although nothing arrives; ns. */
  wakeAt = Number.POSITIVE_INFINITY;

  constructor(stack: Stack) {
    this.stack = stack;
  }

  poll(now: number): boolean {
    if (now >= this.wakeAt) this.wakeAt = Number.POSITIVE_INFINITY;
    const more = this.stack.poll(now);
    let worked = false;
    for (const application of this.applications) worked = application() || worked;
    return more || worked;
  }

  nextDeadline(): number {
    return Math.min(this.stack.nextDeadline(), this.wakeAt);
  }

  onWake(wake: () => void): void {
    this.stack.onWake(wake);
  }
}

export interface WorldPairOptions {
  readonly seed?: number;
  readonly profile?: ProfileName | Profile;
  readonly layout?: Partial<LayoutOptions>;
  readonly link?: Partial<WorldLinkOptions>;
  readonly limits?: Partial<ControlPlaneLimits>;
  /** ISNs of client and server. */
  readonly sequences?: readonly [number, number];
  /** Executors with threads for client and server; undefined: the build under test. */
  readonly executors?: readonly [CoreSource | undefined, CoreSource | undefined];
  /** Over IPv6: client fd00::1, server fd00::2, which listens on `::`; both have IPv4 as well. */
  readonly ipv6?: boolean;
  /** Probes of IPv6 addresses (RFC 4862, 5.1), none unless asked for: tests begin at once. */
  readonly dadTransmits?: number;
  /** Counted by both stacks. */
  readonly interconnect?: InterconnectDescription;
  /** What stands between a stack and its end of the link. */
  readonly wrap?: (netif: Netif) => Netif;
  /** One macrotask, for tests with promises. */
  readonly turn?: () => Promise<void>;
}

export class WorldPair {
  readonly world: World;
  readonly link: Link;
  readonly client: ApplicationHost;
  readonly server: ApplicationHost;
  readonly seed: number;
  /** Right edges of all windows, which leftovers() asks about. */
  readonly windows = new WindowWatch();
  /** Addresses of client and server, and the socket domain that they are of. */
  readonly addresses: readonly [string, string];
  readonly domain: number;
  readonly #before: readonly PoolCounts[];

  constructor(options: WorldPairOptions = {}) {
    this.seed = options.seed ?? 1;
    this.addresses = options.ipv6 === true ? ADDRESSES_IPV6 : ADDRESSES;
    this.domain = options.ipv6 === true ? AF_INET6 : AF_INET;
    const turn = options.turn === undefined ? {} : { turn: options.turn };
    this.world = new World({ seed: this.seed, ...turn });
    const link = { rate: 1e9, delay: 1e6, ...options.link, a: "client", b: "server" };
    this.link = this.world.addLink(link);
    this.link.addTap(this.windows);
    this.client = this.#host(0, options);
    this.server = this.#host(1, options);
    this.#before = [poolCounts(this.client.stack), poolCounts(this.server.stack)];
  }

  #host(side: 0 | 1, options: WorldPairOptions): ApplicationHost {
    const name = side === 0 ? "client" : "server";
    const { profile, sequences, interconnect } = options;
    const executor = options.executors?.[side];
    const wrap = options.wrap ?? ((netif) => netif);
    const layout = { layout: { ...TEST_LAYOUT, ...options.layout } };
    const stack = new Stack({
      module: executor ?? loadModule(),
      name,
      netifs: [
        {
          netif: wrap(this.link.ends[side]),
          addresses: this.#own(side, options),
          ipv6: { dadTransmits: options.dadTransmits ?? 0 },
        },
      ],
      entropy: this.world.entropy(name),
      ...(executor === undefined ? layout : {}),
      ...(profile === undefined ? {} : { profile }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(interconnect === undefined ? {} : { interconnect }),
      ...(sequences === undefined ? {} : { initialSequence: () => sequences[side] }),
    });
    return this.world.addHost(name, new ApplicationHost(stack));
  }

  #own(side: 0 | 1, { ipv6 }: WorldPairOptions): string[] {
    const ipv4 = `${ADDRESSES[side]}/24`;
    return ipv6 === true ? [ipv4, `${ADDRESSES_IPV6[side]}/64`] : [ipv4];
  }

  get clientToe(): LibToe {
    return this.client.stack.toe;
  }

  get serverToe(): LibToe {
    return this.server.stack.toe;
  }

  /** Runs for `ns` of virtual time. */
  pass(ns: number): void {
    this.world.run(this.world.now + ns);
  }

  /** Runs until `done`, for `ns` at most; throws Error with the seed and the connections. */
  until(done: () => boolean, what: string, ns: number = 10 * MINUTE): void {
    const end = this.world.now + ns;
    while (!done()) {
      if (this.world.nextDeadline() > end) throw this.#never(what);
      this.world.step();
    }
  }

  #never(what: string): Error {
    const states = [this.clientToe, this.serverToe].map((toe) =>
      toe
        .connections()
        .map(({ state, txSent, txAvail, rto }) => `${state} ${txSent}/${txAvail} rto ${rto}`)
        .join(", "),
    );
    const sides = states.join(" | ");
    return new Error(`${what}: never came, seed ${this.seed}, ${this.world.now} ns: ${sides}`);
  }

  /** A listening descriptor of the server. */
  listen(port: number, backlog = 128, fd: number = this.serverToe.socket(this.domain)): number {
    const address = this.domain === AF_INET ? "0.0.0.0" : "::";
    const bound = this.serverToe.bind(fd, { address, port });
    const listening = this.serverToe.listen(fd, backlog);
    if (bound < 0 || listening < 0) throw new Error(`listen: ${bound}, ${listening}`);
    return fd;
  }

  /** A connecting descriptor of the client. */
  connect(port: number, fd: number = this.clientToe.socket(this.domain)): number {
    const remote: SocketAddress = { address: this.addresses[1], port };
    const started = this.clientToe.connect(fd, remote);
    if (started !== -ERRNO.EINPROGRESS) throw new Error(`connect: ${started}`);
    return fd;
  }

  /** The next connection of a listener. */
  accept(listener: number, ns: number = 10 * MINUTE): number {
    let fd = -1;
    const accepted = (): boolean => {
      fd = this.serverToe.accept(listener);
      return fd >= 0;
    };
    this.until(accepted, "accept", ns);
    return fd;
  }

  /** An established connection: descriptors of its two ends. */
  establish(listener: number, port: number): { client: number; server: number } {
    const client = this.connect(port);
    return { client, server: this.accept(listener) };
  }

  /** RFC 9293 names of all states, client's and server's. */
  states(): [string[], string[]] {
    const of = (toe: LibToe): string[] => toe.connections().map(({ state }) => state);
    return [of(this.clientToe), of(this.serverToe)];
  }

  /** Lets every timer pass; returns how the pools differ from the start, in words. */
  leftovers(): string[] {
    this.until(() => this.world.nextDeadline() === Number.POSITIVE_INFINITY, "rest", 60 * MINUTE);
    const found: string[] = [...this.windows.shrunk];
    [this.client, this.server].forEach(({ stack }, side) => {
      const now = poolCounts(stack);
      for (const [name, value] of Object.entries(now)) {
        const before = this.#before[side]?.[name as keyof PoolCounts];
        const same = JSON.stringify(before) === JSON.stringify(value);
        if (!same) found.push(`${stack.name} ${name}: ${String(before)}, then ${String(value)}`);
      }
      for (const { state } of stack.toe.connections()) found.push(`${stack.name}: ${state}`);
    });
    return found;
  }
}
