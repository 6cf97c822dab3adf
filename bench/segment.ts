/**
 * `npm run bench -- segment`: what the data path alone costs for each kind of segment, on raw cores
 * in batches of BATCH_MAX, with timestamps: a received data segment with the ACK that it causes, a
 * sent segment, a received ACK, a host descriptor. 1 chunk of 8 KiB for each buffer.
 */
import { Counter } from "../bindings/abi/counters.ts";
import { copyAndSumNs } from "./checksum.ts";
import { loadModule, quartiles, table, WorkHash } from "./harness.ts";
import type { BenchReport, BenchScale } from "./harness.ts";
import { assembleLoops } from "./wasm-loops.ts";
import { FlowPair, type CycleTimes } from "./flow-cores.ts";

const PAYLOADS = [64, 1448] as const;
const FLOWS = [16, 1000, 10_000] as const;
/** Cycles of one sample at full size, and samples; the figure is the median sample. */
const CYCLES = 400;
const SAMPLES = 15;

/** Most that a received segment with its ACK costs, times a copy-and-sum of its payload. */
const BARS = [
  [64, 11],
  [1448, 3.2],
] as const;

interface Row {
  readonly flows: number;
  readonly payload: number;
  readonly receiveNs: number;
  readonly sendNs: number;
  readonly ackNs: number;
  readonly descriptorNs: number;
  /** Received segment against a fused copy-and-sum of the same payload. */
  readonly receiveRatio: number;
}

function sample(pair: FlowPair, cycles: number): CycleTimes {
  const times: CycleTimes = {
    descriptorNs: 0,
    sendNs: 0,
    receiveNs: 0,
    ackNs: 0,
    descriptors: 0,
    segments: 0,
  };
  for (let i = 0; i < cycles; i += 1) pair.cycle(times);
  return times;
}

function measure(pair: FlowPair, scale: BenchScale): CycleTimes[] {
  const samples = Math.max(1, Math.round(SAMPLES * Math.min(1, scale.rounds / 9)));
  const cycles = Math.max(2, Math.round(CYCLES * scale.work));
  sample(pair, cycles);
  return Array.from({ length: samples }, () => sample(pair, cycles));
}

function row(pair: FlowPair, scale: BenchScale, boundNs: number): Row {
  const times = measure(pair, scale);
  const median = (of: (t: CycleTimes) => number): number => quartiles(times.map(of)).median;
  const receiveNs = median((t) => t.receiveNs / t.segments);
  return {
    flows: pair.plan.flows,
    payload: pair.plan.payload,
    receiveNs,
    sendNs: median((t) => t.sendNs / t.segments),
    ackNs: median((t) => t.ackNs / t.segments),
    descriptorNs: median((t) => t.descriptorNs / t.descriptors),
    receiveRatio: receiveNs / boundNs,
  };
}

/** Segments by end and kind: the same plan does the same work. */
function addWork(hash: WorkHash, pair: FlowPair): void {
  for (const end of [pair.client, pair.server]) {
    for (const counter of [Counter.DataSegmentsIn, Counter.AcksIn, Counter.PayloadBytesIn]) {
      hash.add(end.counter(counter));
    }
  }
}

/** Every payload size by every number of flows. */
export async function segment(scale: BenchScale): Promise<BenchReport> {
  await assembleLoops();
  const module = loadModule("flextoe.wasm");
  const hash = new WorkHash();
  const rows: Row[] = [];
  // A smoke run leaves the large tables out: they are memory, not code.
  const flowCounts = scale.work < 0.01 ? FLOWS.slice(0, 1) : FLOWS;
  for (const payload of PAYLOADS) {
    const boundNs = copyAndSumNs(payload, scale.taskMs);
    for (const flows of flowCounts) {
      scale.say(`segment: ${flows} flows, ${payload} B`);
      const pair = new FlowPair({ module, flows, payload });
      rows.push(row(pair, scale, boundNs));
      pair.verify();
      addWork(hash, pair);
    }
  }
  const head = ["flows", "payload", "receive+ACK", "send", "ACK", "descriptor", "x copy-and-sum"];
  const cells = rows.map((r) => [
    `${r.flows}`,
    `${r.payload} B`,
    r.receiveNs.toFixed(1),
    r.sendNs.toFixed(1),
    r.ackNs.toFixed(1),
    r.descriptorNs.toFixed(1),
    r.receiveRatio.toFixed(2),
  ]);
  const lines = ["ns per segment, median", ...table([head, ...cells]), `work ${hash}`];
  // A bar is met from 1 on: what the most is, over what it was.
  const bars = BARS.map(([payload, most]) => {
    const first = rows.find((r) => r.payload === payload && r.flows === FLOWS[0]) as Row;
    const name = `segment, ${payload} B, ${most} copy-and-sums / one received segment`;
    return { name, least: 1, ratio: most / first.receiveRatio };
  });
  return { lines, values: { rows, work: hash.toString() }, bars };
}
