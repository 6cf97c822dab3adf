/**
 * One program, one seed, one trace (day-one decision 17): the demo world, small, in Node, Deno and
 * headless Chromium sends the same frames at the same virtual times and delivers the same bytes.
 * Runs what the build has put into dist/.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { ROOT, seedOf } from "../support/env.ts";
import { requireOrSkip } from "../support/requirement.ts";

const SEED = seedOf(7);
const DIST = join(ROOT, "dist/");
const DENO = join(ROOT, "node_modules/deno/bin.cjs");
const CHROMIUM = process.env.TOELOOP_CHROMIUM ?? "/usr/bin/chromium";
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

interface Outcome {
  readonly runtime: string;
  readonly traceHash: string;
  readonly sha256ok: boolean;
  readonly sha256: readonly string[];
  readonly segments: number;
  readonly retransmits: number;
  readonly virtualSeconds: number;
}

/** An expression for any runtime: a promise of the outcome as JSON. `base` is where dist/ is. */
function program(base: string, runtime: string, seed: number): string {
  return `(async () => {
    const { platform } = await import("${base}bindings/${runtime}.js");
    const { DEMO_DEFAULTS, runDemo } = await import("${base}examples/demo-world.js");
    const small = { ...DEMO_DEFAULTS, seed: ${seed}, bulkBytes: 262144, rpcConnections: 4 };
    const result = await runDemo(platform, await platform.loadCore(), small);
    const { traceHash, sha256ok, sha256, segments, retransmits, virtualSeconds } = result;
    const outcome = { traceHash, sha256ok, sha256, segments, retransmits, virtualSeconds };
    return JSON.stringify({ runtime: platform.name, ...outcome });
  })()`;
}

/** Runs a process that reads the program from its standard input. */
function inProcess(argv: readonly string[], runtime: string, seed: number): Promise<Outcome> {
  const deno = { DENO_DIR: join(tmpdir(), "toeloop-deno"), DENO_NO_UPDATE_CHECK: "1" };
  const env = { ...process.env, ...deno };
  const child = spawn(process.execPath, argv, { cwd: ROOT, env });
  let output = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    complaints += String(chunk);
  });
  child.stdin.end(`console.log(await ${program(pathToFileURL(DIST).href, runtime, seed)});`);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Outcome);
      else reject(new Error(`${runtime}: expected exit 0, got ${code}: ${complaints}`));
    });
  });
}

const inNode = (seed: number): Promise<Outcome> =>
  inProcess(["--input-type=module", "-"], "node", seed);

/** Serves dist/ to this machine only, with what Chromium asks of a module script. */
async function serveDist(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = join(DIST, normalize(decodeURIComponent(request.url ?? "/")));
    if (path.startsWith(DIST) && path.endsWith(".js") && existsSync(path)) {
      response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(path));
    } else {
      const isPage = request.url === "/";
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/html" });
      response.end("<!doctype html><title>toeloop</title>");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function inChromium(seed: number): Promise<Outcome> {
  const server = await serveDist();
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
      const text = await page.evaluate(program(base, "browser", seed));
      return JSON.parse(text as string) as Outcome;
    } finally {
      await context.close();
    }
  } finally {
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

let reference: Outcome;

beforeAll(async () => {
  reference = await inNode(SEED);
});

test(`Node: the bytes are whole, and another seed is another trace, seed ${SEED}`, async () => {
  expect(reference).toMatchObject({ runtime: "node", sha256ok: true });
  expect(reference.traceHash).toMatch(/^[0-9a-f]{16}$/);
  expect(reference.retransmits).toBeGreaterThan(0);
  const [again, other] = await Promise.all([inNode(SEED), inNode(SEED + 1)]);
  expect(again).toEqual(reference);
  expect(other.traceHash).not.toBe(reference.traceHash);
});

const deno = requireOrSkip("Deno has the trace of Node", () =>
  existsSync(DENO) ? undefined : "npm package deno is not installed",
);
test.skipIf(deno.skip)(deno.name, async () => {
  const argv = [DENO, "run", "--quiet", "--no-config", "--no-lock", `--allow-read=${DIST}`, "-"];
  expect(await inProcess(argv, "deno", SEED)).toEqual({ ...reference, runtime: "deno" });
});

const browser = requireOrSkip("Chromium has the trace of Node", () =>
  existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}`,
);
test.skipIf(browser.skip)(browser.name, async () => {
  expect(await inChromium(SEED)).toEqual({ ...reference, runtime: "browser" });
});
