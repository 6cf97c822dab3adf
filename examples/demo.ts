/**
 * `npm start`: the demo world on the terminal. Progress on one line of a TTY, then a table; the
 * capture goes to toeloop-demo.pcapng.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { platform } from "../bindings/node.ts";
import { PcapngWriter, type SnapMode } from "../host/netif/pcapng.ts";
import { fraction, integer, oneOf, readArguments } from "./arguments.ts";
import { DEMO_DEFAULTS, type DemoResult, runDemo } from "./demo-world.ts";

const CAPTURE = "toeloop-demo.pcapng";
const MIB = 1024 * 1024;

const HELP = `npm start -- [options]

Two hosts in one process, a 1 Gbit/s, 1 ms link with loss, reordering and duplication: a bulk
stream in each direction at once on one connection, and 64 KiB RPCs on 32 others. Real TCP
segments through the AssemblyScript pipeline, on virtual time.

  --seed N          one seed, one trace                              (default ${DEMO_DEFAULTS.seed})
  --loss F          share of frames lost, 0..0.5                     (default ${DEMO_DEFAULTS.loss})
  --mib N           MiB of the bulk stream in each direction, 1..1024 (default 64)
  --datapath NAME   flextoe|laminar|laminar-relaxed                  (default flextoe)
  --pcap MODE       none|headers|full, written to ${CAPTURE}  (default headers)
  --json            one JSON object as the last line
  --help            this text
`;

const READERS = {
  seed: integer(0, 0xffffffff),
  loss: fraction(0, 0.5),
  mib: integer(1, 1024),
  datapath: oneOf("flextoe", "laminar", "laminar-relaxed"),
  pcap: oneOf("none", "headers", "full"),
  json: "flag",
  help: "flag",
} as const;

/** Redraws one line, at most ten times a second, and only for a person. */
function progress(): (done: number, total: number, now: number) => void {
  let last = 0;
  return (done, total, now) => {
    if (!process.stderr.isTTY || platform.now() - last < 1e8) return;
    last = platform.now();
    const percent = ((done / total) * 100).toFixed(0).padStart(3);
    const mib = (done / MIB).toFixed(0);
    process.stderr.write(`\r${percent} %  ${mib} MiB  virtual ${(now / 1e9).toFixed(2)} s `);
  };
}

function table(result: DemoResult): string {
  const drops = Object.entries(result.drops).map(([name, count]) => `${name} ${count}`);
  const rows: [string, string][] = [
    ["virtual time", `${result.virtualSeconds.toFixed(2)} s`],
    ["goodput", `${result.goodputMbps.toFixed(1)} Mbit/s`],
    ["data segments", String(result.segments)],
    ["ACKs", String(result.acks)],
    ["retransmissions", String(result.retransmits)],
    ["out of order placed", String(result.outOfOrder)],
    ["RPCs of 64 KiB", String(result.rpcs)],
    ["lost on the link", String(result.linkDrops)],
    ["drops by reason", drops.length === 0 ? "none" : drops.join(", ")],
    ["CPU per segment", `${result.cpuNsPerSegment.toFixed(0)} ns`],
    ["wire efficiency", `${((result.payloadBytes / result.wireBytes) * 100).toFixed(1)} %`],
    ["trace hash", result.traceHash],
    ["sha256", result.sha256.join("\n                      ")],
  ];
  return rows.map(([name, value]) => `${name.padEnd(22)}${value}`).join("\n");
}

interface Capture {
  readonly writer?: PcapngWriter;
  close(): void;
}

function openCapture(snap: SnapMode): Capture {
  if (snap === "none") return { close: () => undefined };
  const file = openSync(CAPTURE, "w");
  const writer = new PcapngWriter({ snap, sink: (bytes) => void writeSync(file, bytes) });
  return { writer, close: () => closeSync(file) };
}

async function main(): Promise<number> {
  const { values, rest } = readArguments(process.argv.slice(2), READERS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (rest.length > 0) throw new Error(`demo: expected options only, got "${rest[0]}"`);
  const capture = openCapture(values.pcap ?? "headers");
  const result = await runDemo(platform, await platform.loadCore(values.datapath), {
    ...DEMO_DEFAULTS,
    seed: values.seed ?? DEMO_DEFAULTS.seed,
    loss: values.loss ?? DEMO_DEFAULTS.loss,
    bulkBytes: (values.mib ?? 64) * MIB,
    onProgress: progress(),
    ...(capture.writer === undefined ? {} : { capture: capture.writer }),
  });
  capture.close();
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  process.stdout.write(`${table(result)}\n`);
  if (capture.writer !== undefined) process.stdout.write(`capture               ${CAPTURE}\n`);
  process.stdout.write(result.sha256ok ? "sha256 ok\n" : "sha256 DIFFERS\n");
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return result.sha256ok ? 0 : 1;
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
