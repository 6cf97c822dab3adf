/** All scripts, by group; and which of them a run is about. */
import { CLOSING } from "./scripts/closing.ts";
import { HANDSHAKE } from "./scripts/handshake.ts";
import { RECEIVING } from "./scripts/receiving.ts";
import { SENDING } from "./scripts/sending.ts";
import { randomScript } from "./random.ts";
import { type Script, scripts } from "./script.ts";

/** Names of scripts; or so many drawn sessions from a seed on. */
export interface Choice {
  /** All written scripts when neither is given. */
  readonly only?: readonly string[];
  readonly random?: { readonly count: number; readonly seed: number };
}

/** Name of the session that a seed draws. */
export const RANDOM_NAME = /^random-(\d+)$/;

export const SCRIPTS: readonly Script[] = scripts({
  ...HANDSHAKE,
  ...RECEIVING,
  ...SENDING,
  ...CLOSING,
});

/** The scripts of a choice, in order. Throws RangeError for a name that no script has. */
export function chosenScripts({ only, random }: Choice): readonly Script[] {
  if (random !== undefined) {
    return Array.from({ length: random.count }, (_, i) => randomScript(random.seed + i));
  }
  if (only === undefined) return SCRIPTS;
  return only.map((name) => {
    const seed = RANDOM_NAME.exec(name)?.[1];
    if (seed !== undefined) return randomScript(Number(seed));
    const found = SCRIPTS.find((script) => script.name === name);
    if (found !== undefined) return found;
    throw new RangeError(`differential: expected a script's name, got ${name}`);
  });
}
