/**
 * `figure-5.19`: 32 latency-sensitive connections (one RPC in flight) and 4 streams of 5 Gbit/s on
 * one server, each alone and together (5.5.4.4). Laminar: all packets through the stage program,
 * payload to the cores that own the connections. Baselines: FlexTOE, whose stages take both, and
 * TAS, whose two cores run everything to completion.
 */
import { type EchoStack, runEcho } from "../../host/modelled/laminar/echo.ts";
import { echoServer, hybridEcho, laminarHosts } from "../../host/modelled/laminar/laminar-echo.ts";
import { ForwardedEcho } from "../../host/modelled/laminar/forwarded-echo.ts";
import { Lane } from "../../host/modelled/laminar/lane.ts";
import { LaminarReceiver } from "../../host/modelled/laminar/laminar-receiver.ts";
import type { LaminarHost } from "../../host/modelled/laminar/rdma-host.ts";
import type { StackHost } from "../../host/modelled/laminar/stack-host.ts";
import { senderOptions, StreamSender } from "../../host/modelled/laminar/stream-sender.ts";
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import { unpublished } from "./experiment.ts";
import { flextoeEcho, flextoeServer, pathNs } from "./flextoe-echo.ts";
import { flextoeGiven, FlexToeHost } from "./flextoe-host.ts";
import {
  forwardNs,
  hostOptions,
  hostsGiven,
  newSwitch,
  RECEIVE_NS,
  SEND_NS,
  stackHosts,
  stacksGiven,
  switchGiven,
  switchOptions,
  tasOptions,
  tasSegmentNs,
  type Testbed,
  testbed,
  WIRE_NS,
} from "./laminar-setting.ts";
import { percentile } from "./statistics.ts";

const SENSITIVE = 32;
const STREAMS = 4;
const STREAM_GBPS = 5;
const LINE = 100;
const BYTES = 64;
const SEGMENT = 1448;
const WINDOW = 65_536;
/** TAS: fast-path cores (5.5.4.4), and as many application cores as are never the bottleneck. */
const STACK_CORES = 2;
const APPLICATION_CORES = 8;
const TAIL = 0.999;

export interface Isolation {
  /** RPCs that were measured. */
  readonly rpcs: number;
  /** Us, of the RPCs; 0 without them. */
  readonly tail: number;
  readonly median: number;
  /** Of all streams. */
  readonly gbps: number;
}

/** Where segments of a stream go; `taken` when its ACK is back at the sender. */
type Sink = (stream: number, offset: number, taken: (offset: number) => void) => void;

/** Four paced streams; their senders. */
function streams(bed: Testbed, sink: Sink): StreamSender[] {
  const link = new Lane(bed.simulation);
  return Array.from({ length: STREAMS }, (_, i) => {
    const limits = { windowBytes: WINDOW, timeoutNs: 1e6, bytesPerNs: STREAM_GBPS / 8 };
    const options = senderOptions(SEGMENT, LINE, limits);
    const sender: StreamSender = new StreamSender(bed.simulation, link, options, (offset) =>
      sink(i, offset, (acked) => sender.acknowledge(acked, false)),
    );
    return sender;
  });
}

/** `echo`: closed loops while the streams run. */
function measure(
  bed: Testbed,
  ns: number,
  echo: EchoStack | undefined,
  senders: readonly StreamSender[],
): Isolation {
  for (const sender of senders) sender.start();
  const warmUpNs = 200_000;
  const bytes = (): number => senders.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  let before = 0;
  bed.simulation.at(warmUpNs, () => {
    before = bytes();
  });
  const load = { warmUpNs, ns, rpcs: Number.POSITIVE_INFINITY, pauseNs: 0 };
  const trips = echo === undefined ? [] : runEcho(bed.simulation, echo, load, bed.prng).trips;
  bed.simulation.runTo(warmUpNs + ns);
  return {
    rpcs: trips.length,
    tail: trips.length === 0 ? 0 : percentile(trips, TAIL) / 1000,
    median: trips.length === 0 ? 0 : percentile(trips, 0.5) / 1000,
    gbps: ((bytes() - before) * 8) / ns,
  };
}

/** A server with its RPCs and what takes the segments of its streams. */
interface Ends {
  readonly echo: EchoStack;
  readonly sink: Sink;
}
type MakeEnds = (bed: Testbed, seed: number) => Ends;

function laminarEnds(bed: Testbed, seed: number): Ends {
  const to = newSwitch(bed, switchOptions(seed, 4, SENSITIVE + STREAMS + 1));
  const options = hostOptions({ cores: APPLICATION_CORES });
  const [server] = laminarHosts(to, 1, options, bed.prng) as [LaminarHost];
  const [client] = stackHosts(bed, 1, tasOptions()) as [StackHost];
  echoServer(server);
  const echo = hybridEcho(to, client, [server], SENSITIVE, BYTES, 1);
  const receiver = new LaminarReceiver(to, server, WINDOW);
  const takers: ((offset: number) => void)[] = [];
  for (let row = SENSITIVE + 1; row <= SENSITIVE + STREAMS; row += 1) {
    receiver.open(row, (offset) => {
      bed.simulation.after(WIRE_NS + RECEIVE_NS, () => takers[row]?.(offset));
    });
  }
  const sink: Sink = (stream, offset, taken) => {
    const row = SENSITIVE + 1 + stream;
    takers[row] = taken;
    bed.simulation.after(SEND_NS + WIRE_NS, () => receiver.arrive(row, offset, SEGMENT, false));
  };
  return { echo, sink };
}

/** Our data path on its modelled NIC: streams and RPCs share its stages, the cores copy nothing. */
function flextoeEnds(bed: Testbed, seed: number): Ends {
  const flows = SENSITIVE + STREAMS;
  const host = new FlexToeHost(bed, { flows, seed, bufferShift: Math.log2(WINDOW) });
  flextoeServer(bed, host, APPLICATION_CORES, BYTES);
  const serve = host.reader;
  host.reader = (flow, readable, freed) => {
    if (flow <= SENSITIVE) serve(flow, readable, freed);
    else host.update(flow, readable, 0);
  };
  const takers: ((offset: number) => void)[] = [];
  host.out = ({ flow, acked }) => {
    const ns = pathNs() + WIRE_NS + RECEIVE_NS;
    bed.simulation.after(ns, () => takers[flow]?.(acked));
  };
  const [client] = stackHosts(bed, 1, tasOptions()) as [StackHost];
  const echo = flextoeEcho(bed, host, client, SENSITIVE, BYTES);
  const sink: Sink = (stream, offset, taken) => {
    const flow = SENSITIVE + 1 + stream;
    takers[flow] = taken;
    const segment = { flow, offset, length: SEGMENT, acked: 0, marked: false };
    host.receive(segment, SEND_NS + WIRE_NS + pathNs());
  };
  return { echo, sink };
}

/** TAS on `STACK_CORES`. */
function tasEnds(bed: Testbed): Ends {
  const of = tasOptions(32, { stackCores: STACK_CORES, applicationCores: APPLICATION_CORES });
  const [server] = stackHosts(bed, 1, of) as [StackHost];
  const clients = stackHosts(bed, 2, tasOptions());
  const echo = new ForwardedEcho(bed.simulation, clients, server, forwardNs(), SENSITIVE, BYTES);
  const ends = new Float64Array(STREAMS);
  const sink: Sink = (stream, offset, taken) => {
    bed.simulation.after(SEND_NS + pathNs(), () =>
      server.absorb(SENSITIVE + stream, SEGMENT, tasSegmentNs(0), () => {
        ends[stream] = Math.max(ends[stream] as number, offset + SEGMENT);
        const acked = ends[stream];
        bed.simulation.after(SEND_NS + pathNs() + WIRE_NS + RECEIVE_NS, () => taken(acked));
      }),
    );
  };
  return { echo, sink };
}

const ENDS = { Laminar: laminarEnds, FlexTOE: flextoeEnds, TAS: tasEnds } as const;
export type IsolationStack = keyof typeof ENDS;
/** Of a quick run. A tail hangs on one RPC of 1,000, TAS's most of all: 2 ms of it say nothing. */
const RUN_NS: Readonly<Record<IsolationStack, number>> = { Laminar: 8e6, FlexTOE: 2e6, TAS: 40e6 };
const STREAMS_NS = 2e6;
const STACKS = Object.keys(ENDS) as IsolationStack[];

/** A stack with RPCs, streams, or both. */
export function isolation(
  { seed, quick }: Pick<LabOptions, "seed" | "quick">,
  stack: IsolationStack,
  rpcs: boolean,
  bulk: boolean,
): Isolation {
  const bed = testbed(seed);
  const make: MakeEnds = ENDS[stack];
  const { echo, sink } = make(bed, seed);
  const senders = streams(bed, sink);
  const ns = (rpcs ? RUN_NS[stack] : STREAMS_NS) * (quick ? 1 : 5);
  return measure(bed, ns, rpcs ? echo : undefined, bulk ? senders : []);
}

interface Pair {
  readonly alone: Isolation;
  readonly bulk: Isolation;
  readonly both: Isolation;
}

function all(stack: IsolationStack, options: LabOptions): Pair {
  options.say(stack);
  return {
    alone: isolation(options, stack, true, false),
    bulk: isolation(options, stack, false, true),
    both: isolation(options, stack, true, true),
  };
}

const worse = ({ alone, both }: Pair): number => 100 * (both.tail / alone.tail - 1);
const lower = ({ bulk, both }: Pair): number => 100 * (1 - both.gbps / bulk.gbps);

function run(options: LabOptions): LabReport {
  const pairs = STACKS.map((stack) => [stack, all(stack, options)] as const);
  const [laminar, flextoe, tas] = pairs.map(([, pair]) => pair) as [Pair, Pair, Pair];
  const rows = ([name, { alone, bulk, both }]: readonly [string, Pair]): LabRow[] => [
    unpublished(`${name}: RPCs alone, 99.9 %`, alone.tail, "us", `of ${alone.rpcs} RPCs`),
    unpublished(`${name}: RPCs together, 99.9 %`, both.tail, "us", `of ${both.rpcs} RPCs`),
    unpublished(`${name}: streams alone`, bulk.gbps, "Gbit/s"),
    unpublished(`${name}: streams together`, both.gbps, "Gbit/s"),
  ];
  const bars = ({ alone, bulk, both }: Pair): (readonly [string, number])[] => [
    ["RPCs alone, us", alone.tail],
    ["RPCs together, us", both.tail],
    ["streams alone, Gbit/s", bulk.gbps],
    ["streams together, Gbit/s", both.gbps],
  ];
  return {
    rows: [
      {
        ...{ name: "TAS: tail of RPCs beside streams", ours: worse(tas), unit: "% worse" },
        ...{ origin: "predicted", anchor: "fig5.19.tas_ls_tail" },
      },
      {
        ...{ name: "TAS: streams beside RPCs", ours: lower(tas), unit: "% lower" },
        ...{ origin: "predicted", anchor: "fig5.19.tas_bi_bw" },
        note: "cores of the model are fair queues: streams keep their share",
      },
      unpublished("Laminar: tail of RPCs beside streams", worse(laminar), "% worse"),
      unpublished("Laminar: streams beside RPCs", lower(laminar), "% lower"),
      unpublished(
        ...(["FlexTOE: tail of RPCs beside streams", worse(flextoe), "% worse"] as const),
        "32 RPCs alone are near its NIC's limit already",
      ),
      unpublished("FlexTOE: streams beside RPCs", lower(flextoe), "% lower"),
      ...pairs.flatMap(rows),
    ],
    given: [
      ...switchGiven(),
      ...hostsGiven(),
      ...stacksGiven(),
      { name: "TAS cores", value: `${STACK_CORES}`, source: "paper: 5.5.4.4" },
      { name: "application cores", value: `${APPLICATION_CORES}`, source: "assumed" },
      ...flextoeGiven(),
      { name: "stream windows", value: `${WINDOW} B`, source: "assumed" },
    ],
    plots: [
      {
        title: "RPCs and streams, alone and together (Figure 5.19)",
        x: { label: "", scale: "category" },
        y: { label: "", scale: "linear" },
        series: [
          ...pairs.map(([name, pair]) => ({ name, form: "bars" as const, points: bars(pair) })),
        ],
      },
    ],
    notes: [
      "Streams and RPCs come from hosts of their own; Laminar's application cores are not shared.",
    ],
  };
}

export const FIGURE_5_19: Experiment = {
  name: "figure-5.19",
  title: "latency-sensitive RPCs beside streams",
  section: "5.5.4.4, Figure 5.19",
  run,
};
