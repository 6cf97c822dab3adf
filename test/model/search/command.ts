/**
 * `npm run model [-- --states N] [--json]`: the bounded search over the connection machine, N
 * distinct worlds in all. A violation prints what was done to get there; the exit status is then 1.
 */
import { parseArgs } from "node:util";
import { type Found, SCENARIOS, search, type Violation } from "./search.ts";

const STATES_DEFAULT = 1_200_000;
const STATES_MIN = SCENARIOS.length;
const STATES_MAX = 10_000_000;

function readStates(text: string | undefined): number {
  if (text === undefined) return STATES_DEFAULT;
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= STATES_MIN && value <= STATES_MAX) return value;
  throw new RangeError(`model: expected --states ${STATES_MIN}..${STATES_MAX}, got ${text}`);
}

function describe({ scenario, text, path }: Violation): string {
  return [`FAILED ${scenario}: ${text}`, ...path.map((move) => `  ${move}`)].join("\n");
}

/** Lines of the report. */
export function report(found: Found, seconds: number): string[] {
  const { states, transitions, isComplete, violations, rows, allRows } = found;
  return [
    ...violations.map(describe),
    `${states} states, ${transitions} transitions, ${isComplete ? "all" : "the first"} there are`,
    `${rows} of ${allRows} rows of the connection machine; ${seconds.toFixed(1)} s`,
    `${violations.length} violations`,
  ];
}

/** Exit code 0: no violation; throws on arguments that it does not know. */
export function main(words: readonly string[]): number {
  const { values } = parseArgs({
    args: [...words],
    options: { states: { type: "string" }, json: { type: "boolean" } },
  });
  const limit = readStates(values.states);
  const start = performance.now();
  const found = search(limit);
  const seconds = (performance.now() - start) / 1e3;
  for (const line of report(found, seconds)) console.log(line);
  if (values.json === true) console.log(JSON.stringify({ ...found, seconds }));
  const isEnough = found.isComplete || found.states >= limit;
  if (!isEnough) console.log(`expected ${limit} states or all there are, got ${found.states}`);
  return found.violations.length === 0 && isEnough ? 0 : 1;
}
