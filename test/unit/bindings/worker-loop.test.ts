/**
 * A thread goes to sleep: it says so, looks once more, and only then sleeps. Work that is published
 * between its last round and its sleep is found by that look, or its publisher wakes it.
 */
import { afterEach, expect, test, vi } from "vitest";
import { THREAD_ASLEEP, THREAD_AWAKE, THREAD_DROWSY } from "../../../bindings/abi/workers.ts";
import { THREAD_SLEEPING } from "../../../bindings/abi/workers.ts";
import { sleep } from "../../../bindings/worker-loop.ts";

const THREAD = 128;
const STATE = (THREAD + THREAD_SLEEPING) >>> 2;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Goes to sleep once; what happened, in order. */
function events(look: (words: Int32Array) => number): { seen: string[]; state: number } {
  const words = new Int32Array(new SharedArrayBuffer(1024));
  const seen: string[] = [];
  vi.spyOn(Atomics, "wait").mockImplementation((_, at, value) => {
    seen.push(`wait at ${at} for ${value}, state ${words[STATE]}`);
    return "timed-out";
  });
  const runThread = (_shared: number, thread: number, rounds: number): number => {
    seen.push(`look ${thread} ${rounds}, state ${words[STATE]}`);
    return look(words);
  };
  sleep({ runThread }, words, { shared: 0, thread: THREAD });
  return { seen, state: words[STATE] as number };
}

const LOOK = `look ${THREAD} 1, state ${THREAD_DROWSY}`;

test("without work: a look while drowsy, then asleep, then awake", () => {
  expect(events(() => 0)).toEqual({
    seen: [LOOK, `wait at ${STATE} for ${THREAD_ASLEEP}, state ${THREAD_ASLEEP}`],
    state: THREAD_AWAKE,
  });
});

test("work that came after the last round is found by the look", () => {
  expect(events(() => 1)).toEqual({ seen: [LOOK], state: THREAD_AWAKE });
});

test("a waker that comes after the look is faster than the sleep", () => {
  const woken = (words: Int32Array): number => {
    words[STATE] = THREAD_AWAKE;
    return 0;
  };
  expect(events(woken)).toEqual({ seen: [LOOK], state: THREAD_AWAKE });
});
