/**
 * Runs one host on wall time (day-one decision 20). Invariants: a turn does bounded work and then
 * yields, so timers and I/O are never starved; with nothing to do there is one timer at most, and
 * none when the host has no deadline.
 *
 * ```ts
 * const driver = new Driver(stack, platform); // the stack's netifs and calls wake it
 * driver.start();
 * ```
 */
import type { Host } from "./world.ts";

/** Polls in one turn at most. */
const POLLS_PER_TURN_DEFAULT = 32;
/** Wall time of one turn after which it yields, checked between polls. */
const TURN_NS_DEFAULT = 1_000_000;
/** The longest delay that every platform's timer takes is 2^31 - 1 ms; a day is enough. */
const TIMER_MS_MAX = 86_400_000;

/** The parts of a platform (bindings/platform.ts) that a driver needs. */
export interface DriverPlatform {
  /** ns since the start; never falls. */
  now(): number;
  /** Runs `callback` after `ms` or later; returns what cancels it. */
  setTimer(ms: number, callback: () => void): () => void;
  /** Runs `callback` soon, after timers and I/O that are due (setImmediate). */
  defer(callback: () => void): void;
}

export interface DriverOptions {
  readonly pollsPerTurn?: number;
  readonly turnNs?: number;
  /** Called when poll() threw (a bug of ours), the driver having stopped. Default: rethrow. */
  readonly onError?: (error: unknown) => void;
}

type Phase = "stopped" | "idle" | "scheduled" | "polling";

export class Driver {
  /** Turns and polls done so far. */
  turns = 0;
  polls = 0;
  readonly #host: Host;
  readonly #platform: DriverPlatform;
  readonly #options: DriverOptions;
  #phase: Phase = "stopped";
  #woken = false;
  /** Counts starts, so that a turn deferred before a stop() does not run after the next start. */
  #run = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(host: Host, platform: DriverPlatform, options: DriverOptions = {}) {
    this.#host = host;
    this.#platform = platform;
    this.#options = options;
    host.onWake?.(() => this.wake());
  }

  get running(): boolean {
    return this.#phase !== "stopped";
  }

  start(): void {
    if (this.#phase !== "stopped") return;
    this.#phase = "idle";
    this.#run += 1;
    this.#schedule();
  }

  /** The host has something to do: frames arrived, or its application called. Cheap, repeatable. */
  wake(): void {
    if (this.#phase === "polling") this.#woken = true;
    if (this.#phase === "idle") this.#schedule();
  }

  /** Stops polling; nothing of the driver is left with the platform but an idle callback. */
  stop(): void {
    this.#phase = "stopped";
    this.#woken = false;
    this.#dropTimer();
  }

  #schedule(): void {
    this.#dropTimer();
    this.#phase = "scheduled";
    const run = this.#run;
    this.#platform.defer(() => {
      if (this.#phase === "scheduled" && run === this.#run) this.#turn();
    });
  }

  #turn(): void {
    this.turns += 1;
    this.#phase = "polling";
    let more: boolean;
    try {
      more = this.#pollWithinBudget();
    } catch (error) {
      this.stop();
      if (this.#options.onError === undefined) throw error;
      this.#options.onError(error);
      return;
    }
    // stop() may have been called from within poll().
    if (!this.running) return;
    this.#phase = "idle";
    if (more) this.#schedule();
    else this.#sleep();
  }

  /** True when there is more to do at once. */
  #pollWithinBudget(): boolean {
    const most = this.#options.pollsPerTurn ?? POLLS_PER_TURN_DEFAULT;
    const end = this.#platform.now() + (this.#options.turnNs ?? TURN_NS_DEFAULT);
    for (let i = 0; i < most; i += 1) {
      const now = this.#platform.now();
      if (i > 0 && now >= end) return true;
      this.#woken = false;
      this.polls += 1;
      const more = this.#host.poll(now);
      if (!this.running) return false;
      if (!more && !this.#woken && this.#host.nextDeadline() > now) return false;
    }
    return true;
  }

  #sleep(): void {
    const wait = this.#host.nextDeadline() - this.#platform.now();
    if (wait <= 0) {
      this.#schedule();
      return;
    }
    if (wait === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(Math.ceil(wait / 1e6), TIMER_MS_MAX);
    this.#cancelTimer = this.#platform.setTimer(ms, () => {
      this.#cancelTimer = undefined;
      if (this.#phase === "idle") this.#turn();
    });
  }

  #dropTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
