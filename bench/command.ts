/**
 * The command line of the benchmarks, `NAME [--json] [--quick] [--bar] [--pairs N]
 * [--datapath NAME] [--before DIR]`: runs one and prints its table; `--json` adds one JSON object
 * as the last line; `--bar` ends with status 1 when a bar is not met; `--before` compares with
 * another build. Names and method: bench/README.md.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { DataPath } from "../bindings/layout.ts";
import { api } from "./api.ts";
import { COMPARABLE, compareBuilds } from "./before-after.ts";
import { bulk } from "./bulk.ts";
import { carousel } from "./carousel.ts";
import { checksum } from "./checksum.ts";
import { connect } from "./connect.ts";
import { connections } from "./connections.ts";
import { fairness } from "./fairness.ts";
import { FULL, QUICK, machine, type Bar, type BenchReport, type BenchScale } from "./harness.ts";
import { loss } from "./loss.ts";
import { rmt } from "./rmt.ts";
import { rpc } from "./rpc.ts";
import { segment } from "./segment.ts";
import { workers } from "./workers.ts";

type BenchBody = (scale: BenchScale) => BenchReport | Promise<BenchReport>;

/** Every benchmark by name. */
export const BENCHES: ReadonlyMap<string, BenchBody> = new Map<string, BenchBody>([
  ["bulk", bulk],
  ["rpc", rpc],
  ["connect", connect],
  ["connections", connections],
  ["segment", segment],
  ["api", api],
  ["checksum", checksum],
  ["carousel", carousel],
  ["workers", workers],
  ["rmt", rmt],
  ["fairness", fairness],
  ["loss", loss],
]);

const USAGE = `bench: expected a name of ${[...BENCHES.keys()].join(", ")}`;

/** Benchmarks that know more than one data path. */
const BOTH = ["bulk"];

function dataPath(name: string, choice: string): DataPath {
  const known = BOTH.includes(name) ? ["flextoe", "laminar", "laminar-relaxed"] : ["flextoe"];
  if (known.includes(choice)) return choice as DataPath;
  const expected = known.join("|");
  throw new RangeError(
    `bench ${name}: expected --datapath ${expected}, got ${JSON.stringify(choice)}`,
  );
}

interface Choice {
  readonly name: string;
  readonly body: BenchBody;
  readonly scale: BenchScale;
  readonly json: boolean;
  readonly bar: boolean;
  /** A checkout with another build. */
  readonly before: string | undefined;
}

function choose(args: readonly string[]): Choice {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      bar: { type: "boolean", default: false },
      pairs: { type: "string" },
      datapath: { type: "string", default: "flextoe" },
      before: { type: "string" },
    },
  });
  const name = positionals[0] ?? "";
  const body = BENCHES.get(name);
  if (body === undefined || positionals.length > 1) {
    throw new RangeError(`${USAGE}, got ${JSON.stringify(positionals.join(" "))}`);
  }
  const { before, json, bar } = values;
  if (before !== undefined && !COMPARABLE.includes(name)) {
    throw new RangeError(`bench: expected --before with ${COMPARABLE.join("|")}, got ${name}`);
  }
  const base = { ...(values.quick ? QUICK : FULL), datapath: dataPath(name, values.datapath) };
  const rounds = values.pairs === undefined ? base.rounds : Number(values.pairs);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    throw new RangeError(`bench: expected --pairs 1..1000, got ${JSON.stringify(values.pairs)}`);
  }
  const say = (line: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
  };
  return { name, body, scale: { ...base, rounds, say }, json, bar, before };
}

/** The report: of the benchmark, or of the comparison with another build. */
async function reportOf({ name, body, scale, before }: Choice): Promise<BenchReport> {
  if (before === undefined) return body(scale);
  const root = resolve(before);
  const { lines, bars, ratios } = await compareBuilds(name, root, scale.rounds, scale.say);
  return { lines, bars, values: { before: root, pairs: scale.rounds, ratios } };
}

function barLine(bar: Bar): string {
  if (bar.ratio === undefined) return `bar ${bar.name}: at least ${bar.least}, peer not built`;
  const verdict = bar.ratio >= bar.least ? "met" : "NOT MET";
  return `bar ${bar.name}: at least ${bar.least}, got ${bar.ratio.toFixed(3)}: ${verdict}`;
}

/** Without its peer a bar is not met: CI builds the peers. */
function met(bars: readonly Bar[]): boolean {
  return bars.every((bar) => bar.ratio !== undefined && bar.ratio >= bar.least);
}

/** Runs the command line's benchmark; the exit status. */
export async function main(
  args: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  let choice: Choice;
  try {
    choice = choose(args);
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    return 2;
  }
  const report = await reportOf(choice);
  print(machine());
  for (const line of report.lines) print(line);
  for (const bar of report.bars) print(barLine(bar));
  if (choice.json) {
    const values = { bench: choice.name, ...report.values, bars: report.bars, machine: machine() };
    print(JSON.stringify(values));
  }
  return choice.bar && !met(report.bars) ? 1 : 0;
}
