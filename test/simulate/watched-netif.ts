/**
 * Stands between a stack and its link: shows every frame to the checkers as the stack sent it and
 * as it arrived, and behind them does what a middlebox does. A test may plant frames in front of
 * the checkers, as if the stack had sent them.
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { Burst, type Medium, type Netif } from "../../host/netif/netif.ts";
import { stripOptions } from "./middlebox.ts";

/** Frames that go in place of one; `frame` is the planter's own copy. */
export type Plant = (frame: Uint8Array, host: number, now: number) => readonly Uint8Array[];

export interface Watcher {
  sent(host: number, bytes: Uint8Array, now: number): void;
  arrived(host: number, bytes: Uint8Array, now: number): void;
}

export interface WatchedNetifOptions {
  readonly host: number;
  readonly watcher: Watcher;
  /** Kinds of TCP options that are taken out of SYNs. */
  readonly strip: readonly number[];
  readonly plant?: Plant | undefined;
}

export class WatchedNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  readonly #inner: Netif;
  readonly #options: WatchedNetifOptions;
  readonly #own: Burst;
  #ingress: Burst | undefined;

  constructor(inner: Netif, options: WatchedNetifOptions) {
    this.name = inner.name;
    this.medium = inner.medium;
    this.mtu = inner.mtu;
    this.hardwareAddress = inner.hardwareAddress;
    this.#inner = inner;
    this.#options = options;
    this.#own = new Burst(new Uint8Array(65536), new Uint32Array(FRAME_SIZE / 4));
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#inner.attach(ingress, index);
  }

  credit(now: number): number {
    return this.#inner.credit(now);
  }

  send(burst: Burst, index: number, now: number): void {
    const { plant, strip, host, watcher } = this.#options;
    const from = burst.offset(index);
    const bytes = burst.bytes.subarray(from, from + burst.length(index));
    if (plant === undefined && strip.length === 0) {
      watcher.sent(host, bytes, now);
      this.#inner.send(burst, index, now);
      return;
    }
    const frames = plant === undefined ? [bytes.slice()] : plant(bytes.slice(), host, now);
    for (const frame of frames) {
      watcher.sent(host, frame, now);
      stripOptions(frame, this.medium === "ethernet", strip);
      this.#own.clear();
      this.#own.push(frame, 0);
      this.#inner.send(this.#own, 0, now);
    }
  }

  receive(now: number): void {
    const ingress = this.#ingress as Burst;
    const before = ingress.count;
    this.#inner.receive(now);
    for (let i = before; i < ingress.count; i += 1) {
      const from = ingress.offset(i);
      const bytes = ingress.bytes.subarray(from, from + ingress.length(i));
      stripOptions(bytes, this.medium === "ethernet", this.#options.strip);
      this.#options.watcher.arrived(this.#options.host, bytes, now);
    }
  }

  nextDeadline(): number {
    return this.#inner.nextDeadline();
  }

  creditDeadline(): number {
    return this.#inner.creditDeadline?.() ?? this.#inner.nextDeadline();
  }
}
