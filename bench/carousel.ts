/**
 * `npm run bench -- carousel`: the flow scheduler (4.3.4). How exactly rates are kept on virtual
 * time, beside FlexTOE's own wheel; and what an operation costs with up to 1,000,000 flows, beside
 * a walk over the same records (a bound) and a binary heap.
 */
import { BinaryHeap } from "./binary-heap.ts";
import { assembleCarouselLoops, CarouselFlows } from "./carousel-loops.ts";
import { flextoeError, type Polling, RATES, runRate, type RateRun } from "./carousel-rates.ts";
import { loadModule, table, timeTasks, WorkHash } from "./harness.ts";
import type { BenchReport, BenchScale } from "./harness.ts";

/** Largest error of a rate that the bar allows. */
const ERROR_MAX = 0.01;
const FLOWS = [10_000, 100_000, 1_000_000] as const;
/** Period of a flow's segments: within level 0 of the wheel, and through level 1. */
const NEAR_NS = 4_000_000;
const FAR_NS = 100_000_000;
/** Nobody is due for so long in `idle`; the flows wait in level 2. */
const IDLE_NS = 100e9;
/** Operations of a sample at most. */
const OPERATIONS = 1_000_000;
/** Virtual time of a rate at full size; at 400 Gbit/s that is 670,000 segments. */
const RATE_NS = 20e6;
const RATE_SEGMENTS = 100;

const POLLINGS: readonly (readonly [name: string, polling: Polling])[] = [
  ["exact", { late: 0, random: false }],
  ["50 us late", { late: 50_000, random: false }],
  ["up to 50 us late", { late: 50_000, random: true }],
];

interface RateRow {
  readonly bitsPerSecond: number;
  readonly runs: readonly RateRun[];
  readonly flextoe: number;
}

function bits(rate: number): string {
  const units: readonly [number, string][] = [
    [1e9, "Gbit/s"],
    [1e6, "Mbit/s"],
    [1e3, "Kbit/s"],
  ];
  const [unit, name] = units.find(([least]) => rate >= least) ?? [1, "bit/s"];
  return `${rate / unit} ${name}`;
}

function percent(error: number): string {
  if (error > 1) return `${(error + 1).toPrecision(3)} times`;
  return `${error < 0 ? "" : "+"}${(100 * error).toFixed(3)} %`;
}

function measureRates(scale: BenchScale, hash: WorkHash): RateRow[] {
  const module = loadModule("flextoe.wasm");
  const smoke = scale.work < 0.01;
  // A moment is enough to see that it runs; the slow rates cost steps, the fast ones segments.
  const goal = smoke
    ? { elapsed: 2e6, segments: 4 }
    : { elapsed: RATE_NS * Math.max(0.5, scale.work), segments: RATE_SEGMENTS };
  return RATES.map((bitsPerSecond) => {
    scale.say(`carousel: ${bits(bitsPerSecond)}`);
    const runs = POLLINGS.map(([, polling]) => runRate(module, bitsPerSecond, polling, goal));
    for (const run of runs) hash.add(run.segments, run.elapsed);
    return { bitsPerSecond, runs, flextoe: flextoeError(bitsPerSecond) };
  });
}

interface CostRow {
  readonly flows: number;
  /** ns per operation. */
  readonly insert: number;
  readonly expireNear: number;
  readonly expireFar: number;
  readonly idle: number;
  readonly walk: number;
  readonly heap: number;
}

/** A heap of as many deadlines, and a body that lets `count` of them expire and come back. */
function heapTask(flows: CarouselFlows, count: number): () => void {
  const heap = new BinaryHeap(flows.flows);
  for (const flow of flows.order) heap.insert((flow * 7919) % flows.periodNs, flow);
  return () => {
    for (let i = 0; i < count; i += 1) heap.replaceFirst((heap.keys[0] as number) + flows.periodNs);
  };
}

function measureCosts(scale: BenchScale, flows: number, hash: WorkHash): CostRow {
  scale.say(`carousel: ${flows} flows`);
  const count = Math.max(flows / 10, Math.round(OPERATIONS * Math.min(1, 4 * scale.work)));
  const fresh = new CarouselFlows(flows, NEAR_NS);
  const near = new CarouselFlows(flows, NEAR_NS);
  const far = new CarouselFlows(flows, FAR_NS);
  const waiting = new CarouselFlows(flows, FAR_NS, IDLE_NS);
  for (const wheel of [near, far, waiting]) wheel.insert();
  // Every flow has been in the wheel twice: the order of the lists is that of the deadlines.
  for (const wheel of [near, far]) wheel.expire(2 * flows);
  hash.add(near.now, far.now);
  const figures = timeTasks(
    [
      {
        name: "insert",
        count: flows,
        prepare: () => fresh.reset(),
        body: () => fresh.insert(),
      },
      { name: "near", count, body: () => near.expire(count) },
      { name: "far", count, body: () => far.expire(count) },
      { name: "idle", count, body: () => waiting.idle(count) },
      { name: "walk", count: flows, body: () => near.walk() },
      { name: "heap", count, body: heapTask(near, count) },
    ],
    scale.taskMs,
  );
  const figure = (name: string): number => figures.get(name) as number;
  return {
    flows,
    insert: figure("insert"),
    expireNear: figure("near"),
    expireFar: figure("far"),
    idle: figure("idle"),
    walk: figure("walk"),
    heap: figure("heap"),
  };
}

function rateLines(rows: readonly RateRow[]): string[] {
  const head = ["rate", ...POLLINGS.map(([name]) => name), "FlexTOE's wheel"];
  const cells = rows.map(({ bitsPerSecond, runs, flextoe }) => [
    bits(bitsPerSecond),
    ...runs.map(({ error }) => percent(error)),
    percent(flextoe),
  ]);
  return ["error of a rate, virtual time", ...table([head, ...cells])];
}

function costLines(rows: readonly CostRow[]): string[] {
  const head = ["flows", "insert", "expire + insert", "through level 1", "idle"];
  const cells = rows.map((r) => [
    `${r.flows}`,
    r.insert.toFixed(1),
    r.expireNear.toFixed(1),
    r.expireFar.toFixed(1),
    r.idle.toFixed(1),
    r.walk.toFixed(1),
    (r.expireNear / r.walk).toFixed(2),
    r.heap.toFixed(1),
    (r.heap / r.expireNear).toFixed(2),
  ]);
  const columns = [...head, "walk", "x walk", "binary heap", "heap / ours"];
  return ["ns per operation, median", ...table([columns, ...cells])];
}

/** Both tables. */
export async function carousel(scale: BenchScale): Promise<BenchReport> {
  await assembleCarouselLoops();
  const hash = new WorkHash();
  const rates = measureRates(scale, hash);
  const worst = Math.max(...rates.flatMap(({ runs }) => runs.map(({ error }) => Math.abs(error))));
  const flowCounts = scale.work < 0.01 ? FLOWS.slice(0, 1) : FLOWS;
  const costs = flowCounts.map((flows) => measureCosts(scale, flows, hash));
  return {
    lines: [
      ...rateLines(rates),
      `largest error ${percent(worst)}`,
      ...costLines(costs),
      `work ${hash}`,
    ],
    values: { rates, worst, costs, work: hash.toString() },
    bars: [{ name: "1 % / largest error", least: 1, ratio: ERROR_MAX / worst }],
  };
}
