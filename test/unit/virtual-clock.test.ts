/** Goal: events come by (time, sequence). Method: seeded random events against a stable sort. */
import { expect, test } from "vitest";
import { Prng } from "../../host/prng.ts";
import { EventQueue, VirtualClock } from "../../host/virtual-clock.ts";

test("EventQueue orders by time, then by order of entry", () => {
  const seed = 11;
  const prng = new Prng(seed);
  const queue = new EventQueue<number>();
  const events: { time: number; item: number }[] = [];
  for (let item = 0; item < 500; item += 1) {
    const time = prng.below(40);
    queue.push(time, item);
    events.push({ time, item });
  }
  const wanted = events.sort((a, b) => a.time - b.time || a.item - b.item).map((e) => e.item);
  const got: number[] = [];
  for (let item = queue.pop(); item !== undefined; item = queue.pop()) got.push(item);
  expect(got, `seed ${seed}`).toEqual(wanted);
  expect(queue.time).toBe(Number.POSITIVE_INFINITY);
  expect(queue.size).toBe(0);
});

test("timers run at their own times, cancelled ones do not", () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  const note = (text: string) => (): void => {
    log.push(`${text}@${clock.now()}`);
  };
  clock.setTimer(2, note("two"));
  clock.setTimer(1, note("one"));
  const cancel = clock.setTimer(1, note("never"));
  clock.setTimer(1, () => clock.defer(note("deferred")));
  clock.setTimer(-5, note("past"));
  cancel();
  clock.advance(1.5e6);
  expect(log).toEqual(["past@0", "one@1000000", "deferred@1000000"]);
  expect(clock.now()).toBe(1.5e6);
  expect(clock.nextDeadline()).toBe(2e6);
  clock.advance(1e6);
  expect(log.at(-1)).toBe("two@2000000");
  expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
});

test("a timer that re-arms itself without delay is an error, not a hang", () => {
  const clock = new VirtualClock();
  const again = (): void => clock.defer(again);
  again();
  expect(() => clock.advance(1)).toThrow("time stands still at 0 ns");
});
