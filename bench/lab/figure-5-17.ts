/**
 * `figure-5.17`: streams under random loss (5.5.4.1). The receiver is the stage program, its ACKs
 * and merges are mirrored packets of the pipeline; beside it a receiver run to completion with
 * TAS's one interval, and one with none. The sender is the same for all.
 */
import type { Experiment, LabOptions, LabReport, LabRow } from "./experiment.ts";
import { unpublished } from "./experiment.ts";
import { flextoeGiven } from "./flextoe-host.ts";
import { hostsGiven, switchGiven, tasSegmentNs } from "./laminar-setting.ts";
import { runStreams, type StreamPlan, type StreamResult } from "./laminar-streams.ts";
import type { StreamStack } from "./laminar-streams.ts";

const LOSSES = [0, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2];
const QUICK_LOSSES = [0, 1e-4, 1e-3, 1e-2, 2e-2];
const STACKS: readonly StreamStack[] = ["Laminar", "FlexTOE", "TAS", "no interval"];
/** The modelled NIC runs every stage of every segment: fewer points, less time. */
const QUICK_FLEXTOE_LOSSES = [0, 1e-3, 2e-2];
const FLEXTOE_SHARE = 1 / 2;
const CONNECTIONS = 2;
const SEGMENT = 1448;
/** Of the throughput without loss. */
const FULL = 0.97;
const TENTH = 1e-3;
/** Loss from which on a run is mostly timeouts, and seeds of one then. */
const FEW_TRIPS = 1e-2;
const SEEDS = 8;

/** A stream under loss; `changes`: another program, another path. */
export function lossyStream(
  options: Pick<LabOptions, "quick" | "seed">,
  stack: StreamStack,
  loss: number,
  changes: Partial<StreamPlan> = {},
): StreamResult {
  return runStreams({
    stack,
    connections: CONNECTIONS,
    segmentBytes: SEGMENT,
    loss,
    seed: options.seed,
    warmUpNs: 500_000,
    ns: (options.quick ? 4e6 : 15e6) * (stack === "FlexTOE" ? FLEXTOE_SHARE : 1),
    congestion: true,
    gbps: 100,
    ...changes,
  });
}

/** Gbit/s: of several seeds where a run has few round trips, for a timeout is a third of it. */
function meanRate(options: LabOptions, stack: StreamStack, loss: number): number {
  const runs = loss < FEW_TRIPS ? 1 : SEEDS;
  let sum = 0;
  for (let i = 0; i < runs; i += 1) {
    sum += lossyStream({ quick: options.quick, seed: options.seed + i }, stack, loss).gbps;
  }
  return sum / runs;
}

type Curve = readonly (readonly [loss: number, gbps: number])[];

/** The highest loss up to which throughput is full. */
export function fullUntil(curve: Curve): number {
  const [, whole] = curve[0] as readonly [number, number];
  const end = curve.findIndex(([, gbps]) => gbps < FULL * whole);
  return (curve[(end === -1 ? curve.length : end) - 1] as readonly [number, number])[0];
}

function run(options: LabOptions): LabReport {
  const quick = (stack: StreamStack): readonly number[] =>
    stack === "FlexTOE" ? QUICK_FLEXTOE_LOSSES : QUICK_LOSSES;
  const curves = new Map<StreamStack, Curve>(
    STACKS.map((stack): [StreamStack, Curve] => [
      stack,
      (options.quick ? quick(stack) : LOSSES).map((loss) => {
        options.say(`${stack}, loss ${loss}`);
        return [loss, meanRate(options, stack, loss)];
      }),
    ]),
  );
  const at = (stack: StreamStack, loss: number): number =>
    curves.get(stack)?.find(([each]) => each === loss)?.[1] ?? Number.NaN;
  const [laminar, tas] = [at("Laminar", TENTH), at("TAS", TENTH)];
  const kept = (stack: StreamStack, loss: number): LabRow =>
    unpublished(`${stack}: ${loss * 100} % loss over none`, at(stack, loss) / at(stack, 0), "x");
  const floor = 3e-6;
  return {
    rows: [
      {
        ...{ name: "Laminar full until", ours: fullUntil(curves.get("Laminar") as Curve) * 100 },
        ...{ unit: "% drop", origin: "predicted", anchor: "fig5.17.full_until" },
        note: `${FULL} of the throughput without loss`,
      },
      {
        ...{ name: "TAS below Laminar at 0.1 %", ours: laminar / tas, unit: "x lower" },
        ...{ origin: "predicted", anchor: "fig5.17.tas_at_0.1" },
        note: "most of it is TAS's core: its own decline is the next rows",
      },
      ...STACKS.flatMap((stack) => [kept(stack, TENTH), kept(stack, 2e-2)]),
      unpublished("Laminar without loss", at("Laminar", 0), "Gbit/s"),
      unpublished("TAS without loss", at("TAS", 0), "Gbit/s"),
      unpublished("FlexTOE without loss", at("FlexTOE", 0), "Gbit/s", "its card has 40 Gbit/s"),
    ],
    given: [
      ...switchGiven(),
      ...hostsGiven(),
      {
        name: "TAS receiver",
        value: `${tasSegmentNs(SEGMENT).toFixed(0)} ns a segment, ring of 1024`,
        source: "fitted: Figure 5.15; the ring is assumed",
      },
      { name: "connections", value: `${CONNECTIONS}`, source: "assumed: not in the text" },
      { name: "sender", value: "AIMD, go-back-N, RTO 500 us", source: "assumed after TAS" },
      ...flextoeGiven(),
    ],
    plots: [
      {
        title: "Throughput under loss (Figure 5.17)",
        x: { label: `loss (${floor * 100} %: none)`, scale: "log" },
        y: { label: "Gbit/s", scale: "linear" },
        series: [...curves].map(([name, points]) => ({
          name,
          form: "line",
          points: points.map(([loss, gbps]) => [Math.max(floor, loss), gbps]),
        })),
      },
    ],
    notes: [
      "TAS's earlier decline does not come out: the model's TAS answers a segment in 1.5 us.",
      "FlexTOE: our data path on its modelled NIC, one interval, senders at its line rate.",
      "Linux and Chelsio are not modelled here.",
    ],
  };
}

export const FIGURE_5_17: Experiment = {
  name: "figure-5.17",
  title: "streams under random loss",
  section: "5.5.4.1, Figure 5.17",
  run,
};
