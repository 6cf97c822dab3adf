/**
 * Goal: each fault happens as often as its option says, from a stream of its own; marks and bit
 * errors change what they should and nothing else. Method: long seeded runs, exact bytes.
 */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import {
  FaultInjector,
  type FaultOptions,
  ipOffset,
  markCongestion,
} from "../../../host/netif/fault-injector.ts";
import type { FrameTap } from "../../../host/netif/frame-tap.ts";
import { createLink } from "../../../host/netif/link.ts";
import { Burst } from "../../../host/netif/netif.ts";
import { Prng } from "../../../host/prng.ts";

const FRAME = new Uint8Array(100);
const RUN = 50_000;

interface Fates {
  lost: boolean[];
  late: boolean[];
  twice: boolean[];
  corrupt: number[];
  mark: boolean[];
  jitter: number[];
}

function fates(options: FaultOptions, seed = 5, run = RUN): Fates {
  const faults = new FaultInjector(options, new Prng(seed));
  const out: Fates = { lost: [], late: [], twice: [], corrupt: [], mark: [], jitter: [] };
  for (let i = 0; i < run; i += 1) {
    faults.judge(FRAME, 0, FRAME.length, 0);
    out.lost.push(faults.drop !== undefined);
    out.late.push(faults.late > 0);
    out.twice.push(faults.duplicate);
    out.corrupt.push(faults.corruptBit);
    out.mark.push(faults.mark);
    out.jitter.push(faults.jitter);
  }
  return out;
}

const share = (values: boolean[]): number => values.filter(Boolean).length / values.length;

test("each fault has its probability", () => {
  for (const p of [0.001, 0.01, 0.1, 0.5, 1]) {
    const options = { loss: p, reorder: p, duplicate: p, corrupt: p, mark: p };
    const got = fates(options);
    const hits = [got.lost, got.late, got.twice, got.corrupt.map((bit) => bit >= 0), got.mark];
    // Five standard deviations of a binomial share.
    for (const hit of hits) {
      expect(Math.abs(share(hit) - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / RUN));
    }
  }
  const none = fates({}, 5, 100);
  expect([share(none.lost), share(none.late), share(none.twice), share(none.mark)]).toEqual([
    0, 0, 0, 0,
  ]);
  expect(new Set(none.corrupt)).toEqual(new Set([-1]));
});

test("one option does not move the draws of another", () => {
  const alone = fates({ loss: 0.02 }, 9, 5000);
  const rest = { burstLoss: 0, reorder: 0.3, duplicate: 0.1, corrupt: 0.2, mark: 0.5, jitter: 99 };
  expect(fates({ loss: 0.02, ...rest }, 9, 5000).lost).toEqual(alone.lost);
  const marks = fates({ mark: 0.5 }, 9, 5000);
  expect(fates({ loss: 0.02, ...rest }, 9, 5000).mark).toEqual(marks.mark);
  expect(fates({ loss: 0.02 }, 10, 5000).lost).not.toEqual(alone.lost);
});

test("bursty loss: the share and the mean length of bursts (Gilbert-Elliott)", () => {
  for (const [burstLoss, meanBurst] of [
    [0.01, 4],
    [0.05, 10],
    [0.2, 1],
    [0.3, 3],
  ] as const) {
    const { lost } = fates({ burstLoss, meanBurst }, 21, 400_000);
    expect(share(lost) / burstLoss).toBeCloseTo(1, 0.7);
    let bursts = 0;
    for (let i = 1; i < lost.length; i += 1) if (lost[i] && !lost[i - 1]) bursts += 1;
    const length = lost.filter(Boolean).length / bursts;
    expect(length / meanBurst).toBeCloseTo(1, 0.7);
  }
});

test("a burst goes on over a silence as long as burstSilence, and ends with a longer one", () => {
  for (const [silence, least, most] of [
    [10, 0.85, 0.9],
    [11, 0, 0.03],
  ] as const) {
    const options = { burstLoss: 0.1, meanBurst: 8, burstSilence: 10 };
    const faults = new FaultInjector(options, new Prng(3));
    let now = 0;
    const isLost = (after: number): boolean => {
      now += after;
      faults.judge(FRAME, 0, FRAME.length, now);
      return faults.drop !== undefined;
    };
    let again = 0;
    for (let i = 0; i < 5000; i += 1) {
      while (!isLost(1));
      if (isLost(silence)) again += 1;
    }
    expect(again / 5000).toBeGreaterThanOrEqual(least);
    expect(again / 5000).toBeLessThan(most);
  }
});

test("jitter is uniform and bounded, corrupted bits lie within the frame", () => {
  const { jitter, corrupt } = fates({ jitter: 1000, corrupt: 1 });
  expect(Math.min(...jitter)).toBe(0);
  expect(Math.max(...jitter)).toBe(999);
  expect(Math.min(...corrupt)).toBe(0);
  expect(Math.max(...corrupt)).toBe(FRAME.length * 8 - 1);
});

test("a rule drops exactly what it names", () => {
  const faults = new FaultInjector(
    { rule: (frame, n) => n === 2 || frame.length === 7 },
    new Prng(1),
  );
  const causes = [9, 9, 9, 9, 7].map((length) => {
    faults.judge(FRAME, 0, length, 0);
    return faults.drop;
  });
  expect(causes).toEqual([undefined, undefined, "rule", undefined, "rule"]);
});

test("bad values are named", () => {
  const rows: [FaultOptions, string][] = [
    [{ loss: -0.1 }, "faults.loss: expected a probability 0..1, got -0.1"],
    [{ burstLoss: 1 }, "faults.burstLoss: expected a probability 0..0.99, got 1"],
    [{ mark: Number.NaN }, "faults.mark: expected a probability 0..1, got NaN"],
    [{ meanBurst: 0.5 }, "faults.meanBurst: expected frames >= 1, got 0.5"],
    [{ jitter: -1 }, "faults.jitter: expected ns >= 0, got -1"],
    [{ reorderDelay: Number.POSITIVE_INFINITY }, "faults.reorderDelay: expected ns >= 0"],
  ];
  for (const [options, message] of rows) {
    expect(() => new FaultInjector(options, new Prng(1))).toThrow(message);
  }
});

/** RFC 1071 over the IPv4 header: 0xffff when the checksum is right. */
function headerSum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += ((bytes[at + i] ?? 0) << 8) | (bytes[at + i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

function ipv4(link: number[], tos: number, identification: number): Uint8Array {
  const bytes = new Uint8Array(link.length + 40);
  bytes.set(link);
  const ip = link.length;
  bytes.set([0x45, tos, 0, 40, identification >>> 8, identification & 255, 0x40, 0, 64, 6], ip);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], ip + 12);
  const sum = ~headerSum(bytes, ip) & 0xffff;
  bytes.set([sum >>> 8, sum & 255], ip + 10);
  return bytes;
}

test("CE marks only ECN-capable packets and keeps the IPv4 checksum (RFC 3168, RFC 1624)", () => {
  const ether = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0];
  const vlan = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x81, 0, 0, 5, 0x08, 0];
  for (const link of [[], ether, vlan]) {
    const medium = link.length === 0 ? "ip" : "ethernet";
    for (let identification = 0; identification < 0x10000; identification += 257) {
      for (const tos of [0, 1, 2, 3, 0xb8, 0xba, 0xfd]) {
        const frame = ipv4(link, tos, identification);
        const before = frame.slice();
        const capable = (tos & 3) !== 0;
        expect(markCongestion(frame, 0, frame.length, medium)).toBe(capable);
        expect(frame[link.length + 1]).toBe(capable ? tos | 3 : tos);
        expect(headerSum(frame, link.length)).toBe(0xffff);
        before.set(frame.subarray(link.length, link.length + 12), link.length);
        expect(before.every((byte, i) => byte === frame[i])).toBe(true);
      }
    }
  }
});

test("CE marks IPv6, and leaves ARP and short frames alone", () => {
  for (const [ecn, want] of [
    [0, 0],
    [1, 3],
    [2, 3],
    [3, 3],
  ] as const) {
    const packet = new Uint8Array(40);
    packet.set([0x60 | 0xa, (ecn << 4) | 0x5]);
    markCongestion(packet, 0, 40, "ip");
    expect([packet[0], packet[1]]).toEqual([0x6a, (want << 4) | 0x5]);
  }
  const arp = new Uint8Array(60);
  arp.set([0x08, 0x06], 12);
  expect(markCongestion(arp, 0, 60, "ethernet")).toBe(false);
  expect(markCongestion(new Uint8Array(19).fill(0x45), 0, 19, "ip")).toBe(false);
  expect(ipOffset(Uint8Array.of(8, 0), 0, 2, "ethernet")).toBe(-1);
  expect(markCongestion(new Uint8Array(20).fill(0x77), 0, 20, "ip")).toBe(false);
});

test("the link applies each fault once, counts it, and tells its taps", () => {
  const notes: string[] = [];
  const tap: FrameTap = {
    frame: (_now, _side, bytes, offset, length, note) => {
      notes.push(note);
      expect([...bytes.subarray(offset, offset + length)]).toEqual([...ipv4([], 2, 7)]);
    },
  };
  const rows: [FaultOptions, string, (bytes: Uint8Array[]) => boolean][] = [
    [{}, "", (got) => got.length === 1],
    [{ loss: 1 }, "dropped: loss", (got) => got.length === 0],
    [{ burstLoss: 0.99, meanBurst: 1 }, "dropped: burst loss", (got) => got.length === 0],
    [{ rule: () => true }, "dropped: rule", (got) => got.length === 0],
    [{ duplicate: 1 }, "duplicated", (got) => got.length === 2],
    [{ reorder: 1 }, "reordered", (got) => got.length === 1],
    [{ mark: 1 }, "marked: CE", (got) => got[0]?.[1] === 3],
    [{ corrupt: 1 }, "corrupted: bit", (got) => flipped(got[0]) === 1],
  ];
  for (const [faults, note, check] of rows) {
    const link = createLink({ medium: "ip", faults, taps: [tap], seed: 4 });
    const out = new Burst(new Uint8Array(64), new Uint32Array(FRAME_SIZE / 4));
    out.push(ipv4([], 2, 7), 0);
    link.ends[0].send(out, 0, 0);
    const ingress = new Burst(new Uint8Array(512), new Uint32Array(FRAME_SIZE));
    link.ends[1].attach(ingress, 0);
    link.ends[1].receive(1e9);
    const got = Array.from({ length: ingress.count }, (_, i) =>
      ingress.bytes.slice(ingress.offset(i), ingress.offset(i) + ingress.length(i)),
    );
    expect(notes.at(-1)?.startsWith(note) && check(got), note).toBe(true);
    expect(note === "" ? notes.at(-1) : "").toBe("");
  }
  expect(notes.length).toBe(rows.length);
});

function flipped(got: Uint8Array | undefined): number {
  let bits = 0;
  for (const [i, byte] of ipv4([], 2, 7).entries()) {
    for (let x = byte ^ (got?.[i] ?? 0); x !== 0; x &= x - 1) bits += 1;
  }
  return bits;
}
