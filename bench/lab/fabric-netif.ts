/**
 * A host's NIC in a modelled network: credit by the time that what waits takes of the wire, so that
 * a full one stops the stack and drops nothing; what has arrived waits for the stack's next poll.
 */
import type { Burst, Netif } from "../../host/netif/netif.ts";
import type { Wire } from "./fabric-wire.ts";
import type { FrameSlots } from "./frame-slots.ts";

export interface FabricNetifOptions {
  readonly name: string;
  readonly mtu: number;
  /** ns of the wire that the queue may hold. */
  readonly queueNs: number;
}

export class FabricNetif implements Netif {
  readonly name: string;
  readonly medium = "ip";
  readonly mtu: number;
  readonly hardwareAddress = new Uint8Array(6);
  readonly #slots: FrameSlots;
  readonly #wire: Wire;
  readonly #emit: (slot: number, now: number) => void;
  readonly #queueNs: number;
  /** Of a full frame. */
  readonly #frameNs: number;
  readonly #arrived: number[] = [];
  #ingress: Burst | undefined;
  #index = 0;

  /** `emit` is given each frame that the stack sends. */
  constructor(
    options: FabricNetifOptions,
    slots: FrameSlots,
    wire: Wire,
    emit: (slot: number, now: number) => void,
  ) {
    this.name = options.name;
    this.mtu = options.mtu;
    this.#queueNs = options.queueNs;
    this.#frameNs = wire.timeOf(options.mtu);
    this.#slots = slots;
    this.#wire = wire;
    this.#emit = emit;
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(now: number): number {
    const waiting = Math.max(0, this.#wire.freeAt - now);
    return Math.max(0, Math.floor((this.#queueNs - waiting) / this.#frameNs));
  }

  creditDeadline(): number {
    return Math.ceil(this.#wire.freeAt - this.#queueNs + this.#frameNs) + 1;
  }

  send(burst: Burst, index: number, now: number): void {
    this.#emit(this.#slots.take(burst.bytes, burst.offset(index), burst.length(index)), now);
  }

  /** A frame for this host; receive() hands it over. */
  arrive(slot: number): void {
    this.#arrived.push(slot);
  }

  receive(): void {
    let taken = 0;
    while (taken < this.#arrived.length && this.#hand(this.#arrived[taken] as number)) taken += 1;
    if (taken > 0) this.#arrived.splice(0, taken);
  }

  /** Puts one frame into the stack's burst; false when that is full. */
  #hand(slot: number): boolean {
    const slots = this.#slots;
    const length = slots.lengthOf(slot);
    const at = this.#ingress?.reserve(length, this.#index) ?? -1;
    if (at < 0) return false;
    const from = slots.offsetOf(slot);
    this.#ingress?.bytes.set(slots.bytesOf(slot).subarray(from, from + length), at);
    slots.give(slot);
    return true;
  }

  /** What is on its way is the network's matter; what is here is due. */
  nextDeadline(): number {
    return this.#arrived.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
}
