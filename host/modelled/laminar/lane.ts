/**
 * Something that serves one thing after the other: an engine of a NIC, a core that runs to
 * completion. It knows until when it is busy; its queue is the difference to now.
 */
import type { Prng } from "../../prng.ts";
import type { Simulation } from "../simulation.ts";

export class Lane {
  readonly #simulation: Simulation;
  #free = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** ns of work that wait. */
  get behind(): number {
    return Math.max(0, this.#free - this.#simulation.now);
  }

  /** Busy for `serviceNs` when its turn comes, and `latencyNs` after that `done` runs. */
  serve(serviceNs: number, latencyNs: number, done: () => void): void {
    this.#free = Math.max(this.#free, this.#simulation.now) + serviceNs;
    this.#simulation.at(this.#free + latencyNs, done);
  }
}

/** What makes a piece of software take longer than its cycles. */
export interface Noise {
  /** How much of the time is exponential: it stays the same in the mean. At most 1. */
  readonly share: number;
  /** Share of the pieces that something interrupts, and its mean ns (exponential). */
  readonly interrupted: number;
  readonly interruptedNs: number;
}

function exponential(prng: Prng): number {
  return -Math.log(1 - prng.float());
}

/** `ns` with noise. */
export function noisy(ns: number, noise: Noise, prng: Prng): number {
  const some = noise.share === 0 ? ns : ns * (1 + noise.share * (exponential(prng) - 1));
  if (noise.interrupted === 0 || prng.float() >= noise.interrupted) return some;
  return some + noise.interruptedNs * exponential(prng);
}
