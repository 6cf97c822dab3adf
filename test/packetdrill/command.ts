/**
 * The command `npm run packetdrill -- FILE... [--datapath D] [--NAME=VALUE] [--pcap DIR] [--json]`:
 * runs scripts of the packetdrill language over the stack in virtual time. Exit code 0: all
 * passed; 1: one failed; 2: bad arguments.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { DataPath } from "../../bindings/layout.ts";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { parseScript, runScript, ScriptError } from "../../host/packetdrill/index.ts";
import { ROOT } from "../support/env.ts";

const DATA_PATHS = ["flextoe", "laminar", "laminar-relaxed"] as const;

const USAGE = `usage: npm run packetdrill -- FILE... [options]
options:
  --datapath D       ${DATA_PATHS.join("|")} (default flextoe)
  --debug            the debug build, with assertions
  --pcap DIR         where captures of failures go (default .)
  --ignore-rest      packets behind the last event are no failure
  --json             one line of JSON at the end
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

/** Runs the command with these words; the exit code. */
export function packetdrill(argv: readonly string[], output: Output): number {
  if (argv.includes("--help")) {
    output.log(USAGE);
    return 0;
  }
  try {
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
