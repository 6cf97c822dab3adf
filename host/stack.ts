/**
 * A stack: one data path with its control plane, sockets and netifs. Sans-IO: `poll(now)` does
 * bounded work, `nextDeadline()` says when it wants to be called again; a world or a driver calls
 * them. Invariant: frames that were sent are never dropped here; a full carrier stops the stack
 * from reading once there is no room left for answers to what it reads (day-one decision 13).
 */
import { CONTEXT_ATX_PRODUCER } from "../bindings/abi/descriptor.ts";
import { FRAME_SIZE } from "../bindings/abi/descriptor.ts";
import { ETHERNET_SIZE } from "../bindings/abi/ethernet.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, FRAME_HEADROOM } from "../bindings/abi/limits.ts";
import { NETIFS_MAX } from "../bindings/abi/limits.ts";
import * as M from "../bindings/abi/memory-map.ts";
import { type Core, createCore } from "../bindings/core.ts";
import { Fence } from "../bindings/trap.ts";
import { ControlPlane } from "./control-plane/control-plane.ts";
import { profile as profileNamed } from "./control-plane/profile.ts";
import type { ConnectionInfo } from "./control-plane/interface.ts";
import { LibToe } from "./libtoe/libtoe.ts";
import { type CloseOptions, type Connection, connect } from "./libtoe/web-streams.ts";
import { type ConnectOptions, type Listener, listen } from "./libtoe/web-streams.ts";
import type { ListenOptions } from "./libtoe/web-streams.ts";
import { Burst, type Netif } from "./netif/netif.ts";
import { BatchMeter } from "./pcie/batch-meter.ts";
import { CountedInterconnect, type Interconnect } from "./pcie/interconnect.ts";
import type { StackNetif, StackOptions } from "./stack-options.ts";

/** Rounds of one poll: step, control plane, sockets, carriers. */
const ROUNDS_MAX = 16;
const FRAME_WORDS = FRAME_SIZE / 4;
// Words of the core's header.
const EGRESS = M.CORE_EGRESS_COUNT >>> 2;
const INGRESS = M.CORE_INGRESS_COUNT >>> 2;
const INTERRUPTS = M.CORE_INTERRUPTS >>> 2;
/** Results of a step that few steps have. */
const UNUSUAL = M.STEP_EVENTS | M.STEP_INTERRUPTS;

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
  /** What the polls so far would have cost on the option's interconnect. */
  readonly interconnect: Interconnect | undefined;
  readonly #meter: BatchMeter | undefined;
  readonly #ingress: Burst;
  readonly #egress: Burst;
  readonly #header: number;
  readonly #words: Int32Array;
  // Word indexes of what is exchanged at each step.
  readonly #credit: number;
  readonly #link: number;
  /** libTOE's own side of the sockets, without the API's layer: called every burst. */
  readonly #sockets: LibToe["internals"];
  /** The control plane has something for the wire. */
  #controlDue = false;
  readonly #turn: (library: number, now: number) => number;
  /** Address of the application context's LIBTOE record. */
  readonly #library: number;
  /** Word index of context 0's record: the control plane's queue. */
  readonly #commands: number;
  /** The control plane's producer index at the last crossing. */
  #shown = 0;
  /** The only carrier, when there is one. */
  readonly #only: Netif | undefined;
  /** Credit of the only carrier, as it said before the last step. */
  #onlyCredit = 0;
  /** Frames in the egress burst, and those of them that the carriers have taken. */
  #waiting = 0;
  #taken = 0;
  #wake: (() => void) | undefined;
  /** Resolved when the last connection has ended; looked at while there are any. */
  #drainWaiters: (() => void)[] = [];
  #drained = 0;
  #now = 0;
  readonly #fence: Fence;
  /** Sockets have been told of it. */
  #isFenced = false;

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
    this.#words = this.core.ints;
    this.#credit = this.#header + (M.CORE_NETIF_CREDIT >>> 2);
    this.#turn = this.core.exports.turn;
    this.#fence = this.core.fence ?? new Fence({});
    this.#link = this.#header + (M.CORE_LINK >>> 2);
    this.#commands = (this.core.map.base.contextTable as number) >>> 2;
    this.#ingress = this.#burst("ingress", "ingressTable", BATCH_MAX, INGRESS);
    this.#egress = this.#burst("egress", "egressTable", EGRESS_FRAMES_MAX, EGRESS);
    const profile = options.profile ?? "internet";
    const chosen = typeof profile === "string" ? profileNamed(profile) : profile;
    const { initialSequence } = options;
    this.control = new ControlPlane(this.core, {
      ...(initialSequence === undefined ? {} : { initialSequence }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      profile: chosen,
      entropy: options.entropy,
      ingress: this.#ingress,
      egress: this.#egress,
    });
    this.toe = new LibToe(this.core, 1, this.control, {}, chosen.readsOn);
    this.#sockets = this.toe.internals;
    this.#library = this.#sockets.context.library;
    this.control.attach(this.toe);
    this.netifs = options.netifs.map(({ netif }) => netif);
    options.netifs.forEach((config, index) => this.#addNetif(config, index));
    this.#only = this.netifs.length === 1 ? this.netifs[0] : undefined;
    this.#only?.couple?.();
    if (options.interconnect === undefined) return;
    this.interconnect = new CountedInterconnect(options.interconnect);
    this.#meter = new BatchMeter(this.core, this.interconnect);
  }

  #burst(span: string, table: string, frames: number, state: number): Burst {
    const { core } = this;
    const region = core.map.regions.find(({ name }) => name === span);
    const bytes = (region?.bytes ?? 0) - FRAME_HEADROOM;
    const from = core.map.base[span] as number;
    const rows = (core.map.base[table] as number) >>> 2;
    return new Burst(
      core.bytes.subarray(from, from + bytes),
      core.words.subarray(rows, rows + frames * FRAME_WORDS),
      core,
      core.ints.subarray(this.#header + state, this.#header + state + 2),
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
    const ipv6 = config.ipv6 === undefined ? {} : { ipv6: config.ipv6 };
    const addresses = [...config.addresses];
    this.control.addNetif({ netif, index, addresses, ...gateway, ...ipv6 });
  }

  /** Gives interface `index` one more address, "fd00::5/64". Throws RangeError when it cannot. */
  addAddress(index: number, address: string): void {
    this.control.interfaces.addAddress(index, address);
    this.#wake?.();
  }

  /** Takes an address away: its connections end with EADDRNOTAVAIL, listeners stay. */
  removeAddress(index: number, address: string): boolean {
    const removed = this.control.interfaces.removeAddress(index, address);
    this.#wake?.();
    return removed;
  }

  /** Changes an interface's MTU, within its netif's; live connections follow at once. */
  setMtu(index: number, mtu: number): void {
    this.control.interfaces.setMtu(index, mtu);
    this.#wake?.();
  }

  /** Says that an interface's carrier went down or came up. */
  setLinkUp(index: number, up: boolean): void {
    this.control.interfaces.setLinkUp(index, up);
    this.#wake?.();
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
    const first = this.#wake === undefined;
    this.#wake = wake;
    this.core.onWake?.(() => this.#wake?.());
    if (first) this.#fence.onRaised(() => this.#wake?.());
    this.toe.onDoorbell = wake;
    if (!first) return;
    // Not before: a stack that is polled in a loop needs no telling, and each costs a call.
    for (const netif of this.netifs) netif.onReadable?.(() => this.#wake?.());
  }

  /**
   * Why the data path does nothing any more: it has trapped, which is a bug of ours, and threw on
   * that call. The polls after it end every connection with ECONNRESET; undefined while it runs.
   */
  get fenced(): string | undefined {
    return this.#fence.reason;
  }

  /** Does bounded work; true when there is more to do at this very time. Throws a trap once. */
  poll(now: number): boolean {
    this.#now = now;
    if (this.fenced !== undefined) return this.#pollFenced(now);
    this.control.setNow(now);
    if (this.#waiting !== 0 && !this.#drain(now) && !this.#mayAnswer()) {
      this.core.admit?.(this.#library, now);
      return false;
    }
    this.#controlDue = this.control.pending;
    if (this.#only !== undefined) this.#only.receive(now);
    else for (let i = 0; i < this.netifs.length; i += 1) (this.netifs[i] as Netif).receive(now);
    const more = this.#rounds(now);
    if (this.#meter !== undefined) this.#meter.poll();
    if (this.#waiting !== 0) return false;
    if (this.#drainWaiters.length > 0) this.#tellDrained();
    return more;
  }

  /** The host alone: what was open is told, and frames go nowhere (threats W7). */
  #pollFenced(now: number): boolean {
    const sockets = this.#sockets;
    if (!this.#isFenced) {
      this.#isFenced = true;
      this.#taken = 0;
      this.#waiting = 0;
      this.#egress.clear();
      this.control.setNow(now);
      sockets.fenced();
      this.control.fenced();
    }
    this.#ingress.clear();
    sockets.beforeTurn();
    sockets.afterTurn(now);
    if (this.#drainWaiters.length > 0) this.#tellDrained();
    return sockets.hasWork();
  }

  /**
   * Frames wait for a carrier. Two stacks that wait for each other would do so for ever, so what
   * has arrived is read as long as the egress burst has room for an answer to each frame.
   */
  #mayAnswer(): boolean {
    const egress = this.#egress;
    if (this.#taken !== 0) egress.drop(this.#taken);
    this.#taken = 0;
    this.#waiting = egress.count;
    return egress.room() >= BATCH_MAX;
  }

  #tellDrained(): void {
    if (!this.#isDrained()) return;
    this.#drained += this.#drainWaiters.length;
    for (const resolve of this.#drainWaiters) resolve();
    this.#drainWaiters = [];
  }

  /** Crossings into the data path and what follows from each; true when another is due. */
  #rounds(now: number): boolean {
    const sockets = this.#sockets;
    for (let round = 0; round < ROUNDS_MAX; round = (round + 1) | 0) {
      sockets.beforeTurn();
      const result = this.#cross(now);
      let again = (result & M.STEP_MORE) !== 0;
      // Most bursts hold nothing for the control plane.
      if ((result & UNUSUAL) !== 0 || this.#controlDue === true) {
        again = this.#unusual(now, result) || again;
      }
      if ((result & M.STEP_CARRIED) !== 0) this.#only?.carried?.();
      if (round === 0 || (result & M.STEP_READY) !== 0 || sockets.hasWork() === true) {
        sockets.afterTurn(now);
        again = this.#asked() || again;
      }
      if (this.#waiting !== 0 && this.#drain(now) === false) return false;
      if (again === false) return false;
    }
    return true;
  }

  /** Credit and ingress in, STEP_* out. */
  #cross(now: number): number {
    const words = this.#words;
    const only = this.#only;
    if (only === undefined) this.#takeCredit(now);
    // A coupled carrier's credit is taken inside.
    else if (words[this.#link] === 0) this.#takeOnlyCredit(now, only);
    this.#shown = words[this.#commands + (CONTEXT_ATX_PRODUCER >>> 2)] as number;
    try {
      const result = this.#turn(this.#library, now) | 0;
      this.#waiting = result >>> M.STEP_EGRESS_SHIFT;
      return result;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** True when the application has asked something of a socket or of the control plane. */
  #asked(): boolean {
    this.#controlDue = this.control.pending;
    return this.#sockets.hasWork() || this.#controlDue || this.#commanded();
  }

  #takeOnlyCredit(now: number, only: Netif): void {
    const credit = only.credit(now) | 0;
    this.#onlyCredit = credit;
    // Frames that wait go first.
    this.#words[this.#credit] = credit > this.#waiting ? credit - this.#waiting : 0;
  }

  /** Tells the core how many frames each carrier takes. */
  #takeCredit(now: number): void {
    for (let i = 0; i < this.netifs.length; i += 1) {
      const credit = (this.netifs[i] as Netif).credit(now) - this.#waiting;
      this.#words[this.#credit + i] = Math.max(0, credit);
    }
  }

  /** Control plane and interrupts; true when another crossing is due. */
  #unusual(now: number, result: number): boolean {
    const again = this.#control(now);
    if ((result & M.STEP_INTERRUPTS) !== 0) {
      this.#words[this.#header + INTERRUPTS] = 0;
      this.toe.disarm();
    }
    this.#controlDue = this.control.pending;
    return again || this.#controlDue || this.#commanded();
  }

  /** Events of the step; true when frames are offered again (replay after an install). */
  #control(now: number): boolean {
    // A burst that the data path could not take yet is still offered.
    const taken = this.#ingress.count === 0;
    const replays = this.control.handleEvents(now);
    this.#waiting = this.#egress.count;
    if (replays === 0) {
      if (taken) this.#ingress.clear();
      return this.#commanded() || this.control.pending;
    }
    const { table } = this.control.replays;
    this.#ingress.table.set(table.subarray(0, replays * FRAME_WORDS));
    this.#ingress.count = replays;
    return true;
  }

  /**
   * True when the control plane has descriptors that the data path has not been shown. It may take
   * them later: a turn that leaves some behind says so, or has a deadline for them.
   */
  #commanded(): boolean {
    return this.#words[this.#commands + (CONTEXT_ATX_PRODUCER >>> 2)] !== this.#shown;
  }

  /** Gives egress frames to the carriers; true when none are left. */
  #drain(now: number): boolean {
    const egress = this.#egress;
    const count = this.#waiting;
    const only = this.#only;
    if (only?.sendBurst === undefined) {
      this.#drainEach(count, now);
    } else {
      const taken = this.#taken;
      let room = (count - taken) | 0;
      // What it takes was asked before the step, and holds once.
      if (room > this.#onlyCredit) room = Math.min(room, only.credit(now));
      this.#onlyCredit = 0;
      if (room > 0) {
        only.sendBurst(egress, taken, room, now);
        this.#taken = (taken + room) | 0;
      }
    }
    if (this.#taken < count) return false;
    this.#taken = 0;
    this.#waiting = 0;
    egress.clear();
    return true;
  }

  #drainEach(count: number, now: number): void {
    const egress = this.#egress;
    while (this.#taken < count) {
      const netif = this.netifs[egress.netif(this.#taken)] as Netif;
      if (netif.credit(now) < 1) return;
      netif.send(egress, this.#taken, now);
      this.#taken += 1;
    }
  }

  /** When poll() has something to do without input: ns; Infinity when never. */
  nextDeadline(): number {
    if (this.fenced !== undefined) return this.#fencedDeadline();
    // poll() does nothing until a carrier takes what is held back: no other time counts.
    if (this.#waiting !== 0) return this.#creditDeadline();
    if (this.#sockets.hasWork() || this.#commanded() || this.control.pending) return this.#now;
    let next = this.core.exports.nextDeadline(this.core.address);
    for (const netif of this.netifs) next = Math.min(next, netif.nextDeadline());
    return Math.min(next, this.toe.nextDeadline());
  }

  #fencedDeadline(): number {
    return this.#isFenced && !this.#sockets.hasWork() ? this.toe.nextDeadline() : this.#now;
  }

  #creditDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const netif of this.netifs) {
      next = Math.min(next, netif.creditDeadline?.() ?? netif.nextDeadline());
    }
    return next;
  }
}
