/**
 * One-line mutants of the stack, in copies of the repository: each must turn a test red that names
 * its id, on FlexTOE's release build. A mutant of the data path is compiled (little optimised, it
 * runs for seconds); one of the host needs no build.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/env.ts";
import { runVitest, type TestResult } from "./collect-results.ts";
import type { Mutant, Requirement } from "./read-requirements.ts";

export interface MutantVerdict {
  readonly ids: readonly string[];
  readonly mutant: Mutant;
  /** "killed": a test of each id failed; "survived" names those of which none did. */
  readonly outcome: "killed" | "survived" | "does not apply" | "does not compile";
  readonly survivors: readonly string[];
  readonly seconds: number;
}

const COPIED =
  "assembly bindings build host scripts test asconfig.json package.json tsconfig.json".split(" ");
/** What a file of these says is compiled into the data path. */
const COMPILED = /^(assembly|bindings\/abi)\//;
const WASM = "build/flextoe.wasm";

/** Ids by the mutant that they name: one run for several. */
export function groupMutants(requirements: readonly Requirement[]): [Mutant, string[]][] {
  const groups = new Map<string, [Mutant, string[]]>();
  for (const { id, mutant } of requirements) {
    if (mutant === undefined) continue;
    const key = JSON.stringify(mutant);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [mutant, [id]]);
    else group[1].push(id);
  }
  return [...groups.values()];
}

/** The text with the mutant in it; undefined when what it changes is not there exactly once. */
export function applyMutant(text: string, { find, replace }: Mutant): string | undefined {
  const parts = text.split(find);
  return parts.length === 2 ? parts.join(replace) : undefined;
}

/** A copy of the repository that one mutant at a time is put into. */
class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), "toeloop-mutants-"));

  constructor() {
    for (const part of COPIED) {
      cpSync(join(ROOT, part), join(this.folder, part), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
  }

  /** False when it does not compile. */
  async compile(): Promise<boolean> {
    const args = ["node_modules/assemblyscript/bin/asc.js", "assembly/index.ts"];
    args.push("--target", "release", "--outFile", WASM, "--optimizeLevel", "1");
    const child = spawn(process.execPath, args, { cwd: this.folder, stdio: "ignore" });
    return (await new Promise((resolve) => child.on("close", resolve))) === 0;
  }

  restore(file: string): void {
    writeFileSync(join(this.folder, file), readFileSync(join(ROOT, file)));
    if (COMPILED.test(file)) writeFileSync(join(this.folder, WASM), readFileSync(ROOT + WASM));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ids whose tests all pass in the copy. */
async function survivorsIn(
  copy: Copy,
  ids: readonly string[],
  results: readonly TestResult[],
): Promise<string[]> {
  const own = results.filter(({ column, ids: of }) => {
    return column === "flextoe" && of.some((id) => ids.includes(id));
  });
  const files = [...new Set(own.map(({ file }) => file))];
  const pattern = `\\b(${ids.join("|")})\\b`;
  const report = await runVitest(copy.folder, "release", pattern, files);
  // Nothing ran at all: the mutant broke the load.
  if (report === undefined) return [];
  const failed = report.testResults.flatMap(({ assertionResults, message }) =>
    assertionResults.length === 0 && message !== ""
      ? ids
      : assertionResults.filter(({ status }) => status === "failed").map((one) => one.fullName),
  );
  return ids.filter((id) => !failed.some((name) => new RegExp(`\\b${id}\\b`).test(name)));
}

async function tryMutant(
  copy: Copy,
  mutant: Mutant,
  ids: readonly string[],
  results: readonly TestResult[],
): Promise<MutantVerdict> {
  const start = Date.now();
  const verdict = (outcome: MutantVerdict["outcome"], survivors: readonly string[]) => {
    return { ids, mutant, outcome, survivors, seconds: (Date.now() - start) / 1000 };
  };
  const text = applyMutant(readFileSync(ROOT + mutant.file, "utf8"), mutant);
  if (text === undefined) return verdict("does not apply", ids);
  try {
    writeFileSync(join(copy.folder, mutant.file), text);
    if (COMPILED.test(mutant.file) && !(await copy.compile())) {
      return verdict("does not compile", ids);
    }
    const survivors = await survivorsIn(copy, ids, results);
    return verdict(survivors.length === 0 ? "killed" : "survived", survivors);
  } finally {
    copy.restore(mutant.file);
  }
}

/** Tries each mutant, `jobs` at once; `tell` hears of each when it is over. */
export async function tryMutants(
  groups: readonly (readonly [Mutant, readonly string[]])[],
  results: readonly TestResult[],
  jobs: number,
  tell: (verdict: MutantVerdict) => void,
): Promise<MutantVerdict[]> {
  const waiting = [...groups];
  const verdicts: MutantVerdict[] = [];
  const work = async (): Promise<void> => {
    const copy = new Copy();
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const verdict = await tryMutant(copy, next[0], next[1], results);
        verdicts.push(verdict);
        tell(verdict);
      }
    } finally {
      copy.remove();
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return verdicts;
}
