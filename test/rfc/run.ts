/**
 * `npm run rfc [-- --json] [-- --mutants] [-- --id ID] [-- --jobs N] [-- --datapath NAME]`: which
 * requirements of the RFCs a test holds, on each data path and mode; with --id these ids' mutants
 * and nothing else.
 * Exit code 0: each id has a test that passes, or a
 * declared exception, or stands in open.ts; 1: not so; 2: bad arguments.
 */
import { readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";
import { COLUMNS, collectOf, collectResults, type Column } from "./collect-results.ts";
import { complaints, judge, type Verdict } from "./judge-requirements.ts";
import { groupMutants, resultsThatCount, tryMutants, type MutantVerdict } from "./mutants.ts";
import { mutantFor, readRequirements, tables, type Requirement } from "./read-requirements.ts";
import { OPEN } from "./requirements/open.ts";

interface Arguments {
  readonly json: boolean;
  readonly mutants: boolean;
  readonly jobs: number;
  readonly ids: readonly string[];
  /** Whose mutants. */
  readonly column: Column;
}

const USAGE = `usage: npm run rfc [-- options]
  --mutants   count an id as met only if its one-line mutant turns its test red
  --id ID     this id's mutant and nothing else; may be repeated
  --jobs N    mutants at once (default 2)
  --datapath NAME   whose mutants: flextoe (default), laminar or laminar-relaxed
  --json      a line of JSON at the end`;

const columnNamed = (word?: string): Column | undefined => COLUMNS.find((name) => name === word);

function readArguments(words: readonly string[]): Arguments | undefined {
  const ids: string[] = [];
  let [json, mutants, jobs] = [false, false, 2];
  let column: Column | undefined = "flextoe";
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    if (word === "--json") json = true;
    else if (word === "--mutants") mutants = true;
    else if (word === "--id") ids.push(words[++at] ?? "");
    else if (word === "--jobs") jobs = Number(words[++at]);
    else if (word === "--datapath") column = columnNamed(words[++at]);
    else return undefined;
  }
  if (!Number.isInteger(jobs) || jobs <= 0 || column === undefined) return undefined;
  return { json, mutants, jobs, ids, column };
}

const isMust = ({ requirement }: Verdict): boolean => /\bMUST\b/.test(requirement.level);

/** Part 1: RFC 9293; part 2: all others. */
function counts(verdicts: readonly Verdict[]): Record<string, number> {
  const found: Record<string, number> = { ids: verdicts.length };
  for (const { status } of verdicts) found[status] = (found[status] ?? 0) + 1;
  const musts = verdicts.filter(isMust);
  found.musts = musts.length;
  found["musts met"] = musts.filter(({ status }) => status === "met").length;
  return found;
}

function line(label: string, found: Readonly<Record<string, number>>): string {
  const kinds = ["met", "reduced", "substitute", "not offered", "exception", "open"];
  const parts = [...kinds, "missing", "failed"]
    .filter((kind) => found[kind] !== undefined)
    .map((kind) => `${found[kind]} ${kind}`);
  const musts = `${found["musts met"]} of ${found.musts} MUSTs met`;
  return `${label.padEnd(18)} ${String(found.ids).padStart(3)} ids: ${parts.join(", ")}; ${musts}`;
}

function printTable(verdicts: readonly Verdict[]): void {
  for (const table of tables()) {
    console.log(`\n${table}: ${COLUMNS.join(", ")}`);
    for (const { requirement, status, cells, tests } of verdicts) {
      if (requirement.table !== table) continue;
      const row = COLUMNS.map((column) => cells[column].padEnd(9)).join(" ");
      const { id, source } = requirement;
      const shown = `${String(tests).padStart(3)} tests  ${row} ${source}`;
      console.log(`  ${id.padEnd(8)} ${status.padEnd(11)} ${shown}`);
    }
  }
}

function printCounts(verdicts: readonly Verdict[]): void {
  console.log("");
  const of = (table: string) => verdicts.filter((one) => one.requirement.table === table);
  for (const table of tables()) console.log(line(table, counts(of(table))));
  console.log("");
  for (const one of summary(verdicts)) console.log(one);
}

function summary(verdicts: readonly Verdict[]): string[] {
  const first = verdicts.filter(({ requirement }) => requirement.table === "rfc9293");
  const besides = verdicts.filter(({ requirement }) => BESIDES.includes(requirement.table));
  return [
    line("RFC 9293", counts(first)),
    line("the others", counts(partTwo(verdicts))),
    line("besides", counts(besides)),
  ];
}

/** Ids that came after the two lists: RFC 5682, 3522 and 4015; RFC 4862 and 8200. */
const BESIDES: readonly string[] = ["spurious", "ipv6"];

const partTwo = (verdicts: readonly Verdict[]): Verdict[] =>
  verdicts.filter(({ requirement: { table } }) => table !== "rfc9293" && !BESIDES.includes(table));

function tell({ ids, mutant, outcome, survivors, seconds }: MutantVerdict): void {
  const which = survivors.length > 0 ? ` (${survivors.join(" ")})` : "";
  console.log(`${outcome}${which}: ${ids.join(" ")}: ${mutant.file}, ${seconds.toFixed(1)} s`);
}

/** What the issue of conformance asks of the counts; of part 1 a reduced form counts as kept. */
const LEAST = { kept: 108, musts: 0.95 };

/** Too few ids kept. */
function tooFew(verdicts: readonly Verdict[]): string[] {
  const first = counts(verdicts.filter((one) => one.requirement.table === "rfc9293"));
  const others = counts(partTwo(verdicts));
  const kept = (first.met ?? 0) + (first.reduced ?? 0);
  const share = (others["musts met"] as number) / (others.musts as number);
  const wrong: string[] = [];
  if (kept < LEAST.kept) wrong.push(`RFC 9293: expected ${LEAST.kept} ids kept, got ${kept}`);
  if (share < LEAST.musts) wrong.push(`the others: expected ${LEAST.musts} of MUSTs, got ${share}`);
  return wrong;
}

/** The document's own figures, which a change of the tables makes out of date. */
function unquoted(verdicts: readonly Verdict[]): string[] {
  const text = readFileSync(`${ROOT}README.md`, "utf8");
  const lines = summary(verdicts).filter((one) => !text.includes(one));
  return lines.map((one) => `README.md: expected the line ${JSON.stringify(one)}`);
}

/** The mutants of some ids. */
async function tryIds(
  chosen: readonly Requirement[],
  { jobs, column }: Arguments,
): Promise<number> {
  const all = await collectOf(
    chosen.map(({ id }) => id),
    column,
  );
  const held = new Set(resultsThatCount(all, column).flatMap(({ ids }) => ids));
  // Elsewhere than on FlexTOE an id need have no test of its own.
  const asked = chosen.filter(({ id }) => column === "flextoe" || held.has(id));
  const tried = await tryMutants(groupMutants(asked, column), all, column, jobs, tell);
  const without = asked.filter((one) => mutantFor(one, column) === undefined).map(({ id }) => id);
  for (const id of without) console.log(`${id}: no mutant of ${column}`);
  for (const one of chosen.filter((one) => !asked.includes(one))) {
    console.log(`${one.id}: no test on ${column} alone`);
  }
  const failing = new Set([...without, ...tried.flatMap(({ survivors }) => survivors)]).size;
  console.log(`${asked.length - failing} passed, ${failing} failed`);
  return failing === 0 ? 0 : 1;
}

/** What an id that a test holds must have besides, with --mutants. */
function unproven(
  verdicts: readonly Verdict[],
  tried: readonly MutantVerdict[],
  held: ReadonlySet<string>,
  column: Column,
): ReadonlyMap<string, string> {
  const survivors = new Set(tried.flatMap((one) => one.survivors));
  const tested = verdicts.filter(({ requirement: { id }, status, cells }) => {
    return status !== "open" && cells[column] === "met" && held.has(id);
  });
  const found = new Map<string, string>();
  for (const { requirement } of tested) {
    const { id } = requirement;
    if (mutantFor(requirement, column) === undefined) {
      found.set(id, `${id}: no mutant of ${column}`);
    } else if (survivors.has(id)) found.set(id, `${id}: its mutant survives`);
  }
  return found;
}

async function main(words: readonly string[]): Promise<number> {
  const options = readArguments(words);
  const all = readRequirements();
  if (options === undefined || options.ids.some((id) => !all.some((one) => one.id === id))) {
    console.error(USAGE);
    return 2;
  }
  const chosen = all.filter(({ id }) => options.ids.includes(id));
  if (chosen.length > 0) return tryIds(chosen, options);
  const results = await collectResults();
  let verdicts = judge(all, results, OPEN);
  const wrong = [...complaints(all, results, verdicts, OPEN), ...unquoted(verdicts)];
  wrong.push(...tooFew(verdicts));
  if (options.mutants) {
    const { column } = options;
    const held = new Set(resultsThatCount(results, column).flatMap(({ ids }) => ids));
    const asked = all.filter(({ id }) => held.has(id));
    const groups = groupMutants(asked, column);
    const tried = await tryMutants(groups, results, column, options.jobs, tell);
    const doubtful = unproven(verdicts, tried, held, column);
    wrong.push(...doubtful.values());
    verdicts = verdicts.map((one) =>
      doubtful.has(one.requirement.id) ? { ...one, status: "failed" } : one,
    );
  }
  printTable(verdicts);
  printCounts(verdicts);
  for (const complaint of wrong) console.log(complaint);
  const failing = new Set(wrong).size;
  console.log(`${verdicts.length - failing} passed, ${failing} failed`);
  if (options.json) {
    const rfc9293 = counts(verdicts.filter((one) => one.requirement.table === "rfc9293"));
    const others = counts(partTwo(verdicts));
    const rows = verdicts.map(({ requirement: { id }, status, cells }) => ({ id, status, cells }));
    console.log(JSON.stringify({ rfc9293, others, wrong, rows }));
  }
  return failing === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
