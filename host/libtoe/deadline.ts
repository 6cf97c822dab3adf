/**
 * Deadlines of awaitable calls (SO_RCVTIMEO, SO_SNDTIMEO, timeouts of poll and epoll). Time comes
 * with poll(now) only, so a timeout starts at the poll after the call.
 *
 * Invariant: a deadline fires at most once, and never after it was cancelled.
 */
import type { Attention } from "./attention.ts";

export class Deadline {
  /** Nanoseconds from the start to the end. */
  readonly span: number;
  /** Time in ns; -1 before it has started. */
  at = -1;
  /** Run once when it passes; undefined afterwards and when cancelled. */
  fire: (() => void) | undefined;

  constructor(spanMs: number, fire: () => void) {
    this.span = spanMs * 1e6;
    this.fire = fire;
  }
}

export class Deadlines {
  #waiting: Deadline[] = [];
  #fresh: Deadline[] = [];
  #next = Infinity;
  #cancelled = 0;
  readonly #attention: Attention;

  /** False when there is nothing to expire. */
  active = false;

  constructor(attention: Attention) {
    this.#attention = attention;
  }

  /** Deadlines not yet passed or cancelled. */
  get count(): number {
    return this.#waiting.length + this.#fresh.length - this.#cancelled;
  }

  add(deadline: Deadline): void {
    this.active = true;
    this.#attention.due = true;
    this.#fresh.push(deadline);
  }

  cancel(deadline: Deadline): void {
    if (deadline.fire === undefined) return;
    deadline.fire = undefined;
    this.#cancelled += 1;
    // Calls that end in time would otherwise pile up until their deadlines.
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.count + this.#cancelled) this.#sweep();
  }

  /** Time in ns of the first deadline; 0 when one waits for the time itself; else Infinity. */
  next(): number {
    return this.#fresh.length > 0 ? 0 : this.#next;
  }

  /** Starts new deadlines and fires those that have passed; how many. */
  expire(now: number): number {
    if (this.#fresh.length > 0) this.#start(now);
    if (now < this.#next) return 0;
    const due = this.#waiting.filter((deadline) => deadline.at <= now);
    this.#waiting = this.#waiting.filter((deadline) => deadline.at > now);
    this.#findNext();
    for (const deadline of due) {
      const { fire } = deadline;
      deadline.fire = undefined;
      if (fire === undefined) this.#cancelled -= 1;
      else fire();
    }
    return due.length;
  }

  #start(now: number): void {
    for (const deadline of this.#fresh) {
      deadline.at = now + deadline.span;
      this.#waiting.push(deadline);
      if (deadline.at < this.#next) this.#next = deadline.at;
    }
    this.#fresh = [];
  }

  #sweep(): void {
    const live = (deadline: Deadline): boolean => deadline.fire !== undefined;
    this.#waiting = this.#waiting.filter(live);
    this.#fresh = this.#fresh.filter(live);
    this.#cancelled = 0;
    this.#findNext();
  }

  #findNext(): void {
    this.active = this.#waiting.length + this.#fresh.length > 0;
    this.#next = Infinity;
    for (const deadline of this.#waiting) this.#next = Math.min(this.#next, deadline.at);
  }
}
