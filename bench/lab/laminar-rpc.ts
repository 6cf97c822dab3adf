/**
 * The echo benchmark of 5.5.1 against one server, over each of the stacks that chapter 5 compares.
 * Clients are six hosts of the same kind (5.5), which are never the bottleneck.
 */
import { type EchoResult, type EchoStack, runEcho } from "../../host/modelled/laminar/echo.ts";
import { type EchoHost, ForwardedEcho } from "../../host/modelled/laminar/forwarded-echo.ts";
import {
  echoServer,
  hybridEcho,
  LaminarEcho,
  laminarHosts,
} from "../../host/modelled/laminar/laminar-echo.ts";
import type { LaminarHost } from "../../host/modelled/laminar/rdma-host.ts";
import type { StackHost } from "../../host/modelled/laminar/stack-host.ts";
import { flextoeEcho, flextoeServer } from "./flextoe-echo.ts";
import { FlexToeHost } from "./flextoe-host.ts";
import {
  forwardNs,
  hostOptions,
  linuxOptions,
  newSwitch,
  rdmaHosts,
  stackHosts,
  switchOptions,
  tasOptions,
  type Testbed,
  testbed,
} from "./laminar-setting.ts";
import { percentile } from "./statistics.ts";

export const STACKS = ["Laminar", "Laminar-ZC", "RDMA", "FlexTOE", "TAS", "Linux"] as const;
export type StackName = (typeof STACKS)[number] | "Laminar, TAS clients";

const CLIENTS = 6;
const CLIENT_CORES = 32;

export interface RpcPlan {
  readonly connections: number;
  readonly bytes: number;
  /** Of the server. */
  readonly cores: number;
  readonly seed: number;
  readonly warmUpNs: number;
  readonly ns: number;
  readonly rpcs: number;
  /** See EchoLoad. */
  readonly pauseNs: number;
}

/** The server and CLIENTS hosts beside it. */
function laminarEnds(bed: Testbed, plan: RpcPlan, zeroCopy: boolean): LaminarEcho {
  const { seed, connections, cores, bytes } = plan;
  const to = newSwitch(bed, switchOptions(seed, CLIENTS + 1, 2 * connections + 1));
  const copies = zeroCopy ? { copyNs: 0 } : {};
  const [server] = laminarHosts(to, 1, hostOptions({ cores, ...copies }), bed.prng.fork("server"));
  const clients = laminarHosts(to, CLIENTS, hostOptions(copies), bed.prng);
  const pairs = clients.map((client) => ({ client, server: server as LaminarHost }));
  return new LaminarEcho(to, pairs, connections, bytes);
}

function hybridEnds(bed: Testbed, plan: RpcPlan): EchoStack {
  const { seed, connections, cores, bytes } = plan;
  const to = newSwitch(bed, switchOptions(seed, CLIENTS + 1, connections + 1));
  const servers = laminarHosts(to, 1, hostOptions({ cores }), bed.prng);
  for (const server of servers) echoServer(server);
  return hybridEcho(to, tasClient(bed), servers, connections, bytes, 1);
}

/** One host with the cores of all: what hangs on a port is never its bottleneck here. */
function tasClient(bed: Testbed): StackHost {
  const wide = tasOptions(CLIENT_CORES * CLIENTS, { gbps: 100 * CLIENTS });
  return stackHosts(bed, 1, wide)[0] as StackHost;
}

function flextoeEnds(bed: Testbed, { seed, connections, cores, bytes }: RpcPlan): EchoStack {
  const host = new FlexToeHost(bed, { flows: connections, seed });
  flextoeServer(bed, host, cores, bytes);
  return flextoeEcho(bed, host, tasClient(bed), connections, bytes);
}

function forwardedEnds(
  bed: Testbed,
  plan: RpcPlan,
  hosts: (count: number, cores: number) => readonly EchoHost[],
): EchoStack {
  const clients = hosts(CLIENTS, CLIENT_CORES);
  const [server] = hosts(1, plan.cores) as [EchoHost];
  const { connections, bytes } = plan;
  return new ForwardedEcho(bed.simulation, clients, server, forwardNs(), connections, bytes);
}

function ends(bed: Testbed, stack: StackName, plan: RpcPlan): EchoStack {
  switch (stack) {
    case "FlexTOE":
      return flextoeEnds(bed, plan);
    case "Laminar, TAS clients":
      return hybridEnds(bed, plan);
    case "TAS":
      return forwardedEnds(bed, plan, (n, cores) => stackHosts(bed, n, tasOptions(cores)));
    case "Linux":
      return forwardedEnds(bed, plan, (n, cores) => stackHosts(bed, n, linuxOptions(cores)));
    case "RDMA":
      return forwardedEnds(bed, plan, (n, cores) =>
        rdmaHosts(bed, n, hostOptions({ copyNs: 0, cores })),
      );
    default:
      return laminarEnds(bed, plan, stack === "Laminar-ZC");
  }
}

/** Echoes over a stack. */
export function echoOver(stack: StackName, plan: RpcPlan): EchoResult {
  const bed = testbed(plan.seed);
  return runEcho(bed.simulation, ends(bed, stack, plan), plan, bed.prng);
}

/** Millions a second, and us of round trips. */
export interface RpcPoint {
  readonly connections: number;
  readonly mops: number;
  readonly median: number;
  readonly p99: number;
  readonly p9999: number;
}

export function pointOf(connections: number, { rate, trips }: EchoResult): RpcPoint {
  const us = (share: number): number => percentile(trips, share) / 1000;
  return { connections, mops: rate / 1e6, median: us(0.5), p99: us(0.99), p9999: us(0.9999) };
}
