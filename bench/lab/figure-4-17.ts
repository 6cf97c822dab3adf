/**
 * `figure-4.17`: fairness (4.5.3). Bulk flows between two machines at line rate; goodput of each
 * connection over the same time, its median and 1st percentile against the fair share, and Jain's
 * index. What decides here is the sender's flow scheduler: its NIC takes what the wire takes. The
 * baseline has no scheduler's help: flows burst into one drop-tail queue of the switch.
 */
import { PROFILES } from "../../host/control-plane/profile.ts";
import type { Experiment, Given, LabOptions, LabReport, LabRow, Plot } from "./experiment.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { BulkStreams } from "./simulated-traffic.ts";
import { differences, jainIndex, percentile } from "./statistics.ts";

const LINE_RATE = 40e9;
const DELAY = 5_000;
const BUFFER = 16_384;
/** Above this the NIC is no bottleneck for the baseline. */
const FAST_NIC = 100e9;
const SHARED_QUEUE = 1 << 20;

const COUNTS = [64, 128, 256, 512, 1024, 2000];
const QUICK_COUNTS = [64, 512];

interface Scale {
  readonly warmUp: number;
  /** Of the rate policy, which starts at 10 Mbit/s and looks at an idle connection every 10 ms. */
  readonly rateWarmUp: number;
  readonly measured: number;
}

/** About 80 frames of each of 2,000 connections, 2,600 of each of 64. */
const FULL: Scale = { warmUp: 20e6, rateWarmUp: 100e6, measured: 50e6 };
const QUICK: Scale = { warmUp: 3e6, rateWarmUp: 15e6, measured: 6e6 };

const SIDES = ["window", "rate", "shared queue"] as const;
type Side = (typeof SIDES)[number];

interface Outcome {
  /** Payload, bits per second. */
  readonly total: number;
  /** Over the fair share, which is total / connections. */
  readonly median: number;
  readonly tail: number;
  readonly fairness: number;
}

function network(side: Side, connections: number, seed: number): SimulatedNetwork {
  const common = { seed, connections, delay: DELAY, buffer: BUFFER };
  const paper = { profile: PROFILES.paper, nsPerFrame: 0 };
  const scheduled = { ...common, lineRate: LINE_RATE, portQueue: { bytes: SHARED_QUEUE } };
  if (side === "window") return new SimulatedNetwork({ ...scheduled, machine: paper });
  if (side === "rate") {
    return new SimulatedNetwork({ ...scheduled, machine: { ...paper, congestion: "dctcp-rate" } });
  }
  return new SimulatedNetwork({
    ...scheduled,
    lineRate: FAST_NIC,
    portRate: LINE_RATE,
    machine: { profile: PROFILES.linux, nsPerFrame: 0 },
  });
}

function measure(side: Side, connections: number, scale: Scale, seed: number): Outcome {
  const simulated = network(side, connections, seed);
  const streams = new BulkStreams(simulated);
  simulated.pass(side === "rate" ? scale.rateWarmUp : scale.warmUp);
  const before = streams.received.slice();
  simulated.pass(scale.measured);
  const bytes = differences(streams.received, before);
  const sum = bytes.reduce((total, each) => total + each, 0);
  const share = sum / connections;
  return {
    total: (sum * 8e9) / scale.measured,
    median: percentile(bytes, 0.5) / share,
    tail: percentile(bytes, 0.01) / share,
    fairness: jainIndex(bytes),
  };
}

interface Point {
  readonly side: Side;
  readonly connections: number;
  readonly outcome: Outcome;
}

/** Connections for which the text gives Jain's index. */
const PUBLISHED_AT = 2000;

function rowsOf({ side, connections, outcome }: Point): LabRow[] {
  const row = (what: string, ours: number, anchor?: string, note?: string): LabRow => ({
    name: `${connections} conn., ${side}: ${what}`,
    ours,
    unit: "x",
    origin: "predicted",
    ...(anchor === undefined ? {} : { anchor }),
    ...(note === undefined ? {} : { note }),
  });
  const scheduled = side !== "shared queue";
  const index = scheduled ? "fig4.17.jfi_2k.flextoe" : "fig4.17.jfi_2k.linux";
  const tail = outcome.median > 0 ? outcome.tail / outcome.median : 0;
  const total = `${(outcome.total / 1e9).toFixed(2)} Gbit/s in all`;
  return [
    row("median / fair share", outcome.median, undefined, total),
    row("1st percentile / median", tail, scheduled ? "fig4.17.tail_over_median" : undefined),
    row("JFI", outcome.fairness, connections === PUBLISHED_AT ? index : undefined),
  ];
}

const GIVEN: readonly Given[] = [
  { name: "NICs", value: "40 Gbit/s", source: "4.5, testbed" },
  { name: "one-way delay", value: `${DELAY / 1000} us`, source: "assumed; not published" },
  { name: "socket buffers", value: "16 KiB", source: "assumed; not published" },
  { name: "shared queue", value: "1 MiB behind a 100 Gbit/s NIC", source: "ours, the baseline's" },
  {
    name: "measured time",
    value: `${FULL.measured / 1e6} ms, --quick ${QUICK.measured / 1e6} ms`,
    source: "the paper's is 60 s: over a longer time shares are more equal",
  },
];

const NOTES: readonly string[] = [
  "window: profile paper, DCTCP inline; rate: rate-based DCTCP of the control plane, as the",
  "paper's; shared queue: profile linux (CUBIC) over a drop-tail port. That is no model of Linux,",
  "whose queue discipline and cores are left out: it shows what a port does to flows that nobody",
  "schedules. Nothing is fitted. Data paths and applications take no time here.",
];

function plotOf(points: readonly Point[], what: "fairness" | "tail", title: string): Plot {
  return {
    title,
    x: { label: "connections", scale: "log" },
    y: { label: title, scale: "linear" },
    series: SIDES.map((name) => ({
      name,
      form: "line",
      points: points
        .filter(({ side }) => side === name)
        .map(({ connections, outcome }) => [connections, outcome[what]]),
    })),
  };
}

function run(options: LabOptions): LabReport {
  const points: Point[] = [];
  for (const connections of options.quick ? QUICK_COUNTS : COUNTS) {
    for (const side of SIDES) {
      options.say(`figure-4.17: ${connections} connections, ${side}`);
      const scale = options.quick ? QUICK : FULL;
      const outcome = measure(side, connections, scale, options.seed);
      points.push({ side, connections, outcome });
    }
  }
  return {
    rows: points.flatMap(rowsOf),
    given: GIVEN,
    plots: [
      plotOf(points, "tail", "1st percentile over the fair share"),
      plotOf(points, "fairness", "Jain's fairness index"),
    ],
    notes: NOTES,
  };
}

export const FIGURE_4_17: Experiment = {
  name: "figure-4.17",
  title: "connection throughput distribution at line rate",
  section: "4.5.3, Figure 4.17",
  run,
};
