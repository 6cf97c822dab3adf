/**
 * Runs a program of dist/ in Node, Deno, Bun, headless Chromium, and Node for another processor.
 * A program is an expression whose promise gives JSON.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { ROOT } from "../support/env.ts";

export const DIST = join(ROOT, "dist/");
export const DENO = join(ROOT, "node_modules/deno/bin.cjs");
/** Put there by `.ci/runtimes bun`: 50 MB that nobody else should wait for. */
export const BUN = process.env.TOELOOP_BUN ?? join(ROOT, "build/runtimes/bun");
/** Why Bun cannot be run, undefined when it can. */
export const noBun = (): string | undefined =>
  existsSync(BUN) ? undefined : `no ${BUN} (\`.ci/runtimes bun\`, or TOELOOP_BUN)`;
export const CHROMIUM = process.env.TOELOOP_CHROMIUM ?? "/usr/bin/chromium";
const CHROMIUM_ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Less than a test may take. */
const PATIENCE_MS = 50_000;
/** What makes a page cross-origin isolated, so that it may share memory with its workers. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Text of a program; `base` is where dist/ is, `runtime` whose bindings it takes. */
export type Program = (base: string, runtime: string) => string;

/** An emulator, its options and the Node that it runs. */
export type EmulatorLine = readonly [command: string, ...rest: string[]];

/** How a runtime is started and whose bindings it takes. */
interface Started {
  readonly argv: EmulatorLine;
  readonly bindings: "node" | "deno";
  /** An expression that is false in any other runtime. */
  readonly isIt: string;
  readonly patienceMs?: number;
}

/** Runs a process that reads the program from its standard input. */
function inProcess<T>({ argv, bindings, isIt, patienceMs }: Started, program: Program): Promise<T> {
  const deno = { DENO_DIR: join(tmpdir(), "toeloop-deno"), DENO_NO_UPDATE_CHECK: "1" };
  const env = { ...process.env, ...deno };
  const [command, ...rest] = argv;
  const child = spawn(command, rest, { cwd: ROOT, env, detached: true });
  // Deno is a child of what npm installs in its name: both are in the group.
  const kill = (): boolean => process.kill(-(child.pid as number), "SIGKILL");
  const watchdog = setTimeout(kill, patienceMs ?? PATIENCE_MS);
  let output = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    complaints += String(chunk);
  });
  const check = `if (!(${isIt})) throw new Error(${JSON.stringify(`expected ${isIt}`)});`;
  // Sockets that a program leaves open would keep its event loop alive.
  const exit = `(await import("node:process")).exit(0);`;
  const text = program(pathToFileURL(DIST).href, bindings);
  child.stdin.end(`${check}\nconsole.log(await ${text});\n${exit}`);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(watchdog);
      if (code === 0) resolve(JSON.parse(output) as T);
      else reject(new Error(`${command}: expected exit 0, got ${code}: ${complaints}`));
    });
  });
}

const AS_MODULE = ["--input-type=module", "-"] as const;

export function inNode<T>(program: Program): Promise<T> {
  const argv = [process.execPath, ...AS_MODULE] as const;
  return inProcess({ argv, bindings: "node", isIt: '!("bun" in process.versions)' }, program);
}

export function inDeno<T>(program: Program): Promise<T> {
  const options = ["--quiet", "--no-config", "--no-lock", `--allow-read=${DIST}`];
  const argv = [process.execPath, DENO, "run", ...options, "-"] as const;
  return inProcess({ argv, bindings: "deno", isIt: '"Deno" in globalThis' }, program);
}

/** Bun has Node's modules and takes Node's bindings, as it does by package.json's `imports`. */
export function inBun<T>(program: Program): Promise<T> {
  const argv = [BUN, "run", "-"] as const;
  return inProcess({ argv, bindings: "node", isIt: '"bun" in process.versions' }, program);
}

/** Node for arm64 by an emulator, `argv`: some twenty times as slow. */
export function inNodeForArm64<T>(argv: EmulatorLine, program: Program): Promise<T> {
  const whole = [...argv, ...AS_MODULE] as const;
  const isIt = 'process.arch === "arm64"';
  return inProcess({ argv: whole, bindings: "node", isIt, patienceMs: 3_600_000 }, program);
}

/** Serves dist/ to this machine only, with what Chromium asks of a module script. */
async function serveDist(headers: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer((request, response) => {
    const path = join(DIST, normalize(decodeURIComponent(request.url ?? "/")));
    if (path.startsWith(DIST) && path.endsWith(".js") && existsSync(path)) {
      response.writeHead(200, { "content-type": "text/javascript", ...headers });
      response.end(readFileSync(path));
    } else {
      const isPage = request.url === "/";
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/html", ...headers });
      response.end("<!doctype html><title>toeloop</title>");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** The same program in a dedicated worker of the page. */
function inDedicatedWorker(text: string): string {
  const body = `${text}.then(
    (json) => postMessage({ json }),
    (error) => postMessage({ error: String(error?.stack ?? error) }),
  );`;
  return `new Promise((resolve, reject) => {
    const blob = new Blob([${JSON.stringify(body)}], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
    worker.onerror = (event) => reject(new Error("worker: " + event.message));
    worker.onmessage = ({ data }) =>
      data.error === undefined ? resolve(data.json) : reject(new Error(data.error));
  })`;
}

export interface PageOptions {
  /** Served with COOP and COEP. */
  readonly isolated?: boolean;
  /** The program runs in a worker of the page, in place of its main thread. */
  readonly worker?: boolean;
}

export async function inChromium<T>(program: Program, options: PageOptions = {}): Promise<T> {
  const server = await serveDist(options.isolated === true ? ISOLATION : {});
  const profile = mkdtempSync(join(tmpdir(), "toeloop-chromium-"));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: CHROMIUM_ARGUMENTS,
    });
    try {
      const page = await context.newPage();
      await page.goto(base);
      const text = program(base, "browser");
      const whole = options.worker === true ? inDedicatedWorker(text) : text;
      return JSON.parse((await page.evaluate(whole)) as string) as T;
    } finally {
      await context.close();
    }
  } finally {
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
