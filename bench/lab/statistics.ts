/** Figures over per-connection and per-request samples: Jain's index, nearest-rank percentiles. */

/**
 * Jain's fairness index, (sum x)^2 / (n sum x^2) (Jain, Chiu, Hawe 1984): 1 when all are equal, 1/n
 * when one has everything. Throws RangeError without a positive value.
 */
export function jainIndex(values: ArrayLike<number>): number {
  const list = Array.from(values);
  const sum = list.reduce((total, value) => total + value, 0);
  const squares = list.reduce((total, value) => total + value * value, 0);
  if (!(squares > 0)) throw new RangeError("jainIndex: expected a positive value, got none");
  return (sum * sum) / (list.length * squares);
}

/** The value at a share of the sorted list, by nearest rank. Throws RangeError on an empty one. */
export function percentile(values: ArrayLike<number>, share: number): number {
  if (values.length === 0) throw new RangeError("percentile: expected a value, got none");
  const sorted = Float64Array.from(values).sort();
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank - 1))] as number;
}

/** after[i] - before[i]. */
export function differences(after: Float64Array, before: Float64Array): Float64Array {
  return after.map((value, i) => value - (before[i] as number));
}
