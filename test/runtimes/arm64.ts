/**
 * `npm run arm64 [-- --runs N] [--seed S]`: threats W10 on another processor. Node for arm64 under
 * QEMU has the simulator's pinned hashes, and the parse fuzzer counts there what it counts here,
 * on each data path. An emulator shows what V8's other compiler makes of the Wasm and of the host;
 * of that machine's memory order, which threads would see, it shows nothing.
 *
 * Needs `.ci/runtimes node-arm64` and Debian's qemu-user-static, libc6-arm64-cross and
 * libstdc++6-arm64-cross; TOELOOP_ARM64 names another command that runs such a Node.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { hashesPinned } from "../simulate/pinned.ts";
import { ROOT, skipsForbidden } from "../support/env.ts";
import { pinned } from "./pinned-program.ts";
import { DIST, type EmulatorLine, inNodeForArm64 } from "./run-in.ts";

const DATA_PATHS = ["flextoe", "laminar", "laminar-relaxed"] as const;
const NODE = join(ROOT, "build/runtimes/node-arm64");
const LIBRARIES = "/usr/aarch64-linux-gnu";
const HOUR_MS = 3_600_000;
const RUNS_MAX = 1e9;

/** The same thing twice: as it has to be, and as it is on the other processor. */
export interface Comparison {
  readonly name: string;
  readonly expected: () => Promise<unknown>;
  readonly got: () => Promise<unknown>;
}

/** Makes the comparisons one after the other; the last line said is their counts. */
export async function compareAll(
  comparisons: readonly Comparison[],
  say: (line: string) => void,
): Promise<number> {
  let failed = 0;
  for (const { name, expected, got } of comparisons) {
    try {
      const [wanted, found] = [JSON.stringify(await expected()), JSON.stringify(await got())];
      if (wanted !== found) throw new Error(`expected ${wanted}, got ${found}`);
      say(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      say(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  say(`${comparisons.length - failed} passed, ${failed} failed`);
  return failed;
}

/** The line that runs a Node for arm64, given arguments behind it. */
function emulator(): EmulatorLine {
  const [command, ...rest] = process.env.TOELOOP_ARM64?.split(" ") ?? [];
  if (command !== undefined) return [command, ...rest];
  return ["qemu-aarch64-static", "-L", LIBRARIES, NODE];
}

function isOnPath(command: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What is not there, undefined when all is. */
function missing(): string | undefined {
  if (process.env.TOELOOP_ARM64 !== undefined) return undefined;
  if (!isOnPath("qemu-aarch64-static")) return "no qemu-aarch64-static (Debian: qemu-user-static)";
  const library = join(LIBRARIES, "lib/libstdc++.so.6");
  if (!existsSync(library)) return `no ${library} (Debian: libstdc++6-arm64-cross)`;
  return existsSync(NODE) ? undefined : `no ${NODE} (.ci/runtimes node-arm64)`;
}

/** What the fuzzer reports but its rates: counts of drops by reason, edges and inputs kept. */
function fuzz(line: EmulatorLine, args: readonly string[]): Promise<unknown> {
  const [command, ...rest] = line;
  const whole = [...rest, join(DIST, "test/fuzz/run.js"), "parse", "--json", ...args];
  return new Promise((resolve, reject) => {
    execFile(command, whole, { cwd: ROOT, timeout: HOUR_MS }, (error, stdout, stderr) => {
      if (error) return reject(new Error(`${error.message}\n${stdout}${stderr}`));
      const { executionsPerSecond, executionsPerCpuSecond, ...counts } = JSON.parse(stdout);
      resolve(counts);
    });
  });
}

/** What is compared; the fuzzer's `runs` and `seed`. */
function comparisons(line: EmulatorLine, runs: number, seed: number): Comparison[] {
  return DATA_PATHS.flatMap((datapath) => {
    const args = ["--runs", `${runs}`, "--seed", `${seed}`, "--datapath", datapath];
    return [
      {
        name: `threats/W10, I14 arm64 has the pinned hashes, ${datapath}`,
        expected: async () => hashesPinned(datapath),
        got: () => inNodeForArm64(line, pinned(datapath)),
      },
      {
        name: `threats/W10 arm64: the parse fuzzer's counts, ${datapath}, seed ${seed}`,
        expected: () => fuzz([process.execPath], args),
        got: () => fuzz(line, args),
      },
    ];
  });
}

function integer(name: string, text: string, low: number, high: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new RangeError(`arm64: expected --${name} ${low}..${high}, got ${text}`);
}

/** Runs the command line; the exit status. `lacks`: what is missing, for its test. */
export async function main(words: readonly string[], lacks = missing()): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      runs: { type: "string", default: "20000" },
      seed: { type: "string", default: "1" },
    },
  });
  const runs = integer("runs", values.runs, 1, RUNS_MAX);
  const seed = integer("seed", values.seed, 0, 0xffffffff);
  if (lacks !== undefined) {
    console.log(`arm64 skipped: ${lacks}`);
    console.log(`0 passed, ${skipsForbidden() ? 1 : 0} failed`);
    return skipsForbidden() ? 1 : 0;
  }
  const failed = await compareAll(comparisons(emulator(), runs, seed), (said) => {
    console.log(said);
  });
  return failed === 0 ? 0 : 1;
}
