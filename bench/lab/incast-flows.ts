/**
 * The flows of the incast experiment (5.5.4.3), drawn before anything runs: background flows that
 * come as a Poisson process between two hosts each, sizes of the web search workload, and queries
 * of a fixed rate at each of which all other hosts send a few short flows to one. Invariant: a
 * function of the options; every fidelity and every congestion control meets the same flows.
 */
import { Prng } from "../../host/prng.ts";

export interface Flow {
  /** ns. */
  readonly start: number;
  readonly source: number;
  readonly target: number;
  readonly bytes: number;
  readonly isForeground: boolean;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly hosts: number;
  /** Of a link, bits/s. */
  readonly rate: number;
  /** Share of the leaves' uplinks that the flows ask for; uplinks of a leaf over its hosts'. */
  readonly load: number;
  readonly uplinkShare: number;
  /** Of the bytes, those of queries. */
  readonly foregroundShare: number;
  readonly flowsPerHost: number;
  readonly queryBytes: number;
  readonly backgroundFlows: number;
}

/** Bytes and the share of flows of at most so many: web search (DCTCP, SIGCOMM 2010). */
const SIZES: readonly (readonly [bytes: number, share: number])[] = [
  [0, 0],
  [10_000, 0.15],
  [20_000, 0.2],
  [30_000, 0.3],
  [50_000, 0.4],
  [80_000, 0.53],
  [200_000, 0.6],
  [1_000_000, 0.7],
  [2_000_000, 0.8],
  [5_000_000, 0.9],
  [10_000_000, 0.97],
  [30_000_000, 1],
];
/** A flow begins with its number, by which its receiver knows it. */
export const FLOW_BYTES_MIN = 4;
/** Payload and bytes on the wire of a full frame, with which load is counted. */
const SEGMENT = 1448;
const WIRE = 1538;

/** The size below which a share of the flows is. */
export function sizeAt(share: number): number {
  const next = Math.max(
    1,
    SIZES.findIndex(([, upTo]) => share < upTo),
  );
  const [low, from] = SIZES[next - 1] as readonly [number, number];
  const [high, to] = SIZES[next] as readonly [number, number];
  return Math.max(FLOW_BYTES_MIN, Math.round(low + ((high - low) * (share - from)) / (to - from)));
}

/** Mean of the sizes. */
export function meanSize(): number {
  return SIZES.slice(1).reduce((sum, [high, to], i) => {
    const [low, from] = SIZES[i] as readonly [number, number];
    return sum + ((low + high) / 2) * (to - from);
  }, 0);
}

/** Payload bits/s that all hosts together are asked for. */
function demand({ hosts, rate, load, uplinkShare }: WorkloadOptions): number {
  return (hosts * rate * uplinkShare * load * SEGMENT) / WIRE;
}

function background(options: WorkloadOptions): Flow[] {
  const prng = new Prng(options.seed).fork("background");
  const { hosts, foregroundShare, backgroundFlows } = options;
  const perSecond = (demand(options) * (1 - foregroundShare)) / (8 * meanSize());
  let start = 0;
  return Array.from({ length: backgroundFlows }, () => {
    start += (-Math.log(1 - prng.float()) / perSecond) * 1e9;
    const source = prng.below(hosts);
    const other = prng.below(hosts - 1);
    const target = other >= source ? other + 1 : other;
    return { start, source, target, bytes: sizeAt(prng.float()), isForeground: false };
  });
}

/** Queries until the background has started. */
function foreground(options: WorkloadOptions, end: number): Flow[] {
  const prng = new Prng(options.seed).fork("foreground");
  const { hosts, foregroundShare, flowsPerHost, queryBytes } = options;
  const query = (hosts - 1) * flowsPerHost * queryBytes * 8;
  const interval = (query / (demand(options) * foregroundShare)) * 1e9;
  const flows: Flow[] = [];
  for (let start = interval; start < end; start += interval) {
    const target = prng.below(hosts);
    for (let source = 0; source < hosts; source += 1) {
      if (source === target) continue;
      for (let i = 0; i < flowsPerHost; i += 1) {
        flows.push({ start, source, target, bytes: queryBytes, isForeground: true });
      }
    }
  }
  return flows;
}

/** All flows by their start. */
export function drawFlows(options: WorkloadOptions): Flow[] {
  const flows = background(options);
  const end = flows.at(-1)?.start ?? 0;
  return [...flows, ...foreground(options, end)].sort((a, b) => a.start - b.start);
}
