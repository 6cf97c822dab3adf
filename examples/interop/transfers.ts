/**
 * What is done at a site: files between toeloop and the kernel's programs in both roles, iperf3,
 * and hundreds of connections one after the other and at once. Each function throws Error when
 * something is not as it must be, and otherwise says in a few words what it saw.
 */
import { createHash, randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HttpConnection, httpGet, type HttpResponse, HttpServer } from "../http.ts";
import { Iperf3Server } from "./iperf3.ts";
import { startNginx } from "./nginx.ts";
import { run } from "./programs.ts";
import { KERNEL, type Site, STACK } from "./site.ts";

export const FILE_BYTES = 10 * 1024 * 1024;
const SMALL_BYTES = 4096;
const BUFFER = 512 * 1024;
const STEP_MS = 40_000;
const BARRIER_MS = 15_000;

/** The files that are transferred, in a folder for nginx and for toeloop's server alike. */
export interface Files {
  readonly folder: string;
  /** For what the programs write: their state and downloads. */
  readonly scratch: string;
  readonly large: Uint8Array;
  readonly small: Uint8Array;
}

export function makeFiles(directory: string): Files {
  const folder = join(directory, "files");
  const scratch = join(directory, "scratch");
  mkdirSync(folder, { recursive: true });
  mkdirSync(scratch, { recursive: true });
  const large = randomBytes(FILE_BYTES);
  const small = randomBytes(SMALL_BYTES);
  writeFileSync(join(folder, "large"), large);
  writeFileSync(join(folder, "small"), small);
  return { folder, scratch, large, small };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Throws Error unless both are the same bytes; answers the digest, shortened. */
function sameBytes(what: string, got: Uint8Array, expected: Uint8Array): string {
  const digest = sha256(expected);
  const found = sha256(got);
  if (found !== digest) {
    throw new Error(
      `${what}: expected ${expected.length} B ${digest}, got ${got.length} B ${found}`,
    );
  }
  return `sha256 ${digest.slice(0, 12)}`;
}

function rate(bytes: number, start: number): string {
  const seconds = (performance.now() - start) / 1000;
  return `${((bytes * 8) / seconds / 1e6).toFixed(0)} Mbit/s`;
}

/** Ends a step that hangs; hundreds of connections listen to the same signal. */
function patience(): AbortSignal {
  const signal = AbortSignal.timeout(STEP_MS);
  setMaxListeners(0, signal);
  return signal;
}

/** Throws Error when a count is not what it must be. */
function expectCount(what: string, got: number, expected: number): void {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
}

/** Runs a toeloop server for as long as `job` takes. */
async function withServer<T>(
  site: Site,
  files: Files,
  job: (server: HttpServer) => Promise<T>,
): Promise<T> {
  const respond = (path: string): HttpResponse => {
    const name = path.split("?")[0];
    if (name === "/large") return { status: 200, body: files.large };
    if (name === "/small") return { status: 200, body: files.small };
    return { status: 404, body: new Uint8Array(0) };
  };
  const server = new HttpServer(site.stack.toe, respond);
  server.start(80, { buffer: BUFFER, signal: patience() });
  try {
    const result = await job(server);
    if (server.failures.length > 0) throw server.failures[0];
    return result;
  } finally {
    server.close();
  }
}

async function withNginx<T>(files: Files, job: () => Promise<T>): Promise<T> {
  const nginx = await startNginx(KERNEL, files.folder, join(files.scratch, "nginx"));
  try {
    return await job();
  } finally {
    await nginx.stop();
  }
}

/** The kernel's echo requests, answered by the control plane. */
export async function ping(): Promise<string> {
  const words = ["-c", "5", "-i", "0.05", "-W", "2", STACK];
  const { stdout } = await run("ping", words, STEP_MS);
  return stdout.split("\n").find((line) => line.startsWith("rtt")) ?? "answered";
}

/** toeloop serves, the kernel's curl fetches. */
export function curlDownload(site: Site, files: Files): Promise<string> {
  return withServer(site, files, async () => {
    const target = join(files.scratch, "download");
    const start = performance.now();
    await run("curl", ["-sS", "-f", "-o", target, `http://${STACK}/large`], STEP_MS);
    const speed = rate(FILE_BYTES, start);
    const digest = sameBytes("curl", readFileSync(target), files.large);
    rmSync(target);
    return `${speed}, ${digest}`;
  });
}

/** nginx serves on the kernel's side, toeloop fetches. */
export function nginxDownload(site: Site, files: Files): Promise<string> {
  return withNginx(files, async () => {
    const start = performance.now();
    const { status, body } = await httpGet(
      site.stack.toe,
      { address: KERNEL, port: 80 },
      "/large",
      { buffer: BUFFER, signal: patience() },
    );
    expectCount("status", status, 200);
    return `${rate(FILE_BYTES, start)}, ${sameBytes("toeloop", body, files.large)}`;
  });
}

/** iperf3 of the kernel against toeloop's server; `reverse`: toeloop sends. */
export async function iperf3(site: Site, reverse: boolean, seconds: number): Promise<string> {
  const server = new Iperf3Server(site.stack.toe, patience());
  try {
    const words = ["-c", STACK, "-t", String(seconds), "-J", ...(reverse ? ["-R"] : [])];
    const [result, { stdout }] = await Promise.all([
      server.serveOne(),
      run("iperf3", words, STEP_MS),
    ]);
    const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
    if (result.bytes === 0) throw new Error("iperf3: expected bytes, got none");
    const speed = (report.end.sum_received.bits_per_second / 1e6).toFixed(0);
    return `${speed} Mbit/s, ${(result.bytes / 1e6).toFixed(0)} MB`;
  } finally {
    server.close();
  }
}

/** curl with a connection for each of `count` small files; the server closes first. */
export function curlSequence(site: Site, files: Files, count: number): Promise<string> {
  return withServer(site, files, async (server) => {
    await curlMany(files, count, ["-H", "Connection: close"]);
    expectCount("requests served", server.served, count);
    return `${count} files, ${server.peak} at once at most; toeloop closed first`;
  });
}

/** curl with `count` connections at once: none is answered before all have asked. */
export async function curlAtOnce(site: Site, files: Files, count: number): Promise<string> {
  let waiting = 0;
  let release = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  const timer = setTimeout(release, BARRIER_MS);
  const server = new HttpServer(site.stack.toe, async () => {
    waiting += 1;
    if (waiting === count) release();
    await all;
    return { status: 200, body: files.small };
  });
  server.start(80, { signal: patience() });
  try {
    const parallel = ["--parallel", "--parallel-immediate", "--parallel-max", String(count)];
    await curlMany(files, count, parallel);
    if (server.failures.length > 0) throw server.failures[0];
    expectCount("connections open at once", server.peak, count);
    return `${count} files, ${server.peak} connections open at once; the kernel closed first`;
  } finally {
    clearTimeout(timer);
    release();
    server.close();
  }
}

/** One curl for URLs 1..count, every file compared. */
async function curlMany(files: Files, count: number, words: readonly string[]): Promise<void> {
  const folder = join(files.scratch, "many");
  mkdirSync(folder);
  try {
    const target = ["-o", join(folder, "#1"), `http://${STACK}/small?[1-${count}]`];
    await run("curl", ["-sS", "-f", ...words, ...target], STEP_MS);
    for (let i = 1; i <= count; i += 1) {
      sameBytes(`file ${i}`, readFileSync(join(folder, String(i))), files.small);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** toeloop fetches `count` small files, a connection each; nginx closes first. */
export function nginxSequence(site: Site, files: Files, count: number): Promise<string> {
  return withNginx(files, async () => {
    const server = { address: KERNEL, port: 80 };
    const options = { signal: patience() };
    for (let i = 0; i < count; i += 1) {
      const connection = await HttpConnection.connect(site.stack.toe, server, options);
      const { body } = await connection.get("/small", true);
      await connection.ended();
      await connection.close();
      sameBytes(`file ${i}`, body, files.small);
    }
    return `${count} files; nginx closed first`;
  });
}

/**
 * A small file from nginx, from the one port. nginx closes first, so that the kernel keeps the
 * tuple for a minute, and a stack that has started again since meets it there with a clock and
 * numbers of its own (RFC 9293, 3.6.1): the old ACK that answers its SYN has to be reset.
 */
export function nginxFromPort(site: Site, files: Files, port: number): Promise<string> {
  return withNginx(files, async () => {
    const options = { signal: patience(), from: { address: STACK, port } };
    const start = performance.now();
    const server = { address: KERNEL, port: 80 };
    const connection = await HttpConnection.connect(site.stack.toe, server, options);
    const opened = `open after ${(performance.now() - start).toFixed(0)} ms`;
    const { body } = await connection.get("/small", true);
    await connection.ended();
    await connection.close();
    return `${opened}, ${sameBytes("toeloop", body, files.small)}`;
  });
}

/** toeloop opens `count` connections, then fetches on all at once, then closes all. */
export function nginxAtOnce(site: Site, files: Files, count: number): Promise<string> {
  return withNginx(files, async () => {
    const server = { address: KERNEL, port: 80 };
    const options = { signal: patience() };
    const open = (): Promise<HttpConnection> =>
      HttpConnection.connect(site.stack.toe, server, options);
    const connections = await Promise.all(Array.from({ length: count }, open));
    const established = site.stack.toe.connections().filter((c) => c.state === "ESTABLISHED");
    expectCount("connections established", established.length, count);
    const responses = await Promise.all(connections.map((each) => each.get("/small")));
    for (const [i, { body }] of responses.entries()) sameBytes(`file ${i}`, body, files.small);
    await Promise.all(connections.map((each) => each.close()));
    return `${count} files, ${established.length} connections open at once; toeloop closed first`;
  });
}
