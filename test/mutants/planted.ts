/**
 * Tries planted bugs in a copy of the repository: the simulator first, then the tests that a bug
 * names. A bug whose text is not there exactly once, or that does not compile, is not caught. The
 * copy must be well without any, or a red test would count as having noticed something.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
import { isCompiled, type RepositoryCopy, wasmOf } from "../support/repository-copy.ts";
import { runVitest, type VitestReport } from "../support/run-vitest.ts";
import type { PlantedBug } from "./planted-bugs.ts";
import { SimulatorProcess } from "./simulator-process.ts";

/** Seeds 1 to this; a violation ends them. */
export const PLANTED_SEEDS = 100;
/** For one seed, which takes 0.1 s. */
export const SEED_TIMEOUT_MS = 20_000;
const TESTS_TIMEOUT_MS = 120_000;
const PROJECTS: Readonly<Record<DataPath, string>> = {
  flextoe: "release",
  laminar: "laminar",
  "laminar-relaxed": "laminar-relaxed",
};

export interface PlantedVerdict {
  readonly name: string;
  readonly outcome: "caught" | "not caught" | "does not apply" | "does not compile";
  /** Invariant and seed, or the test's name; why not otherwise. */
  readonly by: string;
  readonly catcher: "simulator" | "test" | "nobody";
  readonly seconds: number;
}

/** The first violation among the seeds, in words; undefined when there is none. */
async function simulated(root: string, datapath: DataPath): Promise<string | undefined> {
  const simulator = new SimulatorProcess(root, SEED_TIMEOUT_MS);
  try {
    simulator.load(new Uint8Array(readFileSync(join(root, wasmOf(datapath)))), datapath);
    for (let seed = 1; seed <= PLANTED_SEEDS; seed += 1) {
      const { violation } = await simulator.run(seed);
      if (violation !== undefined) return `seed ${seed} on ${datapath}: ${violation}`;
    }
    return undefined;
  } finally {
    simulator.close();
  }
}

/** The first test that failed, or why there is none to name; undefined when all passed. */
export function failureIn(report: VitestReport | undefined | "late"): string | undefined {
  if (report === undefined) return "the tests did not start";
  if (report === "late") return "the tests did not end in time";
  for (const { name, message, assertionResults } of report.testResults) {
    if (assertionResults.length === 0 && message !== "") return `${name} did not load`;
    const failed = assertionResults.find(({ status }) => status === "failed");
    if (failed !== undefined) return failed.fullName;
  }
  return undefined;
}

async function tested(
  root: string,
  datapath: DataPath,
  files: readonly string[],
): Promise<string | undefined> {
  const project = PROJECTS[datapath];
  const run = { root, project, files, bail: true, timeoutMs: TESTS_TIMEOUT_MS };
  return failureIn(await runVitest(run));
}

type Found = Pick<PlantedVerdict, "outcome" | "by" | "catcher">;

async function look(copy: RepositoryCopy, bug: PlantedBug): Promise<Found> {
  const { datapath = "flextoe", tests = [] } = bug;
  if (!copy.apply(bug)) return { outcome: "does not apply", by: bug.file, catcher: "nobody" };
  if (isCompiled(bug.file) && !(await copy.compile(datapath))) {
    return { outcome: "does not compile", by: bug.file, catcher: "nobody" };
  }
  const violation = await simulated(copy.folder, datapath);
  if (violation !== undefined) return { outcome: "caught", by: violation, catcher: "simulator" };
  if (tests.length === 0) return { outcome: "not caught", by: bug.what, catcher: "nobody" };
  if (isCompiled(bug.file)) await copy.compile("testing");
  const failed = await tested(copy.folder, datapath, tests);
  if (failed !== undefined) return { outcome: "caught", by: failed, catcher: "test" };
  return { outcome: "not caught", by: bug.what, catcher: "nobody" };
}

/** Tries one bug; the copy is as before afterwards. */
export async function tryPlanted(copy: RepositoryCopy, bug: PlantedBug): Promise<PlantedVerdict> {
  const start = Date.now();
  try {
    const found = await look(copy, bug);
    return { name: bug.name, ...found, seconds: (Date.now() - start) / 1000 };
  } finally {
    copy.restore();
  }
}

/** What notices something where nothing is wrong: the copy, built as mutants are, without any. */
export async function controlRun(
  copy: RepositoryCopy,
  bugs: readonly PlantedBug[],
): Promise<string | undefined> {
  const datapaths = [...new Set(bugs.map(({ datapath = "flextoe" }) => datapath))];
  try {
    for (const datapath of datapaths) {
      if (!(await copy.compile(datapath))) return `${datapath} does not compile`;
      const violation = await simulated(copy.folder, datapath);
      if (violation !== undefined) return violation;
    }
    const files = [...new Set(bugs.flatMap(({ tests = [] }) => tests))];
    return files.length === 0 ? undefined : await tested(copy.folder, "flextoe", files);
  } finally {
    copy.restore();
  }
}
