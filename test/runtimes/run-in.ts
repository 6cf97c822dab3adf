/**
 * Runs a program of dist/ in Node, Deno and headless Chromium. A program is an expression whose
 * promise gives JSON.
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

/** Runs a process that reads the program from its standard input. */
function inProcess<T>(argv: readonly string[], runtime: string, program: Program): Promise<T> {
  const deno = { DENO_DIR: join(tmpdir(), "toeloop-deno"), DENO_NO_UPDATE_CHECK: "1" };
  const env = { ...process.env, ...deno };
  const child = spawn(process.execPath, argv, { cwd: ROOT, env, detached: true });
  // Deno is a child of what npm installs in its name: both are in the group.
  const watchdog = setTimeout(() => process.kill(-(child.pid as number), "SIGKILL"), PATIENCE_MS);
  let output = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    complaints += String(chunk);
  });
  // Sockets that a program leaves open would keep its event loop alive.
  const exit = `(await import("node:process")).exit(0);`;
  const text = program(pathToFileURL(DIST).href, runtime);
  child.stdin.end(`console.log(await ${text});\n${exit}`);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(watchdog);
      if (code === 0) resolve(JSON.parse(output) as T);
      else reject(new Error(`${runtime}: expected exit 0, got ${code}: ${complaints}`));
    });
  });
}

export function inNode<T>(program: Program): Promise<T> {
  return inProcess(["--input-type=module", "-"], "node", program);
}

export function inDeno<T>(program: Program): Promise<T> {
  const argv = [DENO, "run", "--quiet", "--no-config", "--no-lock", `--allow-read=${DIST}`, "-"];
  return inProcess(argv, "deno", program);
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
