/**
 * The table of RFC 9293, 3.10.7, by itself: complete, and the same as the text's steps walked one
 * after the other.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { tabled, walked } from "./literal-walk.ts";
import { cases } from "./table/expand.ts";

const CASES = cases();

const NUMBERS = [
  [1000, 90000],
  [2 ** 32 - 1, 2 ** 32 - 3],
  [5, 0],
] as const;

test("RFC 9293 3.10.7 the table: 11 states, 9 kinds, 5 positions, and more", () => {
  expect(CASES.filter(({ part }) => part === "base")).toHaveLength(11 * 9 * 5);
  expect(CASES).toHaveLength(1140);
});

test.each(NUMBERS)("RFC 9293 3.10.7 the table says what its steps say: ISS %i, IRS %i", (...at) => {
  const other = CASES.filter((one) => {
    const [iss, irs] = at;
    return !isDeepStrictEqual(tabled(one, one.expect, iss, irs), walked(one, iss, irs));
  });
  expect(other.map(({ id }) => id)).toEqual([]);
});
