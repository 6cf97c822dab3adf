/** All scripts, from their files; and which of them a run is about. */
import { readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";
import { randomScript } from "./random.ts";
import { readParagraphs, type Script, script } from "./script.ts";

/** Names of scripts; or so many drawn sessions from a seed on. */
export interface Choice {
  /** All written scripts when neither is given. */
  readonly only?: readonly string[];
  readonly random?: { readonly count: number; readonly seed: number };
}

const GROUPS = ["handshake", "receiving", "sending", "closing"] as const;
/** Name of the session that a seed draws. */
export const RANDOM_NAME = /^random-(\d+)$/;

function read(file: string): string {
  return readFileSync(`${ROOT}test/differential/${file}`, "utf8");
}

function readScripts(): readonly Script[] {
  const openings = readParagraphs(read("scripts/openings.txt"));
  return GROUPS.flatMap((group) => {
    const found = readParagraphs(read(`scripts/${group}.txt`), openings);
    return [...found].map(([name, lines]) => script(name, lines));
  });
}

/** The written scripts, in the order of their files. */
export const SCRIPTS: readonly Script[] = readScripts();

/** The scripts of a choice, in order. Throws RangeError for a name that no script has. */
export function chosenScripts({ only, random }: Choice): readonly Script[] {
  if (random !== undefined) {
    return Array.from({ length: random.count }, (_, i) => randomScript(random.seed + i));
  }
  if (only === undefined) return SCRIPTS;
  return only.map((name) => {
    const seed = RANDOM_NAME.exec(name)?.[1];
    if (seed !== undefined) return randomScript(Number(seed));
    const found = SCRIPTS.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new RangeError(`differential: expected a script's name, got ${name}`);
  });
}
