/** Big-endian fields: every routine against DataView, at every alignment, with neighbours kept. */
import { expect, test } from "vitest";
import { loadTesting } from "../../support/load-testing.ts";

interface BytesExports {
  /** How many arguments the next calls pass: asc's way to call a function with optional ones. */
  __setArgumentsLength(count: number): void;
  load16be(address: number, offset?: number): number;
  load32be(address: number, offset?: number): number;
  store16be(address: number, value: number, offset?: number): void;
  store32be(address: number, value: number, offset?: number): void;
}

const { exports: bytes, view } = loadTesting<BytesExports>();
const BASE = 4096;
const VALUES = [0, 1, 0x00ff, 0x0102, 0x7fff, 0x8000, 0xffff, 0x01020304, 0x80000000, 0xffffffff];

test("loads read network order at any alignment and offset", () => {
  bytes.__setArgumentsLength(2);
  for (let shift = 0; shift < 8; shift += 1) {
    for (const value of VALUES) {
      view.setUint32(BASE + shift + 12, value);
      expect(bytes.load32be(BASE + shift, 12) >>> 0).toBe(value);
      expect(bytes.load16be(BASE + shift, 14)).toBe(value & 0xffff);
    }
  }
});

test("stores write network order, truncate to the width and touch nothing beside", () => {
  bytes.__setArgumentsLength(3);
  for (let shift = 0; shift < 8; shift += 1) {
    for (const value of VALUES) {
      const at = BASE + shift + 20;
      for (let i = -4; i < 8; i += 1) view.setUint8(at + i, 0xa5);
      bytes.store32be(BASE + shift, value, 20);
      expect([view.getUint8(at - 1), view.getUint32(at), view.getUint8(at + 4)]).toEqual([
        0xa5,
        value,
        0xa5,
      ]);
      view.setUint16(at + 2, 0xa5a5);
      bytes.store16be(BASE + shift, value, 20);
      expect([view.getUint8(at - 1), view.getUint16(at), view.getUint16(at + 2)]).toEqual([
        0xa5,
        value & 0xffff,
        0xa5a5,
      ]);
    }
  }
});

test("the offset is 0 when it is left out", () => {
  view.setUint32(BASE, 0);
  bytes.__setArgumentsLength(2);
  bytes.store32be(BASE, 0x01020304);
  bytes.store16be(BASE + 2, 0x0506);
  bytes.__setArgumentsLength(1);
  expect([bytes.load32be(BASE), bytes.load16be(BASE)]).toEqual([0x01020506, 0x0102]);
});
