/**
 * `figure-5.19`: 32 latency-sensitive connections (one RPC in flight) and 4 streams of 5 Gbit/s on
 * one server, each alone and together (5.5.4.4). Laminar: all packets through the stage program,
 * payload to the cores that own the connections. TAS: two cores run everything to completion.
 */
import { type EchoResult, type EchoStack, runEcho } from "../../host/modelled/laminar/echo.ts";
import { echoServer, hybridEcho, laminarHosts } from "../../host/modelled/laminar/laminar-echo.ts";
import { Lane } from "../../host/modelled/laminar/lane.ts";
import type { LaminarHost } from "../../host/modelled/laminar/rdma-host.ts";
import { packetOf, tcpFrameBytes } from "../../host/modelled/laminar/rmt-switch.ts";
import { type StackHost, StackEcho } from "../../host/modelled/laminar/stack-host.ts";
import { StreamSender } from "../../host/modelled/laminar/stream-sender.ts";
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import {
  forwardNs,
  hostOptions,
  hostsGiven,
  newSwitch,
  stackHosts,
  stacksGiven,
  switchGiven,
  switchOptions,
  tasOptions,
  tasSegmentNs,
  type Testbed,
  testbed,
} from "./laminar-setting.ts";
import { percentile } from "./statistics.ts";

const SENSITIVE = 32;
const STREAMS = 4;
const STREAM_GBPS = 5;
const BYTES = 64;
const SEGMENT = 1448;
const WINDOW = 65_536;
const FIRST = 0xffff0000;
/** TAS: fast-path cores (5.5.4.4), and as many application cores as are never the bottleneck. */
const STACK_CORES = 2;
const APPLICATION_CORES = 8;
const TAIL = 0.999;

export interface Isolation {
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
    const options = {
      segmentBytes: SEGMENT,
      initialBytes: 10 * SEGMENT,
      windowBytes: WINDOW,
      timeoutNs: 1e6,
      segmentNs: (tcpFrameBytes(SEGMENT) * 8) / 100,
      coreNs: 0,
      congestion: true,
      bytesPerNs: STREAM_GBPS / 8,
    };
    const sender: StreamSender = new StreamSender(bed.simulation, link, options, (offset) =>
      sink(i, offset, (acked) => sender.acknowledge(acked, false)),
    );
    return sender;
  });
}

function measure(
  bed: Testbed,
  quick: boolean,
  echo: EchoStack | undefined,
  senders: readonly StreamSender[],
): Isolation {
  for (const sender of senders) sender.start();
  const warmUpNs = 200_000;
  const ns = quick ? 2_000_000 : 5_000_000;
  const bytes = (): number => senders.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  let before = 0;
  bed.simulation.at(warmUpNs, () => {
    before = bytes();
  });
  let result: EchoResult | undefined;
  if (echo !== undefined) {
    const load = { warmUpNs, ns, rpcs: Number.POSITIVE_INFINITY, pauseNs: 0 };
    result = runEcho(bed.simulation, echo, load, bed.prng);
  } else bed.simulation.runTo(warmUpNs + ns);
  return {
    tail: result === undefined ? 0 : percentile(result.trips, TAIL) / 1000,
    median: result === undefined ? 0 : percentile(result.trips, 0.5) / 1000,
    gbps: ((bytes() - before) * 8) / ns,
  };
}

/** Laminar, with or without RPCs and streams. */
export function laminarIsolation(
  { seed, quick }: Pick<LabOptions, "seed" | "quick">,
  rpcs: boolean,
  bulk: boolean,
): Isolation {
  const bed = testbed(seed);
  const to = newSwitch(bed, switchOptions(seed, 4, SENSITIVE + STREAMS + 1));
  const options = hostOptions({ cores: APPLICATION_CORES });
  const [server] = laminarHosts(to, 1, options, bed.prng) as [LaminarHost];
  const [client] = stackHosts(bed, 1, tasOptions()) as [StackHost];
  echoServer(server);
  const echo = hybridEcho(to, client, [server], SENSITIVE, BYTES, 1);
  const serve = server.reader;
  server.reader = (connection, packet) => {
    if (connection <= SENSITIVE) return serve(connection, packet);
    const share = options.completionNs / options.coreNs;
    server.host.work(connection, share, packet.length, () => {
      server.freed(connection, packet.length);
    });
  };
  const acks: ((offset: number) => void)[] = [];
  const away = to.attach({
    deliver: ({ connection, ack }) => {
      bed.simulation.after(625, () => acks[connection]?.((ack - FIRST) >>> 0));
    },
  });
  for (let row = SENSITIVE + 1; row <= SENSITIVE + STREAMS; row += 1) {
    to.program.open(row, FIRST, WINDOW, 0, 0);
    to.connect(row, server.port, 0, away);
    server.open(row, FIRST);
  }
  const senders = streams(bed, (stream, offset, taken) => {
    const row = SENSITIVE + 1 + stream;
    acks[row] = taken;
    const seq = (FIRST + offset) >>> 0;
    bed.simulation.after(625, () => to.fromWire(packetOf(row, { seq, length: SEGMENT })));
  });
  return measure(bed, quick, rpcs ? echo : undefined, bulk ? senders : []);
}

/** TAS on `STACK_CORES`. */
export function tasIsolation(
  { seed, quick }: Pick<LabOptions, "seed" | "quick">,
  rpcs: boolean,
  bulk: boolean,
): Isolation {
  const bed = testbed(seed);
  const of = tasOptions(32, { stackCores: STACK_CORES, applicationCores: APPLICATION_CORES });
  const [server] = stackHosts(bed, 1, of) as [StackHost];
  const clients = stackHosts(bed, 2, tasOptions());
  const echo = new StackEcho(bed.simulation, clients, server, forwardNs(), SENSITIVE, BYTES);
  const ends = new Float64Array(STREAMS);
  const senders = streams(bed, (stream, offset, taken) => {
    server.absorb(SENSITIVE + stream, SEGMENT, tasSegmentNs(0), () => {
      ends[stream] = Math.max(ends[stream] as number, offset + SEGMENT);
      const acked = ends[stream];
      bed.simulation.after(625 + forwardNs(), () => taken(acked));
    });
  });
  return measure(bed, quick, rpcs ? echo : undefined, bulk ? senders : []);
}

interface Pair {
  readonly alone: Isolation;
  readonly bulk: Isolation;
  readonly both: Isolation;
}

function all(run: typeof laminarIsolation, options: LabOptions): Pair {
  return {
    alone: run(options, true, false),
    bulk: run(options, false, true),
    both: run(options, true, true),
  };
}

const worse = ({ alone, both }: Pair): number => 100 * (both.tail / alone.tail - 1);
const lower = ({ bulk, both }: Pair): number => 100 * (1 - both.gbps / bulk.gbps);

function run(options: LabOptions): LabReport {
  const laminar = all(laminarIsolation, options);
  const tas = all(tasIsolation, options);
  const rows = (name: string, { alone, bulk, both }: Pair): LabRow[] => [
    { name: `${name}: RPCs alone, 99.9 %`, ours: alone.tail, unit: "us", origin: "predicted" },
    { name: `${name}: RPCs together, 99.9 %`, ours: both.tail, unit: "us", origin: "predicted" },
    { name: `${name}: streams alone`, ours: bulk.gbps, unit: "Gbit/s", origin: "predicted" },
    { name: `${name}: streams together`, ours: both.gbps, unit: "Gbit/s", origin: "predicted" },
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
      {
        ...{ name: "Laminar: tail of RPCs beside streams", ours: worse(laminar) },
        ...{ unit: "% worse", origin: "predicted" },
      },
      {
        ...{ name: "Laminar: streams beside RPCs", ours: lower(laminar), unit: "% lower" },
        ...{ origin: "predicted" },
      },
      ...rows("Laminar", laminar),
      ...rows("TAS", tas),
    ],
    given: [
      ...switchGiven(),
      ...hostsGiven(),
      ...stacksGiven(),
      { name: "TAS cores", value: `${STACK_CORES}`, source: "paper: 5.5.4.4" },
      { name: "application cores", value: `${APPLICATION_CORES}`, source: "assumed" },
      { name: "stream windows", value: `${WINDOW} B`, source: "assumed" },
    ],
    plots: [
      {
        title: "RPCs and streams, alone and together (Figure 5.19)",
        x: { label: "", scale: "category" },
        y: { label: "", scale: "linear" },
        series: [
          { name: "Laminar", form: "bars", points: bars(laminar) },
          { name: "TAS", form: "bars", points: bars(tas) },
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
