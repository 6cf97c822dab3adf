/**
 * The command line of the lab, `EXPERIMENT [--json] [--quick] [--seed S] [--svg FILE]`: runs one
 * and prints ours beside the paper's; `--json` adds one JSON object as the last line. A bad command
 * line ends with status 2 and what was expected.
 */
import { integer, readArguments } from "../../examples/arguments.ts";
import type { Experiment } from "./experiment.ts";
import { renderSvg } from "./plot.ts";
import { EXPERIMENTS, experiment } from "./registry.ts";
import { hasMetAll, reportLines, reportValues } from "./report.ts";

const READERS = {
  seed: integer(0, 0xffffffff),
  svg: (text: string): string => text,
  json: "flag",
  quick: "flag",
  bar: "flag",
  help: "flag",
} as const;

/** What the command does to the world outside: injected, so that a test sees it. */
export interface LabOutput {
  readonly print: (line: string) => void;
  readonly write: (path: string, text: string) => void;
  readonly say: (line: string) => void;
}

interface Choice {
  readonly chosen: Experiment;
  readonly seed: number;
  readonly svg: string | undefined;
  readonly json: boolean;
  readonly quick: boolean;
  readonly bar: boolean;
}

function choose(args: readonly string[]): Choice | undefined {
  const { values, rest } = readArguments(args, READERS);
  if (values.help) return undefined;
  const chosen = experiment(rest.join(" "));
  return {
    chosen,
    seed: values.seed ?? 1,
    svg: values.svg,
    json: values.json === true,
    quick: values.quick === true,
    bar: values.bar === true,
  };
}

function help(): string[] {
  const width = Math.max(...EXPERIMENTS.map(({ name }) => name.length));
  return [
    "npm run lab -- EXPERIMENT [--json] [--quick] [--bar] [--seed S] [--svg FILE]",
    ...EXPERIMENTS.map(
      ({ name, title, section }) => `  ${name.padEnd(width)}  ${title} (${section})`,
    ),
  ];
}

/** Runs the command line's experiment; the exit status: with --bar 1 when a bar is missed. */
export async function main(args: readonly string[], output: LabOutput): Promise<number> {
  let choice: Choice | undefined;
  try {
    choice = choose(args);
  } catch (error) {
    output.print(error instanceof Error ? error.message : String(error));
    return 2;
  }
  if (choice === undefined) {
    for (const line of help()) output.print(line);
    return 0;
  }
  const { chosen, seed, quick } = choice;
  const report = await chosen.run({ seed, quick, say: output.say });
  for (const line of reportLines(chosen, report)) output.print(line);
  if (choice.svg !== undefined) {
    output.write(choice.svg, renderSvg(report.plots));
    output.print(`plot: ${choice.svg}`);
  }
  if (choice.json) output.print(JSON.stringify(reportValues(chosen, report, seed, quick)));
  return choice.bar && !hasMetAll(report) ? 1 : 0;
}
