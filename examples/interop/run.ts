/**
 * `npm run interop`: toeloop against the Linux kernel and its programs. Makes a network namespace,
 * runs inside.ts in it, and takes everything away again, whatever happened. Root only.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { integer, oneOf, readArguments } from "../arguments.ts";
import { longStreamLimit } from "./long-stream.ts";
import { Namespace } from "./namespace.ts";
import { isInstalled, PACKAGES } from "./programs.ts";

const LIMIT_MS = 300_000;
const STREAM_MAX = 1e11;
const INSIDE = fileURLToPath(new URL("./inside.js", import.meta.url));

const HELP = `npm run interop -- [options]        as root, on Linux

toeloop and the kernel at the two ends of a TUN device, in a network namespace of its own:
files by curl and nginx both ways, directly and through a relay in JavaScript with 0 % and 2 %
loss, 200 connections in sequence and at once, iperf3; nothing may be left in any table, and
tshark may find no bad checksum.

  --captures DIR    keep the captures (pcapng) in DIR
  --datapath NAME   all|flextoe|laminar|laminar-relaxed                 (default all)
  --stream BYTES    instead: one connection with so many bytes each way, hashed at both ends
  --json            one JSON object as the last line
  --help            this text
`;

/** Why it cannot run here; undefined when it can. */
function obstacle(): string | undefined {
  if (process.platform !== "linux") return `expected Linux, got ${process.platform}`;
  const uid = process.getuid?.();
  if (uid !== 0) return `expected root (network namespace, TUN device), got uid ${uid}`;
  if (!isInstalled("ip")) return `expected the program ip, got none: install ${PACKAGES.ip}`;
  return undefined;
}

/** Runs inside.ts in the namespace; its exit code, 1 when it took too long, 130 after a signal. */
function runInside(namespace: Namespace, words: readonly string[], limit: number): Promise<number> {
  const [program, all] = namespace.command(process.execPath, [INSIDE, ...words]);
  const child = spawn(program, all, { stdio: ["ignore", "inherit", "inherit"] });
  const timer = setTimeout(() => {
    process.stderr.write(`interop: expected an end within ${limit / 1000} s, got none\n`);
    child.kill("SIGKILL");
  }, limit);
  let interrupted = false;
  const end = (): void => {
    interrupted = true;
    child.kill("SIGKILL");
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, end);
  return new Promise((done) => {
    const settle = (code: number): void => {
      clearTimeout(timer);
      for (const signal of signals) process.removeListener(signal, end);
      done(interrupted ? 130 : code);
    };
    child.once("error", () => settle(1));
    child.once("close", (code) => settle(code ?? 1));
  });
}

async function main(): Promise<number> {
  const readers = {
    captures: (text: string) => text,
    datapath: oneOf("all", "flextoe", "laminar", "laminar-relaxed"),
    stream: integer(1, STREAM_MAX),
    json: "flag",
    help: "flag",
  } as const;
  const { values, rest } = readArguments(process.argv.slice(2), readers);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (rest.length > 0) throw new Error(`interop: expected options only, got "${rest[0]}"`);
  const why = obstacle();
  if (why !== undefined) throw new Error(`interop: ${why}`);
  const directory = mkdtempSync(join(tmpdir(), "toeloop-interop-"));
  let namespace: Namespace | undefined;
  try {
    namespace = new Namespace(`toeloop-${process.pid}`);
    const captures = resolve(values.captures ?? join(directory, "captures"));
    const json = values.json ? "yes" : "no";
    const words = ["--directory", directory, "--captures", captures, "--json", json];
    words.push("--datapath", values.datapath ?? "all");
    const { stream = 0 } = values;
    words.push("--stream", String(stream));
    // Each data path has its time.
    return await runInside(namespace, words, LIMIT_MS + 3 * longStreamLimit(stream));
  } finally {
    namespace?.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
