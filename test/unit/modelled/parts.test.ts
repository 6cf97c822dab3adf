/** The parts of the machine model one by one: caches, threads, the bus, reorder points. */
import { expect, test } from "vitest";
import { DirectCache, LruCache } from "../../../host/modelled/cache.ts";
import { constantsOf } from "../../../host/modelled/machine.ts";
import { BLUEFIELD, X86 } from "../../../host/modelled/machines/host-cores.ts";
import { NFP_4000 } from "../../../host/modelled/machines/nfp-4000.ts";
import { NFP_LX } from "../../../host/modelled/machines/nfp-lx.ts";
import { type PcieDescription, PcieLink } from "../../../host/modelled/pcie-timing.ts";
import { Processor } from "../../../host/modelled/processor.ts";
import { ReorderPoint } from "../../../host/modelled/reorder-point.ts";
import { Simulation } from "../../../host/modelled/simulation.ts";

test("a CAM of 16 holds the 16 used last", () => {
  const cam = new LruCache(16);
  for (let key = 0; key < 16; key += 1) expect(cam.touch(key)).toBe(false);
  expect(cam.touch(0)).toBe(true);
  expect(cam.touch(16)).toBe(false);
  // 1 was used longest ago, 0 just now.
  expect([cam.touch(1), cam.touch(0)]).toEqual([false, true]);
});

test("a direct-mapped cache of 512 holds one of two keys 512 apart", () => {
  const cls = new DirectCache(512);
  expect([cls.touch(7), cls.touch(7), cls.touch(519), cls.touch(7)]).toEqual([
    false,
    true,
    false,
    false,
  ]);
});

test.each([
  // One thread waits for memory by itself; two hide a wait as long as their computing.
  [1, 400],
  [2, 250],
  [4, 230],
])("four items of 50 ns and 50 ns of waiting on %i threads: %i ns at most", (threads, most) => {
  const simulation = new Simulation();
  const processor = new Processor(simulation, threads);
  let left = 4;
  let finished = 0;
  const next = (): void => {
    while (left > 0 && processor.free > 0) {
      left -= 1;
      processor.take({ computeNs: 50, stallNs: 50 }, () => {
        finished += 1;
        next();
      });
    }
  };
  next();
  simulation.runUntil(() => finished === 4);
  expect(simulation.now).toBeLessThanOrEqual(most);
  expect(simulation.now).toBeGreaterThanOrEqual(threads === 1 ? 400 : 200);
  expect(processor.busyNs).toBe(200);
});

test("the bus keeps to its bounds in flight, of all and of each queue", () => {
  const description: PcieDescription = {
    latencyNs: 1000,
    bytesPerNs: 8,
    headerBytes: 24,
    payloadBytes: 256,
    inFlight: 3,
    queues: { atx: 1, arx: 8, tx: 8, rx: 8 },
  };
  const simulation = new Simulation();
  const bus = new PcieLink(simulation, description);
  const arrived: number[] = [];
  for (let i = 0; i < 2; i += 1) bus.transfer("atx", 8, 0, () => arrived.push(simulation.now));
  // 8 bytes and a header: 4 ns of wire, then the latency; the second waits for the first.
  simulation.runUntil(() => arrived.length === 2);
  expect(arrived).toEqual([1004, 2008]);
  for (let i = 0; i < 9; i += 1) bus.transfer("tx", 1024, 0, () => arrived.push(simulation.now));
  simulation.runUntil(() => arrived.length === 11);
  expect(bus.peak).toBe(3);
});

test("a reorder point releases in order, what left early included; off it does not", () => {
  for (const isOn of [true, false]) {
    const released: string[] = [];
    const point = new ReorderPoint<string>(isOn, (item) => released.push(item));
    const numbers = ["a", "b", "c", "d"].map((item) => [point.assign(), item] as const);
    const submit = (i: number, gone = false): void =>
      point.submit(numbers[i]?.[0] as number, gone ? undefined : numbers[i]?.[1]);
    submit(2);
    submit(1, true);
    submit(3);
    submit(0);
    expect(released).toEqual(isOn ? ["a", "c", "d"] : ["c", "d", "a"]);
    expect(point.overtaken).toBe(2);
  }
});

test("a number that comes back twice is an error", () => {
  const point = new ReorderPoint<string>(true, () => {});
  const number = point.assign();
  point.submit(number, "a");
  expect(() => point.submit(number, "a")).toThrow("once, got it again");
});

test("every constant of every machine says where it is from; one of the NFP is fitted", () => {
  for (const machine of [NFP_4000, NFP_LX, X86, BLUEFIELD]) {
    const constants = constantsOf(machine);
    expect(constants.length).toBeGreaterThan(20);
    for (const [name, { source, value }] of constants) {
      expect(source.length, `${machine.name} ${name}`).toBeGreaterThan(4);
      expect(Number.isFinite(value)).toBe(true);
    }
  }
  const fitted = constantsOf(NFP_4000).filter(([, { origin }]) => origin === "fitted");
  expect(fitted.map(([name]) => name)).toEqual(["cyclesPerInstruction"]);
});
