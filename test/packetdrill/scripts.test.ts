/**
 * Our own scripts in the packetdrill language, on the data path under test: each passes, with ISNs
 * in the middle of the sequence space and again with ISNs at its end. Those of findings/ name a
 * rule that the stack does not keep, and fail until it does.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseScript, runScript } from "../../host/packetdrill/index.ts";
import { ROOT } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { idsIn } from "../rfc/read-requirements.ts";

const FOLDER = `${ROOT}test/packetdrill/`;
/** Both streams pass 2^32 within the first bytes. */
const AT_THE_END = { local_isn: "0xffffffc0", remote_isn: "0xffffff80" };

function scriptsIn(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".pkt"));
  return files.map((name) => name.replace(/\.pkt$/, "")).sort();
}

/** Name of its test: the script's, and the ids that the comment at its head names. */
function titled(name: string): string {
  const [head = ""] = readFileSync(`${FOLDER}${name}.pkt`, "utf8").split(/\n(?!\/\/)/);
  const ids = idsIn(head.replace(/\n\/\//g, ""));
  return ids.length > 0 ? `${name} (${ids.join(", ")})` : name;
}

function run(path: string, options: Readonly<Record<string, string>> = {}): string {
  const script = parseScript(path, readFileSync(FOLDER + path, "utf8"));
  return runScript(script, { module: loadModule(), options })?.message ?? "passed";
}

const names = scriptsIn(FOLDER);

describe("packetdrill scripts", () => {
  test.each(names.map((name) => [titled(name), name]))("%s", (_, name) => {
    expect(run(`${name}.pkt`)).toBe("passed");
    expect(run(`${name}.pkt`, AT_THE_END)).toBe("passed");
  });

  test.each(scriptsIn(`${FOLDER}findings`))("finding %s fails still", (name) => {
    expect(run(`findings/${name}.pkt`)).toMatch(/^findings\/[a-z-]+\.pkt:[0-9]+: /);
  });

  test("there are at least 100, and each begins with the rule that it is about", () => {
    expect(names.length).toBeGreaterThanOrEqual(100);
    const first = names.map((name) => readFileSync(`${FOLDER}${name}.pkt`, "utf8").slice(0, 40));
    expect(first.filter((text) => !/^\/\/ (RFC|POSIX|Profile)/.test(text))).toEqual([]);
  });
});
