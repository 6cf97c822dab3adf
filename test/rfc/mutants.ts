/**
 * One-line mutants of the stack, in copies of the repository: each must turn a test red that names
 * its id, on a data path's release build. A mutant of the data path is compiled (little optimised,
 * it runs for seconds); one of the host needs no build.
 */
import { ROOT } from "../support/env.ts";
import { isCompiled, RepositoryCopy } from "../support/repository-copy.ts";
import { runVitest } from "../support/run-vitest.ts";
import { splitTests } from "../support/wasm-tests.ts";
import { PROJECT, type Column, type TestResult } from "./collect-results.ts";
import { mutantFor, type Mutant, type Requirement } from "./read-requirements.ts";

export interface MutantVerdict {
  readonly ids: readonly string[];
  readonly mutant: Mutant;
  /** "killed": a test of each id failed; "survived" names those of which none did. */
  readonly outcome: "killed" | "survived" | "does not apply" | "does not compile";
  readonly survivors: readonly string[];
  readonly seconds: number;
}

/** Ids by the mutant that they name of this data path: one run for several. */
export function groupMutants(
  requirements: readonly Requirement[],
  column: Column,
): [Mutant, string[]][] {
  const groups = new Map<string, [Mutant, string[]]>();
  for (const requirement of requirements) {
    const { id } = requirement;
    const mutant = mutantFor(requirement, column);
    if (mutant === undefined) continue;
    const key = JSON.stringify(mutant);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [mutant, [id]]);
    else group[1].push(id);
  }
  return [...groups.values()];
}

/**
 * Results that a mutant of this data path can change: not of tests that fail there as declared, nor
 * (but for FlexTOE) of those without Wasm, which say the same on each.
 */
export function resultsThatCount(results: readonly TestResult[], column: Column): TestResult[] {
  const { plain } = splitTests(ROOT);
  return results.filter((one) => {
    if (one.column !== column || one.differs !== undefined) return false;
    return column === "flextoe" || !plain.includes(one.file);
  });
}

/** Ids whose tests all pass in the copy. */
async function survivorsIn(
  copy: RepositoryCopy,
  ids: readonly string[],
  results: readonly TestResult[],
  column: Column,
): Promise<string[]> {
  const own = results.filter(({ ids: of }) => of.some((id) => ids.includes(id)));
  const files = [...new Set(own.map(({ file }) => file))];
  const pattern = `\\b(${ids.join("|")})\\b`;
  const project = PROJECT[column];
  const report = await runVitest({ root: copy.folder, project, pattern, files });
  // Nothing ran, or a file did not load: no test has noticed anything.
  if (typeof report !== "object") return [...ids];
  const counts = new Set(own.map(({ name }) => name));
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults
      .filter(({ status, fullName }) => status === "failed" && counts.has(fullName))
      .map((one) => one.fullName),
  );
  return ids.filter((id) => !failed.some((name) => new RegExp(`\\b${id}\\b`).test(name)));
}

async function tryMutant(
  copy: RepositoryCopy,
  mutant: Mutant,
  ids: readonly string[],
  results: readonly TestResult[],
  column: Column,
): Promise<MutantVerdict> {
  const start = Date.now();
  const verdict = (outcome: MutantVerdict["outcome"], survivors: readonly string[]) => {
    return { ids, mutant, outcome, survivors, seconds: (Date.now() - start) / 1000 };
  };
  if (!copy.apply(mutant)) return verdict("does not apply", ids);
  try {
    if (isCompiled(mutant.file) && !(await copy.compile(column))) {
      return verdict("does not compile", ids);
    }
    const survivors = await survivorsIn(copy, ids, results, column);
    return verdict(survivors.length === 0 ? "killed" : "survived", survivors);
  } finally {
    copy.restore();
  }
}

/** Tries each mutant, `jobs` at once; `tell` hears of each when it is over. */
export async function tryMutants(
  groups: readonly (readonly [Mutant, readonly string[]])[],
  results: readonly TestResult[],
  column: Column,
  jobs: number,
  tell: (verdict: MutantVerdict) => void,
): Promise<MutantVerdict[]> {
  const waiting = [...groups];
  const own = resultsThatCount(results, column);
  const verdicts: MutantVerdict[] = [];
  const work = async (): Promise<void> => {
    const copy = new RepositoryCopy();
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const verdict = await tryMutant(copy, next[0], next[1], own, column);
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
