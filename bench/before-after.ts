/**
 * `npm run bench -- NAME --before DIR`: this build and another one's, each figure's ratio with its
 * 95 % interval. DIR is a checkout that has been built. Every pair is two processes that do slices
 * of the same work in turn (bench/slices.ts): on a machine that others share, runs of a second one
 * after another differ by a third, slices of 50 ms by a few percent. A figure is toeloop's own, no
 * peer is needed.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Bar, quartiles, repositoryRoot, table } from "./harness.ts";
import { FIGURES } from "./slices.ts";

/** The least that the interval may reach down to: noise of 20 pairs is below it. */
export const NOT_SLOWER = 0.97;

/** Slices of each side in a pair. */
const SLICES = 24;

/** Benchmarks that can be compared so. */
export const COMPARABLE: readonly string[] = Object.keys(FIGURES);

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

/** One build's process; slice() is what its next slice took, ns. */
class Side {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(root: string, bench: string, figure: string) {
    const program = join(repositoryRoot(), "dist/bench/slices.js");
    if (!existsSync(join(root, "dist/bench/run.js"))) {
      throw new Error(`bench: expected a build in ${root}, got none`);
    }
    this.#child = fork(program, [root, bench, figure], { execArgv: ["--no-warnings"] });
    this.#ended = once(this.#child, "exit").then(([status]) => {
      throw new Error(`bench: expected a slice's time, got an end with status ${status}`);
    });
    // A side that has been ended is no error.
    this.#ended.catch(() => {});
  }

  /** Its next message. Throws Error when the process ends first. */
  #answer(): Promise<unknown> {
    const message = new Promise((resolve) => void this.#child.once("message", resolve));
    return Promise.race([message, this.#ended]);
  }

  async warm(): Promise<void> {
    await this.#answer();
  }

  async slice(): Promise<number> {
    this.#child.send("slice");
    return (await this.#answer()) as number;
  }

  end(): void {
    this.#child.kill();
  }
}

/** How much faster `now` is than `before`: the median of slices next to each other. */
async function pairRatio(now: Side, before: Side, slices: number): Promise<number> {
  // One after the other: a machine of two processors is busy with one of them warming up.
  await now.warm();
  await before.warm();
  const ratios: number[] = [];
  for (let i = 0; i < slices; i += 1) {
    const order = i % 2 === 0 ? [now, before] : [before, now];
    const times = [await (order[0] as Side).slice(), await (order[1] as Side).slice()];
    if (i % 2 === 1) times.reverse();
    ratios.push((times[1] as number) / (times[0] as number));
  }
  return quartiles(ratios).median;
}

export interface Comparison {
  readonly lines: readonly string[];
  readonly bars: readonly Bar[];
  readonly ratios: Readonly<Record<string, Interval>>;
}

/** `pairs` pairs of processes of both builds for each figure of one benchmark. */
export async function compareBuilds(
  name: string,
  before: string,
  pairs: number,
  say: (line: string) => void,
  slices = SLICES,
): Promise<Comparison> {
  const intervals: (readonly [string, Interval])[] = [];
  for (const figure of Object.keys(FIGURES[name] ?? {})) {
    const ratios: number[] = [];
    for (let pair = 0; pair < pairs; pair += 1) {
      say(`${name}, ${figure}: pair ${pair + 1} of ${pairs}`);
      const sides = [repositoryRoot(), before].map((root) => new Side(root, name, figure));
      const [now, old] = sides as [Side, Side];
      try {
        ratios.push(await pairRatio(now, old, slices));
      } finally {
        for (const side of sides) side.end();
      }
    }
    intervals.push([figure, intervalOf(ratios)]);
  }
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
