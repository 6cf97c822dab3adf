/**
 * Goal: bounded turns that yield, one timer when idle, no lost wake-ups, and stop() at any time.
 * Method: a platform of counters over virtual time, then the real one of Node for fairness.
 */
import { expect, test } from "vitest";
import { platform as node } from "../../bindings/node.ts";
import { Driver, type DriverPlatform } from "../../host/driver.ts";
import { VirtualClock } from "../../host/virtual-clock.ts";
import type { Host } from "../../host/world.ts";

const IDLE = Number.POSITIVE_INFINITY;

function host(over: Partial<Host>): Host {
  return { poll: () => false, nextDeadline: () => IDLE, ...over };
}

/** A virtual clock that counts what the driver holds of it. */
function counted(): { clock: VirtualClock; platform: DriverPlatform; timers: () => number } {
  const clock = new VirtualClock();
  let pending = 0;
  const setTimer = (ms: number, callback: () => void): (() => void) => {
    pending += 1;
    let open = true;
    const close = (): void => {
      if (open) pending -= 1;
      open = false;
    };
    const cancel = clock.setTimer(ms, () => {
      close();
      callback();
    });
    return () => {
      close();
      cancel();
    };
  };
  return { clock, platform: { ...clock, now: clock.now, setTimer }, timers: () => pending };
}

test("an idle host without deadline is polled once and leaves nothing pending", () => {
  const { clock, platform, timers } = counted();
  const driver = new Driver(host({}), platform);
  driver.start();
  clock.advance(1e9);
  expect([driver.polls, driver.turns, timers()]).toEqual([1, 1, 0]);
  expect(clock.nextDeadline()).toBe(IDLE);
  driver.wake();
  driver.wake();
  clock.advance(1);
  expect(driver.polls).toBe(2);
});

test("deadlines are met within the millisecond that timers have", () => {
  const { clock, platform, timers } = counted();
  const polls: number[] = [];
  const deadlines = [1, 300_000, 2_000_000, 5_500_000, 90 * 86_400e9];
  const driver = new Driver(
    host({
      poll: (now) => {
        polls.push(now);
        while ((deadlines[0] ?? IDLE) <= now) deadlines.shift();
        return false;
      },
      nextDeadline: () => deadlines[0] ?? IDLE,
    }),
    platform,
  );
  driver.start();
  clock.advance(1e9);
  expect(polls).toEqual([0, 1e6, 2e6, 6e6]);
  expect(timers()).toBe(1);
  clock.advance(91 * 86_400e9);
  expect(deadlines).toEqual([]);
  expect(timers()).toBe(0);
});

test("a turn is bounded by polls and by time, then yields", () => {
  for (const [options, costNs, want] of [
    [{ pollsPerTurn: 5 }, 0, 5],
    [{ turnNs: 1000 }, 300, 4],
    [{ turnNs: 1000 }, 5000, 1],
  ] as const) {
    const { clock, platform } = counted();
    let perTurn = 0;
    let left = 100;
    const runs: number[] = [];
    const busy = host({
      poll: () => {
        perTurn += 1;
        left -= 1;
        clock.moveTo(clock.now() + costNs);
        return left > 0;
      },
    });
    const defer = (callback: () => void): void => {
      if (perTurn > 0) runs.push(perTurn);
      perTurn = 0;
      clock.defer(callback);
    };
    new Driver(busy, { ...platform, defer }, options).start();
    clock.advance(1e9);
    expect(left).toBe(0);
    expect(new Set(runs.slice(0, -1))).toEqual(new Set([want]));
  }
});

test("a wake-up during poll() is not lost", () => {
  const { clock, platform } = counted();
  let polls = 0;
  const waking = host({
    poll: () => {
      polls += 1;
      if (polls < 4) driver.wake();
      return false;
    },
  });
  const driver = new Driver(waking, platform);
  driver.start();
  clock.advance(1);
  expect(polls).toBe(4);
});

test("a doorbell is answered before timers and I/O, a bounded number of times", () => {
  const { clock, platform } = counted();
  const soon: (() => void)[] = [];
  const order: string[] = [];
  let ring = (): void => {};
  const busy = host({
    poll: () => {
      order.push("poll");
      return false;
    },
    onWake: (wake) => {
      ring = wake;
    },
  });
  const defer = (callback: () => void): void => {
    order.push("yield");
    clock.defer(callback);
  };
  new Driver(busy, { ...platform, defer, soon: (callback) => void soon.push(callback) }).start();
  clock.advance(1);
  // Each ring is answered when the code that rang has ended.
  for (let i = 0; i < 100; i += 1) {
    ring();
    soon.shift()?.();
    clock.advance(1);
  }
  const yields = order.flatMap((what, i) => (what === "yield" ? [i] : []));
  expect(order.filter((what) => what === "poll").length).toBe(101);
  // The first turn of all, then one after every 64 polls.
  expect(yields).toEqual([0, 65]);
});

test("a timer that is too early is left, and set again when it has fired", () => {
  const { clock, platform, timers } = counted();
  // Timers count whole milliseconds: this one fires at 10.
  let deadline = 9.5e6;
  let set = 0;
  const setTimer = (ms: number, callback: () => void): (() => void) => {
    set += 1;
    return platform.setTimer(ms, callback);
  };
  const driver = new Driver(host({ nextDeadline: () => deadline }), { ...platform, setTimer });
  driver.start();
  clock.advance(1e6);
  expect([set, timers()]).toEqual([1, 1]);
  for (deadline of [9.5e6, 20e6, IDLE, 30e6]) {
    driver.wake();
    clock.advance(1e6);
  }
  expect([set, timers()]).toEqual([1, 1]);
  clock.advance(7e6);
  // It has fired, at 10 ms, and is set for 30 ms; a sooner deadline replaces it.
  expect([set, timers()]).toEqual([2, 1]);
  deadline = 15e6;
  driver.wake();
  clock.advance(1);
  expect([set, timers()]).toEqual([3, 1]);
  deadline = IDLE;
  clock.advance(10e6);
  expect([set, timers()]).toEqual([3, 0]);
});

test("a host's doorbell wakes the driver", () => {
  const { clock, platform } = counted();
  let ring: () => void = () => {};
  const onWake = (wake: () => void): void => {
    ring = wake;
  };
  const driver = new Driver(host({ onWake }), platform);
  ring();
  clock.advance(1);
  expect(driver.polls).toBe(0);
  driver.start();
  clock.advance(1);
  ring();
  clock.advance(1);
  expect(driver.polls).toBe(2);
});

test("stop() holds: while idle, while scheduled, within poll(), and start() begins anew", () => {
  const { clock, platform, timers } = counted();
  let polls = 0;
  let within = false;
  const driver: Driver = new Driver(
    host({
      poll: () => {
        polls += 1;
        if (within) driver.stop();
        return true;
      },
      nextDeadline: () => clock.now() + 1e6,
    }),
    platform,
    { pollsPerTurn: 1 },
  );
  driver.start();
  driver.stop();
  clock.advance(1);
  expect(polls).toBe(0);
  driver.start();
  driver.stop();
  driver.start();
  within = true;
  clock.advance(1);
  expect([polls, driver.running, timers()]).toEqual([1, false, 0]);
  driver.wake();
  clock.advance(1e9);
  expect(polls).toBe(1);
});

test("an error in poll() stops the driver and is handed over", () => {
  const { clock, platform } = counted();
  const failing = host({
    poll: () => {
      throw new Error("bug");
    },
  });
  new Driver(failing, platform).start();
  expect(() => clock.advance(1)).toThrow("bug");
  const errors: unknown[] = [];
  const driver = new Driver(failing, platform, { onError: (error) => errors.push(error) });
  driver.start();
  clock.advance(1);
  expect([errors.length, driver.running]).toEqual([1, false]);
});

test("a host that is always busy does not starve Node's timers", async () => {
  const driver = new Driver(host({ poll: () => true }), node);
  driver.start();
  let ticks = 0;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      ticks += 1;
      if (ticks === 5) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  driver.stop();
  expect(ticks).toBe(5);
  expect(driver.turns).toBeGreaterThan(1);
});
