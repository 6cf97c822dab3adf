/** A set of whole numbers as disjoint, sorted ranges [from, to): what of a stream has arrived. */
export class RangeSet {
  /** Pairs of edges. */
  readonly #edges: number[] = [];

  add(from: number, to: number): void {
    if (from >= to) return;
    const edges = this.#edges;
    let first = 0;
    while (first < edges.length && (edges[first + 1] as number) < from) first += 2;
    let last = first;
    let [low, high] = [from, to];
    while (last < edges.length && (edges[last] as number) <= to) {
      low = Math.min(low, edges[last] as number);
      high = Math.max(high, edges[last + 1] as number);
      last += 2;
    }
    edges.splice(first, last - first, low, high);
  }

  /** True when all of [from, to) is in. */
  holds(from: number, to: number): boolean {
    const edges = this.#edges;
    for (let i = 0; i < edges.length; i += 2) {
      if ((edges[i] as number) <= from && to <= (edges[i + 1] as number)) return true;
    }
    return from >= to;
  }

  /** The parts of [from, to) that are in. */
  common(from: number, to: number): [from: number, to: number][] {
    const edges = this.#edges;
    const parts: [number, number][] = [];
    for (let i = 0; i < edges.length; i += 2) {
      const low = Math.max(from, edges[i] as number);
      const high = Math.min(to, edges[i + 1] as number);
      if (low < high) parts.push([low, high]);
    }
    return parts;
  }

  /** The ranges, for people. */
  toString(): string {
    const edges = this.#edges;
    return edges.flatMap((from, i) => (i % 2 === 0 ? [`${from}-${edges[i + 1]}`] : [])).join(" ");
  }

  /** End of the range that begins at 0: bytes without a hole. */
  get contiguous(): number {
    const edges = this.#edges;
    return edges.length > 0 && edges[0] === 0 ? (edges[1] as number) : 0;
  }
}
