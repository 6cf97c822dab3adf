/**
 * Figures of toeloop beside those of peers, round by round, of one kind of benchmark: medians,
 * ratios and what the JSON says of them.
 */
import { pairRatio, quartiles, type Quartiles } from "./harness.ts";

export const OURS = "toeloop";

/** Of one kind of figures: what counts for speed and for processor time. */
export interface Measures<F> {
  /** More is better. */
  readonly rate: keyof F;
  /** Processor nanoseconds; less is better. */
  readonly processor: keyof F;
  /** Those whose largest value is told and not the median. */
  readonly largest?: readonly (keyof F)[];
}

/** By side, ours among them. */
export type Sides<F> = ReadonlyMap<string, readonly F[]>;

type Numbers<F> = Readonly<Record<keyof F, number>>;

export class AgainstPeers<F extends Numbers<F>> {
  readonly #measures: Measures<F>;

  constructor(measures: Measures<F>) {
    this.#measures = measures;
  }

  /** Each figure's median over the rounds. Throws RangeError without any. */
  medians(runs: readonly F[]): F {
    const first = runs[0];
    if (first === undefined) throw new RangeError("medians: expected a round at least, got none");
    const names = Object.keys(first) as (keyof F)[];
    const figure = (name: keyof F): number => {
      const values = runs.map((run) => run[name]);
      const isLargest = this.#measures.largest?.includes(name) === true;
      return isLargest ? Math.max(...values) : quartiles(values).median;
    };
    return Object.fromEntries(names.map((name) => [name, figure(name)])) as F;
  }

  /** Our rate over a peer's, pair by pair; undefined without the peer. */
  ratio(sides: Sides<F>, peer: string): Quartiles | undefined {
    const [ours, theirs] = this.#both(sides, peer, this.#measures.rate);
    return theirs === undefined ? undefined : pairRatio(ours, theirs);
  }

  /** A peer's processor time over ours; undefined without the peer. */
  cpuRatio(sides: Sides<F>, peer: string): Quartiles | undefined {
    const [ours, theirs] = this.#both(sides, peer, this.#measures.processor);
    return theirs === undefined ? undefined : pairRatio(theirs, ours);
  }

  #both(sides: Sides<F>, peer: string, name: keyof F): [number[], number[] | undefined] {
    const of = (runs: readonly F[]): number[] => runs.map((run) => run[name]);
    const theirs = sides.get(peer);
    return [of(sides.get(OURS) ?? []), theirs === undefined ? undefined : of(theirs)];
  }

  /** Our medians, and each peer's with both ratios. */
  values(sides: Sides<F>): Record<string, unknown> {
    const peers = [...sides].filter(([side]) => side !== OURS);
    return {
      ...this.medians(sides.get(OURS) ?? []),
      peers: Object.fromEntries(
        peers.map(([side, runs]) => {
          const ratios = { ratio: this.ratio(sides, side), cpuRatio: this.cpuRatio(sides, side) };
          return [side, { ...this.medians(runs), ...ratios }];
        }),
      ),
    };
  }
}
