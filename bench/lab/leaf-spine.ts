/**
 * A leaf-spine network of hosts with whole stacks on virtual time: every leaf is joined to every
 * spine, a flow keeps to one path by a hash of its addresses and ports (ECMP), queues and marks are
 * those of the switches' ports. For many hosts: an event costs the logarithm of the wires, where a
 * World asks each host. Invariant: everything that happens is a function of options and seed.
 */
import { IPV4_DESTINATION, IPV4_SIZE, IPV4_SOURCE } from "../../bindings/abi/ip.ts";
import { markCongestion } from "../../host/netif/fault-injector.ts";
import type { Netif } from "../../host/netif/netif.ts";
import type { Stack } from "../../host/stack.ts";
import { DueTimes } from "./due-times.ts";
import { FabricNetif } from "./fabric-netif.ts";
import { SharedBuffer, Wire } from "./fabric-wire.ts";
import { FrameSlots } from "./frame-slots.ts";

export interface LeafSpineOptions {
  readonly leaves: number;
  readonly spines: number;
  readonly hostsPerLeaf: number;
  /** Of every link, bits/s. */
  readonly rate: number;
  /** Of every link, ns. */
  readonly delay: number;
  /** Of each switch: bytes for all its ports, and what a port may have of the free ones. */
  readonly buffer: { readonly bytes: number; readonly alpha: number };
  /** A frame that finds more bytes than that in a port's queue is marked (RFC 8257, 3.1). */
  readonly markBytes: number;
  /** Of a host's NIC: a full one takes credit from the stack and drops nothing. */
  readonly nicBytes: number;
  readonly mtu: number;
  /** Of the hash that chooses paths. */
  readonly seed: number;
}

/** Events at one instant before the network says that time stands still. */
const AT_ONCE_MAX = 1_000_000;

/** Where a wire ends: at a host, at a leaf or at a spine. */
type End = { readonly kind: "host" | "leaf" | "spine"; readonly number: number };

export class LeafSpine {
  readonly options: LeafSpineOptions;
  readonly #slots = new FrameSlots();
  now = 0;
  /** Frames that NICs have taken. */
  frames = 0;
  readonly #stacks: Stack[] = [];
  readonly #netifs: FabricNetif[] = [];
  readonly #wires: Wire[] = [];
  readonly #ends: End[] = [];
  /** Numbers of wires: of each host up and down, of each leaf to each spine, and back. */
  readonly #up: number[] = [];
  readonly #down: number[] = [];
  readonly #toSpine: number[][] = [];
  readonly #toLeaf: number[][] = [];
  readonly #due: DueTimes;
  #atOnce = 0;

  constructor(options: LeafSpineOptions) {
    this.options = options;
    const { leaves, spines, hostsPerLeaf } = options;
    const leafBuffers = Array.from({ length: leaves }, () => this.#buffer());
    const spineBuffers = Array.from({ length: spines }, () => this.#buffer());
    for (let leaf = 0; leaf < leaves; leaf += 1) {
      const shared = leafBuffers[leaf] as SharedBuffer;
      for (let i = 0; i < hostsPerLeaf; i += 1) {
        const host = leaf * hostsPerLeaf + i;
        this.#up.push(this.#wire({ kind: "leaf", number: leaf }));
        this.#down.push(this.#wire({ kind: "host", number: host }, shared));
        this.#netifs.push(this.#nic(host));
      }
      const ups = spineBuffers.map((_, spine) =>
        this.#wire({ kind: "spine", number: spine }, shared),
      );
      this.#toSpine.push(ups);
    }
    for (const buffer of spineBuffers) {
      this.#toLeaf.push(
        leafBuffers.map((_, leaf) => this.#wire({ kind: "leaf", number: leaf }, buffer)),
      );
    }
    this.#due = new DueTimes(this.#wires.length + this.hosts);
  }

  get hosts(): number {
    return this.options.leaves * this.options.hostsPerLeaf;
  }

  #buffer(): SharedBuffer {
    const { bytes, alpha } = this.options.buffer;
    return new SharedBuffer(bytes, alpha);
  }

  #nic(host: number): FabricNetif {
    const number = this.#up[host] as number;
    const wire = this.#wires[number] as Wire;
    const { mtu, nicBytes, rate } = this.options;
    const queueNs = (nicBytes * 8e9) / rate;
    return new FabricNetif({ name: `nic${host}`, mtu, queueNs }, this.#slots, wire, (slot, now) => {
      this.frames += 1;
      this.#address(slot);
      this.#push(number, slot, now);
    });
  }

  #wire(end: End, buffer?: SharedBuffer): number {
    const wire = new Wire(this.options.rate, this.options.delay, buffer);
    this.#ends.push(end);
    return this.#wires.push(wire) - 1;
  }

  /** The address of a host; all of them are on one link for their stacks. */
  addressOf(host: number): string {
    const { hostsPerLeaf } = this.options;
    return `10.0.${Math.floor(host / hostsPerLeaf)}.${(host % hostsPerLeaf) + 1}`;
  }

  netif(host: number): Netif {
    return this.#netifs[host] as FabricNetif;
  }

  /** The next host's stack, in order of their numbers. */
  addStack(stack: Stack): void {
    const host = this.#stacks.push(stack) - 1;
    stack.onWake(() => this.#due.set(this.#wires.length + host, this.now));
    this.#due.set(this.#wires.length + host, this.now);
  }

  /** Reads from the frame of a slot where it goes and by which path. */
  #address(slot: number): void {
    const bytes = this.#slots.bytesOf(slot);
    const ip = this.#slots.offsetOf(slot);
    const to = ip + IPV4_DESTINATION;
    const leaf = bytes[to + 2] as number;
    const target = leaf * this.options.hostsPerLeaf + (bytes[to + 3] as number) - 1;
    this.#slots.address(slot, target, this.#pathOf(bytes, ip));
  }

  /** A hash of both addresses' hosts and both ports. */
  #pathOf(bytes: Uint8Array, ip: number): number {
    let hash = this.options.seed | 0;
    const mix = (at: number): void => {
      const value = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      hash = Math.imul(hash ^ value, 0x9e3779b1);
      hash ^= hash >>> 15;
    };
    mix(ip + IPV4_SOURCE + 2);
    mix(ip + IPV4_DESTINATION + 2);
    mix(ip + IPV4_SIZE);
    mix(ip + IPV4_SIZE + 2);
    return Math.imul(hash, 0x85ebca6b) >>> 16;
  }

  #push(number: number, slot: number, now: number): void {
    const wire = this.#wires[number] as Wire;
    const isIdle = wire.nextArrival === Number.POSITIVE_INFINITY;
    wire.push(slot, this.#slots.lengthOf(slot), now);
    if (isIdle) this.#due.set(number, wire.nextArrival);
  }

  /** Runs up to `until`, or until `done()`. */
  run(until: number, done: () => boolean = () => false): void {
    const wires = this.#wires.length;
    while (this.#due.time <= until && !done()) {
      const time = this.#due.time;
      this.#atOnce = time > this.now ? 0 : this.#atOnce + 1;
      if (this.#atOnce > AT_ONCE_MAX) throw new Error(`fabric: time stands still at ${time} ns`);
      this.now = Math.max(time, this.now);
      const first = this.#due.first;
      if (first < wires) this.#arrive(first);
      else this.#poll(first - wires);
    }
    if (this.#due.time > until) this.now = Math.max(this.now, until);
  }

  #arrive(number: number): void {
    const wire = this.#wires[number] as Wire;
    const end = this.#ends[number] as End;
    for (let slot = wire.take(this.now); slot >= 0; slot = wire.take(this.now)) {
      if (end.kind === "host") this.#deliver(end.number, slot);
      else this.#forward(this.#route(end, slot), slot);
    }
    this.#due.set(number, wire.nextArrival);
  }

  #deliver(host: number, slot: number): void {
    (this.#netifs[host] as FabricNetif).arrive(slot);
    this.#due.set(this.#wires.length + host, this.now);
  }

  #route(end: End, slot: number): number {
    const target = this.#slots.targetOf(slot);
    const leaf = Math.floor(target / this.options.hostsPerLeaf);
    if (end.kind === "spine") return (this.#toLeaf[end.number] as number[])[leaf] as number;
    if (leaf === end.number) return this.#down[target] as number;
    const ups = this.#toSpine[end.number] as number[];
    return ups[this.#slots.pathOf(slot) % ups.length] as number;
  }

  #forward(number: number, slot: number): void {
    const wire = this.#wires[number] as Wire;
    const slots = this.#slots;
    slots.hop(slot);
    const length = slots.lengthOf(slot);
    if (!wire.admits(length, this.now)) {
      slots.give(slot);
      return;
    }
    if (wire.waiting(this.now) > this.options.markBytes) {
      const bytes = slots.bytesOf(slot);
      if (markCongestion(bytes, slots.offsetOf(slot), length, "ip")) wire.marked += 1;
    }
    this.#push(number, slot, this.now);
  }

  #poll(host: number): void {
    const stack = this.#stacks[host] as Stack;
    const item = this.#wires.length + host;
    const more = stack.poll(this.now);
    const next = more ? this.now : Math.max(this.now, stack.nextDeadline());
    // What rang the doorbell within the poll is in the stack's own answer.
    this.#due.set(item, next);
  }

  /** Frames that the switches' queues did not take, and that they marked. */
  totals(): { readonly dropped: number; readonly marked: number } {
    let dropped = 0;
    let marked = 0;
    for (const wire of this.#wires) {
      dropped += wire.dropped;
      marked += wire.marked;
    }
    return { dropped, marked };
  }
}
