/**
 * The timer wheel. Method: a model that is a map of deadlines; after each advance the expired set
 * must lie between what is due one tick ago and what is due now, each timer once. Then single
 * properties: bounded work, slot order, cost of idle time, the far horizon, one-store re-arming.
 */
import { expect, test } from "vitest";
import { TIMERS_PER_STEP } from "../../../bindings/abi/limits.ts";
import {
  TIMER_DEADLINE,
  TIMER_SIZE,
  TIMER_SLOT,
  WHEEL_COUNT,
  WHEEL_SIZE,
} from "../../../bindings/abi/timer.ts";
import { seedOf } from "../../support/env.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { Random } from "../../support/random.ts";

interface WheelExports {
  wheelInitialize(wheel: number, now: bigint): void;
  wheelArm(wheel: number, timers: number, timer: number, deadline: bigint): void;
  wheelCancel(timers: number, timer: number): void;
  wheelAdvance(wheel: number, timers: number, now: bigint, out: number, outMax: number): number;
  wheelNext(wheel: number): bigint;
}

const SEED = seedOf(20260103);
const NEVER = 0xffffffffffffffffn;
const TICK = 1024n;
const US = 1000n;
const MS = 1000n * US;
const SECOND = 1000n * MS;
const HOUR = 3600n * SECOND;
const LEVEL_1 = 1n << 20n;
const LEVEL_2 = 1n << 30n;
const HORIZON = 1n << 40n;
const WHEEL = 4096;
const OUT = WHEEL + WHEEL_SIZE + 64;
const OUT_MAX = 256;
const TIMERS = 32768;
/** Starts of time: zero, beside a wrap of each level, and where 53 bits do not suffice. */
const STARTS = [0n, LEVEL_1 - 5n * TICK, LEVEL_2 - 3n * TICK, HORIZON - 1n, (1n << 62n) - LEVEL_2];

/** A wheel under test with a clock, and the few lines that every test needs. */
class Wheel {
  readonly #build = loadTesting<WheelExports>();
  readonly view: DataView;
  now: bigint;

  constructor(now: bigint, timers = 1024) {
    this.#build.memory.grow(Math.ceil((timers * TIMER_SIZE) / 65536));
    this.view = new DataView(this.#build.memory.buffer);
    this.now = now;
    this.#build.exports.wheelInitialize(WHEEL, now);
  }

  arm(timer: number, deadline: bigint): void {
    this.#build.exports.wheelArm(WHEEL, TIMERS, timer, deadline);
  }

  cancel(timer: number): void {
    this.#build.exports.wheelCancel(TIMERS, timer);
  }

  /** One bounded call; the timers that expired. */
  step(now: bigint, most = OUT_MAX): number[] {
    this.now = now;
    this.view.setUint32(OUT + 4 * most, 0xdeadc0de, true);
    const count = this.#build.exports.wheelAdvance(WHEEL, TIMERS, now, OUT, most);
    const kept = this.view.getUint32(OUT + 4 * most, true) === 0xdeadc0de;
    if (count > most || !kept) throw new Error(`wrote ${count} timers where ${most} fit`);
    return Array.from({ length: count }, (_, i) => this.view.getUint32(OUT + 4 * i, true));
  }

  /** Calls until nothing more is due now. */
  advance(now: bigint, most = OUT_MAX): number[] {
    const expired: number[] = [];
    for (let calls = 0; calls < 10_000; calls += 1) {
      expired.push(...this.step(now, most));
      if (this.next > now) return expired;
    }
    throw new Error("livelock: wheelNext stays in the past");
  }

  get next(): bigint {
    return BigInt.asUintN(64, this.#build.exports.wheelNext(WHEEL));
  }

  get linked(): number {
    return this.view.getUint32(WHEEL + WHEEL_COUNT, true);
  }

  deadline(timer: number): bigint {
    return this.view.getBigUint64(TIMERS + timer * TIMER_SIZE + TIMER_DEADLINE, true);
  }

  slot(timer: number): number {
    return this.view.getUint32(TIMERS + timer * TIMER_SIZE + TIMER_SLOT, true);
  }
}

/** Delays from a tick to beyond the horizon, each scale as often as the others. */
function delay(random: Random): bigint {
  const scale = 1n << BigInt(random.between(8, 42));
  return (scale * BigInt(random.below(1 << 20))) >> 20n;
}

/** Deadlines as the wheel must keep them, and the judge of each advance. */
class Model {
  readonly deadlines = new Map<number, bigint>();

  judge(wheel: Wheel, expired: readonly number[], now: bigint): void {
    for (const timer of expired) {
      const deadline = this.deadlines.get(timer);
      if (deadline === undefined) throw new Error(`timer ${timer} expired but is not armed`);
      if (deadline > now) throw new Error(`timer ${timer} is early: ${deadline} at ${now}`);
      if (wheel.deadline(timer) !== 0n) throw new Error(`timer ${timer} expired armed`);
      this.deadlines.delete(timer);
    }
    let first = NEVER;
    for (const [timer, deadline] of this.deadlines) {
      if (deadline + TICK <= now) throw new Error(`timer ${timer} is late: ${deadline} at ${now}`);
      if (deadline < first) first = deadline;
    }
    // The host sleeps until `next`: never later than a tick after the first deadline.
    if (first !== NEVER) expect(wheel.next).toBeLessThan(first + 2n * TICK);
  }
}

/** One random walk of arming, re-arming, cancelling and advancing. */
function walk(start: bigint, random: Random, timers: number, rounds: number): void {
  const wheel = new Wheel(start, timers);
  const model = new Model();
  for (let round = 0; round < rounds; round += 1) {
    for (let i = random.below(12); i > 0; i -= 1) {
      const timer = random.below(timers);
      if (random.oneIn(4)) {
        wheel.cancel(timer);
        model.deadlines.delete(timer);
      } else {
        // A past deadline counts from the tick that begins after now.
        const back = random.oneIn(10) && wheel.now > LEVEL_1;
        const deadline = back ? wheel.now - (delay(random) % LEVEL_1) : wheel.now + delay(random);
        wheel.arm(timer, deadline);
        model.deadlines.set(timer, deadline > wheel.now ? deadline : wheel.now);
        if (deadline === 0n) model.deadlines.set(timer, 1n);
      }
    }
    const next = wheel.next;
    const jump = next !== NEVER && next > wheel.now && random.oneIn(2);
    const now = jump ? next : wheel.now + (random.oneIn(3) ? delay(random) : 700n);
    model.judge(wheel, wheel.advance(now, random.pick([1, 3, OUT_MAX])), now);
  }
  // Nothing is lost: following `next` empties the wheel.
  for (let calls = 0; wheel.next !== NEVER; calls += 1) {
    expect(calls).toBeLessThan(timers * 8);
    const now = wheel.next > wheel.now ? wheel.next : wheel.now;
    model.judge(wheel, wheel.advance(now), now);
  }
  expect([model.deadlines.size, wheel.linked]).toEqual([0, 0]);
}

for (const start of STARTS) {
  test(`model: never early, late, lost or twice; time starts at ${start} (seed ${SEED})`, () => {
    const random = new Random(SEED);
    walk(start, random, 8, 1500);
    walk(start, random, 300, 1000);
  });
}

test("a timer expires at the first tick that starts at or after its deadline", () => {
  const delays = [
    1n,
    1023n,
    1024n,
    1025n,
    LEVEL_1 - 1n,
    LEVEL_1,
    LEVEL_1 + 1n,
    LEVEL_2 - TICK,
    LEVEL_2,
    LEVEL_2 + 1n,
    5n * LEVEL_2 + 12345n,
    HORIZON - 1n,
  ];
  for (const start of STARTS) {
    for (const after of delays) {
      const wheel = new Wheel(start);
      const deadline = start + after;
      wheel.arm(7, deadline);
      const due = ((deadline + TICK - 1n) / TICK) * TICK;
      expect(wheel.advance(due - 1n), `${start} + ${after}`).toEqual([]);
      expect(wheel.next).toBe(due);
      expect(wheel.advance(due), `${start} + ${after}`).toEqual([7]);
      expect([wheel.next, wheel.linked, wheel.deadline(7)]).toEqual([NEVER, 0, 0n]);
    }
  }
});

test("a deadline that is past expires at the next tick, not in this one", () => {
  const wheel = new Wheel(HOUR);
  wheel.advance(HOUR);
  for (const deadline of [0n, 1n, HOUR - SECOND, HOUR]) {
    const now = wheel.now;
    wheel.arm(3, deadline);
    expect(wheel.step(now)).toEqual([]);
    expect(wheel.next - now).toBeLessThanOrEqual(TICK);
    expect(wheel.advance(wheel.next)).toEqual([3]);
  }
});

test("time that goes backwards does nothing", () => {
  const wheel = new Wheel(SECOND);
  wheel.arm(1, SECOND + 10n * US);
  expect(wheel.advance(SECOND + 5n * US)).toEqual([]);
  expect(wheel.advance(0n)).toEqual([]);
  expect(wheel.advance(SECOND + 12n * US)).toEqual([1]);
});

test("re-arming later, cancelling and arming again leave the timer in its slot", () => {
  const wheel = new Wheel(0n);
  wheel.arm(5, 300n * MS);
  const slot = wheel.slot(5);
  wheel.arm(5, 400n * MS);
  wheel.cancel(5);
  wheel.arm(5, 350n * MS);
  expect([wheel.slot(5), wheel.linked]).toEqual([slot, 1]);
  wheel.arm(5, 100n * MS);
  expect(wheel.slot(5)).not.toBe(slot);
  expect(wheel.linked).toBe(1);
  expect(wheel.advance(99n * MS)).toEqual([]);
  expect(wheel.advance(100n * MS + TICK)).toEqual([5]);
});

test("a retransmission timer re-armed at each ACK is moved once a slot, not once an ACK", () => {
  const wheel = new Wheel(0n);
  let places = 0;
  let expired = 0;
  let slot = 0;
  for (let now = 0n; now < SECOND; now += 10n * US) {
    wheel.arm(0, now + 200n * MS);
    expired += wheel.step(now).length;
    if (wheel.slot(0) !== slot) places += 1;
    slot = wheel.slot(0);
  }
  expect(expired).toBe(0);
  expect(places).toBeLessThan(12);
});

test("a cancelled timer never expires, and its slot is free after its time", () => {
  const wheel = new Wheel(0n);
  for (let timer = 0; timer < 100; timer += 1) wheel.arm(timer, BigInt(timer + 1) * 10n * MS);
  for (let timer = 0; timer < 100; timer += 2) wheel.cancel(timer);
  const expired = wheel.advance(2n * SECOND);
  expect(expired).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i + 1));
  expect([wheel.linked, wheel.next]).toEqual([0, NEVER]);
});

test("threats/T04: 100,000 timers in one slot: each call is bounded and none is lost", () => {
  const COUNT = 100_000;
  const wheel = new Wheel(0n, COUNT);
  const deadline = 3n * LEVEL_2 + 5n * LEVEL_1 + 512n * TICK;
  for (let timer = 0; timer < COUNT; timer += 1) wheel.arm(timer, deadline);
  // The two cascades are bounded too: nothing expires, yet calls are many.
  let calls = 0;
  while (wheel.next <= deadline - TICK) {
    expect(wheel.step(deadline - TICK)).toEqual([]);
    calls += 1;
  }
  expect(calls).toBeGreaterThanOrEqual(Math.floor((2 * COUNT) / TIMERS_PER_STEP) - 2);
  expect(wheel.linked).toBe(COUNT);
  const seen = new Set<number>();
  for (calls = 0; wheel.next <= deadline; calls += 1) {
    for (const timer of wheel.step(deadline)) seen.add(timer);
  }
  expect(calls).toBeGreaterThanOrEqual(Math.floor(COUNT / TIMERS_PER_STEP));
  expect([seen.size, wheel.linked]).toEqual([COUNT, 0]);
});

test("arming while a long slot is half handled loses nothing", () => {
  const wheel = new Wheel(0n, 4096);
  for (let timer = 0; timer < 1000; timer += 1) wheel.arm(timer, LEVEL_2 + 7n * TICK);
  wheel.step(LEVEL_2 + 9n * TICK);
  // In the slot being emptied, around its level, and one that joins the same tick.
  wheel.arm(2000, LEVEL_2 + 7n * TICK);
  wheel.arm(2001, 2n * LEVEL_2 + 7n * TICK);
  wheel.arm(2002, HORIZON + LEVEL_2 + 7n * TICK);
  wheel.arm(2003, 1n);
  const seen = new Set(wheel.advance(LEVEL_2 + 9n * TICK));
  expect(seen.size).toBe(1002);
  expect(wheel.advance(2n * LEVEL_2 + 7n * TICK)).toEqual([2001]);
  expect(wheel.advance(HORIZON + LEVEL_2 + 7n * TICK)).toEqual([2002]);
});

test("outMax: what does not fit comes in the next call, in order of the slots", () => {
  const wheel = new Wheel(0n);
  for (let timer = 0; timer < 10; timer += 1) wheel.arm(timer, BigInt(10 - timer) * 100n * US);
  expect(wheel.step(5n * MS, 0)).toEqual([]);
  expect(wheel.next).toBeLessThanOrEqual(5n * MS);
  expect(wheel.step(5n * MS, 4)).toEqual([9, 8, 7, 6]);
  expect(wheel.next).toBeLessThanOrEqual(5n * MS);
  expect(wheel.step(5n * MS, 4)).toEqual([5, 4, 3, 2]);
  expect(wheel.advance(5n * MS, 4)).toEqual([1, 0]);
  expect(wheel.next).toBe(NEVER);
});

test("idle for hours: a call jumps over the empty slots", () => {
  const wheel = new Wheel(0n);
  wheel.arm(0, 10n * HOUR);
  wheel.arm(1, 9n * HOUR + 59n * SECOND);
  // 10 hours are 3.5 x 10^10 ticks: one step of each would not end.
  expect(wheel.advance(9n * HOUR + 58n * SECOND)).toEqual([]);
  expect(wheel.advance(10n * HOUR + TICK)).toEqual([1, 0]);
  for (let hour = 11n; hour < 2000n; hour += 1n) expect(wheel.advance(hour * HOUR)).toEqual([]);
  wheel.arm(2, 2000n * HOUR);
  expect(wheel.advance(2000n * HOUR + TICK)).toEqual([2]);
});

test("beyond the horizon: three hours and more wait in the last slot and are exact", () => {
  for (const start of STARTS) {
    const wheel = new Wheel(start);
    const deadlines = [3n * HOUR, 3n * HOUR + TICK, HORIZON, HORIZON + TICK, 30n * HOUR];
    deadlines.forEach((after, timer) => wheel.arm(timer, start + after));
    const order = [2, 3, 0, 1, 4];
    for (const timer of order) {
      const deadline = start + (deadlines[timer] as bigint);
      const due = ((deadline + TICK - 1n) / TICK) * TICK;
      while (wheel.next < due) expect(wheel.step(wheel.next)).toEqual([]);
      expect(wheel.next).toBe(due);
      expect(wheel.advance(due)).toEqual([timer]);
    }
  }
});

test("the end of time does not wrap", () => {
  const wheel = new Wheel(SECOND);
  wheel.arm(0, NEVER);
  wheel.arm(1, NEVER - 1n);
  expect(wheel.advance(1000n * HOUR)).toEqual([]);
  expect(wheel.linked).toBe(2);
});
