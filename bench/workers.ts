/**
 * `npm run bench -- workers`: the executor with threads. Flow groups on two cores against the same
 * threads on one; both against `batch`; and one connection whose stages are spread over threads,
 * with what its handoffs cost. Method: bench/README.md.
 */
import { Worker } from "node:worker_threads";
import { allowedCores, type Spent, spentBetween, threadTimes, useCores } from "./cores.ts";
import { bounce, handoffTable } from "./handoff.ts";
import { formatQuartiles, pairRatio, quartiles, table, WorkHash } from "./harness.ts";
import type { Bar, BenchReport, BenchScale, Quartiles } from "./harness.ts";
import { assembleLoops } from "./wasm-loops.ts";
import type { GroupAnswer, GroupRequest } from "./workers-group.ts";
import { BulkJob, builtFile, type JobOptions } from "./workers-job.ts";
import { type PipelineFigures, PIPELINES, runPipeline } from "./workers-pipeline.ts";

const GROUPS = 2;
const CONNECTIONS = 4;
/** Bytes of each connection of a group, each round. */
const BYTES = 32 << 20;
const WARM_BYTES = 8 << 20;
const BOUNCES = { spinning: 200_000, sleeping: 10_000 } as const;
/** Issue 3. */
const BAR = 1.6;

/** All stages of both endpoints beside libTOE and the application, on the group's own thread. */
const WHOLE = {
  host: ["netif", "context-queue", "pre.0", "protocol.0", "post.0", "dma.0"],
} as const;
const GROUP_JOB: JobOptions = {
  plan: { client: WHOLE, server: WHOLE },
  connections: CONNECTIONS,
};

interface Figures extends Spent {
  readonly seconds: number;
  readonly segments: number;
}

/** A flow group's thread, and what it answers. */
class Group {
  readonly #worker: Worker;
  readonly ready: Promise<GroupAnswer>;

  constructor() {
    this.#worker = new Worker(builtFile("bench/workers-group.js"), { workerData: GROUP_JOB });
    this.ready = this.#next();
  }

  #next(): Promise<GroupAnswer> {
    return new Promise((resolve, reject) => {
      this.#worker.once("error", reject);
      this.#worker.once("message", (answer: GroupAnswer) => {
        this.#worker.off("error", reject);
        resolve(answer);
      });
    });
  }

  ask(request: GroupRequest): Promise<GroupAnswer> {
    const answer = this.#next();
    this.#worker.postMessage(request);
    return answer;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** The groups carry `bytes` on each connection; this thread sleeps. */
async function runGroups(groups: readonly Group[], bytes: number): Promise<Figures> {
  const start = new SharedArrayBuffer(8);
  const words = new Int32Array(start);
  const answers = groups.map((group) => group.ask({ kind: "transfer", bytes, start }));
  for (let seen = 0; seen < groups.length; seen = Atomics.load(words, 1)) {
    Atomics.wait(words, 1, seen, 10);
  }
  const before = threadTimes();
  const began = performance.now();
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  const done = await Promise.all(answers);
  const seconds = (performance.now() - began) / 1000;
  const segments = done.reduce((sum, answer) => sum + answer.segments, 0);
  return { seconds, segments, ...spentBetween(before, threadTimes()) };
}

function runHere(job: BulkJob, bytes: number): Figures {
  const sent = job.segments;
  const before = threadTimes();
  const began = performance.now();
  job.transfer(bytes);
  const seconds = (performance.now() - began) / 1000;
  const spent = spentBetween(before, threadTimes());
  return { seconds, segments: job.segments - sent, ...spent };
}

interface Scaling {
  readonly one: Figures[];
  readonly two: Figures[];
  readonly batch: Figures[];
}

/** Rounds of: batch, the groups on one core, the groups on two, in turning order. */
async function scaling(
  groups: readonly Group[],
  cores: number[],
  scale: BenchScale,
  bytes: number,
) {
  const [first, second] = cores as [number, number];
  const result: Scaling = { one: [], two: [], batch: [] };
  const batch = await BulkJob.start({ plan: "batch", connections: GROUPS * CONNECTIONS });
  const pinned = async (on: readonly number[]): Promise<Figures> => {
    useCores(on);
    const figures = await runGroups(groups, bytes);
    useCores(cores);
    return figures;
  };
  const sides: readonly (() => Promise<void>)[] = [
    async () => void result.one.push(await pinned([first])),
    async () => void result.two.push(await pinned([first, second])),
    async () => void result.batch.push(runHere(batch, bytes)),
  ];
  const warm = Math.min(WARM_BYTES, bytes);
  await runGroups(groups, warm);
  batch.transfer(warm);
  for (let round = 0; round < scale.rounds; round += 1) {
    scale.say(`workers: flow groups, round ${round + 1} of ${scale.rounds}`);
    for (let i = 0; i < sides.length; i += 1) await sides[(round + i) % sides.length]?.();
  }
  return result;
}

interface Handoff {
  /** ns one way. */
  readonly spinning: number;
  readonly sleeping: number;
}

/** One way between two threads, on two cores. */
async function measureHandoff(group: Group, scale: BenchScale): Promise<Handoff> {
  const once = async (sleeps: boolean, most: number): Promise<number> => {
    const rounds = Math.max(100, Math.round(most * scale.work));
    const words = handoffTable(sleeps);
    const answer = group.ask({ kind: "bounce", words, rounds });
    const began = performance.now();
    bounce(new Int32Array(words), 0, rounds);
    await answer;
    return ((performance.now() - began) * 1e6) / (2 * rounds);
  };
  const [spinning, sleeping]: [number[], number[]] = [[], []];
  for (let i = 0; i < 3; i += 1) {
    spinning.push(await once(false, BOUNCES.spinning));
    sleeping.push(await once(true, BOUNCES.sleeping));
  }
  return { spinning: Math.min(...spinning), sleeping: Math.min(...sleeping) };
}

const seconds = (list: readonly Figures[]): number[] => list.map((one) => one.seconds);

interface Ratios {
  /** Speed on two cores by that on one. */
  readonly wall: Quartiles;
  /** The same without waiting: all processor time on one core by the busiest thread's on two. */
  readonly processor: Quartiles;
  readonly oneToBatch: Quartiles;
  readonly twoToBatch: Quartiles;
}

function ratiosOf({ one, two, batch }: Scaling): Ratios {
  const ran = one.map((figures) => figures.ran);
  const longest = two.map((figures) => figures.longest);
  return {
    wall: pairRatio(seconds(one), seconds(two)),
    processor: pairRatio(ran, longest),
    oneToBatch: pairRatio(seconds(batch), seconds(one)),
    twoToBatch: pairRatio(seconds(batch), seconds(two)),
  };
}

function scalingRow(name: string, runs: readonly Figures[], bytes: number): string[] {
  const median = (of: (figures: Figures) => number): number => quartiles(runs.map(of)).median;
  return [
    name,
    median((f) => (bytes * GROUPS * CONNECTIONS * 8) / f.seconds / 1e9).toFixed(2),
    median((f) => (f.seconds * 1e9) / f.segments).toFixed(0),
    median((f) => f.ran / f.segments).toFixed(0),
    median((f) => f.waited / 1e9 / f.seconds).toFixed(2),
  ];
}

function scalingLines(result: Scaling, ratios: Ratios, bytes: number): string[] {
  const head = ["", "Gbit/s", "ns/seg", "CPU ns/seg", "waited"];
  return [
    `${GROUPS} flow groups of ${CONNECTIONS} connections, a thread each: stages, libTOE and`,
    "application of both endpoints; waited: threads without a core, in seconds a second",
    ...table([
      head,
      scalingRow("batch, one thread", result.batch, bytes),
      scalingRow("flow groups, one core", result.one, bytes),
      scalingRow("flow groups, two cores", result.two, bytes),
    ]),
    `two cores / one core: ${formatQuartiles(ratios.wall, 2)} by wall time, ` +
      `${formatQuartiles(ratios.processor, 2)} by processor time`,
    `workers / batch: ${formatQuartiles(ratios.oneToBatch, 2)} on one core, ` +
      `${formatQuartiles(ratios.twoToBatch, 2)} on two`,
  ];
}

function pipelineRow(run: PipelineFigures, batch: PipelineFigures): string[] {
  const ratio = (of: (f: PipelineFigures) => readonly number[]): string =>
    formatQuartiles(pairRatio(of(batch), of(run)), 2);
  return [
    run.name,
    quartiles(run.ns).median.toFixed(0),
    quartiles(run.cpuNs).median.toFixed(0),
    run.handoffs.toFixed(2),
    run.wakes.toFixed(3),
    ratio((f) => f.ns),
    run.oneCore.length === 0 ? "" : formatQuartiles(pairRatio(run.oneCore, run.ns), 2),
  ];
}

/** What the handoffs of a pipeline explain of what it costs beyond batch. */
function analysis(run: PipelineFigures, batch: PipelineFigures, cost: Handoff): string {
  const lines = run.handoffs * cost.spinning;
  const wakes = run.wakes * cost.sleeping;
  const more = quartiles(run.cpuNs).median - quartiles(batch.cpuNs).median;
  return (
    `${run.name}: CPU ${more.toFixed(0)} ns/seg above batch; at most ${lines.toFixed(0)} ns are ` +
    `handoffs one at a time (${run.handoffs.toFixed(2)} x ${cost.spinning.toFixed(0)}), ` +
    `${wakes.toFixed(0)} ns wake-ups (${run.wakes.toFixed(3)} x ${cost.sleeping.toFixed(0)})`
  );
}

function pipelineLines(runs: readonly PipelineFigures[], cost: Handoff): string[] {
  const head = ["one connection", "ns/seg", "CPU ns/seg", "handoffs/seg", "wakes/seg"];
  head.push("/ batch", "two cores / one");
  const batch = runs[0] as PipelineFigures;
  const spread = runs.slice(1);
  return [
    "",
    ...table([head, ...runs.map((run) => pipelineRow(run, batch))]),
    `a handoff: ${cost.spinning.toFixed(0)} ns between spinning threads, ` +
      `${cost.sleeping.toFixed(0)} ns with a sleep`,
    ...spread.map((run) => analysis(run, batch, cost)),
    "the rest: work records, rings and reorder points in place of header prediction and one copy",
    "(one thread shows that alone), and turns without work while one side waits for the other",
  ];
}

/** Both parts; needs taskset. With one core there is nothing to compare, and the bar says so. */
export async function workers(scale: BenchScale): Promise<BenchReport> {
  await assembleLoops();
  const cores = allowedCores().slice(0, 2);
  if (cores.length < 2) {
    throw new Error(`workers: expected 2 processor cores, got ${cores.length}`);
  }
  const bytes = Math.max(1 << 16, Math.round(BYTES * scale.work));
  const all = allowedCores();
  useCores(cores);
  const groups = Array.from({ length: GROUPS }, () => new Group());
  try {
    await Promise.all(groups.map(({ ready }) => ready));
    const result = await scaling(groups, cores, scale, bytes);
    const ratios = ratiosOf(result);
    const handoff = await measureHandoff(groups[0] as Group, scale);
    const runs: PipelineFigures[] = [];
    for (const pipeline of PIPELINES) runs.push(await runPipeline(pipeline, cores, scale));
    const bar: Bar = {
      name: "flow groups, two cores / one core",
      least: BAR,
      ratio: ratios.wall.median,
    };
    const hash = new WorkHash();
    hash.add(bytes, scale.rounds, GROUPS, CONNECTIONS);
    return {
      lines: [
        ...scalingLines(result, ratios, bytes),
        ...pipelineLines(runs, handoff),
        `work ${hash}`,
      ],
      values: { ratios, scaling: result, handoff, pipelines: runs, work: hash.toString() },
      bars: [bar],
    };
  } finally {
    await Promise.all(groups.map((group) => group.end()));
    useCores(all);
  }
}
