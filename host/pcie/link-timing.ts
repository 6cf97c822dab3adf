/**
 * Time on a PCIe link: each direction sends one TLP after the other, and what was sent arrives one
 * way later. The defaults are those of a public measurement: pcie-bench's data for an NFP-6000 in
 * a Broadwell Xeon E5-2630v4 (LAT_DMA_RD, LAT_CMD_RD with IOMMU), medians. All times in ns.
 */
import type { Direction, Pcie } from "./tlp.ts";

export interface Latencies {
  /** From the end of the sending to the other side's having the TLP. */
  readonly oneWayNs: number;
  /** Root complex and memory, from a read's arrival to its data. */
  readonly hostReadNs: number;
  /** The engine's own store of a transaction, once all is read: a delay, not a limit of rate. */
  readonly deviceNsPerByte: number;
  /** A load from the device, there and back, while the host's core waits. */
  readonly mmioReadNs: number;
  /** Page walk after a miss in the host's IOTLB. */
  readonly walkNs: number;
}

/**
 * A 4 B DMA read takes 546 ns and each further byte of a large one 0.28 ns, 0.15 of them on the
 * link. How the 546 are split between ways and host is ours; only their sum was measured. A walk
 * is the step from 480 to 760 ns at the 64th page. An MMIO read is the round trip that the public
 * Lauberhorn data gives for PCIe, 1292 ns.
 */
export const LATENCY_DEFAULTS: Latencies = {
  oneWayNs: 180,
  hostReadNs: 176,
  deviceNsPerByte: 0.13,
  mmioReadNs: 1292,
  walkNs: 280,
};

/** When each direction is free again. */
export class LinkTiming {
  readonly pcie: Pcie;
  readonly #freeAt = new Float64Array(2);

  constructor(pcie: Pcie) {
    this.pcie = pcie;
  }

  freeAt(direction: Direction): number {
    return this.#freeAt[direction] as number;
  }

  /** Sends `wireBytes` as soon as the direction is free; when their last byte has left. */
  send(direction: Direction, now: number, wireBytes: number): number {
    const start = Math.max(now, this.freeAt(direction));
    const end = start + this.pcie.wireNs(wireBytes);
    this.#freeAt[direction] = end;
    return end;
  }
}
