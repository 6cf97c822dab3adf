/**
 * What an experiment of the lab is: a name, the place in the dissertation, and a function from
 * options to rows. Invariant: what the paper printed is never typed into an experiment; a row names
 * an anchor of figures.csv, or none, and then it reads `no published value`. Same seed, same
 * report: time comes from a world or a model, never from this machine's clock.
 */

export interface LabOptions {
  /** CI: a few seconds; fewer points, shorter runs, the same code. */
  readonly quick: boolean;
  /** Of all randomness of the run. */
  readonly seed: number;
  /** Progress, one line each; not part of the result. */
  readonly say: (line: string) => void;
}

/**
 * Where our figure comes from. `calibrated`: a constant was chosen so that it meets the paper's;
 * `predicted`: it came out of the run; `counted`: read from our own sources, nothing was run.
 */
export type Origin = "calibrated" | "predicted" | "counted";

/** One figure beside the paper's. */
export interface LabRow {
  /** Unique in its report. */
  readonly name: string;
  readonly ours: number;
  readonly unit: string;
  readonly origin: Origin;
  /** Id in figures.csv; absent where the paper published a picture or nothing. */
  readonly anchor?: string;
  /**
   * What the ratio is: ours / paper, and for `at-least` and `at-most` the paper's word is a bound
   * ("at least twice"). Default "equal".
   */
  readonly relation?: "equal" | "at-least" | "at-most";
  /** A sentence: why it is off, what was left out. */
  readonly note?: string;
}

/** A row that came out of the run, for which the paper has no number. */
export function unpublished(name: string, ours: number, unit: string, note?: string): LabRow {
  return { name, ours, unit, origin: "predicted", ...(note === undefined ? {} : { note }) };
}

/** A constant that the run was given and not asked for. */
export interface Given {
  readonly name: string;
  /** With its unit. */
  readonly value: string;
  /** Section, table or reason. */
  readonly source: string;
}

export interface PlotSeries {
  readonly name: string;
  /** x is a number, or a category's name where the axis is "category". */
  readonly points: readonly (readonly [x: number | string, y: number])[];
  /** `marks` are single points, for the paper's figures. */
  readonly form: "line" | "bars" | "marks";
}

export interface PlotAxis {
  readonly label: string;
  /** A logarithmic axis leaves out values that are not positive. */
  readonly scale: "linear" | "log" | "category";
}

export interface Plot {
  readonly title: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
}

/** A demand of ours on a figure, judged in the report. */
export interface LabBar {
  readonly name: string;
  readonly ours: number;
  readonly relation: "at-least" | "at-most";
  readonly bound: number;
}

export interface LabReport {
  readonly rows: readonly LabRow[];
  readonly given: readonly Given[];
  /** Stacked from top to bottom in one SVG. */
  readonly plots: readonly Plot[];
  readonly bars?: readonly LabBar[];
  /** Sentences about the whole: what the model leaves out. */
  readonly notes: readonly string[];
}

/** One file of bench/lab each. */
export interface Experiment {
  /** As on the command line: `table-4.1`. */
  readonly name: string;
  readonly title: string;
  /** Of the dissertation. */
  readonly section: string;
  readonly run: (options: LabOptions) => LabReport | Promise<LabReport>;
}
