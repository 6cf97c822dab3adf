/**
 * `table-4.5`: incast (4.5.3). One machine sends 64 KB requests with 32 B responses to another
 * through a switch port shaped to 40 Gbit/s over the incast degree, with the control plane's
 * rate-based DCTCP on and off, and with the window-based DCTCP of the data path for comparison.
 */
import { PROFILES } from "../../host/control-plane/profile.ts";
import type { Experiment, Given, LabOptions, LabReport, LabRow, Plot } from "./experiment.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { LargeRequests } from "./simulated-traffic.ts";
import { differences, jainIndex, percentile } from "./statistics.ts";

const LINE_RATE = 40e9;
const REQUEST = 65_536;
const ANSWER = 32;
const DELAY = 5_000;
const QUEUE = 262_144;
/** RFC 8257, 3.1 leaves it open; 65 frames at 10 Gbit/s, scaled with the port's rate. */
const MARK_BYTES_AT_10G = 65 * 1500;
const MARK_BYTES_LEAST = 20 * 1500;

type Case = readonly [degree: number, connections: number];

const CASES: readonly Case[] = [
  [4, 16],
  [4, 64],
  [4, 128],
  [10, 10],
  [20, 20],
];
/** Of `--quick`: one with many connections to a port, one with a slow port. */
const QUICK_CASES: readonly Case[] = [
  [4, 64],
  [20, 20],
];

/** How much is run: ns of virtual time before the count, requests counted at least. */
interface Scale {
  readonly warmUp: number;
  readonly requests: number;
}

const FULL: Scale = { warmUp: 200e6, requests: 12_000 };
const QUICK: Scale = { warmUp: 50e6, requests: 600 };
/** Virtual time after which a run ends with what it has. */
const LONGEST = 30e9;

/** TCP_CONGESTION of each mode; undefined: the profile's, DCTCP inline. */
const MODES = { on: "dctcp-rate", off: "none", window: "dctcp" } as const;
type Mode = keyof typeof MODES;

interface Outcome {
  /** Payload bits per second that the server's application took. */
  readonly throughput: number;
  /** ns. */
  readonly tail: number;
  readonly fairness: number;
  readonly requests: number;
  readonly dropped: number;
  readonly marked: number;
}

function incast(
  degree: number,
  connections: number,
  mode: Mode,
  scale: Scale,
  seed: number,
): Outcome {
  const portRate = LINE_RATE / degree;
  const markBytes = Math.max(MARK_BYTES_LEAST, (MARK_BYTES_AT_10G * portRate) / 10e9);
  const network = new SimulatedNetwork({
    seed,
    machine: { profile: PROFILES.paper, congestion: MODES[mode], nsPerFrame: 0 },
    connections,
    lineRate: LINE_RATE,
    portRate,
    delay: DELAY,
    portQueue: { bytes: QUEUE, markBytes },
    buffer: REQUEST,
  });
  const traffic = new LargeRequests(network, REQUEST, ANSWER);
  network.pass(scale.warmUp);
  const before = traffic.completed.slice();
  const start = network.world.now;
  const link = network.down.counters(0);
  const [dropped, marked] = [link.dropped.queue, link.marked];
  traffic.clear();
  network.world.run(
    () => traffic.times.length >= scale.requests || network.world.now > start + LONGEST,
  );
  const done = differences(traffic.completed, before);
  const bits = done.reduce((sum, count) => sum + count, 0) * REQUEST * 8;
  return {
    throughput: (bits / (network.world.now - start)) * 1e9,
    tail: percentile(traffic.times, 0.9999),
    fairness: jainIndex(done),
    requests: traffic.times.length,
    dropped: link.dropped.queue - dropped,
    marked: link.marked - marked,
  };
}

interface Cell {
  readonly degree: number;
  readonly connections: number;
  readonly mode: Mode;
  readonly outcome: Outcome;
}

const nameOf = ({ degree, connections }: Cell): string => `degree ${degree}, ${connections} conn.`;

function rowsOf(cell: Cell, scale: Scale): LabRow[] {
  const { degree, connections, mode, outcome } = cell;
  const published = mode !== "window";
  const row = (what: string, key: string, ours: number, unit: string, note?: string): LabRow => ({
    name: `${nameOf(cell)}, ${mode}: ${what}`,
    ours,
    unit,
    origin: "predicted",
    ...(published ? { anchor: `t4.5.deg${degree}.conn${connections}.${key}_${mode}` } : {}),
    ...(note === undefined ? {} : { note }),
  });
  const short = outcome.requests < 10_000;
  const largest = short ? `largest of ${outcome.requests} requests` : undefined;
  const frames = `${outcome.dropped} dropped, ${outcome.marked} marked at the port`;
  const unfinished = outcome.requests < scale.requests ? `; only ${outcome.requests} requests` : "";
  return [
    row("throughput", "tput", outcome.throughput / 1e9, "Gbit/s", frames + unfinished),
    row("99.99 % latency", "p9999", outcome.tail / 1e6, "ms", largest),
    row("JFI", "jfi", outcome.fairness, ""),
  ];
}

/** The text's two ratios: both are those of degree 20. */
function ratioRows(cells: readonly Cell[]): LabRow[] {
  const last = (mode: Mode): Outcome => {
    const found = cells.find((cell) => cell.degree === 20 && cell.mode === mode);
    if (found === undefined) throw new Error(`table-4.5: expected degree 20, ${mode}`);
    return found.outcome;
  };
  const [on, off] = [last("on"), last("off")];
  return [
    {
      name: "degree 20: latency off / on",
      ours: off.tail / on.tail,
      unit: "x",
      origin: "predicted",
      anchor: "t4.5.tail_inflation_off",
    },
    {
      name: "degree 20: JFI on / off",
      ours: on.fairness / off.fairness,
      unit: "x",
      origin: "predicted",
      anchor: "t4.5.fairness_skew_off",
    },
  ];
}

const GIVEN: readonly Given[] = [
  { name: "NICs", value: "40 Gbit/s", source: "4.5, testbed" },
  { name: "switch port", value: "40 Gbit/s / degree", source: "4.5.3, and what Table 4.5 reaches" },
  { name: "requests, responses", value: "64 KiB, 32 B", source: "4.5.3" },
  { name: "one-way delay", value: `${DELAY / 1000} us`, source: "assumed; not published" },
  { name: "port buffer", value: `${QUEUE / 1024} KiB`, source: "assumed; not published" },
  {
    name: "marking threshold",
    value: "65 frames at 10 Gbit/s, with the rate, at least 20 frames",
    source: "assumed; the text has WRED without its numbers",
  },
  { name: "socket buffers", value: "64 KiB", source: "assumed: one request" },
];

const NOTES: readonly string[] = [
  "on: rate-based DCTCP of the control plane (TCP_CONGESTION dctcp-rate); off: none, the peer's",
  "window alone; window: DCTCP inline in the data path, which the paper did not measure.",
  "Nothing is fitted. Data paths and applications take no time here: only the port queues.",
  "Off is milder than the paper's at degrees 10 and 20 (goodput and JFI hardly fall): the buffer",
  "and the thresholds of its port are not published, and ours may be kinder. At degree 4 its tail",
  "is longer: RFC 6298 doubles each timeout, the published FlexTOE code does not.",
];

function plotOf(cells: readonly Cell[], what: keyof Outcome, title: string, unit: number): Plot {
  return {
    title,
    x: { label: "", scale: "category" },
    y: { label: title, scale: what === "tail" ? "log" : "linear" },
    series: (Object.keys(MODES) as Mode[]).map((mode) => ({
      name: mode,
      form: "bars",
      points: cells
        .filter((cell) => cell.mode === mode)
        .map((cell) => [nameOf(cell), cell.outcome[what] / unit]),
    })),
  };
}

function run(options: LabOptions): LabReport {
  const scale = options.quick ? QUICK : FULL;
  const cells: Cell[] = [];
  for (const [degree, connections] of options.quick ? QUICK_CASES : CASES) {
    for (const mode of Object.keys(MODES) as Mode[]) {
      options.say(`table-4.5: degree ${degree}, ${connections} connections, ${mode}`);
      const outcome = incast(degree, connections, mode, scale, options.seed);
      cells.push({ degree, connections, mode, outcome });
    }
  }
  return {
    rows: [...cells.flatMap((cell) => rowsOf(cell, scale)), ...ratioRows(cells)],
    given: GIVEN,
    plots: [
      plotOf(cells, "throughput", "throughput, Gbit/s", 1e9),
      plotOf(cells, "tail", "99.99 % latency, ms", 1e6),
      plotOf(cells, "fairness", "Jain's fairness index", 1),
    ],
    notes: NOTES,
  };
}

export const TABLE_4_5: Experiment = {
  name: "table-4.5",
  title: "congestion control under incast",
  section: "4.5.3, Table 4.5",
  run,
};
