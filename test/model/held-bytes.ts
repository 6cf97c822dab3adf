/**
 * Bytes that have come out of order (RFC 2018), one by one, each with the number of the segment
 * that its interval changed with last: a part of receiver-model.ts.
 */
export class HeldBytes {
  readonly #limit: number;
  /** Position of a byte -> when its interval changed. */
  readonly #changed = new Map<number, number>();
  #changes = 0;

  /** At most `limit` intervals. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0;
  }

  has(at: number): boolean {
    return this.#changed.has(at);
  }

  /** [start, end) of each interval, that which changed last first. */
  get newestFirst(): [number, number][] {
    const places = [...this.#changed.keys()].sort((one, other) => one - other);
    const intervals: [number, number][] = [];
    for (const at of places) {
      const last = intervals.at(-1);
      if (last !== undefined && last[1] === at) last[1] = at + 1;
      else intervals.push([at, at + 1]);
    }
    const when = ([start]: [number, number]): number => this.#changed.get(start) as number;
    return intervals.sort((one, other) => when(other) - when(one));
  }

  /** The first part of [start, end) that is held. */
  firstHeld(start: number, end: number): [number, number] | undefined {
    let from = start;
    while (from < end && !this.has(from)) from += 1;
    let to = from;
    while (to < end && this.has(to)) to += 1;
    return from < to ? [from, to] : undefined;
  }

  /** How much of [start, end) can be placed in so many parts around what is held. */
  reach(start: number, end: number, parts: number): number {
    let used = 0;
    for (let at = start; at < end; at += 1) {
      const begins = !this.has(at) && (at === start || this.has(at - 1));
      if (begins && used === parts) return at;
      if (begins) used += 1;
    }
    return end;
  }

  /** False when [start, end) would be one interval too many. */
  mayAdd(start: number, end: number): boolean {
    for (let at = start - 1; at <= end; at += 1) if (this.has(at)) return true;
    return this.newestFirst.length < this.#limit;
  }

  add(start: number, end: number): void {
    let [low, high] = [start, end];
    while (this.has(low - 1)) low -= 1;
    while (this.has(high)) high += 1;
    this.#changes += 1;
    for (let at = low; at < high; at += 1) this.#changed.set(at, this.#changes);
  }

  /** Takes out what follows `next` without a gap; where that ends. */
  take(next: number): number {
    let at = next;
    while (this.#changed.delete(at)) at += 1;
    return at;
  }

  clear(): void {
    this.#changed.clear();
  }
}
