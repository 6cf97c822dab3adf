/**
 * The baseline's receiver: a core that runs TCP to completion for every segment, with one interval
 * out of order as TAS has it, or none. What its ring has no room for is lost.
 */
import type { Simulation } from "../simulation.ts";
import { Lane } from "./lane.ts";

export interface ReceiverOptions {
  /** 1: TAS; 0: everything out of order is dropped. */
  readonly intervals: 0 | 1;
  /** Ns of the core for a segment. */
  readonly segmentNs: number;
  /** From the cable to the core, and from the core to the cable. */
  readonly inNs: number;
  readonly outNs: number;
  /** Segments of the ring. */
  readonly ring: number;
}

export class StackReceiver {
  readonly #simulation: Simulation;
  readonly #options: ReceiverOptions;
  readonly #core: Lane;
  readonly #answer: (offset: number, marked: boolean) => void;
  #waiting = 0;
  #next = 0;
  #head = 0;
  #tail = 0;
  dropped = 0;

  constructor(
    simulation: Simulation,
    options: ReceiverOptions,
    answer: (offset: number, marked: boolean) => void,
    core = new Lane(simulation),
  ) {
    this.#simulation = simulation;
    this.#options = options;
    this.#core = core;
    this.#answer = answer;
  }

  /** Bytes in order. */
  get received(): number {
    return this.#next;
  }

  arrive(offset: number, length: number, marked: boolean): void {
    const { inNs, outNs, segmentNs, ring } = this.#options;
    this.#simulation.after(inNs, () => {
      if (this.#waiting >= ring) {
        this.dropped += 1;
        return;
      }
      this.#waiting += 1;
      this.#core.serve(segmentNs, 0, () => {
        this.#waiting -= 1;
        this.#place(offset, offset + length);
        const next = this.#next;
        this.#simulation.after(outNs, () => this.#answer(next, marked));
      });
    });
  }

  #place(from: number, to: number): void {
    if (from <= this.#next) {
      this.#next = Math.max(this.#next, to);
      if (this.#tail > 0 && this.#head <= this.#next) {
        this.#next = Math.max(this.#next, this.#tail);
        this.#tail = 0;
      }
    } else if (this.#options.intervals === 1) this.#keep(from, to);
  }

  #keep(from: number, to: number): void {
    if (this.#tail === 0) {
      this.#head = from;
      this.#tail = to;
    } else if (from <= this.#tail && to >= this.#head) {
      this.#head = Math.min(this.#head, from);
      this.#tail = Math.max(this.#tail, to);
    }
  }
}
