/**
 * `npm run fuzz:native -- [--runs N] [--seconds N] [--seed S] [--datapath D]`: target `live` with
 * libFuzzer over C that wasm2c makes of the release core (harness.c). Begins with the kept corpus;
 * an input that fails is printed with the line that repeats it under Node. Exit code 0: nothing was
 * found, or a tool is not installed, which is then named; 1: found; 2: bad arguments.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { INPUT_STATE_MASK, WORLD_DETAIL } from "../../../bindings/abi/fuzz.ts";
import type { DataPath } from "../../../bindings/layout.ts";
import { ROOT, skipsForbidden } from "../../support/env.ts";
import { toHex } from "../../support/frames.ts";
import { readCorpus } from "../corpus.ts";
import { INPUT_MAX, LiveWorld, MUTABLE_MAX } from "../live/live-world.ts";
import { STATES } from "../live/states.ts";
import { loadBuild } from "../load-build.ts";
import { liveTarget } from "../targets/live.ts";

const USAGE = `usage: npm run fuzz:native -- [options]
  --runs N       inputs to try (default 1000000)
  --seconds N    and no longer than that (default 600)
  --seed S       1..4294967295 (default: from the clock; printed)
  --datapath D   flextoe|laminar|laminar-relaxed (default flextoe)`;
const DATA_PATHS: readonly DataPath[] = ["flextoe", "laminar", "laminar-relaxed"];
const SOURCES = `${ROOT}test/fuzz/native`;
const WASM2C = `${ROOT}node_modules/wabt/bin/wasm2c`;
/** Debian's packages with what is asked for. */
const PACKAGES = "clang, libclang-rt-14-dev and libsimde-dev";

class UsageError extends Error {}

interface Arguments {
  readonly runs: number;
  readonly seconds: number;
  readonly seed: number;
  readonly datapath: DataPath;
}

function integer(name: string, text: string | undefined, low: number, high: number): number {
  const value = text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new UsageError(`fuzz:native: expected ${name} ${low}..${high}, got ${text ?? "nothing"}`);
}

/** Throws UsageError on anything that it does not know. */
function readArguments(words: readonly string[], clock: number): Arguments {
  let [runs, seconds, seed] = [1e6, 600, clock >>> 0 || 1];
  let datapath: DataPath = "flextoe";
  for (let i = 0; i < words.length; i += 1) {
    const option = words[i] as string;
    if (option === "--runs") runs = integer(option, words[++i], 1, 1e12);
    else if (option === "--seconds") seconds = integer(option, words[++i], 1, 1e6);
    else if (option === "--seed") seed = integer(option, words[++i], 1, 0xffffffff);
    else if (option === "--datapath") datapath = dataPath(words[++i]);
    else throw new UsageError(`fuzz:native: expected an option (see --help), got ${option}`);
  }
  return { runs, seconds, seed, datapath };
}

function dataPath(text: string | undefined): DataPath {
  const found = DATA_PATHS.find((one) => one === text);
  if (found !== undefined) return found;
  const known = DATA_PATHS.join("|");
  throw new UsageError(`fuzz:native: expected --datapath ${known}, got ${text ?? "nothing"}`);
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (status === 0) return;
  throw new Error(`fuzz:native: ${program} failed: ${error?.message ?? stderr}`);
}

/** What is missing to compile a program with libFuzzer; undefined when nothing is. */
function missing(folder: string): string | undefined {
  const text = "#include <simde/wasm/simd128.h>\nint LLVMFuzzerTestOneInput(void) { return 0; }\n";
  writeFileSync(`${folder}/probe.c`, text);
  const args = ["-fsanitize=fuzzer", "probe.c", "-o", "probe"];
  const { error, status } = spawnSync("clang", args, { cwd: folder });
  if (error !== undefined) return "clang";
  return status === 0 ? undefined : "libFuzzer or simde";
}

/** The prepared world as a file, and its addresses for the compiler. */
function writeWorld(folder: string, datapath: DataPath): void {
  const build = loadBuild(datapath, { guided: false });
  const world = new LiveWorld(build.module, build.harness);
  const bytes = new Uint8Array(world.memory.buffer);
  writeFileSync(`${folder}/world.bin`, bytes);
  const constants: [string, number | string][] = [
    ["WORLD_FILE", `"${folder}/world.bin"`],
    ["WORLD_BYTES", bytes.length],
    ["WORLD", world.world],
    ["DETAIL", WORLD_DETAIL],
    ["INPUT", world.input],
    ["INPUT_MAX", INPUT_MAX],
    ["IMAGES", world.images],
    ["IMAGE_BYTES", MUTABLE_MAX],
    ["STATES", STATES.length],
    ["STATE_MASK", INPUT_STATE_MASK],
  ];
  const text = constants.map(([name, value]) => `#define ${name} ${value}\n`).join("");
  writeFileSync(`${folder}/world.h`, text);
}

/** Core and harness to C, C to a program. */
function compile(folder: string, datapath: DataPath): void {
  writeWorld(folder, datapath);
  for (const [file, name] of [
    [datapath, "core"],
    ["fuzz", "fuzz"],
  ]) {
    const args = [WASM2C, `${ROOT}build/${file}.wasm`, "-n", `${name}`, "-o", `${name}.c`];
    run(process.execPath, args, folder);
  }
  const flags = ["-O1", "-g", "-w", "-fsanitize=fuzzer", "-fno-strict-aliasing", `-I${SOURCES}`];
  const sources = [`${SOURCES}/harness.c`, "core.c", "fuzz.c"];
  run("clang", [...flags, "-I.", ...sources, "-lm", "-o", "live"], folder);
}

function writeSeeds(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // To finish takes longer than all the rest of a case: libFuzzer would do little else.
  for (const { name, input } of readCorpus(liveTarget)) {
    writeFileSync(`${folder}/${name}`, input.with(0, (input[0] as number) & INPUT_STATE_MASK));
  }
  STATES.forEach((_, index) => {
    writeFileSync(`${folder}/state-${index}`, Uint8Array.of(index));
  });
}

/** What libFuzzer left of inputs that failed. */
function failures(folder: string): Uint8Array[] {
  const names = readdirSync(folder).filter((name) => /^(crash|timeout|oom|leak)-/.test(name));
  return names.map((name) => new Uint8Array(readFileSync(`${folder}/${name}`)));
}

function fuzz(folder: string, args: Arguments): number {
  const limits = [`-runs=${args.runs}`, `-max_total_time=${args.seconds}`, `-seed=${args.seed}`];
  const options = [...limits, "-max_len=64", "-print_final_stats=1", "-timeout=10"];
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(`${folder}/live`, [...options, "corpus"], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const done = Number(/number_of_executed_units: (\d+)/.exec(stderr)?.[1] ?? 0);
  const cover = /.*\bcov: (\d+)/s.exec(stderr)?.[1] ?? "0";
  console.log(`fuzz native seed ${args.seed} on ${args.datapath}`);
  console.log(`${done} executions, ${Math.round(done / seconds)} per second, ${cover} edges`);
  const found = failures(folder);
  for (const input of found) {
    const faults = /^(fault|trapped).*$/m.exec(stderr)?.[0] ?? "";
    console.log(`disagreement: ${faults}`);
    const datapath = args.datapath === "flextoe" ? "" : ` --datapath ${args.datapath}`;
    console.log(`replay: npm run fuzz -- live --replay ${toHex(input)}${datapath}`);
  }
  if (found.length === 0 && status !== 0) console.log(stderr.slice(-2000));
  return status === 0 && found.length === 0 ? 0 : 1;
}

function start(args: Arguments): number {
  const folder = `${ROOT}build/native-${args.datapath}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const what = missing(folder);
  if (what !== undefined) {
    console.log(`skipped: no ${what} (Debian: ${PACKAGES})`);
    return skipsForbidden() ? 1 : 0;
  }
  compile(folder, args.datapath);
  writeSeeds(`${folder}/corpus`);
  return fuzz(folder, args);
}

/** Runs the command line; the exit status. `clock`: the seed when none is given. */
export function main(words: readonly string[], clock: number): number {
  if (words.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  try {
    return start(readArguments(words, clock));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
}
