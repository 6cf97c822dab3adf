/** Counters: each call changes its own word, by the right amount, and wraps or carries. */
import { expect, test } from "vitest";
import { COUNTERS, Counter } from "../../../bindings/abi/counters.ts";
import { DROP_REASONS, DropReason } from "../../../bindings/abi/drop-reason.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../../../bindings/abi/memory-map.ts";
import { loadTesting } from "../../support/load-testing.ts";

interface CounterExports {
  count(core: number, counter: number): void;
  countBy(core: number, counter: number, n: bigint): void;
  countDrop(core: number, reason: number): void;
}

const { exports: counters, view } = loadTesting<CounterExports>();
const CORE = 4096;
const TABLE = 16384;
const DROPS = 20480;
view.setUint32(CORE + CORE_COUNTERS, TABLE, true);
view.setUint32(CORE + CORE_DROPS, DROPS, true);

const total = (counter: number): bigint => view.getBigUint64(TABLE + 8 * counter, true);
const drops = (reason: number): number => view.getUint32(DROPS + 4 * reason, true);

test("every counter counts for itself", () => {
  for (let counter = 0; counter < COUNTERS; counter += 1) {
    for (let times = 0; times <= counter; times += 1) counters.count(CORE, counter);
  }
  for (let counter = 0; counter < COUNTERS; counter += 1) {
    expect(total(counter)).toBe(BigInt(counter + 1));
  }
  expect(total(COUNTERS)).toBe(0n);
});

test("countBy adds 64 bits: a byte count goes past 2^32", () => {
  view.setBigUint64(TABLE + 8 * Counter.BytesIn, 0xffffffffn, true);
  counters.countBy(CORE, Counter.BytesIn, 2n);
  counters.countBy(CORE, Counter.BytesIn, 0n);
  expect(total(Counter.BytesIn)).toBe(0x100000001n);
});

test("every drop reason counts for itself and wraps at 2^32", () => {
  for (let reason = 1; reason < DROP_REASONS; reason += 1) counters.countDrop(CORE, reason);
  for (let reason = 1; reason < DROP_REASONS; reason += 1) expect(drops(reason)).toBe(1);
  expect([drops(DropReason.None), drops(DROP_REASONS)]).toEqual([0, 0]);
  view.setUint32(DROPS + 4 * DropReason.Paws, 0xffffffff, true);
  counters.countDrop(CORE, DropReason.Paws);
  expect([drops(DropReason.Paws), drops(DropReason.Paws + 1)]).toEqual([0, 1]);
});
