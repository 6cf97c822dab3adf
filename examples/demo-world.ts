/**
 * The main job as a world: two hosts on virtual time over a lossy link, a bulk stream each way at
 * once on one connection and RPCs on others. Runs on every runtime; the same seed gives the same
 * frames everywhere, which the trace hash shows.
 */
import { Counter } from "../bindings/abi/counters.ts";
import * as dropReasons from "../bindings/abi/drop-reason.ts";
import { DROP_REASONS } from "../bindings/abi/drop-reason.ts";
import { CORE_COUNTERS, CORE_DROPS } from "../bindings/abi/memory-map.ts";
import type { Platform } from "../bindings/platform.ts";
import type { Core } from "../bindings/core.ts";
import { captureLinks } from "../host/netif/tracer.ts";
import type { PcapngWriter } from "../host/netif/pcapng.ts";
import { Stack } from "../host/stack.ts";
import { type Host, World } from "../host/world.ts";
import { BulkFlow, RpcClient, RpcServer } from "./demo-traffic.ts";
import type { Application } from "./demo-traffic.ts";

export interface DemoOptions {
  readonly seed: number;
  /** Share of frames lost; the other faults are fixed. */
  readonly loss: number;
  /** Bytes of the bulk stream in each direction. */
  readonly bulkBytes: number;
  readonly rpcConnections: number;
  readonly rpcBytes: number;
  readonly rpcRounds: number;
  readonly capture?: PcapngWriter;
  readonly onProgress?: (done: number, total: number, now: number) => void;
}

export const DEMO_DEFAULTS: DemoOptions = {
  seed: 1,
  loss: 0.01,
  bulkBytes: 64 * 1024 * 1024,
  rpcConnections: 32,
  rpcBytes: 65536,
  rpcRounds: 4,
};

export interface DemoResult {
  readonly virtualSeconds: number;
  /** Application bytes of both directions and of all RPCs. */
  readonly payloadBytes: number;
  readonly wireBytes: number;
  readonly goodputMbps: number;
  readonly segments: number;
  readonly acks: number;
  readonly retransmits: number;
  readonly outOfOrder: number;
  readonly rpcs: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly linkDrops: number;
  readonly cpuNsPerSegment: number;
  readonly sha256ok: boolean;
  readonly sha256: readonly string[];
  readonly traceHash: string;
}

const BULK_PORT = 5001;
const RPC_PORT = 5002;
const RATE = 1e9;
const DELAY = 1e6;
const REORDER = 0.005;
const DUPLICATE = 0.001;
const BULK_BUFFER = 512 * 1024;

/** A stack and its application as one host; the stack's time is measured, the application's not. */
class DemoHost implements Host {
  readonly stack: Stack;
  readonly applications: Application[] = [];
  cpu = 0;
  readonly #clock: () => number;

  constructor(stack: Stack, clock: () => number) {
    this.stack = stack;
    this.#clock = clock;
  }

  poll(now: number): boolean {
    const start = this.#clock();
    const more = this.stack.poll(now);
    this.cpu += this.#clock() - start;
    let worked = false;
    for (const application of this.applications) worked = application.run() || worked;
    return more || worked;
  }

  nextDeadline(): number {
    return this.stack.nextDeadline();
  }
}

/** A counter of the core; counts stay below 2^53. */
export function counterOf(core: Core, counter: Counter): number {
  const table = core.words[(core.address + CORE_COUNTERS) >>> 2] as number;
  return Number(core.view.getBigUint64(table + counter * 8, true));
}

/** A const enum is erased for the type checker only; its object has the names. */
const NAMES = (dropReasons as unknown as { DropReason: Record<number, string> }).DropReason;

/** Drops by the name of their reason, those that happened. */
export function dropsOf(cores: readonly Core[]): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const core of cores) {
    const table = core.words[(core.address + CORE_DROPS) >>> 2] as number;
    for (let reason = 1; reason < DROP_REASONS; reason += 1) {
      const count = core.words[(table >>> 2) + reason] as number;
      const name = NAMES[reason] as string;
      if (count > 0) drops[name] = (drops[name] ?? 0) + count;
    }
  }
  return drops;
}

function makeWorld(options: DemoOptions): World {
  const capture = options.capture === undefined ? {} : { capture: captureLinks(options.capture) };
  const world = new World({ seed: options.seed, ...capture });
  world.addLink({
    a: "client",
    b: "server",
    rate: RATE,
    delay: DELAY,
    faults: { loss: options.loss, reorder: REORDER, duplicate: DUPLICATE },
  });
  return world;
}

function makeHost(
  world: World,
  module: WebAssembly.Module,
  clock: () => number,
  side: 0 | 1,
): DemoHost {
  const name = side === 0 ? "client" : "server";
  const netif = (world.links[0] as World["links"][number]).ends[side];
  const stack = new Stack({
    module,
    name,
    entropy: world.entropy(name),
    netifs: [{ netif, addresses: [`10.0.0.${side + 1}/24`] }],
    layout: { connections: 256, payloadBytes: 32 * 1024 * 1024 },
  });
  return world.addHost(name, new DemoHost(stack, clock));
}

/** Runs the demo to its end. */
export async function runDemo(
  platform: Pick<Platform, "now" | "sha256">,
  module: WebAssembly.Module,
  options: DemoOptions = DEMO_DEFAULTS,
): Promise<DemoResult> {
  const world = makeWorld(options);
  const client = makeHost(world, module, platform.now, 0);
  const server = makeHost(world, module, platform.now, 1);
  const common = { bytes: options.bulkBytes, buffer: BULK_BUFFER, hasher: platform.sha256 };
  const up = BulkFlow.server(server.stack.toe, BULK_PORT, { ...common, seed: options.seed + 1 });
  server.applications.push(up, new RpcServer(server.stack.toe, RPC_PORT, options.rpcBytes));
  const address = { address: "10.0.0.2", port: BULK_PORT };
  const down = BulkFlow.client(client.stack.toe, address, { ...common, seed: options.seed });
  const rpc = new RpcClient(
    client.stack.toe,
    { ...address, port: RPC_PORT },
    {
      connections: options.rpcConnections,
      bytes: options.rpcBytes,
      rounds: options.rpcRounds,
    },
  );
  client.applications.push(down, rpc);
  const total = options.bulkBytes * 2;
  const done = (): boolean => {
    options.onProgress?.(up.received + down.received, total, world.now);
    return up.finished && down.finished && rpc.finished;
  };
  world.run(done);
  options.capture?.flush();
  return await summarise(world, [client, server], [up, down], rpc, options);
}

async function summarise(
  world: World,
  hosts: readonly DemoHost[],
  flows: readonly BulkFlow[],
  rpc: RpcClient,
  options: DemoOptions,
): Promise<DemoResult> {
  const cores = hosts.map(({ stack }) => stack.core);
  const sum = (counter: Counter): number =>
    cores.reduce((total, core) => total + counterOf(core, counter), 0);
  const [up, down] = flows as [BulkFlow, BulkFlow];
  const digests = await Promise.all([up.sent, down.got, down.sent, up.got].map((h) => h));
  const segments = sum(Counter.DataSegmentsOut);
  const acks = sum(Counter.AcksOut);
  const payloadBytes = options.bulkBytes * 2 + rpc.completed * options.rpcBytes * 2;
  const link = world.links[0] as World["links"][number];
  const counters = [link.counters(0), link.counters(1)];
  const wireBytes = counters.reduce((total, c) => total + c.bytes, 0);
  const cpu = hosts.reduce((total, host) => total + host.cpu, 0);
  return {
    virtualSeconds: world.now / 1e9,
    payloadBytes,
    wireBytes,
    goodputMbps: (payloadBytes * 8) / (world.now / 1e9) / 1e6,
    segments,
    acks,
    retransmits: sum(Counter.Retransmissions),
    outOfOrder: sum(Counter.OutOfOrderPlaced),
    rpcs: rpc.completed,
    drops: dropsOf(cores),
    linkDrops: counters.reduce((total, c) => total + droppedBy(c), 0),
    cpuNsPerSegment: cpu / (segments + acks),
    sha256ok: digests[0] === digests[1] && digests[2] === digests[3] && rpc.intact,
    sha256: [digests[0] as string, digests[2] as string],
    traceHash: world.traceHash(),
  };
}

function droppedBy(counters: { readonly dropped: Readonly<Record<string, number>> }): number {
  return Object.values(counters.dropped).reduce((total, count) => total + count, 0);
}
