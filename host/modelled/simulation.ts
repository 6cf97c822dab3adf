/**
 * The event queue of the modelled executor: time in ns, events by (time, order of arrival). One
 * simulation may hold several machines, links and applications; nothing here reads a clock.
 */
import { EventQueue } from "../virtual-clock.ts";

/** Events at one instant before the simulation says that time stands still. */
const AT_ONCE_MAX = 10_000_000;

export class Simulation {
  readonly #events = new EventQueue<() => void>();
  #now = 0;
  #atOnce = 0;

  /** ns since start. */
  get now(): number {
    return this.#now;
  }

  /** Runs `event` `delay` ns from now, after what is due then already. */
  after(delay: number, event: () => void): void {
    this.#events.push(this.#now + delay, event);
  }

  /** Runs `event` at `time` ns; Throws RangeError when that is past. */
  at(time: number, event: () => void): void {
    if (time < this.#now) {
      throw new RangeError(`simulation.at: expected ${this.#now} or later, got ${time}`);
    }
    this.#events.push(time, event);
  }

  /** Time of the next event; Infinity when there is none. */
  get next(): number {
    return this.#events.time;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const time = this.#events.time;
    const event = this.#events.pop();
    if (event === undefined) return false;
    this.#atOnce = time > this.#now ? 0 : this.#atOnce + 1;
    if (this.#atOnce > AT_ONCE_MAX) {
      throw new Error(`simulation: time stands still at ${this.#now} ns`);
    }
    this.#now = time;
    event();
    return true;
  }

  /** Runs all events up to and at `time`; the clock then shows it. */
  runTo(time: number): void {
    while (this.#events.time <= time) this.step();
    if (time > this.#now) this.#now = time;
  }

  /** Runs until `done()`; throws Error when nothing is left to happen or `limit` ns have passed. */
  runUntil(done: () => boolean, limit = Number.POSITIVE_INFINITY): void {
    while (!done()) {
      if (this.#events.time > limit || !this.step()) {
        throw new Error(`simulation: expected an event before ${limit} ns, got none`);
      }
    }
  }
}
