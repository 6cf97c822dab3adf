/**
 * One-way streams of 5.5.2.1 and 5.5.4.1: TAS senders, and Laminar or a stack on host cores that
 * receives. Loss is between sender and receiver, of data segments, independent and seeded.
 */
import { Lane } from "../../host/modelled/laminar/lane.ts";
import { LaminarReceiver, STREAM_BUFFER } from "../../host/modelled/laminar/laminar-receiver.ts";
import { LaminarHost, RdmaHost } from "../../host/modelled/laminar/rdma-host.ts";
import type { RmtSwitch } from "../../host/modelled/laminar/rmt-switch.ts";
import { StackReceiver } from "../../host/modelled/laminar/stack-receiver.ts";
import { senderOptions, StreamSender } from "../../host/modelled/laminar/stream-sender.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import type { ProgramMachine } from "../../host/rmt/program-machine.ts";
import { pathNs } from "./flextoe-echo.ts";
import { FlexToeHost } from "./flextoe-host.ts";
import {
  forwardNs,
  hostOptions,
  newSwitch,
  RECEIVE_NS,
  SEND_NS,
  switchOptions,
  tasSegmentNs,
  type Testbed,
  testbed,
  WIRE_NS,
} from "./laminar-setting.ts";

export type StreamStack = "Laminar" | "FlexTOE" | "TAS" | "no interval";

export interface StreamPlan {
  readonly stack: StreamStack;
  readonly connections: number;
  readonly segmentBytes: number;
  readonly loss: number;
  readonly seed: number;
  readonly warmUpNs: number;
  readonly ns: number;
  /** AIMD and DCTCP; false: an open loop but for the window. */
  readonly congestion: boolean;
  readonly gbps: number;
  /** Another program than ours. */
  readonly machine?: ProgramMachine;
  readonly mirrorLoss?: number;
  /** Bounds what a connection has under way. */
  readonly windowSegments?: number;
}

export interface StreamResult {
  readonly gbps: number;
  /** Segments a second, millions. */
  readonly mpps: number;
  /** Sent over what arrived in order. */
  readonly sentOverGood: number;
  readonly timeouts: number;
  readonly passes: number;
}

const TIMEOUT_NS = 500_000;
const BUFFER_SHIFT = Math.log2(STREAM_BUFFER);

type Arrive = (row: number, offset: number, length: number) => void;

interface Ends {
  readonly arrive: Arrive;
  readonly to: RmtSwitch | undefined;
  /** Bytes that the application has. */
  readonly read: () => number;
}

/** `answer`: an ACK that has reached the sender. */
type Answer = (row: number, offset: number, marked: boolean) => void;

function laminarEnds(bed: Testbed, plan: StreamPlan, answer: Answer): Ends {
  const { seed, connections, gbps, machine, mirrorLoss } = plan;
  const options = switchOptions(seed, 2, connections + 1, {
    grantNs: 1e9,
    mirrorLoss: mirrorLoss ?? 0,
  });
  const to = newSwitch(bed, options, machine);
  const of = hostOptions({ cores: 1, gbps, copyNs: 0 });
  const host = new RdmaHost(bed.simulation, of, bed.prng);
  const receiver = new LaminarReceiver(to, new LaminarHost(to, host, STREAM_BUFFER), STREAM_BUFFER);
  for (let row = 1; row <= connections; row += 1) {
    receiver.open(row, (offset, marked) => {
      bed.simulation.after(WIRE_NS + RECEIVE_NS, () => answer(row, offset, marked));
    });
  }
  return {
    to,
    read: () => receiver.read,
    arrive: (row, offset, length) => receiver.arrive(row, offset, length, false),
  };
}

function stackEnds(bed: Testbed, plan: StreamPlan, answer: Answer): Ends {
  const core = new Lane(bed.simulation);
  const inNs = forwardNs() + WIRE_NS + RECEIVE_NS;
  const outNs = SEND_NS + WIRE_NS + forwardNs();
  const receivers = Array.from({ length: plan.connections }, (_, i) => {
    const options = {
      intervals: plan.stack === "TAS" ? 1 : 0,
      segmentNs: tasSegmentNs(plan.segmentBytes),
      inNs,
      outNs,
      ring: 1024,
    } as const;
    const reply = (offset: number, marked: boolean): void => {
      bed.simulation.after(WIRE_NS + RECEIVE_NS, () => answer(i + 1, offset, marked));
    };
    return new StackReceiver(bed.simulation, options, reply, core);
  });
  const arrive: Arrive = (row, offset, length) =>
    (receivers[row - 1] as StackReceiver).arrive(offset, length, false);
  const read = (): number => receivers.reduce((sum, { received }) => sum + received, 0);
  return { to: undefined, arrive, read };
}

/** The card's line is narrower than the testbed's: senders are as fast as it is. */
function gbpsOf({ stack, gbps }: StreamPlan): number {
  return stack === "FlexTOE" ? Math.min(gbps, NFP_4000.lineGigabits.value) : gbps;
}

/** An application that reads at once: FlexTOE copies nothing, its core is not the bottleneck. */
function flextoeEnds(bed: Testbed, plan: StreamPlan, answer: Answer): Ends {
  const { connections: flows, seed, segmentBytes: mss } = plan;
  const host = new FlexToeHost(bed, { flows, seed, mss, bufferShift: BUFFER_SHIFT });
  let read = 0;
  host.reader = (flow, readable) => {
    read += readable;
    host.update(flow, readable, 0);
  };
  host.out = ({ flow, acked, marked }) => {
    const ns = pathNs() + WIRE_NS + RECEIVE_NS;
    bed.simulation.after(ns, () => answer(flow, acked, marked));
  };
  const arrive: Arrive = (flow, offset, length) =>
    host.receive({ flow, offset, length, acked: 0, marked: false }, pathNs());
  return { to: undefined, arrive, read: () => read };
}

const ENDS: Readonly<Record<StreamStack, typeof stackEnds>> = {
  Laminar: laminarEnds,
  FlexTOE: flextoeEnds,
  TAS: stackEnds,
  "no interval": stackEnds,
};

/** Runs streams; throughput is what the application gets. */
export function runStreams(plan: StreamPlan): StreamResult {
  const bed = testbed(plan.seed);
  const { simulation } = bed;
  const senders: StreamSender[] = [];
  const answer: Answer = (row, offset, marked) =>
    (senders[row - 1] as StreamSender).acknowledge(offset, marked);
  const { arrive, to, read } = ENDS[plan.stack](bed, plan, answer);
  const link = new Lane(simulation);
  const losses = bed.prng.fork("losses");
  const { segmentBytes, congestion, windowSegments = Number.POSITIVE_INFINITY } = plan;
  const windowBytes = Math.min(STREAM_BUFFER, segmentBytes * windowSegments);
  for (let row = 1; row <= plan.connections; row += 1) {
    const start = congestion ? {} : { initialBytes: windowBytes };
    const limits = { windowBytes, timeoutNs: TIMEOUT_NS, congestion };
    const options = senderOptions(segmentBytes, gbpsOf(plan), { ...limits, ...start });
    const send = (offset: number, length: number): void => {
      if (losses.float() < plan.loss) return;
      simulation.after(SEND_NS + WIRE_NS, () => arrive(row, offset, length));
    };
    senders.push(new StreamSender(simulation, link, options, send));
  }
  for (const sender of senders) sender.start();
  simulation.runTo(plan.warmUpNs);
  const total = (of: (sender: StreamSender) => number): number =>
    senders.reduce((sum, sender) => sum + of(sender), 0);
  const before = read();
  const segments = total((sender) => sender.segments);
  simulation.runTo(plan.warmUpNs + plan.ns);
  const bytes = read() - before;
  const sent = total((sender) => sender.segments) - segments;
  return {
    gbps: (bytes * 8) / plan.ns,
    mpps: (bytes / segmentBytes / plan.ns) * 1000,
    sentOverGood: (sent * segmentBytes) / bytes,
    timeouts: total(({ timeouts }) => timeouts),
    passes: to?.passes ?? 0,
  };
}
