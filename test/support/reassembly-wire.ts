/** Frames into a reassembler and out of it, without a stack. */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { Burst, type Netif } from "../../host/netif/netif.ts";
import { ReassemblerNetif, type ReassemblerOptions } from "../../host/netif/reassembler.ts";
import { buildFrame, type FrameFields, streamBytes } from "./frames.ts";

/** A reassembler around a netif whose frames a test queues. */
export class Wire {
  readonly ingress: Burst;
  readonly netif: ReassemblerNetif;
  readonly queue: Uint8Array[] = [];

  constructor(options: ReassemblerOptions = {}, medium: "ethernet" | "ip" = "ip", frames = 64) {
    const bytes = new Uint8Array(frames * 2048);
    this.ingress = new Burst(bytes, new Uint32Array((frames * FRAME_SIZE) / 4));
    const inner: Netif = {
      name: "wire",
      medium,
      mtu: 1500,
      hardwareAddress: new Uint8Array(6),
      attach: () => undefined,
      credit: () => 64,
      send: () => undefined,
      receive: () => {
        while (this.queue.length > 0 && this.ingress.push(this.queue[0] as Uint8Array, 0)) {
          this.queue.shift();
        }
      },
      nextDeadline: () => Number.POSITIVE_INFINITY,
    };
    this.netif = new ReassemblerNetif(inner, options);
    this.netif.attach(this.ingress, 0);
  }

  /** What the stack would see of `frames`, which arrive at once. */
  arrive(frames: readonly Uint8Array[], now = 0): Uint8Array[] {
    this.queue.push(...frames);
    this.ingress.clear();
    this.netif.receive(now);
    return Array.from({ length: this.ingress.count }, (_, i) => {
      const at = this.ingress.offset(i);
      return this.ingress.bytes.slice(at, at + this.ingress.length(i));
    });
  }
}

/** An IPv4 packet with `bytes` of a known stream in one segment. */
export function datagram(bytes: number, fields: Partial<FrameFields> = {}): Uint8Array {
  return buildFrame({ medium: "ip", fragment: 0, payload: streamBytes(7, bytes), ...fields });
}
