/**
 * Goal: the internet checksum of RFC 1071 and its update of RFC 1624. Method: the RFC's own
 * examples, sums at the folding limits, and an incremental form against the full one.
 */
import { expect, test } from "vitest";
import * as C from "../../../host/wire/checksum.ts";
import { Random } from "../../support/random.ts";

const viewOf = (bytes: readonly number[]): DataView => new DataView(Uint8Array.from(bytes).buffer);

test("RFC 1071, 3: the worked example", () => {
  const view = viewOf([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
  expect(C.checksumFold(C.checksumAdd(0, view, 0, 8))).toBe(0xddf2);
  expect(C.checksumFinish(C.checksumAdd(0, view, 0, 8))).toBe(0x220d);
});

const FOLDS: [sum: number, folded: number][] = [
  [0, 0],
  [0xffff, 0xffff],
  [0x10000, 1],
  [0x1ffff, 1],
  [0xffff0000, 0xffff],
  [0xffffffff, 0xffff],
  [0x100000000, 1],
];

test.each(FOLDS)("fold %d", (sum, folded) => {
  expect(C.checksumFold(sum)).toBe(folded);
});

test("an odd last byte is the high half of a word; an empty range adds nothing", () => {
  const view = viewOf([1, 2, 3]);
  expect(C.checksumAdd(0, view, 0, 3)).toBe(0x0102 + 0x0300);
  expect(C.checksumAdd(7, view, 1, 0)).toBe(7);
});

test("RFC 1624, 4: the example that equation 2 gets wrong", () => {
  expect(C.checksumUpdate(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
});

test("the update equals a full sum (seed 5)", () => {
  const random = new Random(5);
  for (let i = 0; i < 2000; i += 1) {
    const bytes = random.bytes(20);
    const view = new DataView(bytes.buffer);
    const before = C.checksumFinish(C.checksumAdd(0, view, 0, 20));
    const at = random.below(10) * 2;
    const old = view.getUint16(at);
    const word = random.below(65536);
    view.setUint16(at, word);
    const after = C.checksumFinish(C.checksumAdd(0, view, 0, 20));
    expect(C.checksumUpdate(before, old, word) % 0xffff).toBe(after % 0xffff);
  }
});
