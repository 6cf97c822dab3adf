/**
 * `loss`: one CUBIC stream over the same lossy wire, between two Linux kernels in real time and
 * between two of toeloop's stacks in virtual time; goodput of both and their ratio. As root;
 * without it, and in its smoke form, the stacks alone. Method: bench/README.md.
 */
import type { FaultOptions } from "../host/netif/fault-injector.ts";
import { formatQuartiles, pairRatio, quartiles, table, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale } from "./harness.ts";
import { obstacle, runKernels, type KernelsResult } from "./loss-kernels.ts";
import { runStacks, type StacksResult } from "./loss-stacks.ts";
import type { LossyWire } from "./lossy-wire.ts";

const RUNS = 5;
const SECONDS = 60;
const QUICK_SECONDS = 2;
const SMOKE_SECONDS = 0.05;
/** Of a socket: path and queue eight times over, a power of two. */
const BUFFER = 1 << 22;
/** Times a link's rate that the wire must carry, for the link to be the limit. */
const HEADROOM = 1.1;
const CEILING_SECONDS = 3;
const KERNELS_AT_ONCE = 3;

/** The issue's. `kernelsAtOnce`: pairs of kernels with a wire each; how late it was is printed. */
const LINKS = [
  { name: "100 Mbit/s, 10 ms", rate: 100e6, delay: 10e6, kernelsAtOnce: KERNELS_AT_ONCE },
  { name: "1 Gbit/s, 1 ms", rate: 1e9, delay: 1e6, kernelsAtOnce: 1 },
] as const;

interface Cell {
  readonly name: string;
  /** What the bar is on: the median, or the lower quartile of the runs' ratios. */
  readonly by: "median" | "q1";
  readonly least: number;
  readonly faults: (delay: number) => FaultOptions;
}

const uniform = (percent: number): Cell => ({
  name: `${percent} % loss`,
  by: "q1",
  least: 1,
  faults: () => ({ loss: percent / 100 }),
});

/** Faults are those of both directions. */
const CELLS: readonly Cell[] = [
  { name: "no loss", by: "median", least: 0.98, faults: () => ({}) },
  ...[0.1, 1, 2, 5].map(uniform),
  {
    name: "5 % reordered",
    by: "q1",
    least: 1,
    // Half the delay: a quarter of the round trip, which is RACK's first window.
    faults: (delay) => ({ reorder: 0.05, reorderDelay: delay / 2 }),
  },
  {
    name: "1 % loss in bursts of 5",
    by: "q1",
    least: 0.95,
    // Shorter than any timeout. A burst that waited for the retransmission would meet it with
    // probability 0.8, each time twice as late: standstills without a mean, on either side.
    faults: () => ({ burstLoss: 0.01, meanBurst: 5, burstSilence: 100e6 }),
  },
];

interface Measured {
  readonly link: string;
  readonly cell: Cell;
  /** The wire could not carry the link: the machine was the limit, on Linux's side alone. */
  readonly isBounded: boolean;
  readonly stacks: StacksResult[];
  readonly kernels: KernelsResult[];
}

interface Extent {
  readonly runs: number;
  readonly seconds: number;
}

function extentOf({ work }: BenchScale): Extent {
  if (work >= 1) return { runs: RUNS, seconds: SECONDS };
  return { runs: 1, seconds: work < 0.01 ? SMOKE_SECONDS : QUICK_SECONDS };
}

const mbps = (goodput: number): number => goodput / 1e6;

/**
 * Every cell of every link, run by run; the seed of a run is its number, the same for both. Linux's
 * side is left out without the `ceiling` of its wire.
 */
async function measureAll(
  scale: BenchScale,
  extent: Extent,
  ceiling: number | undefined,
): Promise<Measured[]> {
  const all: Measured[] = [];
  for (const { name: link, rate, delay, kernelsAtOnce } of LINKS) {
    for (const cell of CELLS) {
      const wire: LossyWire = { rate, delay, faults: cell.faults(delay), buffer: BUFFER };
      const isBounded = isShort(ceiling, rate);
      const measured: Measured = { link, cell, isBounded, stacks: [], kernels: [] };
      const { seconds } = extent;
      const seeds = Array.from({ length: extent.runs }, (_, at) => at + 1);
      const runs = seeds.map((seed) => ({ wire, seconds, seed }));
      scale.say(`loss: ${link}, ${cell.name}`);
      for (const run of runs) measured.stacks.push(runStacks(run));
      for (let at = 0; ceiling !== undefined && at < runs.length; at += kernelsAtOnce) {
        const some = runs.slice(at, at + kernelsAtOnce);
        measured.kernels.push(...(await Promise.all(some.map(runKernels))));
      }
      all.push(measured);
    }
  }
  return all;
}

/** Too little room between what the wire carries and the link. */
function isShort(ceiling: number | undefined, rate: number): boolean {
  return ceiling !== undefined && ceiling < HEADROOM * rate;
}

function ratioOf({ stacks, kernels }: Measured): ReturnType<typeof quartiles> | undefined {
  if (kernels.length === 0) return undefined;
  const goodputs = (results: readonly { goodput: number }[]): number[] => {
    return results.map(({ goodput }) => goodput);
  };
  return pairRatio(goodputs(stacks), goodputs(kernels));
}

function barOf(measured: Measured): Bar {
  const { link, cell, isBounded } = measured;
  const bound = isBounded ? " (bounded by the machine)" : "";
  const name = `loss, ${link}, ${cell.name}: goodput / Linux, ${cell.by}${bound}`;
  return { name, least: cell.least, ratio: ratioOf(measured)?.[cell.by] };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const HEAD = ["", "toeloop", "Linux", "ratio", "timeouts", "Linux", "round trip", "late"];

function rowOf(measured: Measured): string[] {
  const { link, cell, stacks, kernels } = measured;
  const goodput = (results: readonly { goodput: number }[]): string => {
    return results.length === 0
      ? "-"
      : formatQuartiles(quartiles(results.map((result) => mbps(result.goodput))), 1);
  };
  const ratio = ratioOf(measured);
  const trips = kernels.map((result) => result.roundTrip / 1e6);
  const late = kernels.map(({ wire }) => 100 * wire.late);
  return [
    `${link}, ${cell.name}`,
    goodput(stacks),
    goodput(kernels),
    ratio === undefined ? "-" : formatQuartiles(ratio, 3),
    `${sum(stacks.map((result) => result.timeouts))}`,
    kernels.length === 0 ? "-" : `${sum(kernels.map((result) => result.timeouts))}`,
    kernels.length === 0 ? "-" : `${quartiles(trips).median.toFixed(2)} ms`,
    kernels.length === 0 ? "-" : `${quartiles(late).median.toFixed(1)} %`,
  ];
}

/** What the wire carries when nothing holds it back, and what that says of each link. */
function ceilingLines(ceiling: number): string[] {
  const carries = `the wire alone carries ${mbps(ceiling).toFixed(0)} Mbit/s between the kernels`;
  const short = LINKS.filter(({ rate }) => isShort(ceiling, rate));
  const bounded = short.map(({ name }) => `bounded by this machine and not by the link: ${name}`);
  return [carries, ...bounded];
}

function report(all: readonly Measured[], extent: Extent, notes: readonly string[]): BenchReport {
  const hash = new WorkHash();
  for (const { stacks } of all) {
    for (const { goodput, timeouts } of stacks) hash.add(Math.round(goodput), timeouts);
  }
  const rows = all.map((measured) => ({
    link: measured.link,
    cell: measured.cell.name,
    isBounded: measured.isBounded,
    stacks: measured.stacks,
    kernels: measured.kernels,
    ratio: ratioOf(measured),
  }));
  return {
    lines: [
      `CUBIC, drop-tail of 1 BDP, MTU 1500, ${extent.runs} x ${extent.seconds} s; Mbit/s`,
      ...notes,
      ...table([HEAD, ...all.map(rowOf)]),
      `work ${hash}`,
    ],
    values: { ...extent, rows, work: hash.toString() },
    bars: all.map(barOf),
  };
}

/** Both sides in turn, cell by cell. */
export async function loss(scale: BenchScale): Promise<BenchReport> {
  const extent = extentOf(scale);
  const why = scale.peers ? obstacle() : "expected peers, got a run without them";
  if (why !== undefined) {
    return report(await measureAll(scale, extent, undefined), extent, [
      `Linux not measured: ${why}`,
    ]);
  }
  const open = await runKernels({ seconds: CEILING_SECONDS, seed: 1 });
  const notes = ceilingLines(open.goodput);
  return report(await measureAll(scale, extent, open.goodput), extent, notes);
}
