/**
 * Why mutants survive that nothing has killed. `equivalent`: no input tells it from the original;
 * it does not count. Others count as survivors: what they change is meant to be free, such as
 * speed, and no test may hold it.
 */
import { readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";

interface Reason {
  readonly file: string;
  /** Stands in the mutant's line. */
  readonly code: string;
  /** Of these changes alone: "lt_u > le_u". */
  readonly what?: readonly string[];
  /** In this compiled function alone. */
  readonly within?: string;
  readonly equivalent: boolean;
  readonly why: string;
}

/** What the reason of an equivalent mutant begins with. */
export const EQUIVALENT = "equivalent: ";

export const REASONS: readonly Reason[] = [
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "return shift > 63 || rto > limit >> shift",
    what: ["63 > 64", "gt_u > ge_u"],
    equivalent: true,
    why: "the backoff is 63 at most, and any RTO is above a limit that is shifted by 63",
  },
  {
    file: "assembly/tcp/round-trip-time.ts",
    code: "return min(rto, limit)",
    what: ["lt_u > le_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    code: "at = min(at, load<u64>(core, CORE_NOW)",
    what: ["lt_u > le_u"],
    equivalent: true,
    why: "the lesser of two equal numbers",
  },
];

/** What reasonFor() needs of a verdict. */
interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly within: string;
  readonly what: string;
}

/** The reason, with "equivalent: " before it when it is; undefined when none is known. */
export function reasonFor({ file, line, within, what }: Survivor): string | undefined {
  const text = readFileSync(ROOT + file, "utf8").split("\n")[line - 1] ?? "";
  const found = REASONS.find((reason) => {
    if (reason.file !== file || !text.includes(reason.code)) return false;
    if (reason.what !== undefined && !reason.what.includes(what)) return false;
    return reason.within === undefined || reason.within === within;
  });
  if (found === undefined) return undefined;
  return found.equivalent ? `${EQUIVALENT}${found.why}` : found.why;
}
