/**
 * `npm run fuzz -- <target> [--runs N] [--seed S] [--replay HEX] [--datapath D] [--debug]
 * [--json]`.
 * Exit code 0: no disagreement; 1: one was found and printed; 2: bad arguments.
 */
import { readFileSync } from "node:fs";
import { createCore } from "../../bindings/core.ts";
import type { DataPath } from "../../bindings/layout.ts";
import { fromHex, toHex } from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { findTarget, TARGETS, type Disagreement, type FuzzTarget } from "./registry.ts";

interface Arguments {
  readonly target: FuzzTarget;
  readonly runs: number;
  readonly seed: number;
  readonly replay?: Uint8Array;
  readonly datapath: DataPath;
  readonly debug: boolean;
  readonly json: boolean;
}

interface Report {
  readonly executions: number;
  readonly seconds: number;
  readonly coverage: ReadonlyMap<string, number>;
  readonly disagreement?: Disagreement;
}

const USAGE = `usage: npm run fuzz -- <target> [options]
targets:
${TARGETS.map(({ name, description }) => `  ${name.padEnd(10)} ${description}`).join("\n")}
options:
  --runs N       inputs to try (default 100000)
  --seed S       0..4294967295 (default: from the clock; printed)
  --replay HEX   one input, as a failing run prints it
  --datapath D   flextoe|laminar|laminar-relaxed (default flextoe)
  --debug        the debug build, with assertions
  --json         one line of JSON on standard output`;

const GROUP = 64;
const DEFAULT_RUNS = 100000;
const RUNS_MAX = 1e12;

class UsageError extends Error {}

function integer(name: string, text: string | undefined, low: number, high: number): number {
  const value = text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new UsageError(`fuzz: expected ${name} ${low}..${high}, got ${text ?? "nothing"}`);
}

/** Throws UsageError on anything that it does not know. */
function readArguments(words: readonly string[]): Arguments {
  const [name = "nothing", ...rest] = words;
  const target = findTarget(name);
  if (target === undefined) {
    const known = TARGETS.map((one) => one.name).join(", ");
    throw new UsageError(`fuzz: expected a target (${known}), got ${name}`);
  }
  const choice = { runs: DEFAULT_RUNS, seed: Date.now() >>> 0, debug: false, json: false };
  let datapath: DataPath = "flextoe";
  let replay: Uint8Array | undefined;
  for (let i = 0; i < rest.length; i += 1) {
    const option = rest[i] as string;
    if (option === "--json") choice.json = true;
    else if (option === "--debug") choice.debug = true;
    else if (option === "--runs") choice.runs = integer(option, rest[++i], 1, RUNS_MAX);
    else if (option === "--seed") choice.seed = integer(option, rest[++i], 0, 0xffffffff);
    else if (option === "--replay") replay = hex(rest[++i]);
    else if (option === "--datapath") datapath = dataPath(rest[++i]);
    else throw new UsageError(`fuzz: expected an option (see --help), got ${option}`);
  }
  return { target, ...choice, datapath, replay };
}

function dataPath(text: string | undefined): DataPath {
  const known = ["flextoe", "laminar", "laminar-relaxed"] as const;
  const found = known.find((one) => one === text);
  if (found !== undefined) return found;
  throw new UsageError(`fuzz: expected --datapath ${known.join("|")}, got ${text ?? "nothing"}`);
}

function hex(text: string | undefined): Uint8Array {
  if (text !== undefined && text.length > 0 && /^([0-9a-fA-F]{2})+$/.test(text)) {
    return fromHex(text);
  }
  throw new UsageError(
    `fuzz: expected --replay with pairs of hex digits, got ${text ?? "nothing"}`,
  );
}

/** Compiled, this file stands in dist/test/fuzz; the builds of the core in build. */
function loadModule({ datapath, debug }: Arguments): WebAssembly.Module {
  const up = import.meta.url.includes("/dist/test/fuzz/") ? "../../.." : "../..";
  const file = new URL(`${up}/build/${datapath}${debug ? ".debug" : ""}.wasm`, import.meta.url);
  return new WebAssembly.Module(readFileSync(file));
}

function fuzz(args: Arguments): Report {
  const module = loadModule(args);
  const session = args.target.start(() =>
    createCore({
      module,
      layout: { connections: 16, queueDescriptors: 64, payloadBytes: 1024 * 1024 },
      hashKey: [BigInt(args.seed), 0x6b79n],
    }),
  );
  const random = new Random(args.seed);
  const start = process.hrtime.bigint();
  let executions = 0;
  let disagreement: Disagreement | undefined;
  const wanted = args.replay === undefined ? args.runs : 1;
  while (executions < wanted && disagreement === undefined) {
    const left = Math.min(GROUP, wanted - executions);
    const inputs = args.replay === undefined ? session.generate(random, left) : [args.replay];
    disagreement = session.check(inputs);
    executions += inputs.length;
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { executions, seconds, coverage: session.coverage(), disagreement };
}

function replayLine(args: Arguments, report: Report): string {
  const build = args.debug ? " --debug" : "";
  const input = report.disagreement?.input ?? args.replay;
  const how =
    input === undefined
      ? `--seed ${args.seed} --runs ${report.executions}`
      : `--replay ${toHex(input)}`;
  return `npm run fuzz -- ${args.target.name} ${how}${build}`;
}

function printText(args: Arguments, report: Report): void {
  const rate = Math.round(report.executions / report.seconds);
  console.log(`fuzz ${args.target.name} seed ${args.seed}`);
  console.log(`${report.executions} executions, ${rate} per second`);
  const reached = [...report.coverage.values()].filter((times) => times > 0).length;
  console.log(`coverage ${reached} of ${report.coverage.size}`);
  for (const [name, times] of report.coverage) console.log(`  ${name.padEnd(18)} ${times}`);
  if (report.disagreement === undefined) return;
  console.log(`disagreement: ${report.disagreement.message}`);
  const input = report.disagreement.input ?? args.replay;
  if (input !== undefined) console.log(`input (set-up byte, then the frame): ${toHex(input)}`);
  console.log(`replay: ${replayLine(args, report)}`);
}

function printJson(args: Arguments, report: Report): void {
  const line = {
    target: args.target.name,
    seed: args.seed,
    executions: report.executions,
    executionsPerSecond: Math.round(report.executions / report.seconds),
    coverage: Object.fromEntries(report.coverage),
    ok: report.disagreement === undefined,
    ...(report.disagreement && {
      message: report.disagreement.message,
      replay: replayLine(args, report),
    }),
  };
  console.log(JSON.stringify(line));
}

function main(words: readonly string[]): number {
  if (words.includes("--help") || words.length === 0) {
    console.log(USAGE);
    return words.length === 0 ? 2 : 0;
  }
  try {
    const args = readArguments(words);
    const report = fuzz(args);
    if (args.json) printJson(args, report);
    else printText(args, report);
    return report.disagreement === undefined ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
}

process.exitCode = main(process.argv.slice(2));
