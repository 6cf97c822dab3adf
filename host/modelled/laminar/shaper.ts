/**
 * The traffic shaper of the incast experiment (dissertation 5.5.4.2): a link of less bandwidth
 * behind one queue with tail drop, which marks above an occupancy: the traffic manager's own queue.
 */
import { Verdict } from "../../../bindings/abi/rmt.ts";
import type { Simulation } from "../simulation.ts";
import { ModuleMemory, type RmtModuleLoader, TrafficManager } from "./rmt-modules.ts";

export class Shaper {
  readonly #simulation: Simulation;
  readonly #manager: TrafficManager;
  readonly #held: ((marked: boolean) => void)[] = [];
  readonly #marks: boolean[] = [];
  #handle = 0;
  #armed = false;
  readonly #gbps: number;
  readonly #bytes: number;

  /** `packets` of `bytes` each at most; marked from `markFrom` on. */
  constructor(
    simulation: Simulation,
    load: RmtModuleLoader,
    gbps: number,
    packets: number,
    bytes: number,
    markFrom: number,
  ) {
    const memory = new ModuleMemory(load, packets * 16 + 65_536);
    this.#simulation = simulation;
    this.#gbps = gbps;
    this.#bytes = bytes;
    this.#manager = new TrafficManager(memory, 0, 1);
    this.#manager.setRate(0, gbps);
    this.#manager.setQueue(0, 0, { packets, bytes: packets * bytes, markFrom });
  }

  get drops(): number {
    return this.#manager.drops;
  }

  /** A packet: `through` when its last byte is on the other side, unless it is dropped. */
  pass(through: (marked: boolean) => void): void {
    this.#handle += 1;
    const verdict = this.#manager.enqueue(0, 0, this.#handle, this.#bytes);
    if (verdict === Verdict.Dropped) {
      this.#handle -= 1;
      return;
    }
    this.#held.push(through);
    this.#marks.push(verdict === Verdict.Marked);
    this.#arm();
  }

  #arm(): void {
    const { due } = this.#manager;
    if (this.#armed || due === Number.POSITIVE_INFINITY) return;
    this.#armed = true;
    this.#simulation.at(Math.max(due, this.#simulation.now), () => {
      this.#armed = false;
      if (this.#manager.dequeue(this.#simulation.now) !== 0) this.#leave();
      this.#arm();
    });
  }

  /** One queue: packets leave in the order in which they came. */
  #leave(): void {
    const through = this.#held.shift() as (marked: boolean) => void;
    const marked = this.#marks.shift() as boolean;
    this.#simulation.after((this.#bytes * 8) / this.#gbps, () => through(marked));
  }
}
