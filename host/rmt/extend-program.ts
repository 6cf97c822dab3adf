/**
 * Extensions of a stage program: a small text that says what to add and where (dissertation 5.5.3).
 * What comes out is a program's text again, to be read, checked and run as any other. Sections of
 * an extension, each followed by its lines:
 *
 *   declare                constants, fields, headers: behind the program's fields
 *   after stage NAME       stages
 *   in place of stage NAME stages
 *   after parser NAME      parser states
 *   first in stage NAME    actions that have precedence over the stage's own
 *   first in register NAME cases that have precedence
 *   first in parser NAME   gotos that have precedence
 */
import { ProgramError } from "./program.ts";

const SECTION =
  /^(declare|(after|in place of) (stage|parser) (\w+)|first in (stage|register|parser) (\w+))$/;
const OPENED = /^\s*(stage|parser|deparser|pipe)\b/;
const DECLARED = /^\s*(parser|deparser|pipe)\b/;

interface Section {
  readonly line: number;
  /** Index of the program's line before which the section's lines go. */
  readonly at: number;
  /** Lines of the program before that one which the section replaces. */
  readonly instead: number;
  readonly lines: string[];
}

/** Index of the line that declares something, or -1. */
function indexOf(base: readonly string[], kind: string, name: string): number {
  const pattern = new RegExp(`^\\s*${kind} ${name}\\b`);
  return base.findIndex((line) => pattern.test(line));
}

/** Where a section's lines go, and how many lines before it they replace. */
function place(base: readonly string[], match: RegExpExecArray): [at: number, instead: number] {
  const [, what = "", where, part = "", whole = "", kind = "", name = ""] = match;
  if (what === "declare") return [base.findIndex((line) => DECLARED.test(line)), 0];
  if (where === undefined) return [indexOf(base, kind, name) + 1, 0];
  const from = indexOf(base, part, whole);
  if (from < 0) return [0, 0];
  const next = base.findIndex((line, i) => i > from && OPENED.test(line));
  const end = next < 0 ? base.length : next;
  return [end, where === "after" ? 0 : end - from];
}

/** `program` with what `extension` adds; `file` names it in messages. Throws ProgramError. */
export function extendProgram(program: string, file: string, extension: string): string {
  const base = program.split("\n");
  const sections: Section[] = [];
  for (const [i, line] of extension.split("\n").entries()) {
    const match = SECTION.exec(line.replace(/#.*/, "").trim());
    if (match !== null) {
      const [at, instead] = place(base, match);
      if (at <= 0) throw new ProgramError(file, i + 1, "a place in the program", line.trim());
      sections.push({ line: i + 1, at, instead, lines: [] });
    } else if (sections.length > 0) {
      sections.at(-1)?.lines.push(line);
    } else if (line.replace(/#.*/, "").trim() !== "") {
      throw new ProgramError(file, i + 1, "declare, after, in place of or first in", line.trim());
    }
  }
  const kept = (i: number): boolean =>
    !sections.some(({ at, instead }) => i >= at - instead && i < at);
  return base
    .flatMap((line, i) => [
      ...sections.filter(({ at }) => at === i).flatMap(({ lines }) => lines),
      ...(kept(i) ? [line] : []),
    ])
    .concat(...sections.filter(({ at }) => at === base.length).map(({ lines }) => lines))
    .join("\n");
}
