/**
 * The estimator of RFC 6298. Method: its equations in floating point beside the integers; the
 * tolerance is 64 ns, for divisions round down. The last rows are forged and absurd samples.
 */
import { expect, test } from "vitest";
import { RTT_GRANULARITY, RTT_SAMPLE_BITS } from "../../../bindings/abi/congestion.ts";
import * as flow from "../../../bindings/abi/flow-state.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { RttRecord } from "../../support/tcp-records.ts";

const MS = 1_000_000n;
const S = 1_000_000_000n;
const LIMITS = { rto: S, rtoMin: 200n * MS, rtoMax: 120n * S };
const NO_FLOOR = { rto: S, rtoMin: 0n, rtoMax: 1n << 42n };
const SAMPLE_MAX = 2 ** RTT_SAMPLE_BITS;

test("RTO-2: the first sample sets SRTT = R, RTTVAR = R/2, RTO = R + 4 * R/2", () => {
  //  sample, SRTT, RTTVAR, RTO with a floor of 200 ms and a ceiling of 120 s; in ns
  const rows = [
    [100n * MS, 100e6, 50e6, 300e6],
    [1n * MS, 1e6, 0.5e6, 200e6],
    [10n * S, 10e9, 5e9, 30e9],
    [100n * S, 100e9, 50e9, 120e9],
  ] as const;
  for (const [sample, srtt, rttvar, rto] of rows) {
    const record = new RttRecord(LIMITS);
    record.exports.rttSample(record.recovery, sample, 0n);
    expect(record.get(flow.RECOVERY_SRTT)).toBe(srtt);
    expect(record.get(flow.RECOVERY_RTTVAR)).toBe(rttvar);
    expect(record.get(flow.RECOVERY_RTO)).toBe(rto);
    expect(record.get(flow.RECOVERY_RTT_MIN)).toBe(srtt);
  }
});

test("RTO-3, RTO-4, RTO-5: later samples follow the equations within floor and ceiling", () => {
  const seed = seedOf(6298);
  const random = new Random(seed);
  for (const range of [1_000, 1_000_000, 1_000_000_000]) {
    const record = new RttRecord(LIMITS);
    let [srtt, rttvar, least] = [0, 0, Number.POSITIVE_INFINITY];
    for (let i = 0; i < 500; i += 1) {
      const sample = 1 + random.below(range);
      record.exports.rttSample(record.recovery, BigInt(sample), 0n);
      rttvar = i === 0 ? sample / 2 : 0.75 * rttvar + 0.25 * Math.abs(srtt - sample);
      srtt = i === 0 ? sample : 0.875 * srtt + 0.125 * sample;
      least = Math.min(least, sample);
      const computed = srtt + Math.max(RTT_GRANULARITY, 4 * rttvar);
      const rto = Math.min(120e9, Math.max(200e6, computed));
      const where = `seed ${seed}, range ${range}, sample ${i}`;
      expect(Math.abs(record.get(flow.RECOVERY_SRTT) - srtt), where).toBeLessThan(64);
      expect(Math.abs(record.get(flow.RECOVERY_RTTVAR) - rttvar), where).toBeLessThan(64);
      expect(Math.abs(record.get(flow.RECOVERY_RTO) - rto), where).toBeLessThan(512);
      expect(record.get(flow.RECOVERY_RTT_MIN), where).toBe(least);
    }
  }
});

test("RTO-18: with a constant RTT the timeout stays above SRTT by the clock's step", () => {
  const record = new RttRecord(NO_FLOOR);
  for (let i = 0; i < 200; i += 1) record.exports.rttSample(record.recovery, 50n * MS, 0n);
  expect(record.get(flow.RECOVERY_SRTT)).toBe(50e6);
  expect(record.get(flow.RECOVERY_RTO)).toBe(50e6 + RTT_GRANULARITY);
});

test("threats T06, C08: absurd samples are clamped and RTO stays within its limits", () => {
  for (const sample of [0n, 1n, 1n << 31n, 1n << 40n, (1n << 40n) + 1n, 1n << 63n, -1n]) {
    const record = new RttRecord(LIMITS);
    for (let i = 0; i < 100; i += 1) {
      record.exports.rttSample(record.recovery, sample, 0n);
      expect(record.get(flow.RECOVERY_SRTT)).toBeGreaterThanOrEqual(1);
      expect(record.get(flow.RECOVERY_SRTT)).toBeLessThanOrEqual(SAMPLE_MAX);
      expect(record.get(flow.RECOVERY_RTO)).toBeGreaterThanOrEqual(200e6);
      expect(record.get(flow.RECOVERY_RTO)).toBeLessThanOrEqual(120e9);
    }
    // And it recovers from them.
    for (let i = 0; i < 300; i += 1) record.exports.rttSample(record.recovery, 50n * MS, 0n);
    expect(record.get(flow.RECOVERY_RTO)).toBe(200e6);
  }
});

//  end of the timed segment, una, whether the sample ends
const TIMED = [
  [1000, 999, false],
  [1000, 1000, true],
  [1000, 1001, true],
  [0, 0xffffffff, false],
  [0, 0, true],
  [0xffffff00, 0xfffffeff, false],
  [0xffffff00, 0x00000010, true],
  [0x00000010, 0xffffff00, false],
  [0x80000000, 0x7fffffff, false],
  [0x80000000, 0x80000000, true],
] as const;

test("a timed segment gives one sample when it is acknowledged", () => {
  for (const [end, una, ends] of TIMED) {
    const record = new RttRecord(LIMITS);
    const { exports, recovery } = record;
    exports.rttStartTiming(recovery, end, 5n * S);
    // One segment at a time (RFC 6298, 3): the second start changes nothing.
    exports.rttStartTiming(recovery, end + 5000, 6n * S);
    const ended = exports.rttOnAck(recovery, una, 7n * S) !== 0;
    expect([end, una, ended]).toEqual([end, una, ends]);
    expect(record.get(flow.RECOVERY_SRTT)).toBe(ends ? 2e9 : 0);
    if (ends) expect(exports.rttOnAck(recovery, una, 9n * S)).toBe(0);
  }
});

test("RTO-6 (Karn): an abandoned segment gives no sample, the next one does", () => {
  const record = new RttRecord(LIMITS);
  const { exports, recovery } = record;
  expect(exports.rttOnAck(recovery, 1, 1n * S)).toBe(0);
  exports.rttStartTiming(recovery, 1000, 1n * S);
  exports.rttAbandon(recovery);
  expect(exports.rttOnAck(recovery, 1000, 9n * S)).toBe(0);
  expect(record.get(flow.RECOVERY_SRTT)).toBe(0);
  exports.rttStartTiming(recovery, 2000, 10n * S);
  expect(exports.rttOnAck(recovery, 2000, 10n * S + 30n * MS)).toBe(1);
  expect(record.get(flow.RECOVERY_SRTT)).toBe(30e6);
});

test("threats T01: a clock that was set back gives no sample", () => {
  const record = new RttRecord(LIMITS);
  const { exports, recovery } = record;
  exports.rttStartTiming(recovery, 1000, 3600n * S);
  expect(exports.rttOnAck(recovery, 1000, 1n * S)).toBe(0);
  expect(record.get(flow.RECOVERY_SRTT)).toBe(0);
  exports.rttStartTiming(recovery, 2000, 1n * S);
  expect(exports.rttOnAck(recovery, 2000, 2n * S)).toBe(1);
});

test("RTO-12, threats T07: the timeout doubles up to the ceiling and never overflows", () => {
  for (const rto of [1n, 200n * MS, S, 120n * S, 1n << 42n]) {
    for (const rtoMax of [120n * S, (1n << 63n) - 1n, (1n << 64n) - 1n]) {
      const record = new RttRecord({ rto, rtoMin: 0n, rtoMax });
      // The most that a record counts (assembly/tcp/host-control.ts).
      for (let backoff = 0; backoff <= 63; backoff += 1) {
        record.backoff = backoff;
        const doubled = rto << BigInt(backoff);
        const got = BigInt.asUintN(64, record.exports.rtoWithBackoff(record.recovery));
        expect([backoff, got]).toEqual([backoff, doubled < rtoMax ? doubled : rtoMax]);
      }
    }
  }
});

test("RTO-19: a sample of new data ends the backoff", () => {
  const record = new RttRecord(LIMITS);
  record.backoff = 5;
  record.exports.rttSample(record.recovery, 100n * MS, 0n);
  expect(record.backoff).toBe(0);
  expect(record.exports.rtoWithBackoff(record.recovery)).toBe(300n * MS);
});
