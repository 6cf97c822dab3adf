/** bench/harness.ts: quartiles, interleaving, the work hash and lwIP's line, by table. */
import { expect, test } from "vitest";
import { interleave, pairRatio, quartiles, table } from "../../../bench/harness.ts";
import { timeTasks, WorkHash } from "../../../bench/harness.ts";
import { parseLine } from "../../../bench/peers/lwip.ts";

const QUARTILE_ROWS: [number[], number, number, number][] = [
  [[7], 7, 7, 7],
  [[2, 1], 1.25, 1.5, 1.75],
  [[3, 1, 2], 1.5, 2, 2.5],
  [[9, 1, 8, 2, 7, 3, 6, 4, 5], 3, 5, 7],
];

test("quartiles interpolate between the sorted values", () => {
  for (const [values, q1, median, q3] of QUARTILE_ROWS) {
    expect(quartiles(values)).toEqual({ q1, median, q3 });
  }
  expect(() => quartiles([])).toThrow("quartiles: expected at least one value, got 0");
});

test("a ratio is taken within a round, not between medians", () => {
  expect(pairRatio([10, 40, 90], [10, 20, 30])).toEqual({ q1: 1.5, median: 2, q3: 2.5 });
});

test("every side runs once a round and none is always first", () => {
  const order: string[] = [];
  const side = (name: string) => (): string => {
    order.push(name);
    return name;
  };
  const sides = new Map([
    ["a", side("a")],
    ["b", side("b")],
  ]);
  const results = interleave(3, sides);
  expect(order.join("")).toBe("abbaab");
  expect(results.get("a")).toEqual(["a", "a", "a"]);
});

test("the work hash depends on each value and on their order", () => {
  const hash = (...values: number[]): string => {
    const work = new WorkHash();
    work.add(...values);
    return work.toString();
  };
  expect(hash(1, 2)).toBe(hash(1, 2));
  expect(hash(1, 2)).not.toBe(hash(2, 1));
  expect(hash(2 ** 32)).not.toBe(hash(0));
  expect(hash(0xffffffff)).toMatch(/^[0-9a-f]{8}$/);
});

test("tinybench's figure is nanoseconds per operation", () => {
  let calls = 0;
  const body = (): void => {
    for (let i = 0; i < 1000; i += 1) calls += i & 1;
  };
  const figures = timeTasks([{ name: "loop", count: 1000, body }], 1);
  expect(calls).toBeGreaterThan(0);
  expect(figures.get("loop")).toBeGreaterThan(0);
  expect(figures.get("loop")).toBeLessThan(10_000);
});

test("a table's columns line up", () => {
  expect(
    table([
      ["a", "b"],
      ["long", "1"],
    ]),
  ).toEqual(["a     b", "long  1"]);
});

test("lwIP's line is read as numbers, and a missing one is an error", () => {
  const line = "test=bulk wnd=65535 ts=0 bytes=1000 seconds=0.5 data=3 acks=1\n";
  expect(parseLine(line, ["bytes", "seconds"])).toMatchObject({ bytes: 1000, seconds: 0.5 });
  expect(() => parseLine("error=payload\n", ["bytes"])).toThrow(
    'lwip: expected bytes=<number>, got "error=payload"',
  );
});
