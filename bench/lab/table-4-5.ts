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

const CASES: readonly (readonly [degree: number, connections: number])[] = [
  [4, 16],
  [4, 64],
  [4, 128],
  [10, 10],
  [20, 20],
];

/** How much is run: ns of virtual time before the count, requests counted at least. */
interface Scale {
  readonly warmUp: number;
  readonly requests: number;
}

const FULL: Scale = { warmUp: 500e6, requests: 20_000 };
const QUICK: Scale = { warmUp: 100e6, requests: 600 };
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
  readonly median: number;
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
    median: percentile(traffic.times, 0.5),
    fairness: jainIndex(done),
    requests: traffic.times.length,
    dropped: link.dropped.queue - dropped,
    marked: link.marked - marked,
  };
}
console.log("x", percentile([1], 1));
for (const [d, c] of CASES)
  for (const m of ["on", "off", "window"] as const) {
    const t = performance.now();
    const o = incast(d, c, m, process.argv[2] === "q" ? QUICK : FULL, 1);
    console.log(
      d,
      c,
      m,
      (o.throughput / 1e9).toFixed(2),
      "tail",
      (o.tail / 1e6).toFixed(2),
      "med",
      (o.median / 1e6).toFixed(3),
      "jfi",
      o.fairness.toFixed(3),
      o.requests,
      "drop",
      o.dropped,
      "mark",
      o.marked,
      ((performance.now() - t) / 1e3).toFixed(1) + "s",
    );
  }
export type X = [Experiment, Given, LabOptions, LabReport, LabRow, Plot];
