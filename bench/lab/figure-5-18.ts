/**
 * `figure-5.18`: one stream of a host with Laminar into a shaper of 1/degree of the line and a TAS
 * receiver (5.5.4.2): with the control plane's DCTCP, and without (NoCC). Credits, acknowledgments
 * and fast retransmission are the stage program's.
 */
import { LaminarStream } from "../../host/modelled/laminar/laminar-stream.ts";
import { LaminarHost } from "../../host/modelled/laminar/rdma-host.ts";
import { RdmaHost } from "../../host/modelled/laminar/rdma-host.ts";
import { packetOf, type Port, tcpFrameBytes } from "../../host/modelled/laminar/rmt-switch.ts";
import { Shaper } from "../../host/modelled/laminar/shaper.ts";
import { StackReceiver } from "../../host/modelled/laminar/stack-receiver.ts";
import { anchor } from "./anchors.ts";
import type { Experiment, LabOptions, LabReport } from "./experiment.ts";
import {
  hostOptions,
  hostsGiven,
  moduleCode,
  newSwitch,
  switchGiven,
  switchOptions,
  tasSegmentNs,
  testbed,
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
const FIRST = 0xffff0000;

export interface IncastPoint {
  readonly gbps: number;
  /** What shaper and receiver let through. */
  readonly best: number;
  /** After the start. */
  readonly dropped: number;
  readonly timeouts: number;
}

export function incast(
  options: Pick<LabOptions, "quick" | "seed">,
  degree: number,
  congestion: boolean,
  markFrom = anchor("fig5.18.ecn_threshold").value,
): IncastPoint {
  const bed = testbed(options.seed);
  const { simulation } = bed;
  const grants = { grantNs: GRANT_NS, grantIdle: 1 << 20, creditsMost: RECEIVE_WINDOW };
  const to = newSwitch(bed, switchOptions(options.seed, 2, 2, grants));
  const host = new RdmaHost(simulation, hostOptions({ cores: 1 }), bed.prng);
  const sender = new LaminarHost(to, host, 65_536);
  const frame = tcpFrameBytes(SEGMENT);
  const shaper = new Shaper(simulation, moduleCode, LINE / degree, QUEUE_PACKETS, frame, markFrom);
  const receiver = new StackReceiver(
    simulation,
    { intervals: 1, segmentNs: tasSegmentNs(0), inNs: 625, outNs: 625, ring: RING },
    (offset, marked) => {
      const ack = (FIRST + offset) >>> 0;
      const edge = (ack + RECEIVE_WINDOW) >>> 0;
      to.fromWire(packetOf(1, { seq: FIRST, ack, edge, hasAck: 1, marked }));
    },
  );
  const port: Port = {
    deliver: ({ seq, length }) => {
      const offset = receiver.received + ((seq - FIRST - receiver.received) | 0);
      shaper.pass((marked) => receiver.arrive(offset, length, marked));
    },
  };
  const control = { congestion, gbpsMost: LINE, gbpsLeast: 0.5, periodNs: PERIOD_NS };
  const stream = new LaminarStream(to, sender, to.attach(port), SEGMENT, RECEIVE_WINDOW, {
    ...control,
    grantNs: GRANT_NS,
    timeoutNs: TIMEOUT_NS,
  });
  stream.start();
  // Past what slow start overshoots.
  const warmUp = 12e6;
  const ns = options.quick ? 8e6 : 30e6;
  simulation.runTo(warmUp);
  const before = receiver.received;
  const early = shaper.drops + receiver.dropped;
  simulation.runTo(warmUp + ns);
  const share = SEGMENT / frame;
  return {
    gbps: ((receiver.received - before) * 8) / ns,
    best: Math.min((LINE / degree) * share, (SEGMENT * 8) / tasSegmentNs(0)),
    dropped: shaper.drops + receiver.dropped - early,
    timeouts: stream.timeouts,
  };
}

function run(options: LabOptions): LabReport {
  const degrees = options.quick ? QUICK_DEGREES : DEGREES;
  const points = (congestion: boolean): IncastPoint[] =>
    degrees.map((degree) => {
      options.say(`degree ${degree}, ${congestion ? "DCTCP" : "NoCC"}`);
      return incast(options, degree, congestion);
    });
  const [dctcp, none] = [points(true), points(false)];
  const worst = Math.max(...none.map(({ gbps }, i) => (dctcp[i] as IncastPoint).gbps / gbps));
  const line = (all: readonly IncastPoint[], of: (point: IncastPoint) => number) =>
    all.map((point, i) => [degrees[i] as number, of(point)] as const);
  return {
    rows: [
      {
        ...{ name: "without congestion control, at worst", ours: worst, unit: "x lower" },
        ...{ origin: "predicted", anchor: "fig5.18.nocc", relation: "at-most" },
      },
      {
        ...{ name: "marks from", ours: anchor("fig5.18.ecn_threshold").value, unit: "packets" },
        ...{ origin: "calibrated", anchor: "fig5.18.ecn_threshold" },
        note: "given to the model; the paper names no unit, packets are assumed",
      },
      ...dctcp.map((point, i) => ({
        ...{ name: `degree ${degrees[i]}: of the best`, ours: point.gbps / point.best, unit: "x" },
        ...{ origin: "predicted" as const, note: `${point.dropped} drops` },
      })),
      ...none.map((point, i) => ({
        ...{ name: `degree ${degrees[i]}, NoCC: of the best`, unit: "x" },
        ...{ ours: point.gbps / point.best, origin: "predicted" as const },
        note: `${point.dropped} drops, ${point.timeouts} timeouts`,
      })),
    ],
    given: [
      ...switchGiven(),
      ...hostsGiven(),
      { name: "shaper", value: `${QUEUE_PACKETS} packets`, source: "assumed: not in the text" },
      { name: "TAS receiver", value: "200 ns a segment, ring of 1024", source: "TAS-nocopy, 5.15" },
      { name: "window", value: `${RECEIVE_WINDOW} B`, source: "assumed: wider than the queues" },
      {
        name: "DCTCP",
        value: `once a round trip, a segment more; SYNC each ${GRANT_NS} ns`,
        source: "assumed: not in the text",
      },
      { name: "RTO", value: `${TIMEOUT_NS} ns`, source: "assumed" },
    ],
    plots: [
      {
        title: "One stream into a shaper (Figure 5.18)",
        x: { label: "incast degree", scale: "log" },
        y: { label: "Gbit/s", scale: "log" },
        series: [
          { name: "Laminar", form: "line", points: line(dctcp, ({ gbps }) => gbps) },
          { name: "Laminar-NoCC", form: "line", points: line(none, ({ gbps }) => gbps) },
          { name: "best", form: "marks", points: line(dctcp, ({ best }) => best) },
        ],
      },
    ],
    notes: ["TAS and Linux as senders are not modelled."],
  };
}

export const FIGURE_5_18: Experiment = {
  name: "figure-5.18",
  title: "one stream under incast, with and without congestion control",
  section: "5.5.4.2, Figure 5.18",
  run,
};
