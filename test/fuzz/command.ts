/**
 * `npm run fuzz -- <target> [--runs N] [--seed S] [--replay HEX] [--datapath D] [--debug]
 * [--unguided] [--minimise] [--json]`.
 * Exit code 0: no disagreement; 1: one was found and printed; 2: bad arguments.
 */
import type { DataPath } from "../../bindings/layout.ts";
import { fromHex, toHex } from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { readCorpus, writeCorpus } from "./corpus.ts";
import { loadBuild } from "./load-build.ts";
import { findTarget, TARGETS } from "./registry.ts";
import type { Disagreement, FuzzSession, FuzzTarget } from "./registry.ts";

interface Arguments {
  readonly target: FuzzTarget;
  readonly runs: number;
  readonly seed: number;
  /** Executions per second of processor time; fewer end with status 1. */
  readonly least: number;
  readonly replay?: Uint8Array;
  readonly datapath: DataPath;
  readonly debug: boolean;
  readonly unguided: boolean;
  readonly minimise: boolean;
  readonly json: boolean;
}

interface Report {
  readonly executions: number;
  readonly seconds: number;
  /** Of the processor: on a machine with other work, how fast it is by itself. */
  readonly cpuSeconds: number;
  readonly coverage: ReadonlyMap<string, number>;
  readonly disagreement?: Disagreement;
  /** Lines of the corpus file, when it was written. */
  readonly kept?: number;
}

const USAGE = `usage: npm run fuzz -- <target> [options]
targets:
${TARGETS.map(({ name, description }) => `  ${name.padEnd(10)} ${description}`).join("\n")}
options:
  --runs N       inputs to try (default 100000)
  --least N      fail below N executions per second of processor time
  --seed S       0..4294967295 (default: from the clock; printed)
  --replay HEX   one input, as a failing run prints it
  --datapath D   flextoe|laminar|laminar-relaxed (default flextoe)
  --debug        the debug build, with assertions; inputs are not guided
  --unguided     without edge counters and corpus
  --minimise     afterwards, write what took new edges to test/fuzz/corpus
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

function targetOf(name: string): FuzzTarget {
  const target = findTarget(name);
  if (target !== undefined) return target;
  const known = TARGETS.map((one) => one.name).join(", ");
  throw new UsageError(`fuzz: expected a target (${known}), got ${name}`);
}

const FLAGS = ["debug", "unguided", "minimise", "json"] as const;

/** Throws UsageError on anything that it does not know. */
function readArguments(words: readonly string[], clock: number): Arguments {
  const [name = "nothing", ...rest] = words;
  const target = targetOf(name);
  const flags = { debug: false, unguided: false, minimise: false, json: false };
  let [runs, seed, least] = [DEFAULT_RUNS, clock >>> 0, 0];
  let datapath: DataPath = "flextoe";
  let replay: Uint8Array | undefined;
  for (let i = 0; i < rest.length; i += 1) {
    const option = rest[i] as string;
    const flag = FLAGS.find((one) => option === `--${one}`);
    if (flag !== undefined) flags[flag] = true;
    else if (option === "--runs") runs = integer(option, rest[++i], 1, RUNS_MAX);
    else if (option === "--least") least = integer(option, rest[++i], 1, RUNS_MAX);
    else if (option === "--seed") seed = integer(option, rest[++i], 0, 0xffffffff);
    else if (option === "--replay") replay = hex(rest[++i]);
    else if (option === "--datapath") datapath = dataPath(rest[++i]);
    else throw new UsageError(`fuzz: expected an option (see --help), got ${option}`);
  }
  if (flags.minimise && (flags.debug || flags.unguided)) {
    throw new UsageError("fuzz: expected --minimise with guided inputs, got --debug or --unguided");
  }
  return { target, runs, seed, least, ...flags, datapath, replay };
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

/** Groups of inputs until there are enough, none is left, or one disagrees. */
function search(
  session: FuzzSession,
  args: Arguments,
): Pick<Report, "executions" | "disagreement"> {
  if (args.replay !== undefined) {
    return { executions: 1, disagreement: session.check([args.replay]) };
  }
  const random = new Random(args.seed);
  let executions = 0;
  let disagreement: Disagreement | undefined;
  while (executions < args.runs && disagreement === undefined) {
    const inputs = session.generate(random, Math.min(GROUP, args.runs - executions));
    if (inputs.length === 0) break;
    disagreement = session.check(inputs);
    executions += inputs.length;
  }
  return { executions, disagreement };
}

function fuzz(args: Arguments): Report {
  const guided = !args.unguided && args.replay === undefined;
  const build = loadBuild(args.datapath, { debug: args.debug, guided, seed: args.seed });
  const session = args.target.start(build);
  if (build.edges > 0) session.learn?.(readCorpus(args.target).map(({ input }) => input));
  const start = process.hrtime.bigint();
  const before = process.cpuUsage();
  const found = search(session, args);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(before);
  const cpuSeconds = (user + system) / 1e6;
  const kept = args.minimise
    ? writeCorpus(args.target, build, session.corpus?.() ?? [])
    : undefined;
  return { ...found, seconds, cpuSeconds, coverage: session.coverage(), kept };
}

function replayLine(args: Arguments, report: Report): string {
  const datapath = args.datapath === "flextoe" ? "" : ` --datapath ${args.datapath}`;
  const build = `${datapath}${args.debug ? " --debug" : ""}${args.unguided ? " --unguided" : ""}`;
  const input = report.disagreement?.input ?? args.replay;
  const how =
    input === undefined
      ? `--seed ${args.seed} --runs ${report.executions}`
      : `--replay ${toHex(input)}`;
  return `npm run fuzz -- ${args.target.name} ${how}${build}`;
}

function ratesOf(report: Report): { perSecond: number; perCpuSecond: number } {
  const { executions, seconds, cpuSeconds } = report;
  return {
    perSecond: Math.round(executions / seconds),
    perCpuSecond: Math.round(executions / cpuSeconds),
  };
}

function printText(args: Arguments, report: Report): void {
  console.log(`fuzz ${args.target.name} seed ${args.seed} on ${args.datapath}`);
  const { perSecond, perCpuSecond } = ratesOf(report);
  const rates = `${perSecond} per second, ${perCpuSecond} per second of processor time`;
  console.log(`${report.executions} executions, ${rates}`);
  const reached = [...report.coverage.values()].filter((times) => times > 0).length;
  console.log(`coverage ${reached} of ${report.coverage.size}`);
  for (const [name, times] of report.coverage) console.log(`  ${name.padEnd(18)} ${times}`);
  if (report.kept !== undefined) console.log(`corpus: ${report.kept} inputs`);
  if (report.disagreement === undefined) return;
  console.log(`disagreement: ${report.disagreement.message}`);
  console.log(`replay: ${replayLine(args, report)}`);
}

function printJson(args: Arguments, report: Report): void {
  const { perSecond, perCpuSecond } = ratesOf(report);
  const line = {
    target: args.target.name,
    seed: args.seed,
    executions: report.executions,
    executionsPerSecond: perSecond,
    executionsPerCpuSecond: perCpuSecond,
    coverage: Object.fromEntries(report.coverage),
    ok: report.disagreement === undefined,
    ...(report.disagreement && {
      message: report.disagreement.message,
      replay: replayLine(args, report),
    }),
  };
  console.log(JSON.stringify(line));
}

/** Runs the command line; the exit status. `clock`: the seed when none is given. */
export function main(words: readonly string[], clock: number): number {
  if (words.includes("--help") || words.length === 0) {
    console.log(USAGE);
    return words.length === 0 ? 2 : 0;
  }
  try {
    const args = readArguments(words, clock);
    const report = fuzz(args);
    if (args.json) printJson(args, report);
    else printText(args, report);
    const isFast = ratesOf(report).perCpuSecond >= args.least;
    if (!isFast) console.log(`expected at least ${args.least} per second of processor time`);
    return report.disagreement === undefined && isFast ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
}
