/** Loads and stores of the host: order, combining, and what a load costs. */
import { expect, test } from "vitest";
import { LinkTiming } from "../../../host/pcie/link-timing.ts";
import { Mmio } from "../../../host/pcie/mmio.ts";
import { Direction, Pcie, Tlp } from "../../../host/pcie/tlp.ts";

const pcie = new Pcie();
const WAITS = Number.POSITIVE_INFINITY;

test("a store is posted: seen one way later, in order, and the core does not wait", () => {
  const mmio = new Mmio({ pcie });
  const first = mmio.write(100, 0, 4);
  const second = mmio.write(100, 4096, 4);
  expect(first).toBeCloseTo(100 + pcie.wireNs(28) + 180, 9);
  expect(second - first).toBeCloseTo(pcie.wireNs(28), 9);
  expect([mmio.writes, mmio.reads, mmio.counters.tlps(Tlp.MWr)]).toEqual([2, 0, 2]);
  expect(mmio.counters.wireBytes(Direction.ToDevice)).toBe(56);
});

test("a load takes the round trip, eight bytes at a time, and is counted", () => {
  const mmio = new Mmio({ pcie });
  expect(mmio.read(50, 0, 4)).toBe(50 + 1292);
  expect(mmio.read(2000, 64, 32)).toBe(2000 + 4 * 1292);
  expect([mmio.reads, mmio.counters.tlps(Tlp.MRd), mmio.counters.tlps(Tlp.CplD)]).toEqual([
    5, 5, 5,
  ]);
});

test("combined stores of a line are one TLP", () => {
  const mmio = new Mmio({ pcie, combine: true });
  for (let at = 0; at < 56; at += 8) expect(mmio.write(0, at, 8)).toBe(WAITS);
  expect(mmio.write(0, 56, 8)).toBeCloseTo(pcie.wireNs(88) + 180, 9);
  expect([mmio.combined, mmio.counters.tlps(Tlp.MWr)]).toEqual([7, 1]);
  expect(mmio.flush(7)).toBe(7);
});

test("another line, a fence and a load push out what waits, and nothing twice", () => {
  const mmio = new Mmio({ pcie, combine: true });
  const tlps = (): number => mmio.counters.tlps(Tlp.MWr);
  mmio.write(0, 0, 4);
  expect(tlps()).toBe(0);
  expect(mmio.write(0, 128, 4)).toBe(WAITS);
  expect(tlps()).toBe(1);
  expect(mmio.flush(0)).toBeLessThan(WAITS);
  expect([mmio.flush(0), tlps()]).toEqual([0, 2]);
  mmio.write(0, 132, 4);
  mmio.read(0, 512, 4);
  expect(tlps()).toBe(3);
  // A store across two lines is a TLP for each.
  mmio.write(0, 60, 8);
  expect(tlps()).toBe(5);
  expect(mmio.combined).toBe(0);
});

test("doorbells share the link with completions", () => {
  const link = new LinkTiming(pcie);
  const mmio = new Mmio({ pcie, link });
  const busy = link.send(Direction.ToDevice, 0, 4000);
  expect(mmio.write(0, 0, 4)).toBeCloseTo(busy + pcie.wireNs(28) + 180, 9);
});
