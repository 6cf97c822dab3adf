/**
 * The settings under which a Receiver is run: what goes wrong, and how much of it. All rows lose,
 * delay and reorder a little; each has one thing in excess.
 */
import type { Setting } from "./robustness.ts";

const SHORT: Setting = {
  name: "calm",
  streamBytes: 1500,
  segmentMax: 60,
  ringBytes: 400,
  mirrorLoss: 0.05,
  mirrorDelayPackets: 6,
  networkLoss: 0.03,
  duplication: 0.02,
  reordering: 0.05,
  wrap: false,
  readMax: 200,
  readTicks: 3,
  readAhead: true,
  probe: "below",
  overrunBytes: 0,
  hostile: 0,
  reverseTicks: 0,
  rollbackDelayPackets: 4,
};

/** What each row has in excess. */
const EXCESSES: readonly (Partial<Setting> & { readonly name: string })[] = [
  { name: "30 % of the mirrored lost", mirrorLoss: 0.3 },
  { name: "95 % of the mirrored lost", mirrorLoss: 0.95 },
  { name: "10 % of the data lost", networkLoss: 0.1, mirrorLoss: 0.3 },
  { name: "reordering", reordering: 0.4, mirrorLoss: 0.3 },
  { name: "duplication", duplication: 0.4, mirrorLoss: 0.3, mirrorDelayPackets: 20 },
  { name: "wrap", wrap: true, mirrorLoss: 0.3 },
  {
    name: "reads at once, far ahead",
    readTicks: 2,
    readMax: 400,
    mirrorLoss: 0.95,
    networkLoss: 0.1,
    reverseTicks: 5,
  },
  { name: "reads slowly, nothing ahead", readTicks: 12, readMax: 60, readAhead: false, wrap: true },
];

/** Zero-window probes that do not fit, and senders that overrun: the roll-back of 5.3.1.2. */
const OUT_OF_WINDOW: readonly (Partial<Setting> & { readonly name: string })[] = [
  { name: "probes beyond a closed window", probe: "beyond", readTicks: 40, readMax: 400 },
  {
    name: "doubled probes, late roll-back",
    probe: "beyond",
    readTicks: 40,
    readMax: 400,
    duplication: 0.5,
    rollbackDelayPackets: 40,
    wrap: true,
  },
  {
    name: "sender overruns the window",
    overrunBytes: 300,
    readTicks: 12,
    reordering: 0.2,
    rollbackDelayPackets: 12,
    wrap: true,
  },
  { name: "segments of any place and length", hostile: 0.3, wrap: true },
];

/** Streams of 1,500 bytes through a ring of 400. */
export const SHORT_SETTINGS: readonly Setting[] = EXCESSES.map((row) => ({ ...SHORT, ...row }));

/** The same, where segments are dropped out of window. */
export const OUT_OF_WINDOW_SETTINGS: readonly Setting[] = OUT_OF_WINDOW.map((row) => ({
  ...SHORT,
  ...row,
}));

/** 50,000 bytes through a ring of 4,000, in segments of up to 300. */
export const LONG_SETTINGS: readonly Setting[] = EXCESSES.map((row) => ({
  ...SHORT,
  ...row,
  streamBytes: 50_000,
  segmentMax: 300,
  ringBytes: 4000,
  readMax: 10 * (row.readMax ?? SHORT.readMax),
}));
