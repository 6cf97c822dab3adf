/**
 * `npm run replay -- FILE...`: captures through a real stack. Exit status 0: replayed; 1: a file
 * that cannot be read or is no capture; 2: bad arguments.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { platform } from "../../bindings/node.ts";
import { printableText } from "../../host/netif/printable-text.ts";
import { oneOf, readArguments } from "../arguments.ts";
import { type CaptureFile, replayFiles } from "./files.ts";
import { tableOf } from "./report.ts";

const HELP = `npm run replay -- FILE... [options]

Replays captures (pcap, pcapng) in virtual time into a stack: it is the host that most segments
go to, listens where it was asked, and takes over that host's first sequence numbers and how much it
sends, so that its peers' segments fit. What other hosts receive is a drop, IpDestination. Frames
that the capture cut are filled with zeros. Prints what the stack made of it.

  --datapath NAME   flextoe|laminar|laminar-relaxed                  (default flextoe)
  --json            one JSON object as the last line
  --help            this text
`;

const READERS = {
  datapath: oneOf("flextoe", "laminar", "laminar-relaxed"),
  json: "flag",
  help: "flag",
} as const;

/** Bytes read at once: all that is held of a file, however long it is. */
const CHUNK_BYTES = 256 * 1024;

/** One buffer for all chunks: a stream of Node's makes a new one for each. */
function* chunksOf(name: string): Generator<Uint8Array, void, undefined> {
  const file = openSync(name, "r");
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const bytes = readSync(file, buffer);
      if (bytes === 0) return;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    closeSync(file);
  }
}

const fileOf = (name: string): CaptureFile => ({ name, open: () => chunksOf(name) });

function complain(error: unknown, status: number): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message}\n`);
  return status;
}

async function main(): Promise<number> {
  let read: ReturnType<typeof readArguments<typeof READERS>>;
  try {
    read = readArguments(process.argv.slice(2), READERS);
    if (!read.values.help && read.rest.length === 0) {
      throw new Error("replay: expected a capture file, got none");
    }
  } catch (error) {
    return complain(new Error(printableText((error as Error).message)), 2);
  }
  const { values, rest } = read;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    const module = await platform.loadCore(values.datapath);
    const report = await replayFiles(rest.map(fileOf), module, values.datapath);
    process.stdout.write(`${tableOf(report)}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  } catch (error) {
    return complain(error, 1);
  }
}

main().then((code) => {
  process.exitCode = code;
});
