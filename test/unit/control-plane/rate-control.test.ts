/**
 * Goal: rates by the control plane (dissertation 4.2): the interval format, the DCTCP-like policy,
 * and both on a live connection. Method: arithmetic tables, a policy fed by hand, and paced frames.
 */
import { describe, expect, test } from "vitest";
import { DCTCP_RATE } from "../../../host/control-plane/congestion/dctcp-rate.ts";
import {
  freshRate,
  intervalWords,
  type RateState,
} from "../../../host/control-plane/congestion/policy.ts";
import { ACK, SYN } from "../../support/frames.ts";
import { Connected } from "./connected.ts";
import { Host } from "./harness.ts";

// threats T09: rates from nothing to everything.
const INTERVALS: [rate: number, nsPerByte: number][] = [
  [1e9, 1],
  [125e6, 8],
  [1000, 1e6],
  [1, 1e9],
  [50e9, 0.02],
];

test.each(INTERVALS)("%d bytes per second", (rate, nsPerByte) => {
  const { low, high } = intervalWords(rate);
  expect((high * 2 ** 32 + low) / 2 ** 24).toBeCloseTo(nsPerByte, 6);
  expect(Number.isInteger(low) && Number.isInteger(high)).toBe(true);
  expect(high).toBeLessThan(2 ** 32);
});

test("threats/T09: no rate is not paced; the largest still is; garbage is not paced", () => {
  for (const rate of [0, -1, Number.NaN]) expect(intervalWords(rate)).toEqual({ low: 0, high: 0 });
  expect(intervalWords(2 ** 53)).toEqual({ low: 2, high: 0 });
  expect(intervalWords(Infinity)).toEqual({ low: 1, high: 0 });
  expect(intervalWords(Number.MIN_VALUE)).toEqual({ low: 0, high: 2 ** 31 });
});

describe("dctcp-rate", () => {
  const fresh = (): RateState => {
    const state: RateState = { ...freshRate(), marked: 1, actual: 1 };
    DCTCP_RATE.start(state);
    return state;
  };
  const run = (state: RateState, change: { ecnBytes?: number; lost?: boolean }): void => {
    const elapsed = 1e6;
    DCTCP_RATE.onInterval(state, {
      elapsed,
      ackedBytes: (state.rate * elapsed) / 1e9,
      ecnBytes: 0,
      lost: false,
      limited: true,
      rtt: elapsed / 2,
      ...change,
    });
  };

  test("slow start doubles, then additive increase of 10 Mbit/s", () => {
    const state = fresh();
    expect(state.rate).toBe(1.25e6);
    run(state, {});
    expect(state.rate).toBe(2.5e6);
    run(state, { lost: true });
    expect(state.rate).toBe(1.25e6);
    run(state, {});
    expect(state.rate).toBe(2.5e6);
    run(state, {});
    expect(state.rate).toBe(3.75e6);
  });

  test("marks cut by half of their average share; all marked halves", () => {
    const state = fresh();
    for (let i = 0; i < 200; i += 1) run(state, { ecnBytes: 1e9 });
    expect(state.marked).toBeCloseTo(1, 3);
    const before = fresh();
    before.slowStart = false;
    before.rate = 100e6;
    before.marked = 1;
    run(before, { ecnBytes: 1e9 });
    expect(before.rate).toBeCloseTo(50e6, -3);
  });

  test("stays within its limits and changes nothing without ACKs", () => {
    const state = fresh();
    for (let i = 0; i < 100; i += 1) run(state, {});
    expect(state.rate).toBe(50e9);
    for (let i = 0; i < 100; i += 1) run(state, { lost: true });
    expect(state.rate).toBe(15e3);
    const kept = { ...state };
    DCTCP_RATE.onInterval(state, {
      elapsed: 1e6,
      ackedBytes: 0,
      ecnBytes: 0,
      lost: false,
      limited: false,
      rtt: 0,
    });
    expect(state).toEqual(kept);
  });

  test("an application that sends little keeps 1.2 times of what it uses", () => {
    const state = fresh();
    state.slowStart = false;
    state.rate = 1e9;
    DCTCP_RATE.onInterval(state, {
      elapsed: 1e6,
      ackedBytes: 4000,
      ecnBytes: 0,
      lost: false,
      limited: false,
      rtt: 5e5,
    });
    expect(state.rate).toBeCloseTo(4.8e6 + 1.25e6, 0);
  });

  test("short answers now and then do not lower the rate below where it began", () => {
    const state = fresh();
    state.slowStart = false;
    for (let i = 0; i < 50; i += 1) {
      DCTCP_RATE.onInterval(state, {
        elapsed: 1e7,
        ackedBytes: 32,
        ecnBytes: 0,
        lost: false,
        limited: false,
        rtt: 5e5,
      });
      expect(state.rate).toBe(1.25e6 + 1.25e6);
    }
  });
});

test("SO_MAX_PACING_RATE spaces segments", () => {
  const c = new Connected({ medium: "ip" }, { pacingRate: 588_000 });
  c.host.update(1, { append: 536 * 4 });
  const times: number[] = [];
  for (let i = 0; i < 100 && times.length < 4; i += 1) {
    for (const _sent of c.host.after(0.1e6)) times.push(c.host.now);
  }
  // 536 bytes and 52 of headers at 588,000 bytes per second: one each millisecond.
  const gaps = times.slice(1).map((at, i) => (at - (times[i] as number)) / 1e6);
  for (const gap of gaps) expect(gap).toBeCloseTo(1, 0);
});

test("dctcp-rate runs over a live connection and opens up", () => {
  const host = new Host({ medium: "ip", profile: "datacenter" });
  const options = { congestion: "dctcp-rate", receiveBuffer: 65536, sendBuffer: 1 << 20 };
  const listener = host.listen(80, 4, options);
  const [answer] = host.feed(host.segment({ flags: SYN, options: [2, 4, 5, 180] }));
  const iss = answer?.seq ?? 0;
  host.feed(host.segment({ flags: ACK, seq: 1, ack: iss + 1 }));
  const id = host.control.accept(listener);
  expect(host.control.info(id).congestion).toBe("dctcp-rate");
  host.update(id, { append: 1 << 20 });
  let sent = 0;
  const perMillisecond = Array.from({ length: 60 }, () => {
    const before = sent;
    for (let tick = 0; tick < 10; tick += 1) {
      for (const segment of host.after(0.1e6)) sent += segment.payload.length;
      const answers = host.feed(host.segment({ flags: ACK, seq: 1, ack: iss + 1 + sent }));
      for (const segment of answers) sent += segment.payload.length;
    }
    return sent - before;
  });
  const early = perMillisecond.slice(0, 5).reduce((sum, bytes) => sum + bytes, 0);
  expect(early).toBeGreaterThan(0);
  expect(Math.max(...perMillisecond)).toBeGreaterThan(early);
});
