/**
 * The switch's port in front of a modelled NIC: one frame after the other at the machine's line
 * rate. Invariant: it waits while the NIC has no buffer (pause frames), and loses nothing.
 */
import { type ModelledCore, wireNs } from "../../host/modelled/modelled-core.ts";
import type { Simulation } from "../../host/modelled/simulation.ts";

/** How soon a paused port tries again; ns. */
const PAUSE_NS = 200;

export class NicPort {
  readonly #simulation: Simulation;
  readonly #nic: ModelledCore;
  readonly #waiting: Uint8Array[] = [];
  #free = 0;

  constructor(simulation: Simulation, nic: ModelledCore) {
    this.#simulation = simulation;
    this.#nic = nic;
  }

  /** A frame without link header that reaches the port's end of the wire in `delayNs`. */
  send(frame: Uint8Array, delayNs: number): void {
    const { lineGigabits } = this.#nic.nic.machine;
    const start = Math.max(this.#free, this.#simulation.now + delayNs);
    this.#free = start + wireNs(frame.length, 0, lineGigabits.value);
    this.#simulation.at(this.#free, () => {
      this.#waiting.push(frame);
      if (this.#waiting.length === 1) this.#drain();
    });
  }

  #drain(): void {
    while (this.#waiting.length > 0 && this.#nic.nic.rx.free > 0) {
      this.#nic.receive(this.#waiting.shift() as Uint8Array);
    }
    if (this.#waiting.length > 0) this.#simulation.after(PAUSE_NS, () => this.#drain());
  }
}
