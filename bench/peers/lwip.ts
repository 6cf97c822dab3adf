/**
 * lwIP as a peer: runs the harness of bench/peers/lwip in a process of its own, native or in
 * Wasm under node:wasi, and reads its line of key=value pairs. Built by bench/peers/lwip/build.sh;
 * a peer that is not built is left out, not an error.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../harness.ts";

export type LwipForm = "wasm" | "native";

/** One bulk run. A segment is a packet that crosses the link, data and ACKs alike. */
export interface BulkFigures {
  readonly gbps: number;
  readonly segmentsPerSecond: number;
  readonly nsPerSegment: number;
  /** Processor time, which other processes on the machine disturb less than wall time. */
  readonly cpuNsPerSegment: number;
  /** Data segments for each ACK. */
  readonly dataPerAck: number;
  readonly bytes: number;
  /** Frames corrupted on the link, the warm-up included. */
  readonly corrupted: number;
}

/** One RPC run. */
export interface RpcFigures {
  readonly roundTripsPerSecond: number;
  readonly nsPerRoundTrip: number;
  /** Processor time, which other processes on the machine disturb less than wall time. */
  readonly cpuNsPerRoundTrip: number;
  readonly segmentsPerRoundTrip: number;
}

/** Figures from counts and seconds; both sides of a comparison use it. */
export function bulkFigures(count: {
  readonly bytes: number;
  readonly seconds: number;
  /** Seconds of processor time. */
  readonly processor: number;
  readonly data: number;
  readonly acks: number;
  readonly corrupted: number;
}): BulkFigures {
  const segments = count.data + count.acks;
  return {
    gbps: (count.bytes * 8) / count.seconds / 1e9,
    segmentsPerSecond: segments / count.seconds,
    nsPerSegment: (count.seconds * 1e9) / segments,
    cpuNsPerSegment: (count.processor * 1e9) / segments,
    dataPerAck: count.data / count.acks,
    bytes: count.bytes,
    corrupted: count.corrupted,
  };
}

/** Figures from counts and seconds; both sides of a comparison use it. */
export function rpcFigures(count: {
  readonly trips: number;
  readonly seconds: number;
  /** Seconds of processor time. */
  readonly processor: number;
  readonly segments: number;
}): RpcFigures {
  return {
    roundTripsPerSecond: count.trips / count.seconds,
    nsPerRoundTrip: (count.seconds * 1e9) / count.trips,
    cpuNsPerRoundTrip: (count.processor * 1e9) / count.trips,
    segmentsPerRoundTrip: count.segments / count.trips,
  };
}

const PEERS = join("bench", "peers");

function productPath(form: LwipForm, timestamps: boolean): string {
  const suffix = timestamps ? "-ts" : "";
  const file = form === "wasm" ? `lwip${suffix}.wasm` : `lwip-native${suffix}`;
  return join(repositoryRoot(), PEERS, "build", file);
}

/** True when this form of lwIP has been built. */
export function lwipBuilt(form: LwipForm, timestamps: boolean): boolean {
  return existsSync(productPath(form, timestamps));
}

/** `a=1 b=2` as numbers; words stay out. Throws Error when a wanted key is missing. */
export function parseLine(line: string, wanted: readonly string[]): Record<string, number> {
  const pairs = line
    .trim()
    .split(/\s+/)
    .map((pair): [string, number] => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), Number(pair.slice(at + 1))];
    });
  const values = Object.fromEntries(pairs);
  for (const key of wanted) {
    if (!Number.isFinite(values[key])) {
      throw new Error(`lwip: expected ${key}=<number>, got ${JSON.stringify(line.trim())}`);
    }
  }
  return values;
}

function run(form: LwipForm, timestamps: boolean, args: readonly (string | number)[]): string {
  const product = productPath(form, timestamps);
  const words = args.map(String);
  const runner = join(repositoryRoot(), PEERS, "lwip", "run-wasm.mjs");
  const child =
    form === "native"
      ? spawnSync(product, words, { encoding: "utf8", timeout: 60_000 })
      : spawnSync(process.execPath, ["--no-warnings", runner, product, ...words], {
          encoding: "utf8",
          timeout: 60_000,
        });
  if (child.status !== 0) {
    const got = child.error?.message ?? `status ${child.status}: ${child.stdout}${child.stderr}`;
    throw new Error(`lwip: expected exit status 0 of ${form} ${words.join(" ")}, got ${got}`);
  }
  return child.stdout;
}

/** One connection, one direction, checksums and application copies on. */
export function lwipBulk(form: LwipForm, timestamps: boolean, bytes: number): BulkFigures {
  const line = run(form, timestamps, ["bulk", 1, 1, bytes]);
  const v = parseLine(line, ["bytes", "seconds", "processor", "data", "acks", "corrupted"]);
  return bulkFigures({
    bytes: v.bytes as number,
    seconds: v.seconds as number,
    processor: v.processor as number,
    data: v.data as number,
    acks: v.acks as number,
    corrupted: v.corrupted as number,
  });
}

/** 64 bytes there and back on each of `connections`, `trips` in all. */
export function lwipRpc(
  form: LwipForm,
  timestamps: boolean,
  connections: number,
  trips: number,
): RpcFigures {
  const line = run(form, timestamps, ["rpc", 1, 1, connections, trips]);
  const v = parseLine(line, ["trips", "seconds", "processor", "segments"]);
  return rpcFigures({
    trips: v.trips as number,
    seconds: v.seconds as number,
    processor: v.processor as number,
    segments: v.segments as number,
  });
}
