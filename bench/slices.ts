/**
 * `node dist/bench/slices.js ROOT BENCH FIGURE`: a build's side of `bench -- BENCH --before DIR`.
 * Warms up, then does one slice of work for each message and answers its nanoseconds: the two sides
 * of a pair take turns of some 50 ms, so that what the machine does meanwhile meets both.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** One slice; what it took, ns. */
export type Slice = () => number | Promise<number>;

/** How a figure's slices are made from the modules of a build. */
type Figure = (load: Load) => Promise<Slice>;

/** A module of a build's dist/bench, as it is here: what is used of it has to be there. */
type Load = <T>(name: string) => Promise<T>;

type RpcModule = typeof import("./rpc-side.ts");
type BulkModule = typeof import("./bulk-side.ts");
type BareModule = typeof import("./bare-path.ts");
type ConnectModule = typeof import("./connect.ts");
type CoresModule = typeof import("./flow-cores.ts");
type HarnessModule = typeof import("./harness.ts");
type ApiModule = typeof import("./api-side.ts");

/** Slices before the first that counts. */
const WARM = 20;
const TRIPS = 50_000;
const BYTES = 64 << 20;
const CONNECTIONS = 4000;
const CYCLES = 250;
const STREAM_TRIPS = 4000;
const STREAM_BYTES = 32 << 20;

function timed(work: () => unknown): Slice {
  return () => {
    const begin = performance.now();
    work();
    return (performance.now() - begin) * 1e6;
  };
}

function rpc(connections: number): Figure {
  return async (load) => {
    const { RpcRun } = await load<RpcModule>("rpc-side");
    const run = new RpcRun(connections);
    return timed(() => run.exchange(TRIPS));
  };
}

function bulk(timestamps: "off" | "on"): Figure {
  return async (load) => {
    const { BulkRun } = await load<BulkModule>("bulk-side");
    // Its sums of payload are among these loops.
    await (await load<BareModule>("bare-path")).assembleBarePath();
    const run = new BulkRun(timestamps, "flextoe");
    return timed(() => run.transfer(BYTES));
  };
}

/** A received segment with its ACK; of 16 flows. */
function segment(payload: number): Figure {
  return async (load) => {
    const { FlowPair } = await load<CoresModule>("flow-cores");
    const { loadModule } = await load<HarnessModule>("harness");
    const pair = new FlowPair({ module: loadModule("flextoe.wasm"), flows: 16, payload });
    return () => {
      const each = { descriptorNs: 0, sendNs: 0, receiveNs: 0, ackNs: 0 };
      const times = { ...each, descriptors: 0, segments: 0 };
      for (let i = 0; i < CYCLES; i += 1) pair.cycle(times);
      return times.receiveNs / times.segments;
    };
  };
}

function streams(kind: "rpc" | "bulk", count: number): Figure {
  return async (load) => {
    const { apiSide } = await load<ApiModule>("api-side");
    return async () => 1 / (await apiSide({ form: "default", kind, count, warm: 0 }));
  };
}

const connect: Figure = async (load) => {
  const { ConnectRun } = await load<ConnectModule>("connect");
  const run = new ConnectRun();
  return timed(() => run.run(CONNECTIONS));
};

/** Figures by benchmark. Every slice is a fixed amount of work. */
export const FIGURES: Readonly<Record<string, Readonly<Record<string, Figure>>>> = {
  rpc: { "1 connection": rpc(1), "64 connections": rpc(64) },
  bulk: { "timestamps off": bulk("off"), "timestamps on": bulk("on") },
  connect: { connections: connect },
  segment: { "64 B, received": segment(64), "1448 B, received": segment(1448) },
  api: {
    "round trips, streams": streams("rpc", STREAM_TRIPS),
    "bulk, streams": streams("bulk", STREAM_BYTES),
  },
};

/** A figure's slice over the build in `root`. Throws Error when there is no such figure. */
export async function sliceOf(root: string, bench: string, name: string): Promise<Slice> {
  const figure = FIGURES[bench]?.[name];
  if (figure === undefined) throw new Error(`slices: expected a figure, got ${bench}, ${name}`);
  return figure((module) => {
    return import(pathToFileURL(join(root, "dist", "bench", `${module}.js`)).href);
  });
}

if (process.send !== undefined && process.argv[1]?.endsWith("slices.js") === true) {
  const [root = "", bench = "", name = ""] = process.argv.slice(2);
  const slice = await sliceOf(root, bench, name);
  for (let i = 0; i < WARM; i += 1) await slice();
  process.on("message", () => {
    void Promise.resolve(slice()).then((ns) => process.connected && process.send?.(ns));
  });
  process.on("disconnect", () => process.exit());
  if (process.connected) process.send("ready");
}
