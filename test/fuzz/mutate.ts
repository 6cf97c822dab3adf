/**
 * Inputs from inputs: what every byte-oriented fuzzer does to an entry of its corpus. Inputs are
 * lists of operations or frames with bytes behind them, so that most of a mutant keeps its sense.
 */
import type { Random } from "../support/random.ts";

const TIMES = [1, 1, 2, 2, 3, 4, 6, 8];
const BYTES = [0, 1, 2, 7, 16, 17, 18, 30, 32, 64, 127, 128, 144, 146, 158, 255];

/** Bytes that are worked on: their first `length` count. */
class Draft {
  readonly bytes: Uint8Array;
  length = 0;

  constructor(most: number) {
    this.bytes = new Uint8Array(most);
  }

  /** Puts bytes in at a place; what no longer fits falls off the end. */
  insert(at: number, what: Uint8Array): void {
    const room = this.bytes.length;
    const count = Math.min(what.length, room - at);
    const end = Math.min(this.length, room - count);
    if (end > at) this.bytes.copyWithin(at + count, at, end);
    this.bytes.set(what.length === count ? what : what.subarray(0, count), at);
    this.length = Math.min(this.length + count, room);
  }

  remove(at: number, count: number): void {
    const end = Math.min(at + count, this.length);
    this.bytes.copyWithin(at, end, this.length);
    this.length -= end - at;
  }
}

type Change = (random: Random, draft: Draft, other: Uint8Array) => void;

/** Bytes of `from`, at most so many. */
function some(random: Random, from: Uint8Array, most: number): Uint8Array {
  const at = random.below(from.length);
  return from.slice(at, at + random.between(1, most));
}

const CHANGES: readonly Change[] = [
  (r, { bytes, length }) => {
    bytes[r.below(length)] = r.below(256);
  },
  (r, { bytes, length }) => {
    bytes[r.below(length)] = r.pick(BYTES);
  },
  (r, { bytes, length }) => {
    const at = r.below(length);
    bytes[at] = (bytes[at] as number) ^ (1 << r.below(8));
  },
  (r, { bytes, length }) => {
    const at = r.below(length);
    bytes[at] = (bytes[at] as number) + r.between(-8, 8);
  },
  (r, draft) => draft.insert(r.below(draft.length), Uint8Array.of(r.below(256))),
  (r, draft) => draft.insert(r.below(draft.length), Uint8Array.of(r.pick(BYTES), r.below(256))),
  (r, draft) => draft.remove(r.below(draft.length), r.between(1, 4)),
  // Some of it again, elsewhere.
  (r, draft) =>
    draft.insert(r.below(draft.length), some(r, draft.bytes.subarray(0, draft.length), 12)),
  // Some of another input.
  (r, draft, other) => draft.insert(r.below(draft.length), some(r, other, 16)),
  (r, draft, other) => {
    const at = r.below(draft.length);
    draft.remove(at, draft.length);
    draft.insert(at, other.subarray(Math.min(at, other.length)));
  },
];

/** A changed copy, 1 to `most` bytes; the first `keep` bytes stay as they are. */
export function mutate(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
  most: number,
  keep = 0,
): Uint8Array {
  const draft = new Draft(most - keep);
  draft.insert(0, input.subarray(keep));
  for (let i = random.pick(TIMES); i > 0; i -= 1) {
    if (draft.length === 0) draft.insert(0, Uint8Array.of(random.below(256)));
    random.pick(CHANGES)(random, draft, other);
  }
  const result = new Uint8Array(keep + Math.max(1, draft.length));
  result.set(input.subarray(0, keep));
  result.set(draft.bytes.subarray(0, draft.length), keep);
  return result;
}

/**
 * The shortest input found that `fails` as well: runs of bytes left out, then bytes made simpler,
 * until nothing more can go.
 */
export function shorten(input: Uint8Array, fails: (input: Uint8Array) => boolean): Uint8Array {
  let best = input;
  const attempt = (candidate: Uint8Array): boolean => {
    if (candidate.length === 0 || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let before = -1; before !== best.length; ) {
    before = best.length;
    for (let run = 16; run >= 1; run = Math.floor(run / 2)) {
      for (let at = 0; at + run <= best.length; ) {
        const left = Uint8Array.from([...best.subarray(0, at), ...best.subarray(at + run)]);
        if (!attempt(left)) at += run;
      }
    }
    for (let at = 0; at < best.length; at += 1) {
      const byte = best[at] as number;
      for (const simpler of [0, byte & 31, byte & 127]) {
        if (simpler < byte && attempt(best.with(at, simpler))) break;
      }
    }
  }
  return best;
}
