/**
 * `figure-5.18`: one stream into a shaper of 1/degree of the line and a TAS receiver (5.5.4.2),
 * with congestion control and without (NoCC). Laminar: credits, acknowledgments and fast
 * retransmission are the stage program's; baselines: FlexTOE on its modelled NIC, and TAS, run to
 * completion.
 */
import { Lane } from "../../host/modelled/laminar/lane.ts";
import { LaminarStream } from "../../host/modelled/laminar/laminar-stream.ts";
import { LaminarHost, RdmaHost } from "../../host/modelled/laminar/rdma-host.ts";
import { packetOf, tcpFrameBytes } from "../../host/modelled/laminar/rmt-switch.ts";
import { Shaper } from "../../host/modelled/laminar/shaper.ts";
import { StackReceiver } from "../../host/modelled/laminar/stack-receiver.ts";
import { offsetOf, seqAt } from "../../host/modelled/laminar/stream-offset.ts";
import { senderOptions, StreamSender } from "../../host/modelled/laminar/stream-sender.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import { pathNs } from "./flextoe-echo.ts";
import { flextoeGiven, FlexToeHost } from "./flextoe-host.ts";
import { FlexToeStream } from "./flextoe-stream.ts";
import {
  hostOptions,
  hostsGiven,
  moduleCode,
  newSwitch,
  RECEIVE_NS,
  SEND_NS,
  switchGiven,
  switchOptions,
  tasSegmentNs,
  type Testbed,
  testbed,
  WIRE_NS,
} from "./laminar-setting.ts";

const SEGMENT = 1448;
const LINE = 100;
const RECEIVE_WINDOW = 4 << 20;
const QUEUE_PACKETS = 512;
const RING = 1024;
const GRANT_NS = 10_000;
const PERIOD_NS = 25_000;
const TIMEOUT_NS = 1_000_000;
const DEGREES = [1, 2, 4, 8, 16];
const QUICK_DEGREES = [1, 4, 16];
/** The modelled NIC runs every stage of every segment: fewer points, less time. */
const QUICK_FLEXTOE_DEGREES = [1, 16];
const FLEXTOE_SHARE = 1 / 4;
/** Past what slow start overshoots. */
const WARM_UP_NS = 12e6;
/** FlexTOE's slow start, from 10 Mbit/s, and its way back from a cut, 10 Mbit/s a step of 50 us. */
const FLEXTOE_START_NS = 4e6;
const FLEXTOE_SETTLED_NS = 60e6;

export interface IncastPoint {
  readonly gbps: number;
  /** What shaper and receiver let through. */
  readonly best: number;
  /** After the start. */
  readonly dropped: number;
  readonly timeouts: number;
}

/** An ACK as it leaves the receiver's cable. */
type Answer = (offset: number, marked: boolean) => void;
/** A segment in the shaper. */
type Arrive = (offset: number, length: number) => void;

interface Sender {
  readonly answer: Answer;
  readonly start: () => void;
  readonly timeouts: () => number;
}

/** A sender over a path to the receiver that `arrive` begins. */
type MakeSender = (bed: Testbed, seed: number, arrive: Arrive, congestion: boolean) => Sender;

/** libTOE, the stage program and the control plane. */
function laminarSender(bed: Testbed, seed: number, arrive: Arrive, congestion: boolean): Sender {
  const grants = { grantNs: GRANT_NS, grantIdle: 1 << 20, creditsMost: RECEIVE_WINDOW };
  const to = newSwitch(bed, switchOptions(seed, 2, 2, grants));
  const host = new RdmaHost(bed.simulation, hostOptions({ cores: 1 }), bed.prng);
  let most = 0;
  const away = to.attach({
    deliver: ({ seq, length }) => {
      const offset = offsetOf(seq, most);
      most = Math.max(most, offset);
      arrive(offset, length);
    },
  });
  const control = { congestion, gbpsMost: LINE, gbpsLeast: 0.5, periodNs: PERIOD_NS };
  const times = { grantNs: GRANT_NS, timeoutNs: TIMEOUT_NS };
  const sender = new LaminarHost(to, host, 65_536);
  const options = { ...control, ...times };
  const stream = new LaminarStream(to, sender, away, SEGMENT, RECEIVE_WINDOW, options);
  return {
    start: () => stream.start(),
    timeouts: () => stream.timeouts,
    answer: (offset, marked) => {
      const [ack, edge] = [seqAt(offset), seqAt(offset + RECEIVE_WINDOW)];
      to.fromWire(packetOf(1, { seq: seqAt(0), ack, edge, hasAck: 1, marked }));
    },
  };
}

/** Our data path on its modelled NIC, with its own control plane's DCTCP. */
function flextoeSender(bed: Testbed, seed: number, arrive: Arrive, congestion: boolean): Sender {
  const { simulation } = bed;
  const host = new FlexToeHost(bed, { flows: 1, seed, bufferShift: Math.log2(RECEIVE_WINDOW) });
  const stream = new FlexToeStream(simulation, host, SEGMENT, TIMEOUT_NS);
  host.out = ({ offset, length }) => {
    if (length > 0) simulation.after(pathNs(), () => arrive(offset, length));
  };
  return {
    start: () => stream.start(RECEIVE_WINDOW, congestion),
    timeouts: () => stream.timeouts,
    answer: (acked, marked) => {
      stream.acknowledged(acked);
      host.receive({ flow: 1, offset: 0, length: 0, acked, marked }, pathNs());
    },
  };
}

/** TAS: a core that runs each segment to completion, copies included. */
function tasSender(bed: Testbed, _: number, arrive: Arrive, congestion: boolean): Sender {
  const { simulation } = bed;
  const limits = { windowBytes: RECEIVE_WINDOW, timeoutNs: TIMEOUT_NS, congestion };
  const options = senderOptions(SEGMENT, LINE, { ...limits, coreNs: tasSegmentNs(SEGMENT) });
  const ns = SEND_NS + pathNs();
  const sender = new StreamSender(simulation, new Lane(simulation), options, (offset, length) =>
    simulation.after(ns, () => arrive(offset, length)),
  );
  return {
    start: () => sender.start(),
    timeouts: () => sender.timeouts,
    answer: (offset, marked) => simulation.after(ns, () => sender.acknowledge(offset, marked)),
  };
}

const SENDERS = { Laminar: laminarSender, FlexTOE: flextoeSender, TAS: tasSender } as const;
export type IncastStack = keyof typeof SENDERS;

/** What passes before anything is counted. */
function warmUpNs(stack: IncastStack, degree: number, congestion: boolean): number {
  if (stack !== "FlexTOE") return WARM_UP_NS;
  const isCut = congestion && LINE / degree < NFP_4000.lineGigabits.value;
  return isCut ? FLEXTOE_SETTLED_NS : FLEXTOE_START_NS;
}

export function incast(
  options: Pick<LabOptions, "quick" | "seed">,
  stack: IncastStack,
  degree: number,
  congestion: boolean,
  changes: { readonly markFrom?: number; readonly warmUpNs?: number } = {},
): IncastPoint {
  const bed = testbed(options.seed);
  const { simulation } = bed;
  const frame = tcpFrameBytes(SEGMENT);
  const markFrom = changes.markFrom ?? anchor("fig5.18.ecn_threshold").value;
  const shaper = new Shaper(simulation, moduleCode, LINE / degree, QUEUE_PACKETS, frame, markFrom);
  const make: MakeSender = SENDERS[stack];
  const sender = make(
    bed,
    options.seed,
    (offset, length) => shaper.pass((marked) => receiver.arrive(offset, length, marked)),
    congestion,
  );
  const ends = { inNs: WIRE_NS + RECEIVE_NS, outNs: SEND_NS + WIRE_NS };
  const receiver = new StackReceiver(
    simulation,
    { intervals: 1, segmentNs: tasSegmentNs(0), ...ends, ring: RING },
    sender.answer,
  );
  sender.start();
  const warmUp = changes.warmUpNs ?? warmUpNs(stack, degree, congestion);
  simulation.runTo(warmUp);
  const before = receiver.received;
  const early = shaper.drops + receiver.dropped;
  const ns = (options.quick ? 8e6 : 30e6) * (stack === "FlexTOE" ? FLEXTOE_SHARE : 1);
  simulation.runTo(warmUp + ns);
  return {
    gbps: ((receiver.received - before) * 8) / ns,
    best: Math.min((LINE / degree) * (SEGMENT / frame), (SEGMENT * 8) / tasSegmentNs(0)),
    dropped: shaper.drops + receiver.dropped - early,
    timeouts: sender.timeouts(),
  };
}

/** A curve of the figure. */
interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [degree: number, point: IncastPoint])[];
}

function curvesOf(options: LabOptions): Curve[] {
  const cases: readonly (readonly [string, IncastStack, congestion: boolean])[] = [
    ["Laminar", "Laminar", true],
    ["Laminar, NoCC", "Laminar", false],
    ["FlexTOE", "FlexTOE", true],
    ["FlexTOE, NoCC", "FlexTOE", false],
    ["TAS", "TAS", true],
  ];
  const quick = (stack: IncastStack): readonly number[] =>
    stack === "FlexTOE" ? QUICK_FLEXTOE_DEGREES : QUICK_DEGREES;
  return cases.map(([name, stack, congestion]) => ({
    name,
    points: (options.quick ? quick(stack) : DEGREES).map((degree) => {
      options.say(`${name}, degree ${degree}`);
      return [degree, incast(options, stack, degree, congestion)] as const;
    }),
  }));
}

function rowsOf({ name, points }: Curve): LabRow[] {
  return points.map(([degree, { gbps, best, dropped, timeouts }]) => ({
    name: `${name}, degree ${degree}: of the best`,
    ours: gbps / best,
    unit: "x",
    origin: "predicted",
    note: `${gbps.toFixed(1)} Gbit/s, ${dropped} drops, ${timeouts} timeouts`,
  }));
}

const GIVEN = (): LabReport["given"] => [
  ...switchGiven(),
  ...hostsGiven(),
  { name: "shaper", value: `${QUEUE_PACKETS} packets`, source: "assumed: not in the text" },
  {
    name: "TAS",
    value: `${tasSegmentNs(0)} ns a segment, ring of ${RING}; sender ${tasSegmentNs(SEGMENT)} ns`,
    source: "fitted: Figure 5.15; the receiver does not copy; the ring is assumed",
  },
  { name: "window", value: `${RECEIVE_WINDOW} B`, source: "assumed: wider than the queues" },
  {
    name: "DCTCP of Laminar",
    value: `once a round trip, a segment more; SYNC each ${GRANT_NS} ns`,
    source: "assumed: not in the text",
  },
  {
    name: "DCTCP of FlexTOE",
    value: "every two round trips, 10 Mbit/s more",
    source: "our control plane's (4.2): host/control-plane/congestion/dctcp-rate.ts",
  },
  { name: "RTO", value: `${TIMEOUT_NS} ns`, source: "assumed" },
  ...flextoeGiven(),
];

function run(options: LabOptions): LabReport {
  const curves = curvesOf(options);
  const [dctcp, none] = curves.map(({ points }) => points) as [Curve["points"], Curve["points"]];
  const slower = none.map(([, { gbps }], i) => (dctcp[i]?.[1].gbps as number) / gbps);
  const line = (points: Curve["points"], of: (point: IncastPoint) => number) =>
    points.map(([degree, point]) => [degree, of(point)] as const);
  return {
    rows: [
      {
        ...{ name: "without congestion control, at worst", unit: "x lower" },
        ...{ ours: Math.max(...slower), origin: "predicted" },
        ...{ anchor: "fig5.18.nocc", relation: "at-most" },
      },
      {
        ...{ name: "marks from", ours: anchor("fig5.18.ecn_threshold").value, unit: "packets" },
        ...{ origin: "calibrated", anchor: "fig5.18.ecn_threshold" },
        note: "given to the model; the paper names no unit, packets are assumed",
      },
      ...curves.flatMap(rowsOf),
    ],
    given: GIVEN(),
    plots: [
      {
        title: "One stream into a shaper (Figure 5.18)",
        x: { label: "incast degree", scale: "log" },
        y: { label: "Gbit/s", scale: "log" },
        series: [
          ...curves.map(({ name, points }) => ({
            name,
            form: "line" as const,
            points: line(points, ({ gbps }) => gbps),
          })),
          { name: "best", form: "marks", points: line(dctcp, ({ best }) => best) },
        ],
      },
    ],
    notes: [
      "FlexTOE's card has 40 Gbit/s and TAS copies: neither reaches the best of degree 1.",
      "Linux as a sender is not modelled: its locks and its wake-ups are no part of Table 2.1.",
    ],
  };
}

export const FIGURE_5_18: Experiment = {
  name: "figure-5.18",
  title: "one stream under incast, with and without congestion control",
  section: "5.5.4.2, Figure 5.18",
  run,
};
