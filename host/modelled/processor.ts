/**
 * A modelled core with hardware threads (4.1.1): one thread computes at a time, and a thread that
 * waits for memory gives the core to another. Work is done in three parts: compute, wait, compute.
 */
import type { Simulation } from "./simulation.ts";

/** What an item costs on a core; ns. */
export interface Cost {
  readonly computeNs: number;
  /** Waiting for memory: the thread is held, the core is not. */
  readonly stallNs: number;
}

/** One core. Counts its busy time, so that a bottleneck has a name. */
export class Processor {
  readonly #simulation: Simulation;
  readonly #ready: (readonly [ns: number, then: () => void])[] = [];
  #free: number;
  #busy = false;
  /** Nanoseconds of computing so far. */
  busyNs = 0;

  readonly #onFree: (() => void) | undefined;

  /** `onFree` runs when a thread has become free and its own station has been served. */
  constructor(simulation: Simulation, threads: number, onFree?: () => void) {
    this.#simulation = simulation;
    this.#free = threads;
    this.#onFree = onFree;
  }

  /** Threads without work. */
  get free(): number {
    return this.#free;
  }

  /** Gives a free thread its work; `done` runs when it is finished and the thread is free. */
  take(cost: Cost, done: () => void): void {
    this.#free -= 1;
    const half = cost.computeNs / 2;
    const finish = (): void => {
      this.#free += 1;
      done();
      this.#onFree?.();
    };
    this.#compute(half, () => {
      if (cost.stallNs === 0) this.#compute(half, finish);
      else this.#simulation.after(cost.stallNs, () => this.#compute(half, finish));
    });
  }

  #compute(ns: number, then: () => void): void {
    if (this.#busy) this.#ready.push([ns, then]);
    else this.#run(ns, then);
  }

  #run(ns: number, then: () => void): void {
    this.#busy = true;
    this.busyNs += ns;
    this.#simulation.after(ns, () => {
      this.#busy = false;
      const next = this.#ready.shift();
      if (next !== undefined) this.#run(next[0], next[1]);
      then();
    });
  }
}
