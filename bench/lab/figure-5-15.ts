/**
 * `figure-5.15`: streams into one server core, by segment size (5.5.2.1). Laminar's segments pass
 * the stage program and a core that only takes completions; TAS runs to completion and copies;
 * FlexTOE is our own on its modelled NIC.
 */
import type { Experiment, LabOptions, LabReport, PlotSeries } from "./experiment.ts";
import { unpublished } from "./experiment.ts";
import { flextoeGiven, FLEXTOE_MSS } from "./flextoe-host.ts";
import { hostsGiven, switchGiven, tasSegmentNs } from "./laminar-setting.ts";
import { runStreams, type StreamStack } from "./laminar-streams.ts";

const SIZES = [64, 128, 256, 512, 1024, 1448, 2048, 4096, 8192];
const QUICK_SIZES = [64, 512, 1448, 8192];
const CONNECTIONS = 4;
/** Together fewer than TAS's ring of 1024. */
const WINDOW_SEGMENTS = 192;

/** Millions of segments a second. */
function rateOf(
  options: LabOptions,
  stack: StreamStack,
  segmentBytes: number,
  connections = CONNECTIONS,
): number {
  options.say(`${stack}, ${segmentBytes} B, ${connections} connections`);
  const ns = options.quick ? 200_000 : 1_000_000;
  const plan = { stack, connections, segmentBytes, loss: 0, gbps: 100 };
  const windowSegments = WINDOW_SEGMENTS;
  return runStreams({
    ...plan,
    windowSegments,
    seed: options.seed,
    warmUpNs: 100_000,
    ns,
    congestion: false,
  }).mpps;
}

const GIVEN = (): LabReport["given"] => [
  ...switchGiven(),
  ...hostsGiven(),
  {
    name: "TAS core",
    value: `${tasSegmentNs(0)} ns a segment, copies above 512 B`,
    source: "fitted: Figure 5.15, 5 Mpps; the bend at 512 B is 5.5.2.1's",
  },
  ...flextoeGiven(),
];

function run(options: LabOptions): LabReport {
  const sizes = options.quick ? QUICK_SIZES : SIZES;
  const curve = (rate: (bytes: number) => number, most = 8192): (readonly [number, number])[] =>
    sizes.filter((bytes) => bytes <= most).map((bytes) => [bytes, rate(bytes)] as const);
  const laminar = curve((bytes) => rateOf(options, "Laminar", bytes));
  const tas = curve((bytes) => rateOf(options, "TAS", bytes));
  const own = curve((bytes) => rateOf(options, "FlexTOE", bytes), FLEXTOE_MSS);
  const at = (points: readonly (readonly [number, number])[], bytes: number): number =>
    (points.find(([size]) => size === bytes) as readonly [number, number])[1];
  const gbps = (points: readonly (readonly [number, number])[]): number =>
    at(points, 1448) * 1448 * 8e-3;
  const most = Math.max(...laminar.map(([, mpps]) => mpps));
  const series: PlotSeries[] = [
    { name: "Laminar", form: "line", points: laminar },
    { name: "TAS", form: "line", points: tas },
    { name: "FlexTOE", form: "line", points: own },
  ];
  return {
    rows: [
      {
        ...{ name: "Laminar, 64 B", ours: at(laminar, 64), unit: "Mpps/core" },
        ...{ origin: "calibrated", anchor: "fig5.15.laminar" },
      },
      {
        ...{ name: "TAS, 64 B", ours: at(tas, 64), unit: "Mpps/core" },
        ...{ origin: "calibrated", anchor: "fig5.15.tas" },
      },
      {
        ...{ name: "the core's rate in segments of 8 KB", ours: (most * 8 * 8000) / 1e6 },
        ...{ unit: "Tbps", origin: "predicted", anchor: "fig5.15.8k" },
        note: "the paper's own product, 25 M x 8 x 8K: the core's rate on a wider link",
      },
      unpublished("Laminar, 1448 B", gbps(laminar), "Gbit/s", "line rate"),
      unpublished("TAS, 1448 B", gbps(tas), "Gbit/s"),
      unpublished(
        ...(["TAS, 1448 B over 512 B", at(tas, 1448) / at(tas, 512), "x"] as const),
        "copies, of what is above 512 B",
      ),
      unpublished(
        ...(["FlexTOE, 64 B", at(own, 64), "Mpps"] as const),
        "on the modelled NFP-4000; the core is never its limit",
      ),
      unpublished(
        ...(["FlexTOE, 64 B, one connection", rateOf(options, "FlexTOE", 64, 1), "Mpps"] as const),
        "one protocol core of one flow group",
      ),
      unpublished("FlexTOE, 1448 B", gbps(own), "Gbit/s", "its card has 40 Gbit/s"),
    ],
    given: GIVEN(),
    plots: [
      {
        title: "Segments a second of one core (Figure 5.15)",
        x: { label: "segment bytes", scale: "log" },
        y: { label: "Mpps", scale: "log" },
        series,
      },
    ],
    notes: [
      `${CONNECTIONS} connections from senders that are never the bottleneck; 100 Gbit/s.`,
      `${WINDOW_SEGMENTS} segments of each under way at most: TAS's ring does not overflow.`,
    ],
  };
}

export const FIGURE_5_15: Experiment = {
  name: "figure-5.15",
  title: "segments a second of one core, by segment size",
  section: "5.5.2.1, Figure 5.15",
  run,
};
