/**
 * Makes the AssemblyScript of the stage programs (assembly/laminar/programs/*.rmt) before anything
 * else is compiled: reads, checks and writes with host/rmt, which it transpiles for that.
 */
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./sources.mjs";

const TOOL = join(ROOT, "host/rmt");
const MADE = join(ROOT, "build/rmt");
const PROGRAMS = join(ROOT, "assembly/laminar/programs");
const GENERATED = join(ROOT, "assembly/laminar/generated");
/** Laminar's sources once more, around TCP's program with an extension. */
const RELAXED = join(ROOT, "build/relaxed");
const EXTENSION = "assembly/laminar/extensions/relaxed.rmt";

async function transpileTool() {
  // Imported here: it needs the packages that bootstrap.mjs may be about to install.
  const { default: ts } = await import("typescript");
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    rewriteRelativeImportExtensions: true,
    verbatimModuleSyntax: true,
  };
  for (const folder of ["", "machines"]) {
    mkdirSync(join(MADE, folder), { recursive: true });
    for (const name of readdirSync(join(TOOL, folder))) {
      if (!name.endsWith(".ts")) continue;
      const text = readFileSync(join(TOOL, folder, name), "utf8");
      const { outputText } = ts.transpileModule(text, { compilerOptions });
      writeFileSync(join(MADE, folder, name.replace(/\.ts$/, ".js")), outputText);
    }
  }
  writeFileSync(join(MADE, "package.json"), '{ "type": "module" }\n');
}

function writeIfNew(path, text) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

/** The build of relaxed mode: the same sources, another program. */
function writeRelaxed(text) {
  for (const part of ["assembly", "bindings/abi"]) {
    cpSync(join(ROOT, part), join(RELAXED, part), { recursive: true });
  }
  writeFileSync(join(RELAXED, "assembly/laminar/generated/tcp.ts"), text);
}

/** Throws an Error with file, line and limit when a program is not one. */
export async function generatePrograms() {
  await transpileTool();
  const tool = (name) => import(pathToFileURL(join(MADE, name)).href);
  const [{ readProgram }, { checkProgram }, { generate }, { TOFINO2 }] = await Promise.all([
    tool("read-program.js"),
    tool("check-program.js"),
    tool("generate.js"),
    tool("machines/tofino2.js"),
  ]);
  const { extendProgram } = await tool("extend-program.js");
  const make = (file, text) => {
    const program = readProgram(file, text);
    checkProgram(file, program, TOFINO2);
    return generate(program);
  };
  mkdirSync(GENERATED, { recursive: true });
  for (const file of readdirSync(PROGRAMS).filter((name) => name.endsWith(".rmt"))) {
    const path = join(GENERATED, `${basename(file, ".rmt")}.ts`);
    writeIfNew(path, make(file, readFileSync(join(PROGRAMS, file), "utf8")));
  }
  const tcp = readFileSync(join(PROGRAMS, "tcp.rmt"), "utf8");
  const extension = readFileSync(join(ROOT, EXTENSION), "utf8");
  writeRelaxed(make(EXTENSION, extendProgram(tcp, EXTENSION, extension)));
}
