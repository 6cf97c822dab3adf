/**
 * `npm run stalls -- [--runs N] [--segments N] [--seed S] [--jobs J] [--modelled [--variant V]]
 * [--json]`: the workers executor under seeded stalls. A run that fails is recast as a run of the
 * modelled executor, and the command that repeats it is printed; exit status 1.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { recast, type StallRun, stallRun } from "./stall-run.ts";

interface Choice {
  readonly runs: number;
  readonly segments: number;
  readonly first: number;
  readonly jobs: number;
  readonly modelled: boolean;
  readonly variant: number;
  readonly json: boolean;
}

interface Totals {
  readonly segments: number;
  readonly failed: readonly number[];
}

function integer(name: string, text: string, low: number, high: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new RangeError(`stalls: expected --${name} ${low}..${high}, got ${text}`);
}

function choose(): Choice {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "20" },
      segments: { type: "string", default: "10000" },
      seed: { type: "string", default: String(Date.now() >>> 0) },
      jobs: { type: "string", default: "1" },
      modelled: { type: "boolean", default: false },
      variant: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
    },
  });
  return {
    runs: integer("runs", values.runs, 1, 1e6),
    segments: integer("segments", values.segments, 1, 1e8),
    first: integer("seed", values.seed, 0, 2 ** 32 - 1),
    jobs: integer("jobs", values.jobs, 1, 16),
    modelled: values.modelled,
    variant: integer("variant", values.variant, 0, 1e6),
    json: values.json,
  };
}

function show({ seed, connections, plan, failures }: StallRun): void {
  console.log(`seed ${seed}, ${connections} connections, ${JSON.stringify(plan)}`);
  for (const failure of failures) console.log(`  ${failure}`);
}

/** Looks for the failure where it repeats. */
async function showReplay(seed: number, segments: number): Promise<void> {
  const found = await recast(seed, segments);
  if (found === undefined) {
    console.log(`  no modelled run of seed ${seed} fails: look for a race between threads`);
    return;
  }
  for (const failure of found.run.failures) console.log(`  modelled: ${failure}`);
  const what = `--runs 1 --segments ${segments} --seed ${seed} --variant ${found.variant}`;
  console.log(`  replay: npm run stalls -- --modelled ${what}`);
}

async function runHere({ runs, segments, first, modelled, variant }: Choice): Promise<Totals> {
  const failed: number[] = [];
  let total = 0;
  for (let i = 0; i < runs; i += 1) {
    const run = await stallRun(first + i, segments, { modelled, variant });
    total += run.segments;
    if (run.failures.length === 0) continue;
    failed.push(run.seed);
    show(run);
    if (!modelled) await showReplay(run.seed, segments);
  }
  return { segments: total, failed };
}

/** A share of the runs in a process of its own; its last line is its JSON. */
function runApart(choice: Choice, first: number, runs: number): Promise<Totals> {
  const program = fileURLToPath(import.meta.url);
  const numbers = { runs, first, segments: choice.segments, variant: choice.variant };
  const args = ["--runs", numbers.runs, "--seed", numbers.first, "--segments", numbers.segments];
  const flags = ["--json", ...(choice.modelled ? ["--modelled"] : [])];
  const all = [program, ...args.map(String), "--variant", String(numbers.variant), ...flags];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = output.trimEnd().split("\n");
      const last = lines.pop() ?? "";
      // The first line and the last but one are the share's own summary.
      for (const line of lines.slice(1, -1)) console.log(line);
      if (code === 0 || code === 1) resolve(JSON.parse(last) as Totals);
      else reject(new Error(`stalls: expected a share of the runs to end, got status ${code}`));
    });
  });
}

async function runShares(choice: Choice): Promise<Totals> {
  const { jobs, runs, first } = choice;
  const shares = Array.from({ length: Math.min(jobs, runs) }, (_, i) => {
    const [from, to] = [Math.floor((runs * i) / jobs), Math.floor((runs * (i + 1)) / jobs)];
    return runApart(choice, first + from, to - from);
  });
  const totals = await Promise.all(shares);
  return {
    segments: totals.reduce((sum, { segments }) => sum + segments, 0),
    failed: totals.flatMap(({ failed }) => failed),
  };
}

async function main(): Promise<number> {
  const choice = choose();
  const { runs, first } = choice;
  console.log(`${runs} runs of ${choice.segments} segments from seed ${first}`);
  const { segments, failed } = choice.jobs === 1 ? await runHere(choice) : await runShares(choice);
  console.log(`${segments} segments, ${runs - failed.length} runs well, ${failed.length} failed`);
  if (choice.json) console.log(JSON.stringify({ runs, first, segments, failed }));
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  const known = error instanceof RangeError || error instanceof TypeError;
  console.error(known ? error.message : error);
  return 2;
});
