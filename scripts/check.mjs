/**
 * What must hold before a commit and costs seconds: types, the three Wasm targets, lint, the tidy
 * rules. Runs every check even when one fails, and ends with the counts.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrograms } from "./rmt.mjs";
import { ROOT } from "./sources.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";
const drafts = mkdtempSync(join(tmpdir(), "toeloop-check-"));

function asc(entry, target) {
  const outFile = join(drafts, `${target}-${entry.replace(/\W/g, "-")}.wasm`);
  return [`asc ${entry} ${target}`, [ASC, entry, "--target", target, "--outFile", outFile]];
}

/** Name of the check, and the Node program that makes it. */
const CHECKS = [
  ["tsc", ["node_modules/typescript/bin/tsc", "-p", ".", "--noEmit", "--pretty", "false"]],
  ["biome", ["node_modules/@biomejs/biome/bin/biome", "lint", "--error-on-warnings"]],
  asc("assembly/index.ts", "debug"),
  asc("assembly/modelled.ts", "modelled"),
  asc("assembly/workers.ts", "threads"),
  asc("assembly/laminar.ts", "debug"),
  asc("assembly/rmt.ts", "debug"),
  asc("assembly/fuzz.ts", "debug"),
  ...(existsSync(join(ROOT, "assembly/testing.ts")) ? [asc("assembly/testing.ts", "debug")] : []),
  [
    "tidy",
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--config",
      "test/vitest.config.ts",
      "--project",
      "release",
      "--reporter",
      "dot",
      "test/tidy.test.ts",
      "test/rfc/requirements.test.ts",
    ],
  ],
];

function run(args) {
  return new Promise((resolve) => {
    const stdio = ["ignore", "pipe", "pipe"];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio });
    let output = "";
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("close", (code) => resolve({ ok: code === 0, output }));
  });
}

await generatePrograms();
let failed = 0;
for (const [name, args] of CHECKS) {
  const { ok, output } = await run(args);
  console.log(`${ok ? "ok    " : "FAILED"} ${name}`);
  if (ok) continue;
  failed += 1;
  console.log(output);
}
rmSync(drafts, { recursive: true, force: true });
console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
