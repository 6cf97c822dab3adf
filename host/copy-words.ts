/**
 * Short copies between typed arrays of words. Up to about 256 bytes a loop beats subarray() and
 * set(), which cost 75 to 100 ns before their first byte (Node 20). Four words a turn: V8 looks at
 * both arrays again in every turn of a loop, which is most of what a turn costs.
 */

/** Copies `count` words from `source[from]` to `target[at]`; the caller knows that they fit. */
export function copyWords(
  target: Uint32Array,
  at: number,
  source: Uint32Array,
  from: number,
  count: number,
): void {
  let to = at;
  let i = from;
  const blocks = from + (count & ~3);
  while (i < blocks) {
    target[to] = source[i] as number;
    target[(to + 1) | 0] = source[(i + 1) | 0] as number;
    target[(to + 2) | 0] = source[(i + 2) | 0] as number;
    target[(to + 3) | 0] = source[(i + 3) | 0] as number;
    to = (to + 4) | 0;
    i = (i + 4) | 0;
  }
  for (const end = from + count; i < end; i += 1) {
    target[to] = source[i] as number;
    to = (to + 1) | 0;
  }
}
