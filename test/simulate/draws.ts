/** Draws of the simulator in integers, which every runtime makes alike. */
import type { Medium } from "../../host/netif/netif.ts";
import type { Prng } from "../../host/prng.ts";
import type { PlannedFaults } from "./plan.ts";

/** Of the run, for all parts of the plan. */
export interface Shape {
  readonly calm: boolean;
  /** Some arenas are always short of chunks. */
  readonly tight: boolean;
  readonly medium: Medium;
  readonly mtu: number;
  readonly star: boolean;
  readonly hosts: number;
  readonly faultsEnd: number;
}

/** True once in `times`. */
export function chance(prng: Prng, times: number): boolean {
  return prng.below(times) === 0;
}

/** One of a list that is not empty. */
export function pick<T>(prng: Prng, list: readonly T[]): T {
  return list[prng.below(list.length)] as T;
}

/** Each fault is there or not; together they are what one direction has. */
export function drawFaults(prng: Prng): PlannedFaults {
  const some = (values: readonly number[]): number => (chance(prng, 2) ? 0 : pick(prng, values));
  return {
    loss: some([0.002, 0.01, 0.05, 0.2]),
    burstLoss: some([0.01, 0.05, 0.2]),
    meanBurst: pick(prng, [2, 4, 16]),
    reorder: some([0.01, 0.05, 0.3]),
    reorderDelay: pick(prng, [1e4, 2e5, 3e6, 5e7]),
    duplicate: some([0.01, 0.1]),
    corrupt: some([0.001, 0.01, 0.1]),
    mark: some([0.01, 0.2]),
    jitter: some([1e5, 2e6]),
  };
}

/** A time before `most`, in millionths of it: ns are more than one draw holds. */
export function moment(prng: Prng, most: number): number {
  return prng.below(1e6) * Math.floor(most / 1e6);
}
