/**
 * Congestion control by name (TCP_CONGESTION): the window algorithms run inline in the data path,
 * the rate policies in the control plane with the data path's window wide open.
 */
import { CongestionAlgorithm } from "../../../bindings/abi/flow-state.ts";
import { DCTCP_RATE } from "./dctcp-rate.ts";
import type { RatePolicy } from "./policy.ts";

/** One choice: an inline algorithm, and a policy when it is None for that reason. */
export interface Congestion {
  readonly name: string;
  readonly algorithm: CongestionAlgorithm;
  readonly policy?: RatePolicy;
}

/** Index = what a row stores. */
export const CONGESTIONS: readonly Congestion[] = [
  { name: "none", algorithm: CongestionAlgorithm.None },
  { name: "newreno", algorithm: CongestionAlgorithm.NewReno },
  { name: "cubic", algorithm: CongestionAlgorithm.Cubic },
  { name: "dctcp", algorithm: CongestionAlgorithm.Dctcp },
  { name: "dctcp-rate", algorithm: CongestionAlgorithm.None, policy: DCTCP_RATE },
];

const INDEX = new Map(CONGESTIONS.map(({ name }, index) => [name, index]));

/** Index of a name in CONGESTIONS; of any other name ("" for one) that of the inline algorithm. */
export function congestionIndex(name: string, otherwise: CongestionAlgorithm): number {
  // The list starts with the inline algorithms, in the order of their numbers.
  return INDEX.get(name) ?? otherwise;
}

/** The choice at an index; "none" for an index that does not exist. */
export function congestionAt(index: number): Congestion {
  return CONGESTIONS[index] ?? (CONGESTIONS[0] as Congestion);
}
