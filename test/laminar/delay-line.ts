/**
 * Things on their way: each arrives at a given time, and those of one time in the order in which
 * they were sent. Times are the caller's: ticks, or packets through the pipeline.
 */
export class DelayLine<T> {
  readonly #waiting: { readonly at: number; readonly thing: T }[] = [];

  send(thing: T, at: number): void {
    let index = this.#waiting.length;
    while (index > 0 && (this.#waiting[index - 1]?.at ?? 0) > at) index -= 1;
    this.#waiting.splice(index, 0, { at, thing });
  }

  /** The next thing that has arrived by `now`, or undefined. */
  arrived(now: number): T | undefined {
    const first = this.#waiting[0];
    if (first === undefined || first.at > now) return undefined;
    this.#waiting.shift();
    return first.thing;
  }
}
