/**
 * The command `npm run packetdrill -- FILE... [--datapath D] [--NAME=VALUE] [--pcap DIR] [--json]`:
 * runs scripts of the packetdrill language over the stack in virtual time; with `--public` those of
 * a checkout of google/packetdrill. Exit code 0: all passed (of the public ones: as README.md
 * says); 1: one failed; 2: bad arguments.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { parseScript, runScript, ScriptError } from "../../host/packetdrill/index.ts";
import { ROOT } from "../support/env.ts";
import { compareOutcomes, publicNames, readTable, runAllPublic } from "./public-scripts.ts";

const DATA_PATHS = ["flextoe", "laminar", "laminar-relaxed"] as const;

const USAGE = `usage: npm run packetdrill -- FILE... [options]
       PACKETDRILL_DIR=DIR npm run packetdrill -- --public [--verbose]
options:
  --datapath D       ${DATA_PATHS.join("|")} (default flextoe)
  --debug            the debug build, with assertions
  --pcap DIR         where captures of failures go (default .)
  --ignore-rest      packets behind the last event are no failure
  --json             one line of JSON at the end
  --public           the scripts of the checkout of google/packetdrill in PACKETDRILL_DIR,
                     compared with test/packetdrill/README.md; without it nothing is run
  --verbose          with --public: each failure's line
  --NAME=VALUE       an option of scripts over the script's own: --profile=linux,
                     --tolerance_usecs=N, --local_isn=N, --mss=N, ...`;

class UsageError extends Error {}

/** Standard output and standard error, by lines. */
export interface Output {
  readonly log: (line: string) => void;
  readonly error: (line: string) => void;
}

interface Arguments {
  readonly files: readonly string[];
  readonly datapath: DataPath;
  readonly debug: boolean;
  readonly pcap: string;
  readonly ignoreRest: boolean;
  readonly json: boolean;
  readonly options: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly file: string;
  readonly failure?: ScriptError;
  /** Path of the capture. */
  readonly pcapng?: string;
}

function dataPath(text: string | undefined): DataPath {
  const found = DATA_PATHS.find((one) => one === text);
  if (found !== undefined) return found;
  const got = text ?? "nothing";
  throw new UsageError(`packetdrill: expected --datapath ${DATA_PATHS.join("|")}, got ${got}`);
}

function readArguments(argv: readonly string[]): Arguments {
  const files: string[] = [];
  const options: Record<string, string> = {};
  const chosen = { debug: false, pcap: ".", ignoreRest: false, json: false };
  let datapath: DataPath = "flextoe";
  // Values stand behind `=` or in the next word.
  const words = argv.flatMap((word) => {
    return /^(--(?:datapath|pcap))=(.*)$/.exec(word)?.slice(1) ?? [word];
  });
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] as string;
    const own = /^--([a-z_]+)=(.*)$/.exec(word);
    if (!word.startsWith("--")) files.push(word);
    else if (word === "--json") chosen.json = true;
    else if (word === "--debug") chosen.debug = true;
    else if (word === "--ignore-rest") chosen.ignoreRest = true;
    else if (word === "--datapath") datapath = dataPath(words[++i]);
    else if (word === "--pcap") chosen.pcap = words[++i] ?? ".";
    else if (own !== null) options[own[1] as string] = own[2] as string;
    else throw new UsageError(`packetdrill: expected an option (see --help), got ${word}`);
  }
  if (files.length === 0) throw new UsageError(`packetdrill: expected FILE..., got none\n${USAGE}`);
  return { files, datapath, ...chosen, options };
}

function readScript(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`packetdrill: expected a readable file: ${(error as Error).message}`);
  }
}

function writeCapture(args: Arguments, file: string, parts: readonly Uint8Array[]): string {
  mkdirSync(args.pcap, { recursive: true });
  const path = join(args.pcap, `${basename(file).replace(/\.pkt$/, "")}.pcapng`);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

function runFile(args: Arguments, module: WebAssembly.Module, file: string): Outcome {
  const parts: Uint8Array[] = [];
  const capture = new PcapngWriter({ sink: (bytes) => parts.push(bytes.slice()), snap: "full" });
  try {
    const script = parseScript(file, readScript(file));
    const { options, ignoreRest } = args;
    const failure = runScript(script, { module, options, ignoreRest, capture });
    if (failure === undefined) return { file };
    capture.flush();
    return { file, failure, pcapng: writeCapture(args, file, parts) };
  } catch (error) {
    // The script is no script: there is nothing to capture.
    if (error instanceof ScriptError) return { file, failure: error };
    throw error;
  }
}

function report(args: Arguments, outcomes: readonly Outcome[], output: Output): void {
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  const print = args.json ? output.error : output.log;
  for (const { failure, pcapng } of failed) {
    print(failure?.message ?? "");
    if (pcapng !== undefined) print(`  capture  ${pcapng}`);
  }
  const passed = outcomes.length - failed.length;
  print(`${passed} passed, ${failed.length} failed`);
  if (!args.json) return;
  const failures = failed.map(({ file, failure, pcapng }) => {
    return { file, line: failure?.line, reason: failure?.reason, ...(pcapng && { pcapng }) };
  });
  const summary = { passed, failed: failed.length, datapath: args.datapath, failures };
  output.log(JSON.stringify(summary));
}

/** What the public scripts are, and what is expected of them. */
export interface PublicPlaces {
  /** PACKETDRILL_DIR. */
  readonly checkout: string | undefined;
  /** File with the table. */
  readonly table: string;
}

/** The places of this repository. */
export function publicPlaces(): PublicPlaces {
  const table = `${ROOT}test/packetdrill/README.md`;
  return { checkout: process.env.PACKETDRILL_DIR, table };
}

/** The public scripts; not in CI, which has no checkout. */
function runPublicScripts(verbose: boolean, output: Output, places: PublicPlaces): number {
  const { checkout } = places;
  if (checkout === undefined) {
    output.log("skipped: PACKETDRILL_DIR names no checkout of google/packetdrill");
    return 0;
  }
  const names = publicNames(checkout);
  if (names === undefined) {
    throw new UsageError(
      `packetdrill: expected gtests/net within PACKETDRILL_DIR, got ${checkout}`,
    );
  }
  const module = new WebAssembly.Module(readFileSync(`${ROOT}build/flextoe.wasm`));
  const got = runAllPublic(checkout, names, module, (_, version, message) => {
    if (verbose) output.log(`IPv${version}: ${message}`);
  });
  const different = compareOutcomes(readTable(readFileSync(places.table, "utf8")), got);
  for (const line of different) output.log(line);
  const all = got.flatMap(({ outcomes }) => Object.values(outcomes));
  const [passed, failed] = ["pass", "fail"].map((one) => all.filter((got) => got === one).length);
  const verdict = different.length === 0 ? "as in the table" : `${different.length} differences`;
  output.log(`${passed} passed, ${failed} failed, ${verdict}`);
  return different.length === 0 ? 0 : 1;
}

/** Runs the command with these words; the exit code. */
export function packetdrill(
  argv: readonly string[],
  output: Output,
  places: PublicPlaces = publicPlaces(),
): number {
  if (argv.includes("--help")) {
    output.log(USAGE);
    return 0;
  }
  try {
    if (argv.includes("--public")) {
      const others = argv.filter((word) => word !== "--public" && word !== "--verbose");
      if (others.length === 0) return runPublicScripts(argv.includes("--verbose"), output, places);
      throw new UsageError(`packetdrill: expected --public alone, got ${others.join(" ")} too`);
    }
    const args = readArguments(argv);
    const build = `${args.datapath}${args.debug ? ".debug" : ""}.wasm`;
    const module = new WebAssembly.Module(readFileSync(`${ROOT}build/${build}`));
    const outcomes = args.files.map((file) => runFile(args, module, file));
    report(args, outcomes, output);
    return outcomes.every(({ failure }) => failure === undefined) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    output.error(error.message);
    return 2;
  }
}
