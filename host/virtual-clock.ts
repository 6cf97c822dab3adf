/**
 * Virtual time: a clock that moves only when it is told to, and the order of events on it.
 * Invariant: events come out by (time, sequence number), so equal times keep the order in which
 * they were put in (day-one decision 17).
 *
 * ```ts
 * const clock = new VirtualClock();
 * clock.setTimer(5, () => console.log("5 ms of virtual time"));
 * clock.advance(10e6);
 * ```
 */

/** Timers at one instant before the clock says that time stands still. */
const AT_ONCE_MAX = 1_000_000;

interface Event<T> {
  readonly time: number;
  readonly sequence: number;
  readonly item: T;
}

/** A binary heap of items ordered by (time, sequence). Times are ns. */
export class EventQueue<T> {
  readonly #heap: Event<T>[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Time of the first event, Infinity when there is none. */
  get time(): number {
    return this.#heap[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** Sequence number of the first event, Infinity when there is none. */
  get sequence(): number {
    return this.#heap[0]?.sequence ?? Number.POSITIVE_INFINITY;
  }

  /** Puts an item in; `sequence` only where the caller numbers its events itself. */
  push(time: number, item: T, sequence: number = this.#sequence): void {
    this.#sequence = Math.max(this.#sequence, sequence) + 1;
    const heap = this.#heap;
    const event = { time, sequence, item };
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event<T>;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  /** Takes the first item, undefined when there is none. */
  pop(): T | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (this.#heap.length > 0) this.#sink(last);
    return first.item;
  }

  #sink(event: Event<T>): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < heap.length && before(heap[right] as Event<T>, heap[child] as Event<T>)) {
        child = right;
      }
      const below = heap[child] as Event<T>;
      if (!before(below, event)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = event;
  }
}

function before<T>(a: Event<T>, b: Event<T>): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

interface Timer {
  callback: (() => void) | undefined;
}

/** A clock with timers. It has the shape a Driver wants of its platform: now, setTimer, defer. */
export class VirtualClock {
  readonly #timers = new EventQueue<Timer>();
  #now = 0;

  /** Virtual time in ns. A bound function, so that it can be handed on by itself. */
  readonly now = (): number => this.#now;

  /** Runs `callback` after `ms` milliseconds of virtual time; returns what cancels it. */
  readonly setTimer = (ms: number, callback: () => void): (() => void) =>
    this.at(this.#now + Math.max(0, ms) * 1e6, callback);

  /** Runs `callback` at this very time, after what is due already. */
  readonly defer = (callback: () => void): void => {
    this.at(this.#now, callback);
  };

  /** Runs `callback` at `time` (ns), or now when that is past; returns what cancels it. */
  at(time: number, callback: () => void): () => void {
    const timer: Timer = { callback };
    this.#timers.push(Math.max(time, this.#now), timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** Time of the next timer in ns; Infinity when there is none. */
  nextDeadline(): number {
    return this.#timers.time;
  }

  /** Moves the clock forward without running anything; it never goes back. */
  moveTo(time: number): void {
    if (time > this.#now) this.#now = time;
  }

  /** Runs the first timer that is due at the present time; false when none is. */
  runDue(): boolean {
    if (this.#timers.time > this.#now) return false;
    this.#timers.pop()?.callback?.();
    return true;
  }

  /**
   * Moves `ns` forward and runs the timers on the way, each at its own time. Throws Error when
   * a million of them fall on one instant: a timer that re-arms itself without delay.
   */
  advance(ns: number): void {
    const end = this.#now + ns;
    let atOnce = 0;
    while (this.#timers.time <= end) {
      atOnce = this.#timers.time > this.#now ? 0 : atOnce + 1;
      if (atOnce > AT_ONCE_MAX) throw new Error(`clock: time stands still at ${this.#now} ns`);
      this.moveTo(this.#timers.time);
      this.runDue();
    }
    this.moveTo(end);
  }
}
