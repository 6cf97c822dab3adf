/**
 * Whether numbers tell of the next one (threats B09, RFC 6528): simple predictors over a sequence,
 * each judged by where its guesses miss. Numbers that are independent of each other and uniform
 * miss uniformly, whatever is guessed from those before.
 */

/** Numbers that a guess may be made from. */
const DEPTH = 17;
const LAGS = 16;
/** Of the least-squares fit. */
const FIT = 8;
const BINS = 16;
/** Chi square of 15 degrees of freedom: 1 in 4 million. */
const CHI_MAX = 60;
/** A guess this near is a hit; 0.3 of 10,000 are by chance, 6 are once in a million. */
const NEAR = 65_536;
const HITS_MAX = 5;

/** Guesses number `at` of the list from those before it. */
type Guess = (list: readonly number[], at: number) => number;

const get = (list: readonly number[], at: number): number => list[at] as number;

/** Through the last FIT numbers, as differences from the last, a straight line to the next. */
function fitted(list: readonly number[], at: number): number {
  const last = get(list, at - 1);
  const middle = (FIT + 1) / 2;
  let [mean, slope, square] = [0, 0, 0];
  for (let back = 1; back <= FIT; back += 1) {
    const value = (get(list, at - back) - last) | 0;
    mean += value / FIT;
    slope += (middle - back) * value;
    square += (middle - back) ** 2;
  }
  return last + Math.round(mean + (slope / square) * middle);
}

function guesses(): Map<string, Guess> {
  const all = new Map<string, Guess>([["least squares", fitted]]);
  for (let lag = 1; lag <= LAGS; lag += 1) {
    all.set(`the number ${lag} before`, (list, at) => get(list, at - lag));
    all.set(
      `the step ${lag} before`,
      (list, at) => get(list, at - 1) + get(list, at - lag) - get(list, at - lag - 1),
    );
  }
  return all;
}

/** Predictors that do better than chance on these numbers of 32 bits; some thousands of them. */
export function foreseen(list: readonly number[]): string[] {
  const found: string[] = [];
  const count = list.length - DEPTH;
  for (const [name, guess] of guesses()) {
    const bins = new Array<number>(BINS).fill(0);
    let hits = 0;
    for (let at = DEPTH; at < list.length; at += 1) {
      const miss = (get(list, at) - guess(list, at)) >>> 0;
      bins[miss >>> 28] = get(bins, miss >>> 28) + 1;
      if (miss < NEAR || miss > 2 ** 32 - NEAR) hits += 1;
    }
    const each = count / BINS;
    const chi = bins.reduce((sum, bin) => sum + (bin - each) ** 2 / each, 0);
    if (chi > CHI_MAX || hits > HITS_MAX)
      found.push(`${name}: chi ${chi.toFixed(0)}, ${hits} hits`);
  }
  return found;
}
