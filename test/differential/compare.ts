/**
 * Two traces of one script beside each other. Lines are the same when they say the same at about
 * the same time behind the same step; the order of lines behind a step counts. What differs is
 * found by the longest common run of lines, so that one missing ACK is one difference.
 */
import type { Line } from "./session.ts";

/** One line that only one side has; `after` as it was on that side. */
export interface Difference extends Line {
  readonly side: "linux" | "toeloop";
}

/** A difference in a file, as `3 linux +40 > . 1:1(0) ack 101`. */
export function differenceText({ step, side, after, text }: Difference): string {
  return `${step} ${side} +${Math.round(after)} ${text}`;
}

/** Throws RangeError when the text is none. */
export function readDifference(text: string): Difference {
  const found = /^(\d+) (linux|toeloop) \+(\d+) (.+)$/.exec(text);
  if (found === null) throw new RangeError(`expected a difference of two traces, got ${text}`);
  const side = found[2] as Difference["side"];
  return { step: Number(found[1]), side, after: Number(found[3]), text: found[4] as string };
}

/**
 * ms by which two times may differ: the kernel's timers stand on ticks of 4 ms and more when they
 * are long, a machine at work looks late. Delayed ACKs (40 ms), probes and timeouts (200 ms and
 * doubled) stay apart.
 */
const SLACK_MS = 25;
const SLACK_SHARE = 0.1;

export function atAboutTheSameTime(a: number, b: number): boolean {
  return Math.abs(a - b) <= SLACK_MS + SLACK_SHARE * Math.max(a, b);
}

function same(a: Line, b: Line): boolean {
  return a.step === b.step && a.text === b.text && atAboutTheSameTime(a.after, b.after);
}

/** Lengths of the longest common runs of `a` from i and `b` from j. */
function commonLengths(a: readonly Line[], b: readonly Line[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => (table[i] as number[])[j] as number;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const isSame = same(a[i] as Line, b[j] as Line);
      (table[i] as number[])[j] = isSame
        ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return table;
}

/** One row of two traces side by side; a side is undefined where only the other has the line. */
export interface Row {
  readonly linux: Line | undefined;
  readonly toeloop: Line | undefined;
}

export function align(linux: readonly Line[], toeloop: readonly Line[]): readonly Row[] {
  const lengths = commonLengths(linux, toeloop);
  const rows: Row[] = [];
  let [i, j] = [0, 0];
  while (i < linux.length || j < toeloop.length) {
    const [left, right] = [linux[i], toeloop[j]];
    const [down, across] = [lengths[i + 1]?.[j] ?? -1, lengths[i]?.[j + 1] ?? -1];
    if (left !== undefined && right !== undefined && same(left, right)) {
      rows.push({ linux: left, toeloop: right });
      i += 1;
      j += 1;
    } else if (right === undefined || (left !== undefined && down >= across)) {
      rows.push({ linux: left, toeloop: undefined });
      i += 1;
    } else {
      rows.push({ linux: undefined, toeloop: right });
      j += 1;
    }
  }
  return rows;
}

/** What only one side has, in order. */
export function differences(rows: readonly Row[]): readonly Difference[] {
  return rows.flatMap(({ linux, toeloop }): readonly Difference[] => {
    if (linux !== undefined && toeloop !== undefined) return [];
    if (linux !== undefined) return [{ ...linux, side: "linux" }];
    return toeloop === undefined ? [] : [{ ...toeloop, side: "toeloop" }];
  });
}

const plain = (text: string): string => text.replace(/\d+/g, "N");

/**
 * The pattern that a difference of a drawn session falls under, as `<F. toeloop > . N:N(N) ack N`:
 * the flags of the step's packet, the side, and what it says without its numbers.
 */
export function patternOf({ side, text }: Difference, stepText: string): string {
  const flags = /^< (?:\[\w+\] )?(\S+)/.exec(stepText)?.[1] ?? "";
  return `<${flags} ${side} ${plain(text)}`;
}

/** The accepted differences are those that are there: no more, no fewer, at about the same time. */
export function isAccepted(found: readonly Difference[], accepted: readonly string[]): boolean {
  const wanted = accepted.map(readDifference);
  const matches = (a: Difference, b: Difference): boolean => a.side === b.side && same(a, b);
  return (
    found.length === wanted.length && found.every((one, i) => matches(one, wanted[i] as Difference))
  );
}
