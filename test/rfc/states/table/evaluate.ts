/**
 * evaluate.ts: turns a formula of the table into a number, given the variables.
 */
import type { Formula, Name } from "./types.ts";

/** Values of the names a formula uses; a missing one is an error, not zero. */
export type Values = Readonly<Partial<Record<Name, number>>>;

const termPattern = /([+-]?)((?:SEG|SND|RCV)\.[A-Z]+'?|I[RS]S'?|\d+)/g;

/** Sum modulo 2^32, from left to right. */
export function evaluate(formula: Formula, values: Values): number {
  let sum = 0;
  for (const [, sign, term] of formula.matchAll(termPattern)) {
    const known = values[term as Name];
    const value = /^\d+$/.test(term ?? "") ? Number(term) : known;
    if (value === undefined) throw new Error(`${formula}: no value for ${term}`);
    sum += sign === "-" ? -value : value;
  }
  return ((sum % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
