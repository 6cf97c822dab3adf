/**
 * `npm run simulate -- --seeds N [--seed S] [--datapath D] [--jobs J] [--debug] [--plan] [--json]`:
 * N seeds from S on, over one data path or all three. A failure prints what was violated, the line
 * that repeats it and where its frames are; the exit status is then 1. `--plan` prints what was
 * drawn; `--pin` writes the trace hashes of the pinned seeds instead of all that.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { DataPath } from "../../bindings/layout.ts";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { captureLinks } from "../../host/netif/tracer.ts";
import { ROOT } from "../support/env.ts";
import { drawPlan } from "./draw.ts";
import { pin } from "./pin.ts";
import { type Outcome, simulate, simulateTwice } from "./simulation.ts";

export const DATA_PATHS: readonly DataPath[] = ["flextoe", "laminar", "laminar-relaxed"];
/** One seed in so many runs twice: the same frames at the same times (I14). */
const TWICE_EVERY = 16;
const SHOWN_MAX = 3;

interface Choice {
  readonly seeds: number;
  readonly first: number;
  readonly datapaths: readonly DataPath[];
  readonly jobs: number;
  readonly debug: boolean;
  readonly plan: boolean;
  readonly pin: boolean;
  readonly json: boolean;
}

/** One run that failed. */
interface Failure {
  readonly seed: number;
  readonly datapath: DataPath;
  readonly invariant: string;
  readonly text: string;
  readonly replay: string;
  readonly pcapng: string;
}

interface Totals {
  readonly runs: number;
  readonly frames: number;
  readonly delivered: number;
  readonly virtualSeconds: number;
  readonly failures: readonly Failure[];
}

function integer(name: string, text: string, low: number, high: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new RangeError(`simulate: expected --${name} ${low}..${high}, got ${text}`);
}

function dataPaths(text: string | undefined): readonly DataPath[] {
  if (text === undefined) return DATA_PATHS;
  const found = DATA_PATHS.find((one) => one === text);
  if (found !== undefined) return [found];
  throw new RangeError(`simulate: expected --datapath ${DATA_PATHS.join("|")}, got ${text}`);
}

function choose(args: readonly string[]): Choice {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() >>> 0) },
      datapath: { type: "string" },
      jobs: { type: "string", default: "1" },
      debug: { type: "boolean", default: false },
      plan: { type: "boolean", default: false },
      pin: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  return {
    seeds: integer("seeds", values.seeds, 1, 1e7),
    first: integer("seed", values.seed, 0, 2 ** 32 - 1),
    datapaths: dataPaths(values.datapath),
    jobs: integer("jobs", values.jobs, 1, 64),
    debug: values.debug,
    plan: values.plan,
    pin: values.pin,
    json: values.json,
  };
}

const modules = new Map<string, WebAssembly.Module>();

function moduleOf(datapath: DataPath, debug: boolean): WebAssembly.Module {
  const file = `${ROOT}build/${datapath}${debug ? ".debug" : ""}.wasm`;
  const known = modules.get(file) ?? new WebAssembly.Module(readFileSync(file));
  modules.set(file, known);
  return known;
}

/** Runs a failing seed again, with its frames in a file. */
function capture(seed: number, datapath: DataPath, debug: boolean): string {
  const file = `toeloop-simulate-${datapath}-${seed}.pcapng`;
  const handle = openSync(file, "w");
  const writer = new PcapngWriter({ sink: (bytes) => writeSync(handle, bytes), snap: "full" });
  const plan = drawPlan(seed, datapath);
  simulate(moduleOf(datapath, debug), plan, { capture: captureLinks(writer) });
  writer.flush();
  closeSync(handle);
  return file;
}

function failureOf(seed: number, datapath: DataPath, debug: boolean, outcome: Outcome): Failure {
  const { invariant, text, at } = outcome.violations[0] as Outcome["violations"][number];
  const build = debug ? " --debug" : "";
  const replay = `npm run simulate -- --seeds 1 --seed ${seed} --datapath ${datapath}${build}`;
  const pcapng = capture(seed, datapath, debug);
  return { seed, datapath, invariant, text: `${at} ns: ${text}`, replay, pcapng };
}

function show(failure: Failure, outcome: Outcome): void {
  console.log(`FAILED seed ${failure.seed} ${failure.datapath}`);
  for (const { invariant, text, at } of outcome.violations.slice(0, SHOWN_MAX)) {
    console.log(`  ${invariant} at ${at} ns: ${text}`);
  }
  console.log(`  replay: ${failure.replay}`);
  console.log(`  frames: ${failure.pcapng}`);
}

function runOne(seed: number, datapath: DataPath, choice: Choice): Outcome {
  const plan = drawPlan(seed, datapath);
  if (choice.plan) console.log(JSON.stringify(plan, null, 1));
  const module = moduleOf(datapath, choice.debug);
  return seed % TWICE_EVERY === 0 ? simulateTwice(module, plan) : simulate(module, plan);
}

function runHere(choice: Choice): Totals {
  const totals = { runs: 0, frames: 0, delivered: 0, virtualSeconds: 0 };
  const failures: Failure[] = [];
  for (let seed = choice.first; seed < choice.first + choice.seeds; seed += 1) {
    for (const datapath of choice.datapaths) {
      const outcome = runOne(seed, datapath, choice);
      totals.runs += 1;
      totals.frames += outcome.frames;
      totals.delivered += outcome.delivered;
      totals.virtualSeconds += Math.round(outcome.virtualNs / 1e9);
      if (outcome.violations.length === 0) continue;
      const failure = failureOf(seed, datapath, choice.debug, outcome);
      failures.push(failure);
      show(failure, outcome);
    }
  }
  return { ...totals, failures };
}

/** A share of the seeds in a process of its own; its last line is its JSON. */
function runApart(choice: Choice, first: number, seeds: number): Promise<Totals> {
  const program = fileURLToPath(new URL("run.js", import.meta.url));
  const args = [program, "--seeds", `${seeds}`, "--seed", `${first}`, "--json"];
  if (choice.datapaths.length === 1) args.push("--datapath", choice.datapaths[0] as string);
  if (choice.debug) args.push("--debug");
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = output.trimEnd().split("\n");
      const last = lines.pop() ?? "";
      // The last but two are the share's own summary.
      for (const line of lines.slice(0, -2)) console.log(line);
      if (code === 0 || code === 1) resolve(JSON.parse(last) as Totals);
      else reject(new Error(`simulate: expected a share of the seeds to end, got status ${code}`));
    });
  });
}

async function runShares(choice: Choice): Promise<Totals> {
  const { seeds, first } = choice;
  const jobs = Math.min(choice.jobs, seeds);
  const shares = Array.from({ length: jobs }, (_, i) => {
    const [from, to] = [Math.floor((seeds * i) / jobs), Math.floor((seeds * (i + 1)) / jobs)];
    return runApart(choice, first + from, to - from);
  });
  const all = await Promise.all(shares);
  const sum = (value: (totals: Totals) => number): number =>
    all.reduce((total, one) => total + value(one), 0);
  return {
    runs: sum(({ runs }) => runs),
    frames: sum(({ frames }) => frames),
    delivered: sum(({ delivered }) => delivered),
    virtualSeconds: sum(({ virtualSeconds }) => virtualSeconds),
    failures: all.flatMap(({ failures }) => failures),
  };
}

/** Runs the command line; the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const choice = choose(args);
  if (choice.pin) {
    const moved = pin(DATA_PATHS, (datapath) => moduleOf(datapath, choice.debug));
    console.log(`${moved} hashes moved`);
    return 0;
  }
  const totals = choice.jobs === 1 ? runHere(choice) : await runShares(choice);
  const { runs, frames, delivered, virtualSeconds, failures } = totals;
  const last = choice.first + choice.seeds - 1;
  console.log(
    `seeds ${choice.first} to ${last} on ${choice.datapaths.join(", ")}: ${frames} frames, ` +
      `${delivered} bytes delivered, ${virtualSeconds} s of virtual time`,
  );
  console.log(`${runs - failures.length} passed, ${failures.length} failed`);
  if (choice.json) {
    console.log(JSON.stringify({ first: choice.first, seeds: choice.seeds, ...totals }));
  }
  return failures.length === 0 ? 0 : 1;
}
