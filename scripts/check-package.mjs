/**
 * Checks the package as a user gets it: packs it, unpacks it into an empty project, imports every
 * entry of the exports map, and compiles a strict TypeScript program against its declarations.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./sources.mjs";

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** Entries that a program imports; those of other runtimes load, but do nothing, under Node. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => !/\.(json|wasm)$/.test(entry))
  .map((entry) => manifest.name + entry.slice(1));

/** A project's strictest settings, and its declarations checked too. */
const COMPILER_OPTIONS = {
  target: "es2023",
  module: "nodenext",
  lib: ["es2023", "dom", "dom.asynciterable", "dom.iterable", "esnext.disposable"],
  strict: true,
  isolatedModules: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  types: ["node"],
};

function run(folder, program, args) {
  return execFileSync(program, args, { cwd: folder, encoding: "utf8" });
}

function unpack(project) {
  const options = ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", project];
  run(ROOT, "npm", options);
  const archive = readdirSync(project).find((name) => name.endsWith(".tgz"));
  const target = join(project, "node_modules", manifest.name);
  mkdirSync(target, { recursive: true });
  run(project, "tar", ["-xzf", archive, "--strip-components=1", "-C", target]);
  mkdirSync(join(project, "node_modules/@types"));
  for (const name of ["@types/node", "undici-types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name), "junction");
  }
  return readdirSync(target, { recursive: true }).map((path) => path.replaceAll("\\", "/"));
}

function importsAll(project) {
  const lines = entries.map(
    (entry) => `if (Object.keys(await import("${entry}")).length === 0)
  throw new Error("${entry}: expected exports, got none");`,
  );
  writeFileSync(join(project, "program.mjs"), `${lines.join("\n")}\n`);
  run(project, process.execPath, ["program.mjs"]);
}

function compiles(project) {
  const lines = entries.map((entry, index) => `export * as entry${index} from "${entry}";`);
  writeFileSync(join(project, "program.mts"), `${lines.join("\n")}\n`);
  const config = { compilerOptions: COMPILER_OPTIONS, files: ["program.mts"] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  run(project, process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."]);
}

const project = mkdtempSync(join(tmpdir(), "toeloop-package-"));
try {
  const files = unpack(project);
  const stray = files.filter((path) => /^(dist\/(test|bench)|node_modules|src)\b/.test(path));
  if (stray.length > 0) throw new Error(`package: expected no tests, got ${stray[0]}`);
  importsAll(project);
  compiles(project);
  console.log(`package ok: ${files.length} files, ${entries.length} entries`);
} catch (error) {
  console.error(error.stdout ?? "", error.stderr ?? "", error.message);
  process.exitCode = 1;
} finally {
  rmSync(project, { recursive: true, force: true });
}
