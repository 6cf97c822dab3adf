/**
 * Goal: every line of TCP's stage program and of its extensions does something. Method: each is
 * left out in turn; what is left is refused, or random packets see it: a result field, a register,
 * a header or the parser's verdict differs from the whole program's.
 */
import { expect, test } from "vitest";
import { extensionText } from "../../../bench/rmt-machine.ts";
import { extendProgram } from "../../../host/rmt/extend-program.ts";
import { seedOf } from "../../support/env.ts";
import { programText } from "../../support/rmt.ts";
import { differs } from "../../support/rmt-differences.ts";
import { EXTENSIONS, type Extension } from "../../support/rmt-extensions.ts";

const SEED = seedOf(190);
const TCP = programText("tcp");
/** Declarations: without one whatever names it is refused, or nothing does. */
const STATEMENT =
  /^ *(parser|extract|length|goto|deparser|emit|pipe|stage|table|set|filter|register) /;
const PART = /^ *(case|test|new|out) /;
/** Of an extension all the rest as well, and where its lines go. */
const SECTION = /^ *(constant|field|declare|after|first)\b/;

/** Lines that nobody misses, and how many cannot be left out at all. */
function missed(
  text: string,
  counts: (line: string) => boolean,
  whole: (text: string) => string,
  extension?: Extension,
): { silent: string[]; refused: number } {
  const lines = text.split("\n");
  const silent: string[] = [];
  let refused = 0;
  for (const [i, line] of lines.entries()) {
    if (!counts(line)) continue;
    const less = [...lines.slice(0, i), ...lines.slice(i + 1)].join("\n");
    try {
      if (!differs(whole(text), whole(less), SEED, extension)) silent.push(line.trim());
    } catch (error) {
      expect((error as Error).message).toMatch(/\.rmt:\d+: expected /);
      refused += 1;
    }
  }
  return { silent, refused };
}

test(`without any one of its lines the program is refused or does otherwise, seed ${SEED}`, () => {
  const counts = (line: string): boolean => STATEMENT.test(line) || PART.test(line);
  const { silent, refused } = missed(TCP, counts, (text) => text);
  // Units that need nothing of each other do the same in one stage; table-5.2 sees that.
  expect(silent.filter((line) => !line.startsWith("stage "))).toEqual([]);
  expect(silent.length).toBeLessThan(5);
  // Most lines are seen by what they do.
  expect(refused).toBeLessThan(TCP.split("\n").length / 3);
});

for (const extension of EXTENSIONS) {
  test(`so it is with the lines of ${extension}, seed ${SEED}`, () => {
    const counts = (line: string): boolean => {
      return STATEMENT.test(line) || PART.test(line) || SECTION.test(line);
    };
    const extended = (text: string): string => extendProgram(TCP, `${extension}.rmt`, text);
    const { silent } = missed(extensionText(extension), counts, extended, extension);
    expect(silent.filter((line) => !line.startsWith("stage "))).toEqual([]);
    expect(silent.length).toBeLessThan(2);
  });
}
