/**
 * The kept inputs of the fuzz targets: test/fuzz/corpus/NAME.txt, one a line, its name and its
 * bytes in hex. Names that begin with `edge-` are found and minimised by `--minimise`; the others
 * are written by hand or were failures once, and stay.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";
import { fromHex, toHex } from "../support/frames.ts";
import type { FuzzBuild, FuzzTarget } from "./registry.ts";

export interface KeptInput {
  readonly name: string;
  readonly input: Uint8Array;
}

const FOUND = /^edge-/;

function fileOf(target: FuzzTarget): string {
  return `${ROOT}test/fuzz/corpus/${target.name}.txt`;
}

export function readCorpus(target: FuzzTarget): KeptInput[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [name = "", hex = ""] = line.split(" ");
    return { name, input: fromHex(hex) };
  });
}

/**
 * Those of `inputs` without which an edge would not be taken, or not so often: the shortest first,
 * each one kept that is new to those before it.
 */
function minimal(
  target: FuzzTarget,
  build: FuzzBuild,
  kept: readonly KeptInput[],
  inputs: readonly Uint8Array[],
): Uint8Array[] {
  const session = target.start(build);
  session.learn?.(kept.map(({ input }) => input));
  const before = session.corpus?.().length ?? 0;
  session.learn?.(inputs.toSorted((a, b) => a.length - b.length));
  return [...new Set(session.corpus?.().slice(before) ?? [])];
}

/** Writes the corpus anew: what is named by hand, and what `inputs` add to it; how many lines. */
export function writeCorpus(
  target: FuzzTarget,
  build: FuzzBuild,
  inputs: readonly Uint8Array[],
): number {
  const old = readCorpus(target);
  const kept = old.filter(({ name }) => !FOUND.test(name));
  const found = old.filter(({ name }) => FOUND.test(name)).map(({ input }) => input);
  const added = minimal(target, build, kept, [...found, ...inputs]);
  const all = [...kept, ...added.map((input, i) => ({ name: `edge-${i}`, input }))];
  const text = all.map(({ name, input }) => `${name} ${toHex(input)}\n`).join("");
  writeFileSync(fileOf(target), text);
  return all.length;
}
