/**
 * What it costs to hand something to another thread: a word that two threads pass to and fro, by
 * spinning (a cache line moves) or by sleeping (the kernel wakes a thread).
 */

/** Words of the shared table: whose turn it is, and whether the two sleep. */
const TURN = 0;
const SLEEPS = 1;
const WORDS = 64;

/** A table for bounce(). */
export function handoffTable(sleeps: boolean): SharedArrayBuffer {
  const table = new SharedArrayBuffer(WORDS * 4);
  new Int32Array(table)[SLEEPS] = sleeps ? 1 : 0;
  return table;
}

/** One side of `rounds` round trips; side 0 begins. Both threads run it at the same time. */
export function bounce(words: Int32Array, side: 0 | 1, rounds: number): void {
  const sleeps = Atomics.load(words, SLEEPS) === 1;
  for (let round = 0; round < rounds; round += 1) {
    const mine = 2 * round + side;
    for (let at = Atomics.load(words, TURN); at !== mine; at = Atomics.load(words, TURN)) {
      if (sleeps) Atomics.wait(words, TURN, at, 1000);
    }
    Atomics.store(words, TURN, mine + 1);
    if (sleeps) Atomics.notify(words, TURN);
  }
}
