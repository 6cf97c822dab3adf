/**
 * `npm run mutants [-- --planted [--quick] | --operators [--quick] [--count N] [--seed S]
 * [--least P] [--datapath D]] [--id NAME] [--json]`: what the simulator and the tests notice.
 * Planted bugs (planted-bugs.ts) have to be caught, all of them. Of the mutants that operators make
 * in a release build's protocol stage, P of 100 have to be killed of those that anything reaches;
 * survivors are listed with their reasons (survivors.ts), and so is what nothing reaches. Exit
 * status 0: both are so; 1: not so; 2: bad arguments.
 */
import { parseArgs } from "node:util";
import type { DataPath } from "../../bindings/layout.ts";
import { DATA_PATHS } from "../simulate/command.ts";
import { RepositoryCopy } from "../support/repository-copy.ts";
import { OperatorRun, type OperatorVerdict } from "./operator-run.ts";
import { controlRun, tryPlanted } from "./planted.ts";
import { PLANTED_BUGS, type PlantedBug } from "./planted-bugs.ts";
import { EQUIVALENT, reasonFor } from "./survivors.ts";

/** An id of an operator mutant begins with an offset. */
const OPERATOR_ID = /^[0-9a-f]+:/;

interface Choice {
  readonly planted: boolean;
  readonly operators: boolean;
  readonly count: number;
  readonly seed: number;
  /** Percent of operator mutants. */
  readonly least: number;
  /** Of the operators; a planted bug has its own. */
  readonly datapath: DataPath;
  readonly ids: readonly string[];
  readonly quick: boolean;
  readonly json: boolean;
}

/** What one half found; `bad` fails the command. */
interface Half {
  readonly good: number;
  readonly bad: number;
  readonly rows: readonly object[];
}

const NOTHING: Half = { good: 0, bad: 0, rows: [] };

function integer(name: string, text: string, low: number, high: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new RangeError(`mutants: expected --${name} ${low}..${high}, got ${text}`);
}

function dataPath(text: string): DataPath {
  const found = DATA_PATHS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new RangeError(`mutants: expected --datapath ${DATA_PATHS.join("|")}, got ${text}`);
}

function checkIds(ids: readonly string[]): void {
  const names = PLANTED_BUGS.map(({ name }) => name);
  const unknown = ids.find((id) => !names.includes(id) && !OPERATOR_ID.test(id));
  if (unknown === undefined) return;
  throw new RangeError(`mutants: expected --id of a planted bug or OFFSET:CHANGE, got ${unknown}`);
}

/** Reads the arguments. Throws RangeError or TypeError on bad ones. */
export function choose(args: readonly string[]): Choice {
  const { values } = parseArgs({
    args: [...args],
    options: {
      planted: { type: "boolean", default: false },
      operators: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      count: { type: "string", default: "120" },
      least: { type: "string", default: "90" },
      seed: { type: "string", default: "1" },
      datapath: { type: "string", default: "flextoe" },
      id: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
    },
  });
  const { planted, operators, quick, json, id: ids } = values;
  checkIds(ids);
  const count = integer("count", values.count, 1, 10_000);
  const least = integer("least", values.least, 0, 100);
  const seed = integer("seed", values.seed, 0, 2 ** 32 - 1);
  const named = ids.length > 0;
  return {
    planted: named ? ids.some((id) => !OPERATOR_ID.test(id)) : planted || !operators,
    operators: named ? ids.some((id) => OPERATOR_ID.test(id)) : operators || !(planted || quick),
    count,
    seed,
    least,
    datapath: dataPath(values.datapath),
    ids,
    quick,
    json,
  };
}

/** In the short form those that the simulator catches within its first seeds. */
function bugsOf({ ids, quick }: Choice): readonly PlantedBug[] {
  if (ids.length > 0) return PLANTED_BUGS.filter(({ name }) => ids.includes(name));
  return quick ? PLANTED_BUGS.filter((bug) => bug.quick === true) : PLANTED_BUGS;
}

async function plantAll(choice: Choice): Promise<Half> {
  const bugs = bugsOf(choice);
  const copy = new RepositoryCopy(true);
  try {
    const wrong = await controlRun(copy, bugs);
    if (wrong !== undefined) {
      console.log(`without any bug: ${wrong}`);
      return { ...NOTHING, bad: bugs.length };
    }
    const verdicts = [];
    for (const bug of bugs) {
      const verdict = await tryPlanted(copy, bug);
      verdicts.push(verdict);
      const { name, outcome, by, catcher, seconds } = verdict;
      console.log(`${outcome}: ${name}: ${catcher}, ${by}, ${seconds.toFixed(1)} s`);
    }
    const good = verdicts.filter(({ outcome }) => outcome === "caught").length;
    const simulator = verdicts.filter(({ catcher }) => catcher === "simulator").length;
    console.log(`${simulator} by the simulator, ${good - simulator} by tests`);
    console.log(`${good} of ${bugs.length} caught`);
    return { good, bad: bugs.length - good, rows: verdicts };
  } finally {
    copy.remove();
  }
}

function tell(verdict: OperatorVerdict): void {
  const { id, file, line, within, what, killer, by, seconds, seeds, tests } = verdict;
  const where = `${id} ${file}:${line} in ${within}: ${what}`;
  const how = killer === "" ? "SURVIVES" : `killed by ${killer}`;
  const time = `${seeds} seeds and ${tests} files reach it, ${seconds.toFixed(1)} s`;
  console.log(`${how}: ${where}: ${by.slice(0, 120)} (${time})`);
}

/** Nothing to run it against: a copy that inlining has made, or a hole in the tests. */
function isUnreached({ seeds, tests }: OperatorVerdict): boolean {
  return seeds + tests === 0;
}

function tellSurvivors(verdicts: readonly OperatorVerdict[]): void {
  for (const verdict of verdicts.filter(({ killer }) => killer === "")) {
    const { id, file, line, within, what } = verdict;
    const unknown = isUnreached(verdict) ? "no seed and no test reaches it" : "no test notices";
    const reason = reasonFor(verdict) ?? unknown;
    console.log(`survivor ${id} ${file}:${line} in ${within}: ${what}: ${reason}`);
  }
}

const percent = (part: number, whole: number): string =>
  `${part} of ${whole}, ${((part / Math.max(1, whole)) * 100).toFixed(1)} %`;

/** The counts; false when fewer are killed than have to be. */
function judge(verdicts: readonly OperatorVerdict[], points: number, least: number): boolean {
  const by = (killer: string): number => verdicts.filter((one) => one.killer === killer).length;
  const killed = verdicts.length - by("");
  const survivors = verdicts.filter(({ killer }) => killer === "");
  const equivalent = survivors.filter((one) => reasonFor(one)?.startsWith(EQUIVALENT) === true);
  const unreached = survivors.filter((one) => isUnreached(one) && !equivalent.includes(one));
  const counted = verdicts.length - equivalent.length - unreached.length;
  console.log(`${percent(killed, verdicts.length)} killed, drawn from ${points}`);
  console.log(
    `${by("invariant")} by invariants of the simulator, ${by("test")} by tests, ` +
      `${by("hash")} by pinned hashes alone`,
  );
  console.log(`${equivalent.length} are equivalent, ${unreached.length} nothing reaches`);
  console.log(`${percent(killed, counted)} of the others killed (at least ${least} %)`);
  return killed * 100 >= least * counted;
}

async function operate(choice: Choice): Promise<Half> {
  const run = new OperatorRun(choice.datapath);
  try {
    const ids = choice.ids.filter((id) => OPERATOR_ID.test(id));
    await run.prepare({ ...choice, ids });
    const verdicts: OperatorVerdict[] = [];
    await run.tryAll(choice.quick, (verdict) => {
      verdicts.push(verdict);
      tell(verdict);
    });
    for (const file of run.red) console.log(`not asked, red without any mutant: ${file}`);
    tellSurvivors(verdicts);
    const isWell = judge(verdicts, run.points, choice.least);
    return { good: isWell ? 1 : 0, bad: isWell ? 0 : 1, rows: verdicts };
  } finally {
    run.close();
  }
}

/** Runs the command line; the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const choice = choose(args);
  const start = Date.now();
  const operators = choice.operators ? await operate(choice) : NOTHING;
  const planted = choice.planted ? await plantAll(choice) : NOTHING;
  const bad = planted.bad + operators.bad;
  console.log(`${((Date.now() - start) / 1000).toFixed(0)} s`);
  console.log(`${planted.good + operators.good} passed, ${bad} failed`);
  if (choice.json) {
    console.log(JSON.stringify({ planted: planted.rows, operators: operators.rows }));
  }
  return bad === 0 ? 0 : 1;
}
