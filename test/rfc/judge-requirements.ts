/** From requirements and results of tests to what is met, on which data path, and what is wrong. */
import { COLUMNS, type Column, type TestResult } from "./collect-results.ts";
import type { Deviation, Requirement } from "./read-requirements.ts";

/**
 * "met": the tests that name the id pass; "differs": they must fail there, as declared differences;
 * "partly": some of them must; "failed"; "missing": no test, and no exception.
 */
export type Cell = "met" | "partly" | "differs" | "exception" | "failed" | "missing";

export interface Verdict {
  readonly requirement: Requirement;
  /** What it counts as: "open" ids are in open.ts. */
  readonly status: "met" | Deviation["kind"] | "open" | "failed" | "missing";
  readonly cells: Readonly<Record<Column, Cell>>;
  readonly tests: number;
}

/** `open`: id to the reason why nothing is claimed of it yet. */
export type OpenList = Readonly<Record<string, string>>;

function cellOf(requirement: Requirement, results: readonly TestResult[], column: Column): Cell {
  const isExcepted = requirement.deviations.some(
    (one) => one.kind === "exception" && (one.column === undefined || one.column === column),
  );
  const own = results.filter((one) => one.column === column);
  if (own.some(({ passed }) => !passed)) return "failed";
  if (isExcepted) return "exception";
  if (own.length === 0) return "missing";
  const differing = own.filter(({ differs }) => differs !== undefined).length;
  if (differing === 0) return "met";
  return differing === own.length ? "differs" : "partly";
}

function statusOf(
  requirement: Requirement,
  cells: Readonly<Record<Column, Cell>>,
  open: OpenList,
): Verdict["status"] {
  if (Object.hasOwn(open, requirement.id)) return "open";
  const found = COLUMNS.map((column) => cells[column]);
  if (found.includes("failed")) return "failed";
  if (found.includes("missing")) return "missing";
  const whole = requirement.deviations.find(({ column }) => column === undefined);
  if (whole !== undefined) return whole.kind;
  return cells.flextoe === "met" ? "met" : "exception";
}

/** One verdict for each requirement, in their order. */
export function judge(
  requirements: readonly Requirement[],
  results: readonly TestResult[],
  open: OpenList,
): Verdict[] {
  return requirements.map((requirement) => {
    const own = results.filter(({ ids }) => ids.includes(requirement.id));
    const cells = Object.fromEntries(
      COLUMNS.map((column) => [column, cellOf(requirement, own, column)]),
    ) as Record<Column, Cell>;
    const tests = new Set(own.map(({ file, name }) => `${file} ${name}`)).size;
    return { requirement, status: statusOf(requirement, cells, open), cells, tests };
  });
}

/** Everything that makes the command fail, as sentences. */
export function complaints(
  requirements: readonly Requirement[],
  results: readonly TestResult[],
  verdicts: readonly Verdict[],
  open: OpenList,
): string[] {
  const known = new Set(requirements.map(({ id }) => id));
  const unknown = results.flatMap(({ file, name, ids }) =>
    ids.filter((id) => !known.has(id)).map((id) => `${file}: ${name}: no requirement ${id}`),
  );
  const reasons = requirements.flatMap(({ id, deviations }) =>
    deviations
      .filter(({ reason }) => reason.trim() === "")
      .map(({ kind }) => `${id}: ${kind} without a reason`),
  );
  const bad = verdicts
    .filter(({ status }) => status === "failed" || status === "missing")
    .map(({ requirement, status, cells }) => {
      const where = COLUMNS.map((column) => `${column} ${cells[column]}`).join(", ");
      return `${requirement.id}: ${status} (${where})`;
    });
  const stale = Object.keys(open).filter((id) => !known.has(id));
  const closed = verdicts
    .filter(({ status, cells }) => {
      return status === "open" && COLUMNS.every((column) => cells[column] === "met");
    })
    .map(({ requirement }) => `${requirement.id}: has tests that pass, and is in open.ts`);
  return [
    ...new Set(unknown),
    ...reasons,
    ...bad,
    ...closed,
    ...stale.map((id) => `open.ts: no requirement ${id}`),
  ];
}
