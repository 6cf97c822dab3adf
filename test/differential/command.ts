/**
 * `npm run differential`: the same scripted peer against the Linux kernel and against toeloop, the
 * traces compared. Linux's side runs in a network namespace of its own (inside.ts), toeloop's here
 * in virtual time.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { integer, oneOf, readArguments } from "../../examples/arguments.ts";
import { Namespace } from "../../examples/interop/namespace.ts";
import { isInstalled } from "../../examples/interop/programs.ts";
import { ROOT, skipsForbidden } from "../support/env.ts";
import { ACCEPTED, acceptedOn, type DataPath, DATA_PATHS, RANDOM } from "./accepted.ts";
import { differenceText } from "./compare.ts";
import type { Traces } from "./inside.ts";
import { endpointsOf, toeloopIsn } from "./places.ts";
import { type Choice, chosenScripts, RANDOM_NAME, SCRIPTS } from "./registry.ts";
import { judge, judgeDrawn, sideBySide, stalePatterns, type Verdict } from "./report.ts";
import { runSession } from "./session.ts";
import { ToeloopSystem } from "./toeloop-system.ts";

const INSIDE = fileURLToPath(new URL("./inside.js", import.meta.url));
/** Sessions of the kernel's side at once: most of a session is waiting. */
const AT_ONCE = 48;
/** Those that differed are run again by themselves, so few at once that none waits for another. */
const AGAIN_AT_ONCE = 4;
const AGAIN_MAX = 4;
const LIMIT_MS = 600_000;
/** Drawn sessions in which every accepted pattern is bound to be. */
const MANY = 100;

const HELP = `npm run differential -- [options]        as root, on Linux

The same scripted peer talks to the Linux kernel through a TUN device in a network namespace and to
toeloop (profile linux) in virtual time; the traces are compared line by line. What may differ,
and why, is test/differential/accepted.txt (of Linux 6.18). A script that differs is run again by
itself, four times, before it fails.

  --only NAMES      scripts by name, separated by commas; random-SEED is a drawn session
  --random N        on flextoe, N sessions drawn from seeds, in place of the written scripts
  --seed S          their first seed                                       (default 1)
  --datapath D      flextoe|laminar-relaxed                                (default flextoe)
  --traces          prints every trace, not only those that differ
  --json            one JSON object as the line before the last
  --help            this text
`;

interface Options {
  readonly choice: Choice;
  readonly datapath: DataPath;
  readonly traces: boolean;
  readonly json: boolean;
}

/** Why it cannot run here; undefined when it can. */
function obstacle(): string | undefined {
  if (process.platform !== "linux") return `needs Linux, got ${process.platform}`;
  if (process.getuid?.() !== 0) return "needs root";
  return isInstalled("ip") ? undefined : "needs the program ip (iproute2)";
}

function optionsOf(argv: readonly string[]): Options | undefined {
  const { values, rest } = readArguments(argv, {
    only: (text: string) => text.split(","),
    random: integer(1, 10_000),
    seed: integer(0, 2 ** 32 - 1),
    datapath: oneOf(...DATA_PATHS),
    traces: "flag",
    json: "flag",
    help: "flag",
  } as const);
  if (rest.length > 0) {
    throw new RangeError(`differential: expected options only, got "${rest[0]}"`);
  }
  if (values.help) return undefined;
  if (values.only !== undefined && values.random !== undefined) {
    throw new RangeError("differential: expected --only or --random, got both");
  }
  const { datapath = "flextoe", traces = false, json = false } = values;
  if (values.random !== undefined && datapath !== "flextoe") {
    throw new RangeError("differential: expected --random on flextoe, got one interval (Laminar)");
  }
  const choice: Choice = {
    ...(values.only === undefined ? {} : { only: values.only }),
    ...(values.random === undefined
      ? {}
      : { random: { count: values.random, seed: values.seed ?? 1 } }),
  };
  // A name that no script has is an error before anything runs.
  chosenScripts(choice);
  return { choice, datapath, traces, json };
}

/** Real-time priority where it may be had: a peer that waits for a core is another peer. */
function priority(): readonly string[] {
  return spawnSync("chrt", ["-f", "10", "true"]).status === 0 ? ["chrt", "-f", "10"] : [];
}

/** The kernel's traces, from a namespace that is gone when this returns. */
async function linuxTraces(choice: Choice, atOnce: number): Promise<Traces> {
  const namespace = new Namespace(`differential-${process.pid}`);
  try {
    const inside = [process.execPath, INSIDE, JSON.stringify({ ...choice, atOnce })];
    const [first = "", ...words] = [...priority(), ...inside];
    const [program, all] = namespace.command(first, words);
    const child = spawn(program, all, { stdio: ["ignore", "pipe", "inherit"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    clearTimeout(timer);
    if (code !== 0) throw new Error(`differential: expected the kernel's traces, got exit ${code}`);
    return JSON.parse(text) as Traces;
  } finally {
    namespace.remove();
  }
}

async function judgeAll(choice: Choice, datapath: DataPath, atOnce: number): Promise<Verdict[]> {
  const module = new WebAssembly.Module(readFileSync(`${ROOT}build/${datapath}.wasm`));
  const linux = await linuxTraces(choice, atOnce);
  const verdicts: Verdict[] = [];
  for (const [index, script] of chosenScripts(choice).entries()) {
    const ends = endpointsOf(index, script.name);
    const system = new ToeloopSystem(module, ends, toeloopIsn(script.name));
    const trace = await runSession(script, system, ends);
    const traces = [linux[script.name] ?? [], trace] as const;
    const verdict = RANDOM_NAME.test(script.name)
      ? judgeDrawn(script, ...traces, acceptedOn(datapath, RANDOM))
      : judge(script, ...traces, acceptedOn(datapath, script.name));
    verdicts.push(verdict);
  }
  return verdicts;
}

const namesOf = (verdicts: readonly Verdict[]): string[] => {
  return verdicts.map(({ script }) => script.name);
};

/**
 * The verdicts, those that failed judged by themselves, a few times: the kernel's side is in real
 * time, and its timers come late now and then. toeloop's trace is the same each time.
 */
async function judgeAgain(choice: Choice, datapath: DataPath): Promise<readonly Verdict[]> {
  let verdicts = await judgeAll(choice, datapath, AT_ONCE);
  for (let attempt = 0; attempt < AGAIN_MAX; attempt += 1) {
    const suspects = verdicts.filter(({ failure }) => failure !== undefined);
    if (suspects.length === 0) break;
    console.log(`run again by themselves: ${namesOf(suspects).join(" ")}`);
    const again = await judgeAll({ only: namesOf(suspects) }, datapath, AGAIN_AT_ONCE);
    const passed = again.filter(({ failure }) => failure === undefined);
    if (passed.length > 0) console.log(`differed, and not again: ${namesOf(passed).join(" ")}`);
    verdicts = verdicts.map((verdict) => {
      return again.find(({ script }) => script.name === verdict.script.name) ?? verdict;
    });
  }
  return verdicts;
}

function show(verdict: Verdict, { traces, datapath }: Options): void {
  const { script, failure, found } = verdict;
  if (failure === undefined) {
    if (traces) console.log(`${script.name}\n${sideBySide(verdict)}\n`);
    return;
  }
  console.log(`FAILED ${script.name}: ${failure}\n${sideBySide(verdict)}`);
  console.log(found.map((one) => `  ${JSON.stringify(differenceText(one))},`).join("\n"));
  console.log(`  replay: npm run differential -- --datapath ${datapath} --only ${script.name}\n`);
}

function jsonOf(verdicts: readonly Verdict[], seconds: number): string {
  const failed = verdicts.filter(({ failure }) => failure !== undefined);
  const accepted = verdicts.filter(({ failure, found }) => {
    return failure === undefined && found.length > 0;
  });
  return JSON.stringify({
    scripts: verdicts.length,
    seconds,
    accepted: namesOf(accepted),
    failed: failed.map(({ script, failure, found }) => ({
      script: script.name,
      failure,
      differences: found.map(differenceText),
    })),
  });
}

/** Entries for scripts that are not there any more would never be missed. */
function strayEntries(): readonly string[] {
  const names = new Set([RANDOM, ...SCRIPTS.map(({ name }) => name)]);
  return [...ACCEPTED.keys()].filter((entry) => !names.has(entry.split(" on ")[0] as string));
}

/** Of many drawn sessions each accepted pattern must have been in one. */
function staleIn(verdicts: readonly Verdict[], { choice, datapath }: Options): readonly string[] {
  if (choice.random === undefined || choice.random.count < MANY) return [];
  return stalePatterns(verdicts, acceptedOn(datapath, RANDOM)?.differences ?? []);
}

/** Runs the command line; the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const options = optionsOf(argv);
  if (options === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const why = obstacle();
  if (why !== undefined) {
    console.log(`differential skipped: ${why}`);
    console.log(`0 passed, ${skipsForbidden() ? 1 : 0} failed`);
    return skipsForbidden() ? 1 : 0;
  }
  const stray = strayEntries();
  if (stray.length > 0) throw new RangeError(`accepted: expected scripts, got ${stray.join(" ")}`);
  const start = performance.now();
  const verdicts = await judgeAgain(options.choice, options.datapath);
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  for (const verdict of verdicts) show(verdict, options);
  const stale = staleIn(verdicts, options);
  for (const pattern of stale) console.log(`FAILED accepted, and met nowhere: ${pattern}`);
  const failed = verdicts.filter(({ failure }) => failure !== undefined).length;
  const known = verdicts.filter(({ failure, found }) => {
    return failure === undefined && found.length > 0;
  }).length;
  console.log(`${verdicts.length} scripts, ${known} with accepted differences, ${seconds} s`);
  if (options.json) console.log(jsonOf(verdicts, seconds));
  console.log(`${verdicts.length - failed} passed, ${failed + stale.length} failed`);
  return failed + stale.length === 0 ? 0 : 1;
}
