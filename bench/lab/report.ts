/**
 * A report as lines for people and as one object for programs: ours beside the paper's, the ratio,
 * where ours comes from, and what was given. Invariant: the same report prints the same bytes; no
 * time and no machine is in it.
 */
import { table } from "../harness.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabBar, LabReport, LabRow } from "./experiment.ts";

export const NOT_PUBLISHED = "no published value";

const BOUND = { equal: "", "at-least": ">= ", "at-most": "<= " } as const;

/** Four significant digits, without an exponent for what people read as a number. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 4)));
}

/** The paper's number; undefined where none was published. Throws Error on an unknown id. */
export function published(row: LabRow): number | undefined {
  return row.anchor === undefined ? undefined : anchor(row.anchor).value;
}

/** Ours over the paper's; undefined without one, or when the paper's is 0. */
export function ratio(row: LabRow): number | undefined {
  const paper = published(row);
  return paper === undefined || paper === 0 ? undefined : row.ours / paper;
}

function cellsOf(row: LabRow): string[] {
  const paper = published(row);
  const over = ratio(row);
  const bound = BOUND[row.relation ?? "equal"];
  return [
    row.name,
    figure(row.ours),
    row.unit,
    paper === undefined ? NOT_PUBLISHED : `${bound}${figure(paper)}`,
    over === undefined ? "-" : over.toFixed(2),
    row.origin,
  ];
}

/** True when the figure is within its bound. */
function isMet({ ours, relation, bound }: LabBar): boolean {
  return relation === "at-least" ? ours >= bound : ours <= bound;
}

/** True when no bar is missed: what --bar asks for. */
export function hasMetAll({ bars = [] }: LabReport): boolean {
  return bars.every(isMet);
}

function barLine(bar: LabBar): string {
  const relation = bar.relation === "at-least" ? "at least" : "at most";
  const met = isMet(bar) ? "met" : "missed";
  return `bar: ${bar.name}: ${figure(bar.ours)}, ${relation} ${figure(bar.bound)}: ${met}`;
}

/** The table, what was given, the bars, and the notes. Throws Error when two rows have one name. */
export function reportLines(experiment: Experiment, report: LabReport): string[] {
  const names = new Set(report.rows.map(({ name }) => name));
  if (names.size !== report.rows.length) throw new Error(`${experiment.name}: a row's name twice`);
  const head = ["", "ours", "unit", "paper", "ratio", "origin"];
  const lines = table([head, ...report.rows.map(cellsOf)]);
  const noted = lines.map((line, i) => {
    const note = report.rows[i - 1]?.note;
    return note === undefined ? line : `${line}  ${note}`;
  });
  const given = report.given.map(({ name, value, source }) => [name, value, source]);
  return [
    `${experiment.name}: ${experiment.title} (dissertation ${experiment.section})`,
    ...noted,
    ...(given.length === 0 ? [] : ["given, not predicted:"]),
    ...given.map(([name, value, source]) => `  ${name}: ${value} (${source})`),
    ...(report.bars ?? []).map(barLine),
    ...report.notes,
  ];
}

/** One JSON object: names, figures, anchors; `paper` and `ratio` are null without one. */
export function reportValues(
  experiment: Experiment,
  report: LabReport,
  seed: number,
  quick: boolean,
): Readonly<Record<string, unknown>> {
  return {
    experiment: experiment.name,
    title: experiment.title,
    section: experiment.section,
    seed,
    quick,
    rows: report.rows.map((row) => ({
      name: row.name,
      ours: row.ours,
      unit: row.unit,
      paper: published(row) ?? null,
      ratio: ratio(row) ?? null,
      relation: row.relation ?? "equal",
      origin: row.origin,
      anchor: row.anchor ?? null,
      note: row.note ?? null,
    })),
    given: report.given,
    bars: (report.bars ?? []).map((bar) => ({ ...bar, met: isMet(bar) })),
    notes: report.notes,
  };
}
