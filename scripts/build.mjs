/**
 * Builds everything: the Wasm variants of the data path (build/), the embedded copies of release
 * builds (bindings/*-bytes.ts), and the TypeScript (dist/). A part whose
 * inputs have not changed since its last good build is left alone; `--force` builds all,
 * `--only=core` the Wasm alone.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePrograms } from "./rmt.mjs";
import { ROOT, coreHash, hostHash } from "./sources.mjs";

const ASC = "node_modules/assemblyscript/bin/asc.js";
const TSC = "node_modules/typescript/bin/tsc";
const STAMP = "build/.stamp.json";
/** Builds that are embedded as base64: product, its module, the constant in it. */
const EMBEDDED = [
  ["flextoe.wasm", "bindings/wasm-bytes.ts", "FLEXTOE_WASM_BASE64"],
  ["workers.wasm", "bindings/workers-bytes.ts", "WORKERS_WASM_BASE64"],
  ["laminar.wasm", "bindings/laminar-bytes.ts", "LAMINAR_WASM_BASE64"],
  ["laminar-relaxed.wasm", "bindings/relaxed-bytes.ts", "LAMINAR_RELAXED_WASM_BASE64"],
];
const TSC_STATE = "build/tsc.tsbuildinfo";
/** What tsc writes; dist/ is made from it. */
const SCRIPTS = "build/scripts";

/** Wasm products: file name, entry, asconfig target. The release comes first: dist/ needs it. */
const PRODUCTS = [
  ["flextoe.wasm", "assembly/index.ts", "release"],
  ["flextoe.debug.wasm", "assembly/index.ts", "debug"],
  // Function names are kept: they say which work a modelled machine has hardware for.
  ["flextoe.modelled.wasm", "assembly/modelled.ts", "modelled"],
  ["workers.wasm", "assembly/workers.ts", "threads"],
  ["workers.debug.wasm", "assembly/workers.ts", "threads-debug"],
  ["rmt.wasm", "assembly/rmt.ts", "release"],
  ["rmt.debug.wasm", "assembly/rmt.ts", "debug"],
  ["laminar.wasm", "assembly/laminar.ts", "release"],
  ["laminar.debug.wasm", "assembly/laminar.ts", "debug"],
  ["laminar-relaxed.wasm", "build/relaxed/assembly/laminar.ts", "release"],
  ["laminar-relaxed.debug.wasm", "build/relaxed/assembly/laminar.ts", "debug"],
  ["testing.wasm", "assembly/testing.ts", "release"],
  // Runs cases of the live fuzz target over any of the above.
  ["fuzz.wasm", "assembly/fuzz.ts", "release"],
  ["testing.debug.wasm", "assembly/testing.ts", "debug"],
];

const at = (path) => join(ROOT, path);

/** Runs a Node program from the repository's root; resolves to its exit code and output. */
function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs tasks with a bounded number at once; every task settles before this returns. */
async function pooled(tasks, width) {
  const waiting = [...tasks];
  const worker = async () => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) await task();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

class BuildError extends Error {}

function readStamp() {
  try {
    return JSON.parse(readFileSync(at(STAMP), "utf8"));
  } catch {
    return {};
  }
}

function coreFresh(stamp, hash) {
  return (
    stamp.core === hash &&
    EMBEDDED.every(([, path]) => existsSync(at(path))) &&
    PRODUCTS.every(([name]) => existsSync(at(`build/${name}`)))
  );
}

function hostFresh(stamp, hash) {
  return (
    stamp.host === hash && stamp.hostCore === stamp.core && existsSync(at("dist/host/index.js"))
  );
}

/** True when build/ and dist/ were made from the sources as they are now. */
export function upToDate() {
  const stamp = readStamp();
  return coreFresh(stamp, coreHash()) && hostFresh(stamp, hostHash());
}

/** Compiles one product beside its place and moves it there: no reader sees half a file. */
async function compile([name, entry, target]) {
  if (!existsSync(at(entry))) {
    throw new BuildError(`build: expected ${entry} for ${name}, got no file`);
  }
  const draft = `build/.draft-${process.pid}-${name}`;
  const { code, output } = await run([ASC, entry, "--target", target, "--outFile", draft]);
  if (code !== 0) {
    rmSync(at(draft), { force: true });
    throw new BuildError(`build: ${name} from ${entry} failed\n${output}`);
  }
  renameSync(at(draft), at(`build/${name}`));
}

/** The embedded copies let a browser or Deno load a build without fetching a file. */
function embed([product, path, name]) {
  if (!existsSync(at(`build/${product}`))) return;
  const base64 = readFileSync(at(`build/${product}`)).toString("base64");
  const text = [
    `/** build/${product} as base64. Made by scripts/build.mjs; not edited. */`,
    `export const ${name} =\n  "${base64}";`,
    "",
  ].join("\n");
  if (existsSync(at(path)) && readFileSync(at(path), "utf8") === text) return;
  writeFileSync(at(`${path}.draft`), text);
  renameSync(at(`${path}.draft`), at(path));
}

function outputsBelow(folder) {
  return readdirSync(at(folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? outputsBelow(path) : [path];
  });
}

/**
 * Makes the declarations of the contract readable outside this repository: its number types are
 * AssemblyScript's names, and a const enum cannot be used from another package under
 * isolatedModules although the emitted JavaScript holds an ordinary enum.
 */
function portDeclarations() {
  for (const path of outputsBelow("dist/bindings/abi")) {
    if (!path.endsWith(".d.ts")) continue;
    const before = readFileSync(at(path), "utf8");
    const after = before
      .replace(/: (u8|u16|u32)\b/g, ": number")
      .replace(/: bool\b/g, ": boolean")
      .replace(/declare const enum /g, "declare enum ");
    if (after !== before) writeFileSync(at(path), after);
  }
}

/** Removes outputs whose source is gone, so that dist/ is what a fresh build would make. */
function removeOrphans(folder) {
  for (const path of outputsBelow(folder)) {
    const source = path.slice(folder.length + 1).replace(/(\.d\.ts|\.js)$/, ".ts");
    if (!existsSync(at(source))) rmSync(at(path));
  }
}

/** Type errors still emit: what can run, runs, but the build says no. */
async function compileHost() {
  if (!existsSync(at(SCRIPTS))) rmSync(at(TSC_STATE), { force: true });
  const state = ["--incremental", "--tsBuildInfoFile", TSC_STATE, "--outDir", SCRIPTS];
  const { code, output } = await run([TSC, "-p", ".", "--pretty", "false", ...state]);
  if (existsSync(at(SCRIPTS))) {
    removeOrphans(SCRIPTS);
    // Imported here: it needs the packages that bootstrap.mjs may be about to install.
    const { inlineConstants } = await import("./inline-constants.mjs");
    const made = outputsBelow(SCRIPTS).map((path) => path.slice(SCRIPTS.length + 1));
    await inlineConstants(at(SCRIPTS), at("dist"), made);
    removeOrphans("dist");
    if (existsSync(at("dist/bindings/abi"))) portDeclarations();
  }
  if (code !== 0) throw new BuildError(`build: TypeScript failed\n${output}`);
}

/** Builds every product that can be built, then complains about the others. */
async function buildCore() {
  const failures = [];
  await generatePrograms().catch((error) => failures.push(`build: ${error.message}`));
  const tasks = PRODUCTS.map((product) => async () => {
    await compile(product).catch((error) => failures.push(error.message));
  });
  await pooled(tasks, Math.max(1, Math.min(availableParallelism(), 4)));
  for (const one of EMBEDDED) embed(one);
  if (failures.length > 0) throw new BuildError(failures.join("\n"));
}

/**
 * Builds what is out of date. The TypeScript is compiled even when the core failed, so that one run
 * shows all errors. Throws BuildError with the compilers' words.
 */
export async function build({ force = false, only = "all" } = {}) {
  mkdirSync(at("build"), { recursive: true });
  const stamp = force ? {} : readStamp();
  const failures = [];
  const attempt = async (part, hash, make) => {
    delete stamp[part];
    try {
      await make();
      stamp[part] = hash;
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      failures.push(error.message);
    }
    writeFileSync(at(STAMP), `${JSON.stringify(stamp)}\n`);
  };
  const core = coreHash();
  if (!coreFresh(stamp, core)) await attempt("core", core, buildCore);
  const host = hostHash();
  if (only === "all" && !hostFresh(stamp, host)) {
    stamp.hostCore = stamp.core;
    await attempt("host", host, compileHost);
  }
  if (failures.length > 0) throw new BuildError(failures.join("\n"));
}

async function main(args) {
  const unknown = args.find((arg) => arg !== "--force" && arg !== "--only=core");
  if (unknown !== undefined) {
    throw new BuildError(`build: expected --force or --only=core, got ${unknown}`);
  }
  const only = args.includes("--only=core") ? "core" : "all";
  await build({ force: args.includes("--force"), only });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error instanceof BuildError ? error.message : error);
    process.exitCode = 1;
  });
}
