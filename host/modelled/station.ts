/**
 * A station: the cores of one stage and the queue in front of them. A free thread takes the oldest
 * item; the stage runs when it is taken, which is when its cost becomes known, and the item goes
 * on when the modelled time has passed. So parallel copies do finish in another order.
 */
import type { MemoryView } from "./memory-levels.ts";
import type { Cost, Processor } from "./processor.ts";

/** One core of a station with its way to memory. */
export interface Seat {
  readonly processor: Processor;
  readonly view: MemoryView;
}

export class Station<T> {
  readonly name: string;
  readonly seats: readonly Seat[];
  readonly #run: (item: T, view: MemoryView) => Cost;
  readonly #done: (item: T) => void;
  readonly #queue: T[] = [];
  #head = 0;
  /** Most items that waited at once. */
  peak = 0;

  constructor(
    name: string,
    seats: readonly Seat[],
    run: (item: T, view: MemoryView) => Cost,
    done: (item: T) => void,
  ) {
    this.name = name;
    this.seats = seats;
    this.#run = run;
    this.#done = done;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  push(item: T): void {
    this.#queue.push(item);
    this.peak = Math.max(this.peak, this.waiting);
    this.pump();
  }

  #next(): T {
    const item = this.#queue[this.#head] as T;
    this.#head += 1;
    if (this.#head > 256 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The core with most free threads; undefined when all are taken. */
  #seat(): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.seats) {
      const { free } = seat.processor;
      if (free > (best?.processor.free ?? 0)) best = seat;
    }
    return best;
  }

  /** Gives waiting items to free threads. */
  pump(): void {
    for (let seat = this.#seat(); seat !== undefined && this.waiting > 0; seat = this.#seat()) {
      const item = this.#next();
      const cost = this.#run(item, seat.view);
      seat.processor.take(cost, () => {
        this.#done(item);
        this.pump();
      });
    }
  }
}
