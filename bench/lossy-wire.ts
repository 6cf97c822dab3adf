/**
 * The wire of `loss`, the same for Linux's kernels in real time and for toeloop's stacks in virtual
 * time: host/netif/link.ts with a rate, a delay, a drop-tail queue of one bandwidth-delay product
 * and faults in both directions.
 */
import type { FaultOptions } from "../host/netif/fault-injector.ts";
import type { LinkOptions } from "../host/netif/link.ts";

export interface LossyWire {
  /** bits/s. */
  readonly rate: number;
  /** One way, ns. */
  readonly delay: number;
  readonly faults: FaultOptions;
  /** Of a socket, bytes: a power of two above what path and queue hold, eight times over. */
  readonly buffer: number;
}

/** Bytes that the path holds in both directions. */
export function bandwidthDelay({ rate, delay }: Pick<LossyWire, "rate" | "delay">): number {
  return Math.ceil((rate / 8) * ((2 * delay) / 1e9));
}

/** For createLink() and World.addLink(). */
export function linkOptions(wire: LossyWire): Omit<LinkOptions, "names" | "seed"> {
  const { rate, delay, faults } = wire;
  return { medium: "ip", rate, delay, faults, queue: { bytes: bandwidthDelay(wire) } };
}
