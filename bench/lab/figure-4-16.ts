/**
 * `figure-4.16`: throughput under loss (4.5.3). (a) 64 B echo, 100 connections, up to 8 requests
 * pipelined on each; (b) bulk streams over 8 connections. Frames are lost at the switch, in both
 * directions, independently. Beside our profiles run baselines in the same world: the paper's
 * protocol without its out-of-order interval (as Chelsio's behaves), and the paper's protocol run
 * to completion on host cores (TAS-like).
 */
import { PROFILES } from "../../host/control-plane/profile.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, Given, LabOptions, LabReport, LabRow, Plot } from "./experiment.ts";
import { type Machine, SimulatedNetwork } from "./simulated-network.ts";
import { BulkStreams, PipelinedEcho } from "./simulated-traffic.ts";

const LINE_RATE = 40e9;
const QUEUE = 1 << 20;
const MARK_BYTES = 65 * 1500 * 4;
const ECHO_CONNECTIONS = 100;
const BULK_CONNECTIONS = 8;
const BULK_BUFFER = 262_144;
const ECHO_BUFFER = 16_384;
/** Of full frames a second on the wire, 1538 bytes each. */
const LINE_FRAMES = LINE_RATE / (1538 * 8);
const FRAMES_PER_REQUEST = 4;
const HOST_GHZ = 2;
/** Table 2.1: driver and TCP/IP of TAS, cycles per request. */
const TAS_CYCLES = 1620;
/** Table 4.2 and Table 2.1: sockets and application, cycles per request; the two are alike. */
const APPLICATION_CYCLES = 1630;

interface Variant {
  readonly name: string;
  readonly machine: Machine;
  /** One way, ns. */
  readonly delay: number;
}

/** FlexTOE's data path: so many requests per second (Table 4.3), four frames each. */
function offloadNsPerFrame(): number {
  return 1e3 / anchor("t4.3.baseline").value / FRAMES_PER_REQUEST;
}

function hostNsPerFrame(cores: number): number {
  return TAS_CYCLES / HOST_GHZ / FRAMES_PER_REQUEST / cores;
}

const OFFLOAD_RTT = "fig4.12.median.flextoe";
const HOST_RTT = "fig4.12.median.tas";

/** Half of an unloaded round trip (Figure 4.12), which a stack's own time is part of. */
function oneWay(id: string): number {
  return (anchor(id).value * 1000) / 2;
}

/** The least host cores that reach line rate in (b), as all stacks do there (footnote 6). */
function leastCores(): number {
  // A data segment and its ACK.
  return Math.ceil((2 * LINE_FRAMES * hostNsPerFrame(1)) / 1e9);
}

function variants(): Variant[] {
  const { paper, datacenter, internet } = PROFILES;
  const delay = oneWay(OFFLOAD_RTT);
  const nsPerFrame = offloadNsPerFrame();
  const offload = (name: string, machine: Omit<Machine, "nsPerFrame">): Variant => ({
    name,
    delay,
    machine: { ...machine, nsPerFrame },
  });
  return [
    offload(PAPER, { profile: paper }),
    offload("paper, rate", { profile: paper, congestion: "dctcp-rate" }),
    offload("datacenter", { profile: datacenter }),
    offload("internet", { profile: internet }),
    offload(NO_INTERVAL, { profile: { ...paper, intervals: 0 } }),
    {
      name: TAS_LIKE,
      delay: oneWay(HOST_RTT),
      machine: { profile: paper, nsPerFrame: hostNsPerFrame(leastCores()) },
    },
  ];
}

/** One curve's variants; ids of the rows. */
const PAPER = "paper";
const NO_INTERVAL = "no interval";
const TAS_LIKE = "TAS-like";
/** With fewer frames between losses than a run has, a run says nothing. */
const LOSSES = [0, 1e-4, 1e-3, 5e-3, 1e-2, 2e-2];
const QUICK_LOSSES = [0, 2e-2];
const WORST = 2e-2;

/** A run ends after so much, or after so long (ns of virtual time). */
interface Scale {
  readonly warmUp: number;
  readonly requests: number;
  readonly bytes: number;
  readonly longest: number;
}

const FULL: Scale = { warmUp: 20e6, requests: 60_000, bytes: 100e6, longest: 2e9 };
const QUICK: Scale = { warmUp: 1e6, requests: 2_500, bytes: 4e6, longest: 0.1e9 };

const sum = (values: Float64Array): number => values.reduce((total, each) => total + each, 0);

/** Units of `done` a second after the warm-up, until `enough` more of them. */
function rateOf(
  network: SimulatedNetwork,
  done: Float64Array,
  enough: number,
  scale: Scale,
): number {
  network.pass(scale.warmUp);
  const before = sum(done);
  const start = network.world.now;
  const end = start + scale.longest;
  const slice = Math.min(100e3, scale.longest);
  while (network.world.now < end && sum(done) - before < enough) network.pass(slice);
  return ((sum(done) - before) * 1e9) / (network.world.now - start);
}

function build(
  variant: Variant,
  connections: number,
  buffer: number,
  seed: number,
): SimulatedNetwork {
  return new SimulatedNetwork({
    seed,
    machine: variant.machine,
    connections,
    lineRate: LINE_RATE,
    delay: variant.delay,
    portQueue: { bytes: QUEUE, markBytes: MARK_BYTES },
    buffer,
  });
}

/** (a): requests per second. */
function echo(variant: Variant, loss: number, scale: Scale, seed: number): number {
  const network = build(variant, ECHO_CONNECTIONS, ECHO_BUFFER, seed);
  network.lose(loss);
  const { completed } = new PipelinedEcho(network, {
    messageBytes: 64,
    pipelined: 8,
    cores: anchor("fig4.9.knee").value,
    nsPerMessage: APPLICATION_CYCLES / HOST_GHZ,
  });
  return rateOf(network, completed, scale.requests, scale);
}

/** (b): payload bits per second. */
function bulk(variant: Variant, loss: number, scale: Scale, seed: number): number {
  const network = build(variant, BULK_CONNECTIONS, BULK_BUFFER, seed);
  network.lose(loss);
  const { received } = new BulkStreams(network);
  return rateOf(network, received, scale.bytes, scale) * 8;
}

interface Curve {
  readonly name: string;
  /** Loss to figure. */
  readonly points: ReadonlyMap<number, number>;
}

type Measure = (variant: Variant, loss: number, scale: Scale, seed: number) => number;

function curves(measure: Measure, what: string, options: LabOptions): Curve[] {
  return variants().map((variant) => {
    const losses = options.quick ? QUICK_LOSSES : LOSSES;
    const points = losses.map((loss): [number, number] => {
      options.say(`figure-4.16: ${what}, ${variant.name}, loss ${loss}`);
      return [loss, measure(variant, loss, options.quick ? QUICK : FULL, options.seed)];
    });
    return { name: variant.name, points: new Map(points) };
  });
}

function at(all: readonly Curve[], name: string, loss: number): number {
  const figure = all.find((curve) => curve.name === name)?.points.get(loss);
  if (figure === undefined) throw new Error(`figure-4.16: expected ${name} at loss ${loss}`);
  return figure;
}

const percent = (loss: number): string => `${Number((loss * 100).toPrecision(3))} %`;

function curveRows(all: readonly Curve[], what: string, unit: string, scale: number): LabRow[] {
  return all.flatMap((curve) => {
    const whole = at(all, curve.name, 0);
    return [...curve.points].map(
      ([loss, figure]): LabRow => ({
        name: `${what}, ${curve.name}, ${percent(loss)} loss`,
        ours: figure / scale,
        unit,
        origin: "predicted",
        note: `${((100 * figure) / whole).toFixed(1)} % of loss-free`,
      }),
    );
  });
}

/** The smallest loss of the list at which a curve has lost a tenth; Infinity when none does. */
function steepAt(all: readonly Curve[], name: string): number {
  const whole = at(all, name, 0);
  const losses = [...(all.find((curve) => curve.name === name)?.points.keys() ?? [])];
  return losses.find((loss) => at(all, name, loss) < 0.9 * whole) ?? Number.POSITIVE_INFINITY;
}

function claimRows(echoes: readonly Curve[], streams: readonly Curve[]): LabRow[] {
  const over = (all: readonly Curve[], name: string): number =>
    at(all, PAPER, WORST) / at(all, name, WORST);
  return [
    {
      name: `echo, 2 % loss: ${PAPER} / ${TAS_LIKE}`,
      ours: over(echoes, TAS_LIKE),
      unit: "x",
      origin: "predicted",
      anchor: "fig4.16.loss2pct_vs_tas",
      relation: "at-least",
      note: "the same protocol, fewer and slower servers: what is left is processing",
    },
    {
      name: `echo, 2 % loss: ${PAPER} / ${NO_INTERVAL}`,
      ours: over(echoes, NO_INTERVAL),
      unit: "x",
      origin: "predicted",
      anchor: "fig4.16.loss2pct_vs_others",
      note: "the paper's other stacks are Linux and Chelsio: more than an interval is different",
    },
    {
      name: `bulk, 2 % loss: ${PAPER} / ${NO_INTERVAL}`,
      ours: over(streams, NO_INTERVAL),
      unit: "x",
      origin: "predicted",
    },
    {
      name: `bulk, ${NO_INTERVAL}: loss that costs a tenth`,
      ours: steepAt(streams, NO_INTERVAL) * 100,
      unit: "% loss",
      origin: "predicted",
      anchor: "fig4.16.chelsio_steep_at",
      note: "Chelsio's decline is not explained by the missing interval",
    },
  ];
}

function plotOf(all: readonly Curve[], title: string, label: string, scale: number): Plot {
  return {
    title,
    x: { label: "frames lost, %", scale: "log" },
    y: { label, scale: "linear" },
    series: all.map(({ name, points }) => ({
      name,
      form: "line",
      points: [...points].map(([loss, figure]) => [loss * 100, figure / scale]),
    })),
  };
}

function given(): Given[] {
  const microseconds = (id: string): string => `${oneWay(id) / 1000} us`;
  return [
    { name: "NICs", value: "40 Gbit/s", source: "4.5, testbed" },
    {
      name: "one-way delay",
      value: `${microseconds(OFFLOAD_RTT)}, TAS-like ${microseconds(HOST_RTT)}`,
      source: "half of the median RPC of Figure 4.12",
    },
    {
      name: "data path, a frame",
      value: `${offloadNsPerFrame().toFixed(1)} ns`,
      source: "Table 4.3's 11.35 MOps, four frames a request",
    },
    {
      name: "TAS-like data path, a frame",
      value: `${hostNsPerFrame(1).toFixed(1)} ns on each of ${leastCores()} cores`,
      source: "Table 2.1's 1.62 kcycles a request at 2 GHz; the least cores that reach line rate",
    },
    {
      name: "applications of (a)",
      value: `${anchor("fig4.9.knee").value} cores, ${APPLICATION_CYCLES} cycles a request`,
      source: "Figure 4.9, Table 4.2",
    },
    { name: "port buffer", value: `${QUEUE >> 20} MiB`, source: "assumed; no queue forms here" },
  ];
}

const NOTES: readonly string[] = [
  "paper: one interval, go-back-N, an ACK per segment, DCTCP inline; paper, rate: the same with",
  "the control plane's rate-based DCTCP; no interval: paper with none; TAS-like: paper, run to",
  "completion. datacenter and internet: 32 intervals, losses found by RACK-TLP.",
  "Loss and what follows from it are predicted; service times and delays are given. All points of",
  "the figure but those with an anchor were published as a picture. internet has a minimum RTO of",
  "200 ms: a run of a stalled stream is cut after 2 s of virtual time. Rates of the control plane",
  "start at 10 Mbit/s: in --quick they are still opening.",
];

function run(options: LabOptions): LabReport {
  const echoes = curves(echo, "echo", options);
  const streams = curves(bulk, "bulk", options);
  return {
    rows: [
      ...curveRows(echoes, "echo", "Mreq/s", 1e6),
      ...curveRows(streams, "bulk", "Gbit/s", 1e9),
      ...claimRows(echoes, streams),
    ],
    given: given(),
    plots: [
      plotOf(echoes, "(a) 64 B echo, 100 connections, 8 pipelined", "million requests/s", 1e6),
      plotOf(streams, "(b) bulk, 8 connections", "goodput, Gbit/s", 1e9),
    ],
    notes: NOTES,
  };
}

export const FIGURE_4_16: Experiment = {
  name: "figure-4.16",
  title: "throughput under packet loss",
  section: "4.5.3, Figure 4.16",
  run,
};
