/**
 * Timely's policy (SIGCOMM 2015, algorithm 1) beside figures that were worked out from the
 * equations in fractions: growth below and within the thresholds, hyperactive increase, both
 * decreases, bounds.
 */
import { describe, expect, test } from "vitest";
import {
  freshRate,
  type IntervalStatistics,
  type RateState,
} from "../../../host/control-plane/congestion/policy.ts";
import { TIMELY } from "../../../host/control-plane/congestion/timely.ts";

function begin(rate?: number): RateState {
  const state = { ...freshRate(), rate: -1, previousRtt: -1, difference: -1, falling: -1 };
  TIMELY.start(state);
  if (rate !== undefined) state.rate = rate;
  return state;
}

function interval(rtt: number, ackedBytes = 1): IntervalStatistics {
  return { elapsed: 1, ackedBytes, ecnBytes: 0, lost: false, limited: true, rtt };
}

/** The rate behind each round trip. */
function rates(rtts: readonly number[], rate?: number): number[] {
  const state = begin(rate);
  return rtts.map((rtt) => {
    TIMELY.onInterval(state, interval(rtt));
    return state.rate;
  });
}

const US = 1000;

describe("algorithm 1", () => {
  test.each<[string, readonly number[], number | undefined, readonly number[]]>([
    ["below T_low a step", [40, 30, 49.999], undefined, [2.5e6, 3.75e6, 5e6]],
    [
      "T_low itself is within: its slope counts",
      [50, 49.999, 50],
      1e9,
      [1001250000, 1002500000, 1002469298.4375],
    ],
    [
      "no slope: a step, from the fifth interval on five",
      [100, 100, 100, 100, 100, 100, 100],
      undefined,
      [2.5e6, 3.75e6, 5e6, 6.25e6, 12.5e6, 18.75e6, 25e6],
    ],
    [
      "a rise takes its share and ends the row",
      [100, 100, 100, 100, 101, 100, 100, 100, 100, 100, 100],
      undefined,
      [
        ...[2.5e6, 3.75e6, 5e6, 6.25e6, 6031250, 7281250, 8531250, 9781250, 11031250],
        ...[17281250, 23531250],
      ],
    ],
    [
      "slopes are averaged: one that is over still counts",
      [60, 62, 66, 66, 60],
      1e9,
      [1001250000, 931162500, 792652078.125, 777913703.5473633, 779163703.5473633],
    ],
    [
      "only intervals in a row within the thresholds count",
      [400, 100, 49, 50, 51, 51, 51, 51],
      1e9,
      [1001.25e6, 1002.5e6, 1003.75e6, 1005e6, 1006.25e6, 1007.5e6, 1008.75e6, 1015e6],
    ],
    [
      "above T_high the excess counts, whatever the slope",
      [1000, 1000, 500, 500.001],
      1e9,
      [600000000, 360000000, 361250000, 361249422.001156],
    ],
  ])("%s", (_, rtts, rate, expected) => {
    const got = rates(
      rtts.map((rtt) => rtt * US),
      rate,
    );
    for (const [i, each] of expected.entries()) expect(got[i]).toBeCloseTo(each, 3);
    expect(got).toHaveLength(expected.length);
  });
});

test("a slope steeper than 1 / beta stops at the lowest rate, growth at the highest", () => {
  expect(rates([60 * US, 400 * US], 1e9)[1]).toBe(15e3);
  expect(rates([40 * US], 50e9)[0]).toBe(50e9);
});

test("an interval without an acknowledgment or a round trip changes nothing", () => {
  const state = begin();
  TIMELY.onInterval(state, interval(100 * US));
  const before = { ...state };
  TIMELY.onInterval(state, interval(400 * US, 0));
  TIMELY.onInterval(state, interval(0));
  expect(state).toEqual(before);
});
