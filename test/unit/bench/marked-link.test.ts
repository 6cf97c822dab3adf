/** bench/marked-link.ts: what it does to a SYN and to one frame in so many, by table. */
import { expect, test } from "vitest";
import { CORRUPT_EVERY, MarkedNetif, stripTimestamps } from "../../../bench/marked-link.ts";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { DirectNetif, joinDirect } from "../../../host/netif/direct-link.ts";
import { Burst } from "../../../host/netif/netif.ts";

const SYN = 0x02;
const ACK = 0x10;

/** An IPv4 and TCP header with these options; the TCP checksum covers the segment alone. */
function segment(flags: number, options: readonly number[]): Uint8Array {
  const frame = new Uint8Array(40 + options.length);
  frame[0] = 0x45;
  frame[32] = (20 + options.length) << 2;
  frame[33] = flags;
  frame.set([0x12, 0x34, 0x56, 0x78], 24);
  frame.set(options, 40);
  const check = ~sum(frame) & 0xffff;
  frame[36] = check >>> 8;
  frame[37] = check & 255;
  return frame;
}

function sum(frame: Uint8Array): number {
  let total = 0;
  for (let i = 20; i < frame.length; i += 1) total += (frame[i] as number) << (i & 1 ? 0 : 8);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

const STAMP = [8, 10, 1, 2, 3, 4, 5, 6, 7, 255];
const NOPS = Array.from({ length: 10 }, () => 1);
const MSS = [2, 4, 5, 0xb4];
const STRIP_ROWS: [string, number, number[], number[]][] = [
  ["behind the MSS, even", SYN, [...MSS, 1, 1, ...STAMP], [...MSS, 1, 1, ...NOPS]],
  ["at an odd offset", SYN | ACK, [1, ...STAMP, 3, 3, 7, 1, 1], [1, ...NOPS, 3, 3, 7, 1, 1]],
  ["none there", SYN, [...MSS], [...MSS]],
  ["behind the end of the list", SYN, [0, 1, ...STAMP], [0, 1, ...STAMP]],
  ["not a SYN", ACK, [1, 1, ...STAMP], [1, 1, ...STAMP]],
];

test("the timestamp option of a SYN becomes NOPs and the checksum stays right", () => {
  for (const [name, flags, options, expected] of STRIP_ROWS) {
    const bytes = new Uint8Array(64 + 100);
    const frame = segment(flags, options);
    bytes.set(frame, 64);
    stripTimestamps(bytes, 64);
    const after = bytes.subarray(64, 64 + frame.length);
    expect([...after.subarray(40)], name).toEqual(expected);
    expect(sum(after), name).toBe(0xffff);
  }
});

test("one data frame in CORRUPT_EVERY is changed in one bit, ACKs never", () => {
  const left = new DirectNetif(0, { medium: "ip" });
  const marked = new MarkedNetif(1, { medium: "ip" });
  joinDirect(left, marked);
  const words = FRAME_SIZE / 4;
  const ingress = new Burst(new Uint8Array(65_536), new Uint32Array(64 * words));
  marked.attach(ingress, 0);
  const egress = new Burst(new Uint8Array(4096), new Uint32Array(2 * words));
  let changed = 0;
  for (let i = 0; i < CORRUPT_EVERY + 5000; i += 1) {
    egress.clear();
    egress.push(new Uint8Array(40), 0);
    egress.push(new Uint8Array(1500), 0);
    ingress.clear();
    left.sendBurst(egress, 0, 2, 0);
    marked.receive();
    const at = ingress.offset(1) + 500;
    if (ingress.bytes[at] !== 0) changed += 1;
    egress.bytes.fill(0);
  }
  expect(left.frames).toBe(2 * (CORRUPT_EVERY + 5000));
  expect(marked.corrupted).toBe(3);
  expect(changed).toBe(3);
});

test("a frame that the stack holds is changed once, however often it is looked at", () => {
  const marked = new MarkedNetif(1, { medium: "ip" });
  const ingress = new Burst(new Uint8Array(4096), new Uint32Array(2 * (FRAME_SIZE / 4)));
  marked.attach(ingress, 0);
  ingress.push(new Uint8Array(1500), 0);
  for (let look = 0; look < 3 * CORRUPT_EVERY; look += 1) marked.receive();
  expect([marked.corrupted, ingress.bytes.some((byte) => byte !== 0)]).toEqual([1, true]);
});
