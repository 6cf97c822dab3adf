/** What a comparison found, for people: both traces side by side, step by step. */
import { type Row, align, type Difference, differences, isAccepted } from "./compare.ts";
import { patternOf } from "./compare.ts";
import type { Accepted } from "./accepted.ts";
import type { Script } from "./script.ts";
import type { Line } from "./session.ts";

/** Of one script. */
export interface Verdict {
  readonly script: Script;
  readonly rows: readonly Row[];
  readonly found: readonly Difference[];
  /** Why it fails; undefined when it passes. */
  readonly failure: string | undefined;
}

/** The two traces beside each other, and where they differ. */
function compare(
  linux: readonly Line[],
  toeloop: readonly Line[],
): Pick<Verdict, "rows" | "found"> {
  const rows = align(linux, toeloop);
  return { rows, found: differences(rows) };
}

/** Judges the two traces of a script. */
export function judge(
  script: Script,
  linux: readonly Line[],
  toeloop: readonly Line[],
  accepted: Accepted | undefined,
): Verdict {
  const compared = compare(linux, toeloop);
  return { script, ...compared, failure: failureOf(compared.found, accepted) };
}

/** Judges the two traces of a drawn session, of which any number of patterns is accepted. */
export function judgeDrawn(
  script: Script,
  linux: readonly Line[],
  toeloop: readonly Line[],
  accepted: Accepted | undefined,
): Verdict {
  const compared = compare(linux, toeloop);
  const others = compared.found.filter((one) => {
    const step = script.steps[one.step]?.text ?? "";
    return accepted?.differences.includes(patternOf(one, step)) !== true;
  });
  return { script, ...compared, failure: failureOf(others, undefined) };
}

/** Patterns that no session of a run has needed: what they accept is there no longer. */
export function stalePatterns(
  verdicts: readonly Verdict[],
  patterns: readonly string[],
): readonly string[] {
  const met = new Set(
    verdicts.flatMap(({ script, found }) =>
      found.map((one) => patternOf(one, script.steps[one.step]?.text ?? "")),
    ),
  );
  return patterns.filter((pattern) => !met.has(pattern));
}

function failureOf(
  found: readonly Difference[],
  accepted: Accepted | undefined,
): string | undefined {
  if (accepted === undefined) {
    return found.length === 0 ? undefined : `expected one trace, got ${found.length} differences`;
  }
  if (isAccepted(found, accepted.differences)) return undefined;
  if (found.length === 0) return "expected the accepted differences, got none: take the entry out";
  return "expected the accepted differences, got others";
}

const COLUMN = 64;

function lineText(line: Line | undefined): string {
  return line === undefined ? "" : `+${Math.round(line.after)} ${line.text}`;
}

/** Both traces, what differs marked with `!`. */
export function sideBySide({ script, rows }: Verdict): string {
  const text = [`    ${"Linux".padEnd(COLUMN)}   toeloop`];
  for (const [index, step] of script.steps.entries()) {
    text.push(`${`${index}`.padStart(3)} ${step.text}`);
    for (const { linux, toeloop } of rows) {
      if ((linux ?? toeloop)?.step !== index) continue;
      const isSame = linux !== undefined && toeloop !== undefined;
      const left = lineText(linux).padEnd(COLUMN);
      text.push(`  ${isSame ? " " : "!"} ${left} | ${lineText(toeloop)}`.trimEnd());
    }
  }
  return text.join("\n");
}
