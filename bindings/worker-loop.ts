/**
 * What a worker thread runs, on any runtime: polls its stages, spins for a while without work, then
 * sleeps. It sleeps in JavaScript: a wait instruction in a Wasm loop hangs under the baseline
 * compiler of the V8 that Node 20 has.
 *
 * Invariant: between saying that it sleeps and sleeping, a thread looks for work once more, so that
 * work published in between is found by one side or the other.
 */
import { SHARED_STOP, THREAD_ASLEEP, THREAD_AWAKE, THREAD_DROWSY } from "./abi/workers.ts";
import { THREAD_SLEEPING } from "./abi/workers.ts";
import { type WorkersExports, instantiateWorkers } from "./workers-module.ts";

/** What a thread is given when it starts; structured-cloneable. */
export interface ThreadStart {
  readonly module: WebAssembly.Module;
  /** Shared. */
  readonly memory: WebAssembly.Memory;
  /** Address of the control block. */
  readonly shared: number;
  /** Address of its THREAD record. */
  readonly thread: number;
  /** Empty rounds before it sleeps. */
  readonly spins: number;
}

/** Rounds of one call into Wasm: then the stop word is looked at. */
const ROUNDS = 256;
/** Longest sleep: a thread that nobody wakes still looks around, and shows that it lives. */
export const SLEEP_MS = 250;

/** Runs until the executor stops. */
export function runWorker(start: ThreadStart): void {
  const exports = instantiateWorkers(start.module, start.memory);
  const words = new Int32Array(start.memory.buffer);
  const stop = (start.shared + SHARED_STOP) >>> 2;
  let idle = 0;
  while (Atomics.load(words, stop) === 0) {
    if (exports.runThread(start.shared, start.thread, ROUNDS) !== 0) idle = 0;
    else idle += 1;
    if (idle < start.spins) continue;
    sleep(exports, words, start);
    idle = 0;
  }
}

/** Sleeps, unless a last look finds work or a waker was faster. */
export function sleep(
  exports: Pick<WorkersExports, "runThread">,
  words: Int32Array,
  { shared, thread }: Pick<ThreadStart, "shared" | "thread">,
): void {
  const state = (thread + THREAD_SLEEPING) >>> 2;
  Atomics.store(words, state, THREAD_DROWSY);
  if (exports.runThread(shared, thread, 1) !== 0) {
    Atomics.store(words, state, THREAD_AWAKE);
    return;
  }
  // A waker was faster.
  if (Atomics.compareExchange(words, state, THREAD_DROWSY, THREAD_ASLEEP) !== THREAD_DROWSY) return;
  Atomics.wait(words, state, THREAD_ASLEEP, SLEEP_MS);
  Atomics.compareExchange(words, state, THREAD_ASLEEP, THREAD_AWAKE);
}
