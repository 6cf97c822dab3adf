/**
 * A reorder point (4.3.2): numbers go in as parallel stages finish, and come out in order. Every
 * number is given back once, also for what leaves early. Switched off it lets everything through
 * as it comes, which is how Figure 4.7 comes about.
 */
export class ReorderPoint<T> {
  readonly #isOn: boolean;
  readonly #release: (item: T) => void;
  readonly #held = new Map<number, T | undefined>();
  #assigned = 0;
  #next = 0;
  #highest = -1;
  /** Items that came in behind a later one. */
  overtaken = 0;

  constructor(isOn: boolean, release: (item: T) => void) {
    this.#isOn = isOn;
    this.#release = release;
  }

  /** Numbers given out and not yet released. */
  get open(): number {
    return this.#assigned - this.#next;
  }

  /** The next number. */
  assign(): number {
    this.#assigned += 1;
    return this.#assigned - 1;
  }

  /** A number comes back, with what goes on or without (it left early). */
  submit(number: number, item: T | undefined): void {
    if (number < this.#highest) this.overtaken += 1;
    else this.#highest = number;
    if (!this.#isOn) {
      if (item !== undefined) this.#release(item);
      return;
    }
    if (number < this.#next || this.#held.has(number)) {
      throw new Error(`reorder point: expected number ${number} once, got it again`);
    }
    this.#held.set(number, item);
    while (this.#held.has(this.#next)) {
      const ready = this.#held.get(this.#next);
      this.#held.delete(this.#next);
      this.#next += 1;
      if (ready !== undefined) this.#release(ready);
    }
  }
}
