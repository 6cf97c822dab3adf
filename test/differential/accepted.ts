/**
 * Where toeloop in profile `linux` differs from the kernel, and why: accepted.txt, the one list of
 * the command. A difference that is not there fails, and so does one that is there and is none.
 *
 * ```
 * = The reason, over the scripts that it is one for; it may go on
 * = in further lines
 * connect-wrong-ack
 * 2 linux +10 > S 0:0(0) <mss 1460,...>       as the command prints them, all of a script's
 * <F. toeloop > . N:N(N) ack N                under `random`: behind such a packet, any numbers
 * holes-two on laminar-relaxed                in place of the script's own, over that data path
 * ```
 */
import { readFileSync } from "node:fs";
import { ROOT } from "../support/env.ts";

export interface Accepted {
  readonly why: string;
  /** All of the script's, in order; under RANDOM patterns, each for itself. */
  readonly differences: readonly string[];
}

/** What drawn sessions may differ in: there is no entry for each. */
export const RANDOM = "random";

/** Reads the list; throws RangeError with the line that is none. By script. */
export function readAccepted(text: string): ReadonlyMap<string, Accepted> {
  const found = new Map<string, { why: string; differences: string[] }>();
  let why = "";
  let [goesOn, current] = [false, ""];
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("=")) {
      why = goesOn ? `${why} ${line.slice(1).trim()}` : line.slice(1).trim();
      goesOn = true;
      continue;
    }
    goesOn = false;
    const differences = found.get(current)?.differences;
    if (/^[\d<]/.test(line) && differences !== undefined) differences.push(line);
    else if (why === "" || found.has(line)) {
      throw new RangeError(`accepted: expected a reason above ${line}, and it once`);
    } else {
      current = line;
      found.set(line, { why, differences: [] });
    }
  }
  return found;
}

/** By script. */
export const ACCEPTED = readAccepted(readFileSync(`${ROOT}test/differential/accepted.txt`, "utf8"));

export const DATA_PATHS = ["flextoe", "laminar-relaxed"] as const;
export type DataPath = (typeof DATA_PATHS)[number];

/** What a script may differ in over a data path: its entry for that alone, else the one for all. */
export function acceptedOn(datapath: DataPath, script: string): Accepted | undefined {
  return ACCEPTED.get(`${script} on ${datapath}`) ?? ACCEPTED.get(script);
}
