/**
 * Goal: a program that cannot be run is refused with its line, what was expected, what was found.
 * Method: a legal program, and for each rule and limit one change of it that breaks just that one.
 */
import { expect, test } from "vitest";
import { checkProgram } from "../../../host/rmt/check-program.ts";
import { TOFINO2 } from "../../../host/rmt/machines/tofino2.ts";
import { readProgram } from "../../../host/rmt/read-program.ts";
import { programText } from "../../support/rmt.ts";

const LEGAL = `program counter
constant TCP = 6
field protocol 8 parsed
field flow 32 parsed
field bytes 32 parsed
field a 32
field b 32 result
pipe ingress
stage classify
  set a = bytes + 4 if protocol == TCP
pipe egress
stage first
  register total 32 of 1024 by flow
    case protocol == TCP
      test large : bytes > old
      new = old + bytes if large
      out b = new
stage second
  set b = b + a
`;
const LINES = LEGAL.split("\n");

const OWN_STAGE = "a field: a register is read in its own stage alone";
const STATEMENTS = [
  ...["program", "constant", "field", "parser", "extract", "length", "goto", "deparser", "emit"],
  ...["pipe", "stage", "table", "set", "filter"],
  ...["register", "case", "test", "new", "out"],
].join(" | ");

function compile(text: string): void {
  checkProgram("x.rmt", readProgram("x.rmt", text), TOFINO2);
}

function messageOf(text: string): string {
  try {
    compile(text);
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
}

/** LEGAL with one line replaced, by several if need be. */
function changed(line: number, ...by: readonly string[]): string {
  return [...LINES.slice(0, line - 1), ...by, ...LINES.slice(line)].join("\n");
}

/** Fields of LEGAL that a filter may give. */
const FILTERED = ["a", "b", "protocol", "flow", "bytes"];

const times = (count: number, of: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => of(i));

test("the legal program is taken, and so is TCP's", () => {
  expect(() => compile(LEGAL)).not.toThrow();
  expect(() => compile(programText("tcp"))).not.toThrow();
});

const REFUSED: readonly (readonly [what: string, text: string, message: string])[] = [
  [
    "a register of a later stage",
    changed(10, "  set a = total"),
    `x.rmt:10: expected ${OWN_STAGE}, got register total of line 13`,
  ],
  [
    "a register of an earlier stage",
    changed(19, "  set b = total + a"),
    `x.rmt:19: expected ${OWN_STAGE}, got register total of line 13`,
  ],
  [
    "a register used twice",
    changed(19, "  register total 32 of 1024 by flow"),
    "x.rmt:19: expected one use of register total (line 13), got another",
  ],
  [
    "a register written and read for the update",
    changed(16, "      new = new + bytes"),
    "x.rmt:16: expected old: a register is read once, got new",
  ],
  [
    "a register in ingress",
    changed(10, "  register early 32 of 16 by flow", "    case always", "      new = old + 1"),
    "x.rmt:10: expected a read-only ingress, registers in egress, got early",
  ],
  [
    "five comparators",
    changed(
      15,
      ...times(5, (i) => `      test ${"abcde"[i]}${i === 0 ? "" : i} : bytes > old`),
      "      test large : bytes > old",
    ),
    "x.rmt:14: expected at most 4 comparators a stateful ALU (tofino2), got 6",
  ],
  [
    "five arithmetic operations",
    changed(17, "      out b = new", ...times(4, (i) => `      out c${i} = old + ${i}`)).replace(
      "field a 32\n",
      `field a 32\n${times(4, (i) => `field c${i} 32\n`).join("")}`,
    ),
    "x.rmt:18: expected at most 4 arithmetic operations a stateful ALU (tofino2), got 6",
  ],
  [
    "three inputs of a stateful ALU",
    changed(16, "      new = flow + a if large"),
    "x.rmt:14: expected at most 2 inputs a stateful ALU (tofino2), got 3",
  ],
  [
    "five stateful ALUs in a stage",
    changed(
      18,
      ...times(4, (i) => `  register r${i} 32 of 16 by flow\n    case always\n      new = old + 1`),
      "stage second",
    ),
    "x.rmt:12: expected at most 4 stateful ALUs a stage (tofino2), got 5",
  ],
  [
    "five low-pass filters in a stage",
    changed(19, ...times(5, (i) => `  filter f${i} 3 of 16 by flow on bytes gives ${FILTERED[i]}`)),
    "x.rmt:18: expected at most 4 low-pass filters a stage (tofino2), got 5",
  ],
  [
    "a low-pass filter beside four stateful ALUs",
    changed(
      19,
      "  filter f 3 of 16 by flow on bytes gives b",
      ...times(4, (i) => `  register r${i} 32 of 16 by flow\n    case always\n      new = 1`),
    ),
    "x.rmt:18: expected at most 4 stateful ALUs and low-pass filters a stage (tofino2), got 5",
  ],
  [
    "a low-pass filter that is larger than a stage's memory",
    changed(19, "  filter f 3 of 90000 by flow on bytes gives b"),
    "x.rmt:18: expected at most 80 SRAM blocks a stage (tofino2), got 88",
  ],
  [
    "a low-pass filter in ingress",
    changed(10, "  filter early 3 of 16 by flow on bytes gives a"),
    "x.rmt:10: expected a read-only ingress, registers in egress, got early",
  ],
  [
    "a low-pass filter used twice",
    changed(19, "  filter total 3 of 16 by flow on bytes gives b"),
    "x.rmt:19: expected one use of register total (line 13), got another",
  ],
  [
    "a low-pass filter's gain that is none",
    changed(19, "  filter f 17 of 16 by flow on bytes gives b"),
    "x.rmt:19: expected a gain of 1 to 16, got 17",
  ],
  [
    "a low-pass filter that shares its field with an action",
    changed(19, "  filter f 3 of 16 by flow on bytes gives b", "  set b = a"),
    "x.rmt:19: expected field b to be written by an action alone, got f",
  ],
  [
    "a low-pass filter whose condition compares two fields",
    changed(19, "  filter f 3 of 16 by flow on bytes gives b if bytes > flow"),
    "x.rmt:19: expected a condition that compares a field with a constant, got two fields",
  ],
  [
    "a low-pass filter on a field that nothing has written",
    changed(19, "  filter f 3 of 16 by b on bytes gives a").replace("out b = new", "out a = new"),
    "x.rmt:18: expected field b to be parsed, or written by an earlier stage, got neither",
  ],
  [
    "21 stages",
    changed(18, ...times(20, (i) => `stage s${i}`)),
    "x.rmt:37: expected at most 20 stages of egress (tofino2), got 21",
  ],
  [
    "17 gateways in a stage",
    changed(19, ...times(17, (i) => `  set b = a if flow == ${i}`)),
    "x.rmt:18: expected at most 16 gateways a stage (tofino2), got 17",
  ],
  [
    "16 gateways and a filter's",
    changed(
      19,
      "  filter f 3 of 16 by flow on bytes gives a if bytes > 9",
      ...times(16, (i) => `  set b = a if flow == ${i}`),
    ),
    "x.rmt:18: expected at most 16 gateways a stage (tofino2), got 17",
  ],
  [
    "a register larger than a stage's memory",
    changed(13, "  register total 32 of 400000 by flow"),
    "x.rmt:12: expected at most 80 SRAM blocks a stage (tofino2), got 98",
  ],
  [
    "a ternary table larger than a stage's TCAM",
    changed(10, "  table t ternary of 20000 on flow gives a"),
    "x.rmt:9: expected at most 24 TCAM blocks a stage (tofino2), got 29",
  ],
  [
    "a header vector that is too long",
    changed(6, "field a 32", ...times(130, (i) => `field f${i} 32`)),
    "x.rmt:1: expected at most 4096 bits of header vector (tofino2), got 4296",
  ],
  [
    "a condition over two fields",
    changed(10, "  set a = bytes if bytes == flow"),
    "x.rmt:10: expected a condition that compares a field with a constant, got two fields",
  ],
  [
    "a shift by a field",
    changed(10, "  set a = bytes << flow"),
    "x.rmt:10: expected a shift by a constant, got one by a field",
  ],
  [
    "a field that nothing has written",
    changed(10, "  set a = b"),
    "x.rmt:9: expected field b to be parsed, or written by an earlier stage, got neither",
  ],
  [
    "a field written by two units of a stage",
    changed(18, "  set b = 1", "stage second"),
    "x.rmt:17: expected field b to be written by an action alone, got total",
  ],
  [
    "old in an action",
    changed(19, "  set b = old + a"),
    "x.rmt:19: expected fields and constants in an action, got old",
  ],
  [
    "a register without a case",
    changed(18, "  register idle 32 of 16 by flow", "stage second"),
    "x.rmt:18: expected a case, got none",
  ],
  ["a word that is none", changed(19, "  put b = a"), `x.rmt:19: expected ${STATEMENTS}, got put`],
  [
    "a field that is none",
    changed(19, "  set c = a"),
    "x.rmt:19: expected a field, declared before, got c",
  ],
  ["a field twice", changed(7, "field a 32"), "x.rmt:7: expected a new name, got a"],
  ["a width that is none", changed(6, "field a 24"), "x.rmt:6: expected 8 | 16 | 32, got 24"],
  [
    "a number that is none",
    changed(2, "constant TCP = -6"),
    "x.rmt:2: expected a number of 32 bits, got -6",
  ],
  [
    "a test that the case does not have",
    changed(16, "      new = old + bytes if small"),
    "x.rmt:16: expected a test of this case, got small",
  ],
  [
    "a stage before its pipe",
    changed(8),
    "x.rmt:8: expected pipe ingress | egress before a stage, got stage",
  ],
  [
    "more than a statement",
    changed(19, "  set b = b + a a"),
    "x.rmt:19: expected end of line, got a",
  ],
];

for (const [what, text, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    expect(messageOf(text)).toBe(message);
  });
}
