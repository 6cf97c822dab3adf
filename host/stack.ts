/**
 * A stack: one data path with its control plane, sockets and netifs. Sans-IO: `poll(now)` does
 * bounded work, `nextDeadline()` says when it wants to be called again; a world or a driver calls
 * them. Invariant: frames that were sent are never dropped here; a full carrier stops the stack
 * from reading until it takes them (day-one decision 13).
 */
import { CONTEXT_ATX_CONSUMER, CONTEXT_ATX_PRODUCER } from "../bindings/abi/descriptor.ts";
import { FRAME_SIZE } from "../bindings/abi/descriptor.ts";
import { ETHERNET_SIZE } from "../bindings/abi/ethernet.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, FRAME_HEADROOM } from "../bindings/abi/limits.ts";
import { NETIFS_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { createCore, type Core } from "../bindings/core.ts";
import type { LayoutOptions } from "../bindings/layout.ts";
import { ControlPlane } from "./control-plane/control-plane.ts";
import { profile as profileNamed } from "./control-plane/profile.ts";
import type { Profile, ProfileName } from "./control-plane/profile.ts";
import type { ConnectionInfo } from "./control-plane/interface.ts";
import { LibToe } from "./libtoe/libtoe.ts";
import { type CloseOptions, type Connection, connect } from "./libtoe/web-streams.ts";
import { type ConnectOptions, type Listener, listen } from "./libtoe/web-streams.ts";
import type { ListenOptions } from "./libtoe/web-streams.ts";
import { Burst, type Netif } from "./netif/netif.ts";

/** Rounds of one poll: step, control plane, sockets, carriers. */
const ROUNDS_MAX = 16;
const FRAME_WORDS = FRAME_SIZE / 4;
// Words of the core's header.
const CREDIT = M.CORE_NETIF_CREDIT >>> 2;
const EGRESS = M.CORE_EGRESS_COUNT >>> 2;
const EVENTS = M.CORE_EVENT_COUNT >>> 2;
const INGRESS = M.CORE_INGRESS_COUNT >>> 2;
const INTERRUPTS = M.CORE_INTERRUPTS >>> 2;

export interface StackNetif {
  readonly netif: Netif;
  /** With prefix length: "10.0.0.1/24". */
  readonly addresses: readonly string[];
  readonly gateway?: string;
}

export interface StackOptions {
  /** A build of the data path: `await platform.loadCore()`. */
  readonly module: WebAssembly.Module;
  readonly netifs: readonly StackNetif[];
  /** Fills a buffer with random bytes: keys, sequence numbers, ports. Seeded in a world. */
  readonly entropy: (bytes: Uint8Array) => void;
  readonly profile?: ProfileName | Profile;
  readonly layout?: Partial<LayoutOptions>;
  readonly name?: string;
  /** Trusted test seam: chooses every ISN (u32) in place of RFC 6528's hash. */
  readonly initialSequence?: () => number;
}

function hashKey(entropy: (bytes: Uint8Array) => void): [bigint, bigint] {
  const bytes = new Uint8Array(16);
  entropy(bytes);
  const view = new DataView(bytes.buffer);
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
}

/** One host's TCP. Throws RangeError at construction when an option is out of range. */
export class Stack {
  readonly name: string;
  readonly core: Core;
  readonly control: ControlPlane;
  /** POSIX-like calls. */
  readonly toe: LibToe;
  readonly netifs: readonly Netif[];
  readonly #ingress: Burst;
  readonly #egress: Burst;
  readonly #header: number;
  readonly #words: Uint32Array;
  /** libTOE's own side of the sockets, without the API's layer: called every burst. */
  readonly #sockets: LibToe["internals"];
  /** The control plane has something for the wire. */
  #controlDue = false;
  readonly #step: (core: number, now: number) => number;
  /** Word index of context 0's record: the control plane's queue. */
  readonly #commands: number;
  /** The only carrier, when there is one. */
  readonly #only: Netif | undefined;
  /** Frames of the egress burst that the carriers have taken. */
  #taken = 0;
  #wake: (() => void) | undefined;
  /** Resolved when the last connection has ended; looked at while there are any. */
  #drainWaiters: (() => void)[] = [];
  #drained = 0;
  #now = 0;

  constructor(options: StackOptions) {
    if (options.netifs.length < 1 || options.netifs.length > NETIFS_MAX) {
      const got = options.netifs.length;
      throw new RangeError(`Stack: expected 1..${NETIFS_MAX} netifs, got ${got}`);
    }
    this.name = options.name ?? "stack";
    const key = hashKey(options.entropy);
    const layout = options.layout === undefined ? {} : { layout: options.layout };
    this.core = createCore({ module: options.module, hashKey: key, ...layout });
    this.#header = this.core.address >>> 2;
    this.#words = this.core.words;
    this.#step = this.core.exports.step;
    this.#commands = (this.core.map.base.contextTable as number) >>> 2;
    this.#ingress = this.#burst("ingress", "ingressTable", BATCH_MAX);
    this.#egress = this.#burst("egress", "egressTable", EGRESS_FRAMES_MAX);
    const profile = options.profile ?? "internet";
    const { initialSequence } = options;
    this.control = new ControlPlane(this.core, {
      ...(initialSequence === undefined ? {} : { initialSequence }),
      profile: typeof profile === "string" ? profileNamed(profile) : profile,
      entropy: options.entropy,
      ingress: this.#ingress,
      egress: this.#egress,
    });
    this.toe = new LibToe(this.core, 1, this.control);
    this.#sockets = this.toe.internals;
    this.control.attach(this.toe);
    this.netifs = options.netifs.map(({ netif }) => netif);
    options.netifs.forEach((config, index) => this.#addNetif(config, index));
    this.#only = this.netifs.length === 1 ? this.netifs[0] : undefined;
    this.toe.onDoorbell = () => this.#wake?.();
  }

  #burst(span: string, table: string, frames: number): Burst {
    const { core } = this;
    const region = core.map.regions.find(({ name }) => name === span);
    const bytes = (region?.bytes ?? 0) - FRAME_HEADROOM;
    const from = core.map.base[span] as number;
    const rows = (core.map.base[table] as number) >>> 2;
    return new Burst(
      core.bytes.subarray(from, from + bytes),
      core.words.subarray(rows, rows + frames * FRAME_WORDS),
    );
  }

  #addNetif(config: StackNetif, index: number): void {
    const { netif } = config;
    const link = netif.medium === "ethernet" ? ETHERNET_SIZE : 0;
    if (netif.mtu + link > this.core.map.options.frameBytes) {
      const most = this.core.map.options.frameBytes - link;
      throw new RangeError(`Stack: expected ${netif.name} mtu at most ${most}, got ${netif.mtu}`);
    }
    this.core.words[this.#header + (M.CORE_NETIF_MEDIUM >>> 2) + index] = link;
    netif.attach(this.#ingress, index);
    const gateway = config.gateway === undefined ? {} : { gateway: config.gateway };
    this.control.addNetif({ netif, index, addresses: [...config.addresses], ...gateway });
    netif.onReadable?.(() => this.#wake?.());
  }

  /** Starts to listen; `for await (const connection of stack.listen({ port }))`. */
  listen(options: ListenOptions): Listener {
    return listen(this.toe, options);
  }

  /** Connects; rejects with SocketError (ECONNREFUSED, ETIMEDOUT, ...). */
  connect(options: ConnectOptions): Promise<Connection> {
    return connect(this.toe, options);
  }

  /** Every connection as `ss` shows it, TIME-WAIT included. */
  connections(): ConnectionInfo[] {
    return this.control.connections();
  }

  /**
   * Closes every descriptor. With `drain` connections end in order, and the promise resolves when
   * none is left but in TIME-WAIT; otherwise they are reset.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    this.toe.closeAll(options.drain === true);
    this.#wake?.();
    if (options.drain !== true || this.#isDrained()) return;
    await new Promise<void>((resolve) => this.#drainWaiters.push(resolve));
  }

  #isDrained(): boolean {
    const over = ["TIME-WAIT", "CLOSED"];
    return this.control.connections().every(({ state }) => over.includes(state));
  }

  /** Counts what the application has been told; a world waits for promises when it moved. */
  get notifications(): number {
    return this.toe.notifications + this.#drained;
  }

  /** Called by a world or driver: `wake` runs when a call or a carrier has made work. */
  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  /** Does bounded work; true when there is more to do at this very time. */
  poll(now: number): boolean {
    this.#now = now;
    this.control.setNow(now);
    if (!this.#drain(now)) return false;
    this.#controlDue = this.control.pending;
    for (let i = 0; i < this.netifs.length; i += 1) (this.netifs[i] as Netif).receive(now);
    let more = true;
    for (let round = 0; more && round < ROUNDS_MAX; round += 1) {
      more = this.#round(now);
      if (this.#taken < this.#egress.count) return false;
    }
    if (this.#drainWaiters.length > 0 && this.#isDrained()) {
      this.#drained += this.#drainWaiters.length;
      for (const resolve of this.#drainWaiters) resolve();
      this.#drainWaiters = [];
    }
    return more;
  }

  /** One crossing into the data path and what follows from it; true when another is due. */
  #round(now: number): boolean {
    const words = this.#words;
    const header = this.#header;
    const ingress = this.#ingress;
    this.#sockets.flush();
    for (let i = 0; i < this.netifs.length; i += 1) {
      words[header + CREDIT + i] = (this.netifs[i] as Netif).credit(now);
    }
    words[header + INGRESS] = ingress.count;
    const bits = this.#step(this.core.address, now);
    let again = (bits & M.STEP_MORE) !== 0;
    // Most bursts hold nothing for the control plane.
    if (words[header + EVENTS] !== 0 || this.#controlDue) again = this.#control(now) || again;
    else if (words[header + INGRESS] === 0) ingress.clear();
    if (words[header + INTERRUPTS] !== 0) {
      words[header + INTERRUPTS] = 0;
      this.toe.disarm();
    }
    this.#sockets.poll(now);
    if (words[header + EGRESS] !== 0) this.#drain(now);
    this.#controlDue = this.control.pending;
    return again || this.#controlDue || this.#sockets.hasWork() || this.#commanded();
  }

  /** Events of the step; true when frames are offered again (replay after an install). */
  #control(now: number): boolean {
    const words = this.#words;
    const header = this.#header;
    // A burst that the data path could not take yet is still offered.
    const taken = words[header + INGRESS] === 0;
    this.#egress.count = words[header + EGRESS] as number;
    this.#egress.used = words[header + (M.CORE_EGRESS_BYTES >>> 2)] as number;
    const replays = this.control.handleEvents(now);
    words[header + EGRESS] = this.#egress.count;
    words[header + (M.CORE_EGRESS_BYTES >>> 2)] = this.#egress.used;
    if (replays === 0) {
      if (taken) this.#ingress.clear();
      return this.#commanded() || this.control.pending;
    }
    const { table } = this.control.replays;
    this.#ingress.table.set(table.subarray(0, replays * FRAME_WORDS));
    this.#ingress.count = replays;
    return true;
  }

  /** True when the control plane has descriptors for the data path. */
  #commanded(): boolean {
    const words = this.#words;
    const producer = words[this.#commands + (CONTEXT_ATX_PRODUCER >>> 2)];
    const consumer = words[this.#commands + (CONTEXT_ATX_CONSUMER >>> 2)];
    return producer !== consumer;
  }

  /** Gives egress frames to the carriers; true when none are left. */
  #drain(now: number): boolean {
    const words = this.#words;
    const egress = this.#egress;
    egress.count = words[this.#header + EGRESS] as number;
    if (egress.count === 0) return true;
    if (this.#only?.sendBurst !== undefined) {
      const room = Math.min(egress.count - this.#taken, this.#only.credit(now));
      if (room > 0) this.#only.sendBurst(egress, this.#taken, room, now);
      this.#taken += Math.max(room, 0);
    } else {
      while (this.#taken < egress.count) {
        const netif = this.netifs[egress.netif(this.#taken)] as Netif;
        if (netif.credit(now) < 1) break;
        netif.send(egress, this.#taken, now);
        this.#taken += 1;
      }
    }
    if (this.#taken < egress.count) return false;
    this.#taken = 0;
    egress.clear();
    words[this.#header + EGRESS] = 0;
    words[this.#header + (M.CORE_EGRESS_BYTES >>> 2)] = 0;
    return true;
  }

  /** When poll() has something to do without input: ns; Infinity when never. */
  nextDeadline(): number {
    if (this.#sockets.hasWork() || this.#commanded() || this.control.pending) return this.#now;
    let next = this.core.exports.nextDeadline(this.core.address);
    for (const netif of this.netifs) next = Math.min(next, netif.nextDeadline());
    return Math.min(next, this.toe.nextDeadline());
  }
}
