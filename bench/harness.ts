/**
 * What every benchmark shares: interleaved rounds, ratios with quartiles, the tinybench wrapper,
 * the machine line and the work hash. Ratios of one run are compared, absolute figures are not:
 * on a shared machine single runs move by up to two times (bench/README.md).
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Bench } from "tinybench";
import type { DataPath } from "../bindings/layout.ts";

const WARM_PARTS = 8;

/** How large a run is: rounds that interleave the sides, and a factor on the work of each. */
export interface BenchScale {
  /** Interleaved rounds; the ratio is the median over them. */
  readonly rounds: number;
  /** Share of the full work that each side does in a round, 0 to 1. */
  readonly work: number;
  /** Milliseconds for each task of tinybench. */
  readonly taskMs: number;
  /** False runs the bench alone, without peers. */
  readonly peers: boolean;
  /** Data path of toeloop's side, where a benchmark knows more than one. */
  readonly datapath: DataPath;
  /** Progress, one line each; not part of the result. */
  readonly say: (line: string) => void;
}

const silent = (): void => {};

/** `npm run bench -- NAME`: at least nine pairs (the method's minimum). */
export const FULL: BenchScale = {
  rounds: 9,
  work: 1,
  taskMs: 250,
  peers: true,
  datapath: "flextoe",
  say: silent,
};
/** `--quick`: a look, not a measurement. */
export const QUICK: BenchScale = { ...FULL, rounds: 3, work: 0.25, taskMs: 40 };
/** What `npm test` runs, so that a bench does not rot: every line of it, a moment each. */
export const SMOKE: BenchScale = { ...FULL, rounds: 1, work: 0.002, taskMs: 1, peers: false };

/** A demand on a ratio: met when `ratio` is at least `least`. */
export interface Bar {
  readonly name: string;
  readonly least: number;
  /** Undefined when the peer was not there to compare with. */
  readonly ratio: number | undefined;
}

export interface BenchReport {
  /** For people, in order. */
  readonly lines: readonly string[];
  /** For programs: one JSON object. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly bars: readonly Bar[];
}

export interface Quartiles {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] as number;
  const high = sorted[Math.ceil(at)] as number;
  return low + (high - low) * (at - Math.floor(at));
}

/** Quartiles by linear interpolation. Throws RangeError on an empty list. */
export function quartiles(values: readonly number[]): Quartiles {
  if (values.length === 0) throw new RangeError("quartiles: expected at least one value, got 0");
  const sorted = [...values].sort((a, b) => a - b);
  return {
    q1: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    q3: quantile(sorted, 0.75),
  };
}

/** Quartiles of `a[i] / b[i]`: the two were measured one after the other in round i. */
export function pairRatio(a: readonly number[], b: readonly number[]): Quartiles {
  return quartiles(a.map((value, i) => value / (b[i] as number)));
}

/** `1.23 (1.10-1.31)`: the median and the quartiles. */
export function formatQuartiles(q: Quartiles, digits: number): string {
  return `${q.median.toFixed(digits)} (${q.q1.toFixed(digits)}-${q.q3.toFixed(digits)})`;
}

/**
 * Runs every side once a round; the order turns by one each round, so that no side is always the
 * one that finds the machine warm. Results by side, in round order.
 */
export function interleave<T>(
  rounds: number,
  sides: ReadonlyMap<string, () => T>,
): Map<string, T[]> {
  const names = [...sides.keys()];
  const results = new Map<string, T[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < names.length; i += 1) {
      const name = names[(round + i) % names.length] as string;
      const side = sides.get(name) as () => T;
      (results.get(name) as T[]).push(side());
    }
  }
  return results;
}

/** Something to time: `body` does `count` operations; the figure is nanoseconds an operation. */
export interface TimedTask {
  readonly name: string;
  readonly count: number;
  readonly body: () => void;
  /** Work before each body that is not measured. */
  readonly prepare?: () => void;
}

/** Times tasks in tinybench; median nanoseconds per operation by name. */
export function timeTasks(tasks: readonly TimedTask[], taskMs: number): Map<string, number> {
  const bench = new Bench({
    time: taskMs,
    warmupTime: taskMs / 4,
    iterations: 3,
    warmupIterations: 1,
    timestampProvider: "hrtimeNow",
    throws: true,
  });
  for (const task of tasks) {
    bench.add(task.name, () => {
      task.prepare?.();
      const start = performance.now();
      task.body();
      const elapsed = performance.now() - start;
      return { overriddenDuration: elapsed / task.count, overriddenIterationCost: elapsed };
    });
  }
  bench.runSync();
  const figures = new Map<string, number>();
  for (const task of bench.tasks) {
    const result = task.result;
    if (result.state !== "completed") throw new Error(`bench: ${task.name} ${result.state}`);
    figures.set(task.name, result.latency.p50 * 1e6);
  }
  return figures;
}

/** FNV-1a over 32-bit words: the same work gives the same hash, so a figure means what it meant. */
export class WorkHash {
  #state = 0x811c9dc5;

  add(...values: readonly number[]): void {
    for (const value of values) {
      for (const word of [value >>> 0, Math.floor(value / 4294967296) >>> 0]) {
        this.#state = Math.imul(this.#state ^ word, 0x01000193) >>> 0;
      }
    }
  }

  toString(): string {
    return this.#state.toString(16).padStart(8, "0");
  }
}

/** Processor, cores, runtime: a figure without them says nothing. */
export function machine(): string {
  const list = cpus();
  const model = list[0]?.model.trim() ?? "unknown processor";
  const { node, v8 } = process.versions;
  return `${model}, ${list.length} cores, ${process.platform}, Node ${node} (V8 ${v8})`;
}

/** A stopwatch of wall time and of this process's processor time, both in seconds. */
export class Stopwatch {
  readonly #start = performance.now();
  readonly #usage = process.cpuUsage();

  read(): { readonly seconds: number; readonly processor: number } {
    const seconds = (performance.now() - this.#start) / 1000;
    const { user, system } = process.cpuUsage(this.#usage);
    return { seconds, processor: (user + system) / 1e6 };
  }
}

/**
 * What runs before the clock, in parts: V8 compiles a loop that is entered once for that one time,
 * and falls back to slow code at the second.
 */
export function warmParts(count: number): readonly number[] {
  return count > 0 ? new Array<number>(WARM_PARTS).fill(Math.ceil(count / WARM_PARTS)) : [];
}

/** The repository's root, from the sources and from dist/ alike. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "asconfig.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("bench: expected asconfig.json above bench/, got none");
    folder = parent;
  }
  return folder;
}

/** A module from build/. Throws Error when it has not been built. */
export function loadModule(name: string): WebAssembly.Module {
  const path = join(repositoryRoot(), "build", name);
  if (!existsSync(path)) {
    throw new Error(`bench: expected build/${name}, got none (npm run build)`);
  }
  return new WebAssembly.Module(readFileSync(path));
}

/** Two columns and more, padded to line up; numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const pad = (cell: string, i: number): string => {
    const width = widths[i] as number;
    return i === 0 ? cell.padEnd(width) : cell.padStart(width);
  };
  return rows.map((row) => row.map(pad).join("  ").trimEnd());
}
