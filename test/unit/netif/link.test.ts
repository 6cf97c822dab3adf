/**
 * Goal: rate, delay, queue and credit by the arithmetic of the model; every frame delivered whole,
 * in order, or counted. Method: a sender and a receiver in virtual time, exact times compared.
 */
import { expect, test } from "vitest";
import { FRAME_SIZE } from "../../../bindings/abi/descriptor.ts";
import { createLink, type Link, type LinkOptions } from "../../../host/netif/link.ts";
import { Burst } from "../../../host/netif/netif.ts";
import { Prng } from "../../../host/prng.ts";

function burst(frames: number, bytes = frames * 1536): Burst {
  return new Burst(new Uint8Array(bytes), new Uint32Array((frames * FRAME_SIZE) / 4));
}

/** Frame number in the first four bytes, a pattern that depends on it in the rest. */
function numbered(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).map((_, i) => number * 31 + i * 7);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** Byte by byte; vitest's own comparison takes a millisecond a frame. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

interface Arrival {
  readonly number: number;
  readonly time: number;
}

/** Delivers everything in the order of deadlines; checks that each frame is whole. */
function drain(link: Link, side: 0 | 1, length: (number: number) => number): Arrival[] {
  const ingress = burst(16);
  const end = link.ends[side];
  end.attach(ingress, 5);
  const arrivals: Arrival[] = [];
  while (end.nextDeadline() < Number.POSITIVE_INFINITY) {
    const time = end.nextDeadline();
    end.receive(time - 1);
    expect(ingress.count).toBe(0);
    end.receive(time);
    expect(ingress.count).toBeGreaterThan(0);
    for (let i = 0; i < ingress.count; i += 1) {
      const at = ingress.offset(i);
      const frame = ingress.bytes.slice(at, at + ingress.length(i));
      const number = new DataView(frame.buffer).getUint32(0);
      expect(same(frame, numbered(number, length(number)))).toBe(true);
      expect(ingress.netif(i)).toBe(5);
      arrivals.push({ number, time });
    }
    ingress.clear();
  }
  return arrivals;
}

function send(link: Link, side: 0 | 1, number: number, length: number, now: number): void {
  const out = burst(1);
  out.push(numbered(number, length), 0);
  link.ends[side].send(out, 0, now);
}

test("a frame takes (length + overhead) * 8 / rate + delay", () => {
  const rows: [LinkOptions, number, number][] = [
    [{ medium: "ip", rate: 1e9, delay: 1e6 }, 1500, 12_000 + 1e6],
    [{ medium: "ip", rate: 8e9 }, 100, 100],
    [{ medium: "ethernet", rate: 8e9 }, 100, 124],
    [{ medium: "ip", rate: 3e9 }, 100, 267],
    [{ delay: 5 }, 1514, 5],
    [{}, 60, 0],
    [{ medium: "ip", rate: 8, delay: 1e9 }, 60, 60e9 + 1e9],
  ];
  for (const [options, length, want] of rows) {
    for (const side of [0, 1] as const) {
      const link = createLink(options);
      send(link, side, 1, length, 1000);
      const got = drain(link, side === 0 ? 1 : 0, () => length);
      expect(got).toEqual([{ number: 1, time: 1000 + want }]);
      expect(link.counters(side)).toMatchObject({ frames: 1, bytes: length, delivered: 1 });
    }
  }
});

test("frames wait for the wire one after the other, and directions do not share it", () => {
  const link = createLink({ medium: "ip", rate: 8e9, reverse: { rate: 4e9, delay: 10 } });
  for (let i = 0; i < 3; i += 1) send(link, 0, i, 1000, 0);
  send(link, 1, 7, 1000, 0);
  send(link, 0, 3, 1000, 10_000);
  expect(drain(link, 1, () => 1000).map((a) => a.time)).toEqual([1000, 2000, 3000, 11_000]);
  expect(drain(link, 0, () => 1000)).toEqual([{ number: 7, time: 2010 }]);
});

test("the queue drops at its tail: by bytes and by frames", () => {
  const rows: [LinkOptions, number][] = [
    [{ medium: "ip", rate: 8e6, queue: { bytes: 5000 } }, 5],
    [{ medium: "ip", rate: 8e6, queue: { frames: 3 } }, 3],
    [{ medium: "ip", rate: 8e6, queue: { bytes: 1 } }, 1],
    [{ medium: "ip", rate: 8e6 }, 20],
  ];
  for (const [options, want] of rows) {
    const link = createLink(options);
    for (let i = 0; i < 20; i += 1) send(link, 0, i, 1000, 0);
    expect(link.counters(0).dropped.queue).toBe(20 - want);
    const got = drain(link, 1, () => 1000);
    expect(got.map((a) => a.number)).toEqual(Array.from({ length: want }, (_, i) => i));
    // Once the wire is free the queue takes frames again.
    send(link, 0, 99, 1000, 1e9);
    expect(drain(link, 1, () => 1000)).toEqual([{ number: 99, time: 1e9 + 1e6 }]);
  }
});

test("a frame that finds more than markBytes waiting is marked, if it is ECN-capable", () => {
  const queue = { markBytes: 2000 };
  // The queue that each frame of 1,000 bytes finds: 0, 1,000, 2,000, 3,000, ...
  const link = createLink({ medium: "ip", rate: 8e6, queue });
  const ingress = burst(16);
  link.ends[1].attach(ingress, 0);
  const out = burst(16);
  [2, 2, 2, 2, 0, 1, 3].forEach((tos) => {
    const frame = new Uint8Array(1000);
    frame.set([0x45, tos]);
    out.push(frame, 0);
  });
  for (let i = 0; i < 7; i += 1) link.ends[0].send(out, i, 0);
  link.ends[1].receive(1e9);
  const codes = Array.from({ length: 7 }, (_, i) => ingress.bytes[ingress.offset(i) + 1]);
  expect(codes).toEqual([2, 2, 2, 3, 0, 3, 3]);
  expect(link.counters(0)).toMatchObject({ marked: 3, delivered: 7 });
  expect(() => createLink({ queue: { markBytes: -1 } })).toThrow(
    "link.queue.markBytes: expected at least 0, got -1",
  );
});

test("with backpressure credit falls to 0, comes back on time, and nothing is dropped", () => {
  for (const queue of [{ bytes: 4000 }, { frames: 2 }, { bytes: 1 }]) {
    const link = createLink({ medium: "ip", rate: 7e6, queue, backpressure: true });
    const sender = link.ends[0];
    let now = 0;
    let sent = 0;
    while (sent < 50) {
      const credit = sender.credit(now);
      if (credit === 0) {
        const back = sender.nextDeadline();
        expect(sender.creditDeadline?.()).toBe(back);
        expect(back).toBeGreaterThan(now);
        now = back;
        expect(sender.credit(now), `at ${now}`).toBeGreaterThan(0);
        continue;
      }
      for (let i = 0; i < credit && sent < 50; i += 1) send(link, 0, sent++, 1500, now);
    }
    expect(link.counters(0).dropped.queue).toBe(0);
    expect(drain(link, 1, () => 1500).length).toBe(50);
    sender.credit(now + 1e12);
    expect(sender.creditDeadline?.()).toBe(Number.POSITIVE_INFINITY);
    expect(sender.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  }
});

test("a full ingress burst delays frames, in order, without loss", () => {
  const link = createLink({ delay: 3 });
  for (let i = 0; i < 10; i += 1) send(link, 0, i, 100, 0);
  const ingress = burst(4);
  link.ends[1].attach(ingress, 0);
  const got: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    link.ends[1].receive(3);
    for (let i = 0; i < ingress.count; i += 1) {
      got.push(new DataView(ingress.bytes.buffer).getUint32(ingress.offset(i)));
    }
    ingress.clear();
  }
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("frames that are too long, and all while the link is down, are counted drops", () => {
  const link = createLink({ mtu: 1500 });
  send(link, 0, 1, 1518, 0);
  send(link, 0, 2, 1519, 0);
  link.down = true;
  send(link, 0, 3, 60, 0);
  link.down = false;
  send(link, 0, 4, 60, 0);
  expect(link.counters(0).dropped).toMatchObject({ size: 1, down: 1 });
  const lengths: Record<number, number> = { 1: 1518, 4: 60 };
  expect(drain(link, 1, (n) => lengths[n] ?? 0).map((a) => a.number)).toEqual([1, 4]);
});

test("random lengths, reordering, duplicates and slow readers: every frame comes out whole", () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const prng = new Prng(seed);
    const faults = { reorder: 0.2, reorderDelay: 40_000, duplicate: 0.1, jitter: 5000 };
    const queue = { bytes: 20_000 };
    const link = createLink({ rate: 1e9, delay: 30_000, faults, queue, seed });
    const lengthOf = (n: number): number => 60 + ((n * 7919) % 1450);
    const ingress = burst(8);
    link.ends[1].attach(ingress, 5);
    const got: number[] = [];
    let now = 0;
    const take = (): void => {
      link.ends[1].receive(now);
      for (let i = 0; i < ingress.count; i += 1) {
        const at = ingress.offset(i);
        const frame = ingress.bytes.slice(at, at + ingress.length(i));
        const number = new DataView(frame.buffer).getUint32(0);
        const whole = same(frame, numbered(number, lengthOf(number)));
        expect(whole, `seed ${seed}, frame ${number}`).toBe(true);
        got.push(number);
      }
      ingress.clear();
    };
    for (let i = 0; i < 600; i += 1) {
      send(link, 0, i, lengthOf(i), now);
      now += prng.below(16_000);
      if (prng.below(4) === 0) take();
    }
    while (link.ends[1].nextDeadline() < Number.POSITIVE_INFINITY) {
      now = Math.max(now, link.ends[1].nextDeadline());
      take();
    }
    const counters = link.counters(0);
    expect(got.length, `seed ${seed}`).toBe(600 - counters.dropped.queue + counters.duplicated);
    expect(counters.delivered).toBe(got.length);
    expect(counters.reordered).toBeGreaterThan(60);
  }
});

test("bad options are named", () => {
  const rows: [LinkOptions, string][] = [
    [{ rate: 0 }, "link.rate: expected bits/s above 0, got 0"],
    [{ rate: Number.NaN }, "link.rate: expected bits/s above 0, got NaN"],
    [{ delay: -1 }, "link.delay: expected ns >= 0, got -1"],
    [{ queue: { bytes: 0 } }, "link.queue.bytes: expected at least 1, got 0"],
    [{ queue: { frames: 1.5 } }, "link.queue.frames: expected 1..1000000, got 1.5"],
    [{ reverse: { delay: Number.POSITIVE_INFINITY } }, "link.delay: expected ns >= 0"],
    [{ faults: { loss: 2 } }, "faults.loss: expected a probability 0..1, got 2"],
  ];
  for (const [options, message] of rows) expect(() => createLink(options)).toThrow(message);
});
