/**
 * A copy of the repository that one change at a time is put into: what tests must notice. The
 * sources themselves are never touched. A change of the data path is compiled, little optimised,
 * since it runs for seconds; one of the host needs no build.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import type { DataPath } from "../../bindings/layout.ts";
import { ROOT } from "./env.ts";

/** One change of one file. */
export interface Change {
  /** Of the repository: "assembly/tcp/window.ts". */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

const COPIED = [
  ..."assembly bench bindings build examples host scripts test .ci".split(" "),
  ..."ARCHITECTURE.md LICENSE README.md SECURITY.md".split(" "),
  ..."asconfig.json package-lock.json package.json tsconfig.json".split(" "),
];
/** What a file of these says is compiled into the data path. */
const COMPILED = /^(assembly|bindings\/abi)\//;
/** Builds that can be made again: data paths, and single functions for unit tests. */
type Build = DataPath | "testing";
export const ENTRIES: Readonly<Record<Build, string>> = {
  flextoe: "assembly/index.ts",
  laminar: "assembly/laminar.ts",
  "laminar-relaxed": "build/relaxed/assembly/laminar.ts",
  testing: "assembly/testing.ts",
};
/** Makes the AssemblyScript of Laminar's stage programs. */
const GENERATE = "import('./scripts/rmt.mjs').then((rmt) => rmt.generatePrograms())";

export function isCompiled(file: string): boolean {
  return COMPILED.test(file);
}

/** Where a release build stands. */
export function wasmOf(build: Build): string {
  return `build/${build}.wasm`;
}

/** The text with the change made; undefined when what it changes is not there exactly once. */
export function changed(text: string, { find, replace }: Change): string | undefined {
  const parts = text.split(find);
  return parts.length === 2 ? parts.join(replace) : undefined;
}

/** JavaScript of a file of the host, as dist/ has it but for inlined constants. */
function transpiled(text: string): string {
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    rewriteRelativeImportExtensions: true,
    verbatimModuleSyntax: true,
  };
  return ts.transpileModule(text, { compilerOptions }).outputText;
}

export class RepositoryCopy {
  readonly folder: string = mkdtempSync(join(tmpdir(), "toeloop-copy-"));
  readonly #restores: string[] = [];

  /** `withPrograms`: what npm run starts, dist/, too. */
  constructor(withPrograms = false) {
    for (const part of withPrograms ? [...COPIED, "dist"] : COPIED) {
      cpSync(join(ROOT, part), join(this.folder, part), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Makes the change; false when what it changes is not there exactly once. */
  apply(change: Change): boolean {
    const text = changed(readFileSync(ROOT + change.file, "utf8"), change);
    if (text === undefined) return false;
    this.write(change.file, text);
    const program = `dist/${change.file.replace(/\.ts$/, ".js")}`;
    const runs = change.file.startsWith("host/") && existsSync(join(this.folder, program));
    if (runs) this.write(program, transpiled(text));
    return true;
  }

  /** Replaces a file until restore(). */
  write(file: string, content: string | Uint8Array): void {
    writeFileSync(join(this.folder, file), content);
    this.#restores.push(file);
  }

  /** Compiles a build as its sources are in the copy; false when it does not compile. */
  async compile(build: Build): Promise<boolean> {
    if (build.startsWith("laminar") && !(await this.#node(["-e", GENERATE]))) return false;
    const args = ["node_modules/assemblyscript/bin/asc.js", ENTRIES[build]];
    args.push("--target", "release", "--outFile", wasmOf(build), "--optimizeLevel", "1");
    this.#restores.push(wasmOf(build));
    return this.#node(args);
  }

  #node(args: readonly string[]): Promise<boolean> {
    const child = spawn(process.execPath, args, { cwd: this.folder, stdio: "ignore" });
    return new Promise((resolve) => child.on("close", (code) => resolve(code === 0)));
  }

  /** Everything is again as it is in the repository. */
  restore(): void {
    for (const file of this.#restores.splice(0)) {
      writeFileSync(join(this.folder, file), readFileSync(ROOT + file));
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
