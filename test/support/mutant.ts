/**
 * A build of the data path with one line changed: what a test must notice. The sources are copied,
 * never touched.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./env.ts";

export interface Mutation {
  /** Of the repository: "assembly/flextoe/dma.ts". */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Compiles `entry` for an asconfig target with a mutation. Throws Error when the text to change is
 * not there exactly once.
 */
export function mutantBinary(
  entry: string,
  target: string,
  { file, from, to }: Mutation,
): Uint8Array<ArrayBuffer> {
  return changedBinary(entry, target, file, (text) => {
    const times = text.split(from).length - 1;
    if (times !== 1) throw new Error(`mutant: expected ${from} once in ${file}, got ${times}`);
    return text.replace(from, to);
  });
}

/** As mutantBinary(), with a file's text replaced by what `change` makes of it. */
export function changedBinary(
  entry: string,
  target: string,
  file: string,
  change: (text: string) => string,
): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-mutant-"));
  try {
    for (const part of ["assembly", "bindings/abi", "asconfig.json"]) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, file), change(readFileSync(join(folder, file), "utf8")));
    const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
    const args = [asc, entry, "--target", target, "--outFile", "mutant.wasm"];
    // Little optimised: these builds run for seconds.
    args.push("--optimizeLevel", "1");
    execFileSync(process.execPath, args, { cwd: folder, stdio: "pipe" });
    return new Uint8Array(readFileSync(join(folder, "mutant.wasm")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
