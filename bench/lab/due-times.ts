/**
 * When each of a fixed number of things happens next: a binary heap that knows where each stands,
 * so that a time can be moved either way. Invariant: the earliest is first, equal times by number;
 * everything has one time, Infinity when nothing is to come.
 */
export class DueTimes {
  readonly #times: Float64Array;
  /** Numbers in heap order, and the place of each in it. */
  readonly #heap: Uint32Array;
  readonly #places: Uint32Array;

  /** All of them start at Infinity. */
  constructor(count: number) {
    this.#times = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    this.#heap = Uint32Array.from({ length: count }, (_, i) => i);
    this.#places = Uint32Array.from(this.#heap);
  }

  /** Number of the earliest. */
  get first(): number {
    return this.#heap[0] as number;
  }

  /** Time of the earliest. */
  get time(): number {
    return this.#times[this.#heap[0] as number] as number;
  }

  /** When one of them is due. */
  of(item: number): number {
    return this.#times[item] as number;
  }

  /** Gives one of them another time. */
  set(item: number, time: number): void {
    const before = this.#times[item] as number;
    if (time === before) return;
    this.#times[item] = time;
    if (time < before) this.#rise(item, time);
    else this.#sink(item, time);
  }

  #rise(item: number, time: number): void {
    const heap = this.#heap;
    let at = this.#places[item] as number;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as number;
      if (!this.#before(item, time, above)) break;
      heap[at] = above;
      this.#places[above] = at;
      at = parent;
    }
    heap[at] = item;
    this.#places[item] = at;
  }

  #sink(item: number, time: number): void {
    const heap = this.#heap;
    const size = heap.length;
    let at = this.#places[item] as number;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      let below = heap[child] as number;
      if (child + 1 < size) {
        const right = heap[child + 1] as number;
        if (this.#before(right, this.#times[right] as number, below)) {
          below = right;
          child += 1;
        }
      }
      if (this.#before(item, time, below)) break;
      heap[at] = below;
      this.#places[below] = at;
      at = child;
    }
    heap[at] = item;
    this.#places[item] = at;
  }

  #before(item: number, time: number, other: number): boolean {
    const their = this.#times[other] as number;
    return time < their || (time === their && item < other);
  }
}
