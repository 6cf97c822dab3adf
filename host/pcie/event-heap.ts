/**
 * Events by time in arrays made once; events of one time come in the order in which they were
 * added. Invariant: the first entry is the earliest.
 */
function swap(array: Float64Array | Int32Array, a: number, b: number): void {
  const kept = array[a] as number;
  array[a] = array[b] as number;
  array[b] = kept;
}

export class EventHeap {
  readonly #times: Float64Array;
  readonly #orders: Float64Array;
  readonly #items: Int32Array;
  #count = 0;
  #order = 0;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#orders = new Float64Array(capacity);
    this.#items = new Int32Array(capacity);
  }

  /** Time of the first event; Infinity when there is none. */
  get next(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number);
    return difference < 0 || (difference === 0 && this.#orderOf(a) < this.#orderOf(b));
  }

  #orderOf(at: number): number {
    return this.#orders[at] as number;
  }

  #swap(a: number, b: number): void {
    swap(this.#times, a, b);
    swap(this.#orders, a, b);
    swap(this.#items, a, b);
  }

  push(time: number, item: number): void {
    let at = this.#count;
    this.#count += 1;
    this.#times[at] = time;
    this.#orders[at] = this.#order;
    this.#items[at] = item;
    this.#order += 1;
    while (at > 0 && this.#before(at, (at - 1) >>> 1)) {
      this.#swap(at, (at - 1) >>> 1);
      at = (at - 1) >>> 1;
    }
  }

  /** Takes the first event's item. There must be one. */
  pop(): number {
    const item = this.#items[0] as number;
    this.#count -= 1;
    this.#swap(0, this.#count);
    for (let at = 0; ; ) {
      let least = at;
      if (2 * at + 1 < this.#count && this.#before(2 * at + 1, least)) least = 2 * at + 1;
      if (2 * at + 2 < this.#count && this.#before(2 * at + 2, least)) least = 2 * at + 2;
      if (least === at) return item;
      this.#swap(at, least);
      at = least;
    }
  }
}
