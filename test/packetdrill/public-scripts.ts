/**
 * Google's public scripts, from a checkout that PACKETDRILL_DIR names: run in profile `linux` over
 * both IP versions, and compared with the table of README.md beside this file. They are GPL-2, so
 * only their names are here.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseScript, runScript } from "../../host/packetdrill/index.ts";

/** The IP versions of a script's runs, as the table's columns. */
const VERSIONS = [4, 6] as const;
type Version = (typeof VERSIONS)[number];

/** What the table says of a script, or what has come out. */
export interface PublicOutcome {
  readonly name: string;
  /** `pass`, `fail`, or `-` where the script is of the other version. */
  readonly outcomes: Readonly<Record<Version, string>>;
  /** Why it cannot pass. */
  readonly reason: string;
}

const FOLDER = "gtests/net";
const ROW = /^\| ([\w./-]+) \| (pass|fail|-) \| (pass|fail|-) \| (.*?) ?\|$/;

/** As the checkout's own runner calls packetdrill for each version. */
const OPTIONS: Readonly<Record<Version, Readonly<Record<string, string>>>> = {
  4: { merge_segments: "1" },
  6: { merge_segments: "1", ip_version: "ipv6", mtu: "1520" },
};

/** Rows of the table in a text. */
export function readTable(text: string): PublicOutcome[] {
  const rows = text.split("\n").map((line) => ROW.exec(line));
  return rows.flatMap((row) => {
    if (row === null) return [];
    const [, name = "", v4 = "", v6 = "", reason = ""] = row;
    return [{ name, outcomes: { 4: v4, 6: v6 }, reason }];
  });
}

/** Names of the checkout's scripts, without folder and ending; undefined: it is no checkout. */
export function publicNames(checkout: string): string[] | undefined {
  const folder = join(checkout, FOLDER);
  if (!existsSync(folder)) return undefined;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const names = files.filter((file) => file.endsWith(".pkt")).map((file) => file.slice(0, -4));
  return names.sort();
}

/** The failure's message, or undefined. */
function runPublic(
  checkout: string,
  name: string,
  version: Version,
  module: WebAssembly.Module,
): string | undefined {
  const text = readFileSync(join(checkout, FOLDER, `${name}.pkt`), "utf8");
  try {
    const options = OPTIONS[version];
    return runScript(parseScript(name, text), { module, options, ignoreRest: true })?.message;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Runs every script; `failed` hears of each failure. */
export function runAllPublic(
  checkout: string,
  names: readonly string[],
  module: WebAssembly.Module,
  failed: (name: string, version: Version, message: string) => void,
): PublicOutcome[] {
  return names.map((name) => {
    const outcome = (version: Version): string => {
      // Named after a version: of that one alone.
      if (name.endsWith(version === 4 ? "v6" : "v4")) return "-";
      const message = runPublic(checkout, name, version, module);
      if (message === undefined) return "pass";
      failed(name, version, message);
      return "fail";
    };
    return { name, outcomes: { 4: outcome(4), 6: outcome(6) }, reason: "" };
  });
}

/** Differences as `name, IPv4: expected pass, got fail`; a script or a row too many is one. */
export function compareOutcomes(
  expected: readonly PublicOutcome[],
  got: readonly PublicOutcome[],
): string[] {
  const rows = new Map(expected.map((row) => [row.name, row]));
  const found = got.flatMap(({ name, outcomes }) => {
    const row = rows.get(name);
    rows.delete(name);
    if (row === undefined) return [`${name}: expected a row in the table, got none`];
    return VERSIONS.flatMap((version) => {
      const [wanted, came] = [row.outcomes[version], outcomes[version]];
      return wanted === came ? [] : [`${name}, IPv${version}: expected ${wanted}, got ${came}`];
    });
  });
  return [...found, ...[...rows.keys()].map((name) => `${name}: expected the script, got none`)];
}
