/**
 * Captures frames as pcapng: of a link as a tap (both directions, dropped frames with the reason
 * as their comment), or of any netif by wrapping it. Invariant: a tracer changes nothing about
 * the frames, their times or their order.
 *
 * ```ts
 * const writer = new PcapngWriter({ sink, snap: "headers" });
 * const world = new World({ seed, capture: captureLinks(writer) });
 * // or around one netif, here a TUN device:
 * const netif = new TracerNetif(await openTun({ mode: "tun" }), writer);
 * ```
 */
import type { FrameTap } from "./frame-tap.ts";
import type { Link } from "./link.ts";
import type { Burst, DropListener, Medium, Netif } from "./netif.ts";
import type { PcapngWriter } from "./pcapng.ts";

/** A tap for one link: an interface for each end, each frame outbound where it was sent. */
export function traceLink(
  writer: PcapngWriter,
  names: readonly [string, string],
  medium: Medium,
): FrameTap {
  const interfaces = names.map((name) => writer.addInterface(name, medium));
  return {
    frame: (time, side, bytes, offset, length, comment) => {
      const number = interfaces[side] as number;
      const direction = "outbound";
      writer.packet({ interface: number, time, direction, bytes, offset, length, comment });
    },
  };
}

/** For a World's `capture` option: traces every link of the world into one file. */
export function captureLinks(
  writer: PcapngWriter,
): (link: Link, names: readonly [string, string]) => FrameTap {
  return (link, names) => traceLink(writer, names, link.ends[0].medium);
}

/**
 * A netif that captures what passes through the one inside it. Frames that a direct link's peer
 * writes into the ingress burst do not pass through receive(): use that link's own `tap`.
 */
export class TracerNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  readonly #inner: Netif;
  readonly #writer: PcapngWriter;
  readonly #interface: number;
  #ingress: Burst | undefined;

  constructor(inner: Netif, writer: PcapngWriter) {
    this.name = inner.name;
    this.medium = inner.medium;
    this.mtu = inner.mtu;
    this.hardwareAddress = inner.hardwareAddress;
    this.#inner = inner;
    this.#writer = writer;
    this.#interface = writer.addInterface(inner.name, inner.medium);
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#inner.attach(ingress, index);
  }

  credit(now: number): number {
    return this.#inner.credit(now);
  }

  send(burst: Burst, index: number, now: number): void {
    this.#record(burst, index, now, "outbound");
    this.#inner.send(burst, index, now);
  }

  sendBurst(burst: Burst, from: number, count: number, now: number): void {
    for (let i = from; i < from + count; i += 1) this.#record(burst, i, now, "outbound");
    if (this.#inner.sendBurst) this.#inner.sendBurst(burst, from, count, now);
    else for (let i = from; i < from + count; i += 1) this.#inner.send(burst, i, now);
  }

  receive(now: number): void {
    const ingress = this.#ingress;
    if (ingress === undefined) return;
    const before = ingress.count;
    this.#inner.receive(now);
    for (let i = before; i < ingress.count; i += 1) this.#record(ingress, i, now, "inbound");
  }

  nextDeadline(): number {
    return this.#inner.nextDeadline();
  }

  creditDeadline(): number {
    return this.#inner.creditDeadline?.() ?? this.#inner.nextDeadline();
  }

  onReadable(wake: () => void): void {
    this.#inner.onReadable?.(wake);
  }

  onDropped(told: DropListener): void {
    this.#inner.onDropped?.(told);
  }

  /** Closes the inner netif and hands the last block to the writer's sink. */
  close(): void {
    this.#inner.close?.();
    this.#writer.flush();
  }

  #record(burst: Burst, index: number, time: number, direction: "inbound" | "outbound"): void {
    this.#writer.packet({
      interface: this.#interface,
      time,
      direction,
      bytes: burst.bytes,
      offset: burst.offset(index),
      length: burst.length(index),
    });
  }
}
