/**
 * Congestion control by name (TCP_CONGESTION): the window algorithms run inline in the data path,
 * the rate policies in the control plane with the data path's window wide open.
 */
import { CongestionAlgorithm } from "../../../bindings/abi/flow-state.ts";
import { DCTCP_RATE } from "./dctcp-rate.ts";
import type { RatePolicy } from "./policy.ts";
import { TIMELY } from "./timely.ts";

/** One choice: an inline algorithm; with None, who sets the rate in place of a window. */
export interface Congestion {
  readonly name: string;
  readonly algorithm: CongestionAlgorithm;
  /** Sets the rate once an interval. */
  readonly policy?: RatePolicy;
  /** The constant rate without SO_MAX_PACING_RATE, bytes per second; 0 = none. */
  readonly rate: number;
}

/** 10 Mbit/s, where the policies start. */
const RATE_DEFAULT = 1.25e6;

/** Index = what a row stores. */
export const CONGESTIONS: readonly Congestion[] = [
  { name: "none", algorithm: CongestionAlgorithm.None, rate: 0 },
  { name: "newreno", algorithm: CongestionAlgorithm.NewReno, rate: 0 },
  { name: "cubic", algorithm: CongestionAlgorithm.Cubic, rate: 0 },
  { name: "dctcp", algorithm: CongestionAlgorithm.Dctcp, rate: 0 },
  { name: "dctcp-rate", algorithm: CongestionAlgorithm.None, policy: DCTCP_RATE, rate: 0 },
  { name: "timely", algorithm: CongestionAlgorithm.None, policy: TIMELY, rate: 0 },
  { name: "rate", algorithm: CongestionAlgorithm.None, rate: RATE_DEFAULT },
];

const INDEX = new Map(CONGESTIONS.map(({ name }, index) => [name, index]));

/** Index of a name in CONGESTIONS; of any other name ("" for one) that of the inline algorithm. */
export function congestionIndex(name: string, otherwise: CongestionAlgorithm): number {
  // The list starts with the inline algorithms, in the order of their numbers.
  return name === "" ? otherwise : (INDEX.get(name) ?? otherwise);
}

/** The choice at an index; "none" for an index that does not exist. */
export function congestionAt(index: number): Congestion {
  return CONGESTIONS[index] ?? (CONGESTIONS[0] as Congestion);
}
