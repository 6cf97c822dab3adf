/**
 * What surrounds the stages of an RMT machine (dissertation 5.1.1): traffic manager, mirror,
 * recirculation, packet generator, meter. Times are worked out by hand: 100 Gbit/s are 80 ps a
 * byte, 300 Gbit/s 26.667.
 */
import { describe, expect, test } from "vitest";
import { laminarOver } from "../../../bench/rmt-machine.ts";
import { Verdict } from "../../../bindings/abi/rmt.ts";
import {
  Meters,
  Mirror,
  ModuleMemory,
  PacketGenerator,
  Recirculation,
  type RmtModuleCode,
  TrafficManager,
} from "../../../host/modelled/laminar/rmt-modules.ts";
import { loadRmtModule } from "../../support/load-core.ts";

const memory = (): ModuleMemory =>
  new ModuleMemory((m) => laminarOver(loadRmtModule(), m) as unknown as RmtModuleCode, 1 << 20);

describe("traffic manager", () => {
  /** Two ports of 100 Gbit/s behind a pipeline of a packet each ns. */
  function manager(options = { packets: 4, bytes: 4000 }): TrafficManager {
    const made = new TrafficManager(memory(), 1, 2);
    for (const port of [0, 1]) {
      made.setRate(port, 100);
      for (const priority of [0, 1, 2, 3]) made.setQueue(port, priority, options);
    }
    return made;
  }

  test("priority before age, and no port before its channel is free", () => {
    const tm = manager();
    for (const [priority, packet] of [
      [2, 12],
      [1, 11],
      [0, 10],
    ] as const) {
      expect(tm.enqueue(0, priority, packet, 1000)).toBe(Verdict.Taken);
    }
    expect([tm.dequeue(0), tm.dequeue(0)]).toEqual([10, 0]);
    // 1000 bytes at 80 ps.
    expect(tm.due).toBe(80);
    expect([tm.dequeue(79.999), tm.dequeue(80), tm.dequeue(160)]).toEqual([0, 11, 12]);
    expect(tm.due).toBe(Number.POSITIVE_INFINITY);
  });

  test("ports take turns, one packet of the pipeline a slot", () => {
    const tm = manager();
    tm.setRate(0, Number.POSITIVE_INFINITY);
    tm.setRate(1, Number.POSITIVE_INFINITY);
    for (const packet of [1, 2]) tm.enqueue(0, 0, packet, 64);
    for (const packet of [3, 4]) tm.enqueue(1, 0, packet, 64);
    expect([0, 0.5, 1, 2, 3].map((now) => tm.dequeue(now))).toEqual([1, 0, 3, 2, 4]);
  });

  test.each([
    ["packets", { packets: 2, bytes: 4000 }, 100, 2],
    ["bytes", { packets: 8, bytes: 300 }, 100, 3],
    ["bytes + 1", { packets: 8, bytes: 299 }, 100, 2],
    ["no bytes", { packets: 8, bytes: 0 }, 1, 0],
  ])("tail drop by %s", (_, options, bytes, taken) => {
    const tm = manager(options);
    const verdicts = [1, 2, 3, 4].map((packet) => tm.enqueue(0, 1, packet, bytes));
    const expected = verdicts.map((__, i) => (i < taken ? Verdict.Taken : Verdict.Dropped));
    expect(verdicts).toEqual(expected);
    expect(tm.drops).toBe(4 - taken);
    expect(tm.waiting(0, 1)).toBe(taken);
  });

  test("a lossless queue refuses and counts no drop; marks begin at its occupancy", () => {
    const tm = manager();
    const options = { packets: 4, bytes: 4000, lossless: true, markFrom: 2 };
    tm.setQueue(0, 0, options);
    const verdicts = [1, 2, 3, 4, 5].map((packet) => tm.enqueue(0, 0, packet, 64));
    expect(verdicts).toEqual([
      ...[Verdict.Taken, Verdict.Taken],
      ...[Verdict.Marked, Verdict.Marked, Verdict.Refused],
    ]);
    expect(tm.drops).toBe(0);
  });

  test("backpressure holds a port and no other, and loses nothing", () => {
    const tm = manager();
    tm.enqueue(0, 0, 1, 100);
    tm.enqueue(1, 0, 2, 100);
    tm.pause(0, true);
    expect([tm.dequeue(0), tm.dequeue(1000), tm.due]).toEqual([2, 0, Number.POSITIVE_INFINITY]);
    tm.pause(0, false);
    expect([tm.dequeue(1000), tm.drops]).toEqual([1, 0]);
  });

  test("a ring wraps", () => {
    const tm = manager();
    const out = Array.from({ length: 11 }, (_, i) => {
      tm.enqueue(0, 0, i + 1, 10);
      return tm.dequeue(i * 10);
    });
    expect(out).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });
});

describe("mirror", () => {
  test("a copy arrives after the delay, in order; a full line loses it", () => {
    const mirror = new Mirror(memory(), 300, 2, 0, 1);
    expect([mirror.send(1, 0), mirror.send(2, 10), mirror.send(3, 20)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([mirror.due, mirror.full]).toEqual([300, 1]);
    expect([299.999, 300, 300, 310, 999].map((now) => mirror.arrived(now))).toEqual([
      0, 1, 0, 2, 0,
    ]);
    expect(mirror.due).toBe(Number.POSITIVE_INFINITY);
  });

  test("xorshift32 of 1 begins 270369, 67634689: loss above them loses both", () => {
    // 270369 / 2^32 = 0.000063, 67634689 / 2^32 = 0.01575; the next, 2647435461, is 0.616.
    const sent = [0, 0.0001, 0.02, 0.7].map((loss) => {
      const mirror = new Mirror(memory(), 300, 8, loss, 1);
      const kept = [1, 2, 3].map((packet) => mirror.send(packet, 0));
      return [kept, mirror.lost];
    });
    expect(sent).toEqual([
      [[true, true, true], 0],
      [[false, true, true], 1],
      [[false, false, true], 2],
      [[false, false, false], 3],
    ]);
  });
});

describe("recirculation", () => {
  test("300 Gbit/s, then the loop: 300 bytes are 8 ns", () => {
    const loop = new Recirculation(memory(), 432, 8, 300, 20);
    expect([loop.send(1, 300, 0), loop.send(2, 300, 0)]).toEqual([true, true]);
    expect(loop.due).toBeCloseTo(440, 2);
    expect([loop.arrived(439), loop.arrived(441), loop.arrived(447)]).toEqual([0, 1, 0]);
    expect(loop.arrived(449)).toBe(2);
  });

  test("a port that is behind takes no more until it is not", () => {
    const loop = new Recirculation(memory(), 432, 8, 300, 20);
    for (const packet of [1, 2, 3]) expect(loop.send(packet, 300, 0)).toBe(true);
    // 24 ns of work, 20 allowed.
    expect(loop.room(0)).toBeCloseTo(4, 2);
    expect([loop.send(4, 300, 0), loop.full]).toEqual([false, 1]);
    expect([loop.room(5), loop.send(4, 300, 5)]).toEqual([5, true]);
  });

  test("no more on their way than the ring holds", () => {
    const loop = new Recirculation(memory(), 1e6, 2, 300, 1e6);
    expect([1, 2, 3].map((packet) => loop.send(packet, 64, 0))).toEqual([true, true, false]);
  });
});

describe("packet generator", () => {
  test("each active connection once a period, spread over it", () => {
    const generator = new PacketGenerator(memory(), 400, 4, 16);
    generator.touch(1, 0);
    generator.touch(3, 0);
    expect([0, 99, 100, 299, 300, 499, 500].map((now) => generator.next(now))).toEqual([
      undefined,
      undefined,
      1,
      undefined,
      3,
      undefined,
      1,
    ]);
    expect(generator.due).toBe(600);
  });

  test("a connection that sends nothing is paused after N periods, and wakes", () => {
    const generator = new PacketGenerator(memory(), 100, 1, 2);
    generator.touch(0, 50);
    // Turns at 0, 100, 200, 300; 50 and two periods end at 250.
    expect([0, 100, 200, 300].map((now) => generator.next(now))).toEqual([0, 0, 0, undefined]);
    generator.touch(0, 350);
    expect(generator.next(400)).toBe(0);
  });

  test("a call looks at 64 turns: the 65th is due at once", () => {
    const generator = new PacketGenerator(memory(), 100, 100, 16);
    generator.touch(64, 0);
    expect([generator.next(100), generator.due]).toEqual([undefined, 64]);
    expect(generator.next(100)).toBe(64);
  });
});

describe("meter", () => {
  test("100 Gbit/s, 80 ns of it saved: two packets of 1000 bytes, then one each 80 ns", () => {
    const meters = new Meters(memory(), 2);
    meters.set(1, 100, 80, Verdict.Dropped);
    const [taken, dropped] = [Verdict.Taken, Verdict.Dropped];
    const at = [500, 500, 500, 579, 580, 580, 1000, 1000, 1000];
    const expected = [taken, taken, dropped, dropped, taken, dropped, taken, taken, dropped];
    expect(at.map((now) => meters.pass(1, 1000, now))).toEqual(expected);
    expect([meters.exceeded(1), meters.exceeded(0)]).toEqual([4, 0]);
  });

  test("marks instead, and without a rate everything conforms", () => {
    const meters = new Meters(memory(), 2);
    meters.set(0, 100, 80, Verdict.Marked);
    expect([0, 0].map((now) => meters.pass(0, 1000, now))).toEqual([Verdict.Taken, Verdict.Marked]);
    meters.set(1, Number.POSITIVE_INFINITY, 0, Verdict.Dropped);
    expect(meters.pass(1, 1e6, 0)).toBe(Verdict.Taken);
  });
});
