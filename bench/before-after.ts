/**
 * `npm run bench -- NAME --before DIR`: this build and another one's, run in turn, so that the
 * machine's moods meet both; each figure's ratio with its 95 % interval. DIR is a checkout that has
 * been built. Every pair is two processes; a figure is toeloop's own, no peer is needed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Bar, repositoryRoot, table } from "./harness.ts";

/** Of a report's JSON: better is more, so times go in as their inverse. */
type Figures = ReadonlyMap<string, number>;

/** The least that the interval may reach down to: noise of 20 pairs is below it. */
export const NOT_SLOWER = 0.97;

type Values = Readonly<Record<string, unknown>>;

const at = (values: unknown, ...path: readonly (string | number)[]): number => {
  let value: unknown = values;
  for (const key of path) value = (value as Values | undefined)?.[key];
  if (typeof value === "number" && value > 0) return value;
  throw new Error(`before-after: expected a figure at ${path.join(".")}, got ${String(value)}`);
};

const POSIX = "POSIX-like calls";
const READERS: Readonly<Record<string, (values: Values) => readonly [string, number][]>> = {
  rpc: (v) => [
    ["1 connection", at(v, "connections", "1", "roundTripsPerSecond")],
    ["64 connections", at(v, "connections", "64", "roundTripsPerSecond")],
  ],
  bulk: (v) => [
    ["timestamps off", at(v, "timestamps", "off", "gbps")],
    ["timestamps on", at(v, "timestamps", "on", "gbps")],
  ],
  connect: (v) => [["connections", at(v, "connectionsPerSecond")]],
  segment: (v) => [
    ["64 B, 16 flows, received", 1 / at(v, "rows", 0, "receiveNs")],
    ["1448 B, 16 flows, received", 1 / at(v, "rows", 3, "receiveNs")],
  ],
  api: (v) => [
    ["round trips, calls", at(v, "interfaces", POSIX, "roundTripsPerSecond")],
    ["bulk, calls", at(v, "interfaces", POSIX, "gbps")],
    ["round trips, streams", at(v, "interfaces", "default streams", "roundTripsPerSecond")],
  ],
};

/** Benchmarks that can be compared so. */
export const COMPARABLE: readonly string[] = Object.keys(READERS);

/** Figures of a report of a COMPARABLE benchmark. Throws Error when one is not there. */
export function figuresOf(name: string, values: Values): Figures {
  return new Map(READERS[name]?.(values));
}

/** Two-sided 95 % points of Student's distribution for 1, 2, ... degrees of freedom. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
];

export interface Interval {
  readonly low: number;
  readonly mean: number;
  readonly high: number;
}

/** Geometric mean of ratios and its 95 % interval. Throws RangeError below two ratios. */
export function intervalOf(ratios: readonly number[]): Interval {
  const count = ratios.length;
  if (count < 2) throw new RangeError(`bench: expected at least 2 pairs, got ${count}`);
  const logs = ratios.map(Math.log);
  const mean = logs.reduce((sum, one) => sum + one, 0) / count;
  const variance = logs.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (count - 1);
  const point = STUDENT[Math.min(count - 1, STUDENT.length) - 1] as number;
  const half = point * Math.sqrt(variance / count);
  return { low: Math.exp(mean - half), mean: Math.exp(mean), high: Math.exp(mean + half) };
}

/** One run of a checkout's build. Throws Error when it is not built or fails. */
function measure(root: string, name: string): Figures {
  const program = join(root, "dist/bench/run.js");
  if (!existsSync(program)) throw new Error(`bench: expected a build in ${root}, got none`);
  const words = [program, name, "--quick", "--json"];
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`bench: expected ${program} to end well, got ${status}`);
  return figuresOf(name, JSON.parse(stdout.trim().split("\n").at(-1) as string) as Values);
}

export interface Comparison {
  readonly lines: readonly string[];
  readonly bars: readonly Bar[];
  readonly ratios: Readonly<Record<string, Interval>>;
}

/** `pairs` runs of both builds of one benchmark; which one begins alternates. */
export function compareBuilds(
  name: string,
  before: string,
  pairs: number,
  say: (line: string) => void,
): Comparison {
  const ratios = new Map<string, number[]>();
  for (let pair = 0; pair < pairs; pair += 1) {
    say(`${name}: pair ${pair + 1} of ${pairs}`);
    const first = pair % 2 === 0 ? [repositoryRoot(), before] : [before, repositoryRoot()];
    const measured = new Map(first.map((root) => [root, measure(root, name)]));
    for (const [figure, value] of measured.get(repositoryRoot()) as Figures) {
      const other = measured.get(before)?.get(figure) as number;
      ratios.set(figure, [...(ratios.get(figure) ?? []), value / other]);
    }
  }
  const intervals = [...ratios].map(([figure, all]) => [figure, intervalOf(all)] as const);
  const rows = intervals.map(([figure, { low, mean, high }]) => {
    return [figure, mean.toFixed(3), low.toFixed(3), high.toFixed(3)];
  });
  return {
    lines: table([["", "now / before", "95 %: from", "to"], ...rows]),
    bars: intervals.map(([figure, { low }]) => ({
      name: `${name}, ${figure}: now / before, 95 % interval from`,
      least: NOT_SLOWER,
      ratio: low,
    })),
    ratios: Object.fromEntries(intervals),
  };
}
