/**
 * Runs one host on wall time (day-one decision 20). Invariants: a turn does bounded work, and after
 * a bounded number of polls the driver yields, so timers and I/O are never starved; with nothing to
 * do there is one timer at most, and none is set when the host has no deadline.
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
/** Polls right after the code that woke the driver; the next one waits for timers and I/O. */
const SOON_POLLS_MAX = 64;
/** What timers count in: a millisecond, rounded up. */
const TIMER_NS = 1e6;
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
  /** Runs `callback` when the code that is running has ended, before timers and I/O. */
  soon?(callback: () => void): void;
}

export interface DriverOptions {
  readonly pollsPerTurn?: number;
  readonly turnNs?: number;
  /**
   * Called when poll() threw (a bug of ours). A host that is fenced by it goes on, so that its
   * sockets are told; otherwise the driver has stopped, and rethrows without this.
   */
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
  #sawFence = false;
  #cancelTimer: (() => void) | undefined;
  /** When the timer fires, ns. */
  #timerAt = 0;
  /** Polls before the driver yields. */
  #soonLeft = SOON_POLLS_MAX;

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
    this.#run += 1;
    this.#schedule();
  }

  /** The host has something to do: frames arrived, or its application called. Cheap, repeatable. */
  wake(): void {
    if (this.#phase === "polling") this.#woken = true;
    if (this.#phase === "idle") this.#hurry();
  }

  /** Stops polling; nothing of the driver is left with the platform but an idle callback. */
  stop(): void {
    this.#phase = "stopped";
    this.#woken = false;
    this.#dropTimer();
  }

  /** A turn after timers and I/O. */
  #schedule(): void {
    this.#phase = "scheduled";
    const run = this.#run;
    this.#platform.defer(() => {
      this.#soonLeft = SOON_POLLS_MAX;
      if (this.#phase === "scheduled" && run === this.#run) this.#turn();
    });
  }

  /** A turn at once, when there were not too many of them: what was asked for together goes so. */
  #hurry(): void {
    if (this.#soonLeft <= 0 || this.#platform.soon === undefined) {
      this.#schedule();
      return;
    }
    this.#phase = "scheduled";
    const run = this.#run;
    this.#platform.soon(() => {
      if (this.#phase === "scheduled" && run === this.#run) this.#turn();
    });
  }

  #turn(): void {
    this.turns += 1;
    this.#phase = "polling";
    let deadline: number;
    try {
      deadline = this.#pollWithinBudget();
    } catch (error) {
      if (!this.#goesOn()) this.stop();
      if (this.running) this.#schedule();
      else if (this.#options.onError === undefined) throw error;
      this.#options.onError?.(error);
      return;
    }
    // stop() may have been called from within poll().
    if (!this.running) return;
    this.#phase = "idle";
    if (deadline === 0) this.#schedule();
    else this.#sleep(deadline);
  }

  /** True once: what a fenced host throws after its trap is another bug. */
  #goesOn(): boolean {
    if (this.#host.fenced === undefined || this.#sawFence) return false;
    this.#sawFence = true;
    return true;
  }

  /** When the host has something to do next, ns; 0 when at once. */
  #pollWithinBudget(): number {
    const most = this.#options.pollsPerTurn ?? POLLS_PER_TURN_DEFAULT;
    let now = this.#platform.now();
    const end = now + (this.#options.turnNs ?? TURN_NS_DEFAULT);
    for (let i = 0; i < most; i += 1) {
      if (i > 0) now = this.#platform.now();
      if (i > 0 && now >= end) return 0;
      this.#woken = false;
      this.polls += 1;
      this.#soonLeft -= 1;
      const more = this.#host.poll(now);
      if (!this.running) return 0;
      if (more || this.#woken) continue;
      const deadline = this.#host.nextDeadline();
      if (deadline > now) return deadline;
    }
    return 0;
  }

  #sleep(deadline: number): void {
    // One that fires sooner does: it finds nothing to do, and is set again if need be. Deadlines
    // come and go with each segment, and a timer of the runtime costs more than a segment.
    if (deadline === Number.POSITIVE_INFINITY) return;
    if (this.#cancelTimer !== undefined && this.#timerAt < deadline + TIMER_NS) return;
    const now = this.#platform.now();
    if (deadline <= now) {
      this.#schedule();
      return;
    }
    this.#setTimer(now, Math.min(Math.ceil((deadline - now) / TIMER_NS), TIMER_MS_MAX));
  }

  #setTimer(now: number, ms: number): void {
    this.#dropTimer();
    this.#timerAt = now + ms * TIMER_NS;
    this.#cancelTimer = this.#platform.setTimer(ms, () => {
      this.#cancelTimer = undefined;
      this.#soonLeft = SOON_POLLS_MAX;
      if (this.#phase === "idle") this.#turn();
    });
  }

  #dropTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
