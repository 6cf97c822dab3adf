/**
 * Which tests depend on the Wasm build: those that reach test/support/load-core.ts through their
 * imports. They run on both builds; all others give the same answer twice and run once.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

const LOADER = "test/support/load-core.ts";
const IMPORT = /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;

function testsBelow(root: string, folder: string): string[] {
  return readdirSync(root + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return testsBelow(root, path);
    return path.endsWith(".test.ts") ? [path] : [];
  });
}

/** Repository paths of the files that `path` imports. */
function importsOf(root: string, path: string): string[] {
  if (!existsSync(root + path)) return [];
  const names = readFileSync(root + path, "utf8").matchAll(IMPORT);
  return [...names].map(([, name]) => posix.join(posix.dirname(path), name as string));
}

/** Splits the tests below `root`test/: `wasm` reach the loader, `plain` do not. */
export function splitTests(root: string): { wasm: string[]; plain: string[] } {
  const verdicts = new Map<string, boolean>([[LOADER, true]]);
  const reaches = (path: string): boolean => {
    const known = verdicts.get(path);
    if (known !== undefined) return known;
    // Set first: import cycles end here.
    verdicts.set(path, false);
    const verdict = importsOf(root, path).some(reaches);
    verdicts.set(path, verdict);
    return verdict;
  };
  const tests = testsBelow(root, "test");
  const wasm = tests.filter(reaches);
  return { wasm, plain: tests.filter((path) => !wasm.includes(path)) };
}
