/**
 * Inputs from inputs: what every byte-oriented fuzzer does to an entry of its corpus. Inputs are
 * lists of operations or frames with bytes behind them, so that most of a mutant keeps its sense.
 */
import type { Random } from "../support/random.ts";

const BYTES = [0, 1, 2, 7, 16, 17, 18, 30, 32, 64, 127, 128, 144, 146, 158, 255];

type Change = (random: Random, bytes: number[], other: Uint8Array) => void;

const CHANGES: readonly Change[] = [
  (r, b) => b.splice(r.below(b.length), 1, r.below(256)),
  (r, b) => b.splice(r.below(b.length), 1, r.pick(BYTES)),
  (r, b) => {
    const at = r.below(b.length);
    b[at] = (b[at] as number) ^ (1 << r.below(8));
  },
  (r, b) => {
    const at = r.below(b.length);
    b[at] = ((b[at] as number) + r.between(-8, 8)) & 255;
  },
  (r, b) => b.splice(r.below(b.length + 1), 0, r.below(256)),
  (r, b) => b.splice(r.below(b.length + 1), 0, r.pick(BYTES), r.below(256)),
  (r, b) => b.splice(r.below(b.length), r.between(1, 4)),
  // Some of it again, elsewhere.
  (r, b) => {
    const from = r.below(b.length);
    b.splice(r.below(b.length + 1), 0, ...b.slice(from, from + r.between(1, 12)));
  },
  // Some of another input.
  (r, b, other) => {
    const from = r.below(other.length);
    b.splice(r.below(b.length + 1), 0, ...other.subarray(from, from + r.between(1, 16)));
  },
  (r, b, other) => {
    const at = r.below(b.length);
    b.splice(at, b.length - at, ...other.subarray(Math.min(at, other.length)));
  },
];

/** A changed copy, 1 to `most` bytes; `keep` bytes at the start stay as they are. */
export function mutate(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
  most: number,
  keep = 0,
): Uint8Array {
  const bytes = [...input.subarray(keep)];
  for (let i = random.pick([1, 1, 2, 2, 3, 4, 6, 8]); i > 0; i -= 1) {
    if (bytes.length === 0) bytes.push(random.below(256));
    random.pick(CHANGES)(random, bytes, other);
  }
  return Uint8Array.from([...input.subarray(0, keep), ...bytes].slice(0, most));
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
