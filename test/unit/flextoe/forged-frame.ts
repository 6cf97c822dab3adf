/** Frames with header fields changed under right checksums, as a hostile or strange peer sends. */
import { fixChecksums } from "../../support/frames.ts";
import type { Random } from "../../support/random.ts";

/** A link header of Ethernet, then IPv4 or IPv6 without options, and TCP. */
export const IP = 14;

/** Where a frame's TCP header begins. */
export function tcpOf(frame: Uint8Array): number {
  return IP + ((frame[IP] as number) >>> 4 === 6 ? 40 : 20);
}

function shorten(view: DataView, at: number, bytes: number): void {
  view.setUint16(at, view.getUint16(at) - bytes);
}

/** Changes header fields, as an attacker or a strange peer would, and rights the checksums. */
export function forge(random: Random, original: Uint8Array): Uint8Array {
  const frame = new Uint8Array(original.length + (random.oneIn(8) ? random.between(1, 20) : 0));
  frame.set(original);
  const view = new DataView(frame.buffer);
  const TCP = tcpOf(original);
  const isIpv6 = TCP > IP + 20;
  // Sequence number, acknowledgment, and the timestamp's value when there is one.
  const number = random.pick([4, 8, original.length < TCP + 32 ? 4 : 24]) + TCP;
  const step = random.pick([-1, 1, 1, 1, 64, -64, 1000, -1000]);
  const any = random.between(IP, Math.min(original.length, TCP + 32) - 1);
  const flag = random.pick([0x01, 0x01, 0x08, 0x40, 0x80, 0x20]);
  random.pick([
    () => view.setUint32(number, view.getUint32(number) + step),
    () => view.setUint32(number, view.getUint32(number) + step),
    () => view.setUint16(TCP + 14, random.pick([0, 1, 100, 0xffff])),
    () => view.setUint8(TCP + 13, view.getUint8(TCP + 13) ^ flag),
    () => view.setUint8(IP + 1, random.pick(isIpv6 ? [0x10, 0x20, 0x30, 0xc0] : [1, 2, 3, 0xfc])),
    () => shorten(view, IP + (isIpv6 ? 4 : 2), random.between(1, 14)),
    () =>
      view.setUint16(
        IP + 6,
        random.pick(isIpv6 ? [0x63f, 0x2b40, 0x3c40] : [0, 0x2000, 0x8000, 1]),
      ),
    () => view.setUint8(any, view.getUint8(any) ^ (1 << random.below(8))),
    () => original.length < TCP + 32 || view.setUint32(TCP + 20, 0x0101080b),
  ])();
  fixChecksums(frame, "ethernet");
  return frame;
}
