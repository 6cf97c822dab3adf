/** Pools of hugepages: what may be reached, and the reason when not; the IOTLB by its misses. */
import { expect, test } from "vitest";
import { Access, AddressSpace, FAULTS } from "../../../host/pcie/address-space.ts";
import { HUGEPAGE_1G, HUGEPAGE_2M } from "../../../host/pcie/address-space.ts";
import type { Fault, PoolOptions } from "../../../host/pcie/address-space.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(8);
const BUS = 2 ** 32;
const ATX: PoolOptions = { name: "ATX", address: 65536, bytes: 3 * 2 ** 20, access: Access.Read };
const ARENA: PoolOptions = {
  name: "arena",
  address: 2 ** 26,
  bytes: 2 ** 27,
  pageBytes: HUGEPAGE_1G,
};

function space(): AddressSpace {
  const memory = new AddressSpace();
  expect(memory.map(ATX)).toBe(BUS);
  // Two pages of 2 MiB and one left out, then the next boundary of 1 GiB.
  expect(memory.map(ARENA)).toBe(BUS + HUGEPAGE_1G);
  return memory;
}

const { Read, Write } = Access;
const ROWS: readonly (readonly [number, number, Access, number | Fault, RegExp?])[] = [
  [BUS, 1, Read, 65536],
  [BUS + 4096, 32, Read, 65536 + 4096],
  [BUS + ATX.bytes - 1, 1, Read, 65536 + ATX.bytes - 1],
  [BUS + ATX.bytes - 1, 2, Read, "outOfBounds", /ATX at 0x100000000 and 3145728 bytes on, got 2 /],
  // The page exists on the bus, the memory does not.
  [BUS + ATX.bytes, 1, Read, "outOfBounds"],
  [
    BUS + 2 * HUGEPAGE_2M,
    1,
    Read,
    "unmapped",
    /an address of a mapped pool, got 1 bytes at 0x1004/,
  ],
  [BUS - 1, 1, Read, "unmapped"],
  [BUS, 32, Write, "permission", /pcie: expected ATX to be read only, got 32 bytes/],
  [BUS + HUGEPAGE_1G + 5, 1448, Write, 2 ** 26 + 5],
  [BUS + HUGEPAGE_1G, 2 ** 27, Read, 2 ** 26],
  [BUS + HUGEPAGE_1G, 2 ** 27 + 1, Read, "outOfBounds"],
  [65536, 4, Read, "unmapped"],
  [BUS, 0, Read, "outOfBounds"],
  [BUS, -1, Read, "outOfBounds"],
  [BUS, Number.MAX_SAFE_INTEGER, Read, "outOfBounds"],
  [BUS, Number.NaN, Read, "outOfBounds"],
  [BUS + 0.5, 1, Read, "outOfBounds"],
  [Number.NaN, 1, Read, "unmapped"],
  [Number.POSITIVE_INFINITY, 1, Read, "unmapped"],
];

test("every transfer is translated, or refused with its reason and counted", () => {
  const memory = space();
  const counted: Record<string, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  for (const [bus, bytes, access, answer, reason] of ROWS) {
    const got = memory.translate(bus, bytes, access);
    if (typeof answer === "number") {
      expect(got).toBe(answer);
      expect(memory.busAddress(answer)).toBe(bus);
      continue;
    }
    expect(got, `${bytes} at ${bus}`).toBe(-1);
    counted[answer] = (counted[answer] as number) + 1;
    expect(memory.reason()).toMatch(reason ?? /^pcie: expected .*, got /);
  }
  expect(memory.faults).toEqual(counted);
  expect(memory.busAddress(0)).toBe(-1);
});

test(`what is translated lies in the memory of one pool, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const memory = space();
  let good = 0;
  for (let run = 0; run < 3000; run += 1) {
    const base = random.pick([
      BUS,
      BUS + ATX.bytes,
      BUS + HUGEPAGE_1G,
      BUS + HUGEPAGE_1G + 2 ** 27,
    ]);
    const bus = base + random.between(-5000, 5000);
    const bytes = random.below(6000);
    const at = memory.translate(bus, bytes, Read);
    const inside = [ATX, ARENA].some(
      ({ address, bytes: all }) => at >= address && at + bytes <= address + all && bytes > 0,
    );
    expect(inside, `${bytes} at ${bus}`).toBe(at >= 0);
    if (at < 0) continue;
    good += 1;
    expect(memory.busAddress(at + bytes - 1)).toBe(bus + bytes - 1);
  }
  expect(good).toBeGreaterThan(600);
});

test("64 pages stay in the IOTLB; one more in turn misses every time", () => {
  for (const [pages, misses] of [
    [64, 64],
    [65, 65 * 4],
  ] as const) {
    const memory = new AddressSpace();
    const bus = memory.map({ name: "pool", address: 0, bytes: 65 * HUGEPAGE_2M });
    for (let look = 0; look < 4 * pages; look += 1) {
      memory.look(bus + (look % pages) * HUGEPAGE_2M + (look % 7));
    }
    expect([memory.misses, memory.hits + memory.misses]).toEqual([misses, 4 * pages]);
  }
});

test("the page that was used longest ago makes room", () => {
  const memory = new AddressSpace(2);
  const bus = memory.map({ name: "pool", address: 0, bytes: 3 * HUGEPAGE_2M });
  const look = (page: number): boolean => memory.look(bus + page * HUGEPAGE_2M);
  expect([0, 1, 0, 2, 0, 1].map(look)).toEqual([false, false, true, false, true, false]);
});

test("pools that cannot be are refused", () => {
  const memory = space();
  const map = (over: Partial<PoolOptions>) => () => memory.map({ ...ATX, ...over });
  expect(map({ bytes: 0 })).toThrow("pcie: expected a pool of 1 byte or more, got 0");
  expect(map({ address: -1 })).toThrow(/a pool's address of 0 or more, got -1/);
  expect(map({ bus: 4096 })).toThrow(/pcie: expected a bus address in steps of 2097152, got 4096/);
  expect(map({ bus: BUS + HUGEPAGE_2M })).toThrow(/expected a bus address that is free/);
  expect(map({ bus: 2 ** 48 })).toThrow(/48 bits/);
  expect(() => new AddressSpace(0)).toThrow("pcie: expected 1 IOTLB entry or more, got 0");
});
