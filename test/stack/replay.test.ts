/**
 * `npm run replay` as a user runs it: a process over dist/. The demo's capture goes through a stack
 * that is the demo's server; what is no capture, or not there, ends with a message and not with 0.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { platform } from "../../bindings/node.ts";
import { DEMO_DEFAULTS, runDemo } from "../../examples/demo-world.ts";
import { replayFiles } from "../../examples/replay/files.ts";
import { bytesAhead } from "../../examples/replay/server.ts";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { type PcapRecord, pcapFile } from "../support/capture-files.ts";
import { isNight, ROOT } from "../support/env.ts";
import { ACK, buildFrame, FIN, type FrameFields, RST, SYN } from "../support/frames.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly complaints: string;
}

/** Bytes of the bulk stream, each way, and RPCs of a connection. */
const BULK = 256 * 1024;
const ROUNDS = 2;

const folder = temporaryFolder("replay");

function replay(...options: readonly string[]): Promise<Run> {
  const path = join(ROOT, "dist/examples/replay/run.js");
  const child = spawn(process.execPath, [path, ...options], { cwd: folder });
  const texts = { output: "", complaints: "" };
  child.stdout.on("data", (chunk) => {
    texts.output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    texts.complaints += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

function lastLine({ output }: Run): Record<string, unknown> {
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** What `npm start` does, in short; its capture is left in the folder. */
async function demo(file: string): Promise<void> {
  const chunks: Uint8Array[] = [];
  const capture = new PcapngWriter({
    snap: "headers",
    sink: (bytes) => chunks.push(bytes.slice()),
  });
  const short = { bulkBytes: BULK, rpcConnections: 4, rpcRounds: ROUNDS, capture };
  const module = await platform.loadCore();
  await runDemo(platform, module, { ...DEMO_DEFAULTS, loss: 0.02, ...short });
  writeFileSync(join(folder, file), Buffer.concat(chunks));
}

test("the demo's capture, headers alone: its server again, and nothing malformed", async () => {
  const file = "demo.pcapng";
  await demo(file);
  const paths = isNight() ? ["flextoe", "laminar", "laminar-relaxed"] : ["flextoe"];
  const runs = await Promise.all(paths.map((one) => replay(file, "--datapath", one, "--json")));
  for (const [i, one] of runs.entries()) {
    expect([one.code, one.complaints]).toEqual([0, ""]);
    const report = lastLine(one);
    const payloadBytes = BULK + 4 * ROUNDS * DEMO_DEFAULTS.rpcBytes;
    expect(report).toMatchObject({ datapath: paths[i], connections: 5, payloadBytes });
    expect(report).toMatchObject({ target: { address: "10.0.0.2" }, adjusted: 0 });
    const { frames, offered, cut, replies } = report as Record<string, number>;
    // ARP is no IP.
    expect([frames, Number(cut) > 300]).toEqual([Number(offered) + 2, true]);
    expect(replies).toBeGreaterThan(300);
    // What the server sent itself, and what the link had lost and was sent again.
    expect(Object.keys(report.drops as object)).toEqual(["IpDestination", "Duplicate"]);
    expect(one.output).toMatch(/^file +demo.pcapng: pcapng, little-endian, \d+ frames$/m);
    expect(one.output).toContain(`\nframes                ${frames}, `);
  }
});

test("several files are one after the other; what has no IP is counted", async () => {
  writeFileSync(join(folder, "a.pcap"), pcapFile([{ bytes: [1] }, { seconds: 2, bytes: [1] }]));
  const other = pcapFile([{ bytes: [] }, { fraction: 500_000 }], { linkType: 113, little: false });
  writeFileSync(join(folder, "b.pcap"), other);
  const ran = await replay("a.pcap", "b.pcap", "--json");
  expect([ran.code, ran.complaints]).toEqual([0, ""]);
  expect(lastLine(ran)).toMatchObject({
    files: [
      { name: "a.pcap", format: "pcap, little-endian, us", frames: 2 },
      { name: "b.pcap", format: "pcap, big-endian, us", frames: 2 },
    ],
    ...{ frames: 4, offered: 0, spanNs: 2.5e9, replies: 0, drops: {} },
    notOffered: { noIp: 4, tooLong: 0, headersCut: 0 },
    linkTypes: { Ethernet: 2, "link type 113": 2 },
  });
  expect(ran.output).toContain("the stack is          nobody: no TCP\n");
});

/** In this process: what a file of these packets on raw IP leaves. */
async function replayed(packets: readonly (PcapRecord & { readonly bytes: number[] })[]) {
  const file = pcapFile(packets, { linkType: 101 });
  return replayFiles([{ name: "x", open: () => [file] }], await platform.loadCore());
}

test("IPv6, cut behind its headers: zeros with a checksum, and every byte arrives", async () => {
  const client = { source: "fd00::2", destination: "fd00::1", sourcePort: 7 };
  const server = { source: "fd00::1", destination: "fd00::2", sourcePort: 80, destinationPort: 7 };
  const payload = new Uint8Array(101).fill(9);
  const fields: [segment: Partial<FrameFields>, kept?: number][] = [
    [{ ...client, seq: 100, flags: SYN }],
    [{ ...server, seq: 0xffffff9b, ack: 101, flags: SYN | ACK }],
    [{ ...client, seq: 101, ack: 0xffffff9c, flags: ACK, payload }, 60],
    [{ ...server, seq: 0xffffff9c, ack: 202, flags: ACK, payload }, 60],
    // Again and again, so that most segments go to the client.
    ...new Array<[Partial<FrameFields>]>(5).fill([{ ...server, seq: 0, ack: 202, flags: ACK }]),
    [{ ...client, seq: 202, ack: 1, flags: ACK, payload }, 61],
    [{ ...server, seq: 1, ack: 303, flags: ACK | FIN, payload }, 60],
    [{ ...client, seq: 303, ack: 103, flags: ACK | FIN, payload }, 61],
  ];
  const report = await replayed(
    fields.map(([one, kept]) => {
      const bytes = [...buildFrame({ medium: "ip", ...one })];
      return { bytes: bytes.slice(0, kept), original: bytes.length };
    }),
  );
  expect(report).toMatchObject({
    target: { address: "fd00::1", ports: [80] },
    cut: 5,
    offered: 12,
  });
  expect(report).toMatchObject({ connections: 1, payloadBytes: 303, drops: { IpDestination: 8 } });
});

test("what a captured server has sent is counted beyond 4 GiB, and never backwards", () => {
  const rows: [offset: number, wanted: number, more: number][] = [
    [0, 0, 0],
    [1460, 0, 1460],
    [2 ** 30 - 1, 0, 2 ** 30 - 1],
    [2 ** 30, 0, 0],
    [0xffffff00, 0, 0],
    [0xffffffff, 100, 0],
    [0x10, 0xffffff00, 0x110],
    [0x10, 3 * 2 ** 32 + 0xffffff00, 0x110],
    [0xffffff00, 3 * 2 ** 32 + 0x10, 0],
  ];
  for (const [offset, wanted, more] of rows) expect(bytesAhead(offset, wanted)).toBe(more);
});

test("a connection that the captured server resets is over", async () => {
  const server = { source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 80 };
  const client = { source: "10.0.0.2", destination: "10.0.0.1", sourcePort: 7 };
  const payload = new Uint8Array(9);
  for (const [flags, payloadBytes] of [
    [ACK, 18],
    [ACK | RST, 9],
  ] as const) {
    const fields: Partial<FrameFields>[] = [
      { ...client, seq: 100, flags: SYN },
      { ...server, destinationPort: 7, seq: 900, ack: 101, flags: SYN | ACK },
      { ...client, seq: 101, ack: 901, flags: ACK, payload },
      { ...server, destinationPort: 7, seq: 901, ack: 110, flags },
      { ...client, seq: 110, ack: 901, flags: ACK, payload },
    ];
    const report = await replayed(
      fields.map((one) => ({ bytes: [...buildFrame({ medium: "ip", ...one })] })),
    );
    expect(report).toMatchObject({ connections: 1, payloadBytes });
  }
});

test("what a stack cannot be given is counted: too long, cut in its headers", async () => {
  const bytes = [...buildFrame({ medium: "ip", destination: "127.0.0.1", flags: SYN })];
  const report = await replayed([
    { bytes, original: 9216 },
    { bytes, original: 9217 },
    { bytes, original: 0xffffffff },
    { bytes: bytes.slice(0, 39), original: 40 },
    { bytes: bytes.slice(0, 19), original: 40 },
  ]);
  expect(report.notOffered).toEqual({ noIp: 1, tooLong: 2, headersCut: 1 });
  // Loopback is no interface's: the stack is nobody, and hears of it all the same.
  expect(report).toMatchObject({ target: undefined, offered: 1, connections: 0, replies: 0 });
});

test("junk, files that are cut or not there, and bad options: a message, exit not 0", async () => {
  const cut = pcapFile([{ bytes: [1, 2, 3] }]).subarray(0, 42);
  const name = "cut \x1b[31m\u202e";
  writeFileSync(join(folder, name), cut);
  writeFileSync(join(folder, "junk"), "junk, and more of it");
  const rows: [options: string[], code: number, message: string][] = [
    [["junk"], 1, "junk: capture byte 0: expected the magic of pcap or pcapng, got 0x6a756e6b"],
    [[name], 1, "cut \\u{1b}[31m\\u{202e}: capture byte 40: expected 3 bytes, got 2 and the end"],
    [["none\x07"], 1, "none\\u{7}: ENOENT: no such file or directory, open 'none\\u{7}'"],
    [["junk", "--\x1b"], 2, "--\\u{1b}: expected one of --datapath --json --help"],
  ];
  const runs = await Promise.all(rows.map(([options]) => replay(...options)));
  for (const [i, [options, code, message]] of rows.entries()) {
    const { output, complaints, ...rest } = runs[i] as Run;
    expect([options, rest.code, output]).toEqual([options, code, ""]);
    expect(complaints.slice(0, message.length)).toBe(message);
    expect(complaints).not.toMatch(/[^\P{C}\n]/u);
  }
});
