/**
 * The demo as a user runs it: a process over dist/. Same seed, same capture, byte for byte; the
 * figures it promises; and a second opinion on its frames by tshark.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { parsePcapng } from "../support/pcapng-blocks.ts";
import { requireOrSkip } from "../support/requirement.ts";

const DEMO = join(ROOT, "dist/examples/demo.js");
const CAPTURE = "toeloop-demo.pcapng";
const folders: string[] = [];

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly complaints: string;
  /** Where it ran, and has left its capture. */
  readonly folder: string;
}

function demo(...options: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "toeloop-demo-"));
  folders.push(folder);
  const child = spawn(process.execPath, [DEMO, ...options], { cwd: folder });
  let output = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    complaints += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output, complaints, folder }));
  });
}

function capture({ folder }: Run): Buffer {
  return readFileSync(join(folder, CAPTURE));
}

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

function lastLine({ output }: Run): Record<string, unknown> {
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** Wall time differs from run to run; all else is the seed's. */
function figures(run: Run): Record<string, unknown> {
  const { cpuNsPerSegment, ...rest } = lastLine(run);
  expect(cpuNsPerSegment).toBeGreaterThan(0);
  return rest;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

test("exit 0, sha256 ok, and the figures it promises", async () => {
  const run = await demo("--mib", "1", "--pcap", "none", "--json");
  expect([run.code, run.complaints]).toEqual([0, ""]);
  expect(run.output).toMatch(/^sha256 ok$/m);
  expect(existsSync(join(run.folder, CAPTURE))).toBe(false);
  expect(lastLine(run)).toMatchObject({
    goodputMbps: expect.any(Number),
    segments: expect.any(Number),
    retransmits: expect.any(Number),
    outOfOrder: expect.any(Number),
    drops: expect.any(Object),
    cpuNsPerSegment: expect.any(Number),
    sha256ok: true,
    traceHash: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  // 1 MiB each way and 128 RPCs of 64 KiB there and back.
  expect(lastLine(run)).toMatchObject({ rpcs: 128, payloadBytes: 2 * 2 ** 20 + 256 * 65536 });
});

for (const datapath of ["laminar", "laminar-relaxed"]) {
  test(`${datapath}: sha256 ok, and the same seed the same figures`, async () => {
    const options = ["--datapath", datapath, "--mib", "1", "--pcap", "none", "--json"];
    const runs = await Promise.all([demo(...options), demo(...options)]);
    const [first, second] = runs as [Run, Run];
    expect([first.code, first.complaints]).toEqual([0, ""]);
    expect(first.output).toMatch(/^sha256 ok$/m);
    expect(figures(second)).toEqual(figures(first));
  });
}

for (const mode of ["headers", "full"]) {
  test(`the same seed gives the same ${mode} capture and figures, another others`, async () => {
    const options = ["--mib", "1", "--pcap", mode, "--json", "--seed"];
    const runs = await Promise.all(["5", "5", "6"].map((seed) => demo(...options, seed)));
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    const [first, second, other] = runs as [Run, Run, Run];
    expect(figures(second)).toEqual(figures(first));
    expect(Object.keys(lastLine(second))).toEqual(Object.keys(lastLine(first)));
    expect(digest(capture(second))).toBe(digest(capture(first)));
    expect(digest(capture(other))).not.toBe(digest(capture(first)));
    expect(figures(other).traceHash).not.toBe(figures(first).traceHash);
    const { packets } = parsePcapng(capture(first));
    expect(packets.length).toBeGreaterThan(Number(figures(first).segments));
    const cut = packets.filter(({ bytes, originalLength }) => bytes.length < originalLength);
    expect(cut.length > 0).toBe(mode === "headers");
  });
}

// options, what the message must say
const BAD_OPTIONS: readonly (readonly [string[], string])[] = [
  [["--seed", "-1"], '--seed: expected an integer 0..4294967295, got "-1"'],
  [["--seed", "4294967296"], '--seed: expected an integer 0..4294967295, got "4294967296"'],
  [["--seed", "1.5"], '--seed: expected an integer 0..4294967295, got "1.5"'],
  [["--seed", ""], '--seed: expected an integer 0..4294967295, got ""'],
  [["--seed"], "--seed: expected a value, got none"],
  [["--loss", "0.51"], '--loss: expected a number 0..0.5, got "0.51"'],
  [["--loss=-0.01"], '--loss: expected a number 0..0.5, got "-0.01"'],
  [["--loss", "nan"], '--loss: expected a number 0..0.5, got "nan"'],
  [["--mib", "0"], '--mib: expected an integer 1..1024, got "0"'],
  [["--mib", "1025"], '--mib: expected an integer 1..1024, got "1025"'],
  [["--datapath", "linux"], "--datapath: expected one of flextoe|laminar|laminar-relaxed, got"],
  [["--pcap", "some"], '--pcap: expected one of none|headers|full, got "some"'],
  [["--json=1"], '--json: expected no value, got "1"'],
  [["--speed", "9"], "--speed: expected one of --seed --loss"],
  [["toString"], 'expected options only, got "toString"'],
];

test("bad options: a message that says what was expected, no capture, exit not 0", async () => {
  const runs = await Promise.all(BAD_OPTIONS.map(([options]) => demo(...options)));
  BAD_OPTIONS.forEach(([options, message], i) => {
    const { code, output, complaints, folder } = runs[i] as Run;
    expect([options, code, output]).toEqual([options, 2, ""]);
    expect(complaints).toContain(message);
    expect(complaints.trimEnd().split("\n").length).toBe(1);
    expect(existsSync(join(folder, CAPTURE))).toBe(false);
  });
});

test("--help names every option", async () => {
  const { code, output } = await demo("--help");
  expect(code).toBe(0);
  for (const name of ["seed", "loss", "mib", "datapath", "pcap", "json", "help"]) {
    expect(output).toContain(`--${name}`);
  }
});

/** Frame numbers of a capture that a display filter of tshark holds for. */
function framesOf(file: string, filter: string): string[] {
  const checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
  const fields = ["-T", "fields", "-e", "frame.number"];
  const argv = ["-r", file, ...checks, "-Y", filter, ...fields];
  const { status, stdout, stderr } = spawnSync("tshark", argv, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`tshark: expected exit 0, got ${status}: ${stderr}`);
  return stdout.split("\n").filter((line) => line !== "");
}

const tshark = requireOrSkip("tshark finds no malformed frame and no bad checksum", () =>
  spawnSync("tshark", ["--version"]).status === 0 ? undefined : "no tshark",
);
test.skipIf(tshark.skip)(tshark.name, async () => {
  const run = await demo("--mib", "1", "--pcap", "full", "--seed", "3");
  expect(run.code).toBe(0);
  const file = join(run.folder, CAPTURE);
  const bad = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0";
  expect(framesOf(file, bad)).toEqual([]);
  // What is neither TCP with a good checksum nor ARP would have escaped the first filter.
  const good = framesOf(file, "tcp.checksum.status == 1 && ip.checksum.status == 1");
  expect(framesOf(file, "arp").length + good.length).toBe(
    parsePcapng(readFileSync(file)).packets.length,
  );
  expect(good.length).toBeGreaterThan(10_000);
});
