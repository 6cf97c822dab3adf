/**
 * Goal: a sender with RACK-TLP does what RFC 8985 says (ids RACK-* and TLP-*). Method: a bare core
 * that sends, the peer's ACKs written by hand, time passed by hand; what left is told by numbers of
 * segments.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import {
  CongestionAlgorithm,
  RECOVERY_REORDER_MORE,
  RECOVERY_SIZE,
} from "../../bindings/abi/flow-state.ts";
import { ATX_FIN, EventKind } from "../../bindings/abi/descriptor.ts";
import { MSS, Sender } from "./sender.ts";

const MS = 1e6;
const RTT = 40 * MS;
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];

/** With an RTT measured: the first two segments are acknowledged, ten are in flight. */
function measured(origin: number, segments = 40): Sender {
  const one = new Sender(origin, { rack: true, segments });
  one.raw.now += RTT;
  one.ack(2);
  return one;
}

/** Ten segments, then two a round trip behind them, and a round trip more; no window limits it. */
function freely(origin: number): Sender {
  const one = new Sender(origin, {
    rack: true,
    segments: 10,
    algorithm: CongestionAlgorithm.None,
  });
  one.raw.now += RTT;
  one.ack(2);
  one.raw.post(1, { txAppend: 2 * MSS });
  expect(one.wait(0)).toEqual([10, 11]);
  one.raw.now += RTT;
  return one;
}

/** RACK.reo_wnd_mult - 1. */
function reorderMore({ raw, flow }: Sender): number {
  const { view, map } = raw.core;
  const recovery = (map.base.recovery as number) + flow.connection * RECOVERY_SIZE;
  return view.getUint8(recovery + RECOVERY_REORDER_MORE);
}

//  blocks of an ACK of 4, in segments    the first one was there before
const FIRST_BLOCKS = [
  ["2-3", true],
  ["3-4", true],
  ["3-2", false],
  ["2-2", false],
  ["4-5", false],
  ["5-8", false],
  ["5-6 5-8", true],
  ["7-8 5-8", true],
  ["5-9 5-8", false],
  ["4-6 5-8", false],
  ["8-9 5-7", false],
] as const;

const cwndOf = (one: Sender): number => one.raw.inspect().cwnd;

describe.each(ORIGINS)("RFC 8985 from sequence number %d", (origin) => {
  test("RACK-6, RACK-8: three segments above are enough while no reordering was seen", () => {
    const one = measured(origin);
    one.raw.now += RTT;
    expect(one.ack(2, [3, 4])).not.toContain(2);
    expect(one.ack(2, [3, 5])).not.toContain(2);
    expect(one.ack(2, [3, 6])).toContain(2);
  });

  test("RACK-9: one segment above is enough when a quarter of the RTT has passed", () => {
    const one = measured(origin);
    one.raw.now += RTT;
    expect(one.ack(2, [3, 4])).not.toContain(2);
    expect(one.wait(RTT / 4 - MS)).not.toContain(2);
    expect(one.wait(2 * MS)).toEqual([2]);
    expect(one.raw.counter(Counter.Timeouts)).toBe(0);
  });

  test("RACK-10: a retransmission that is lost goes again, without a timeout", () => {
    const one = measured(origin);
    one.raw.now += RTT;
    expect(one.ack(2, [3, 6])).toContain(2);
    one.raw.now += RTT;
    const after = one.ack(2, [3, 14]);
    expect(Math.min(...after)).toBe(14);
    one.raw.now += RTT;
    // What left after the retransmission arrives, and 2 does not.
    expect(one.ack(2, [3, Math.max(...after) + 1])).toContain(2);
  });

  test("RACK-15, RACK-6, RACK-12: a late segment shows reordering: no count says anything", () => {
    const one = measured(origin);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    // 2 was never sent again and arrives behind 3.
    one.ack(4);
    one.raw.now += RTT;
    expect(one.ack(4, [5, 9])).not.toContain(4);
    expect(one.wait(RTT / 4 + MS)).toContain(4);
  });

  test("RACK-7: a range that arrived twice widens the window by a quarter of the RTT", () => {
    const one = measured(origin);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    one.ack(4);
    one.blocks(4, [one.at(2), one.at(3)]);
    one.raw.now += RTT;
    expect(one.ack(4, [5, 9])).not.toContain(4);
    expect(one.wait(RTT / 4 + MS)).not.toContain(4);
    expect(one.wait(RTT / 4)).toContain(4);
  });

  test("RACK-7, SK-19: which blocks say that a range arrived twice", () => {
    for (const [blocks, isTwice] of FIRST_BLOCKS) {
      const one = measured(origin);
      one.raw.now += RTT;
      one.ack(4);
      const edges = blocks.split(" ").map((block) => block.split("-").map(Number));
      one.blocks(4, ...edges.map(([from = 0, to = 0]) => [one.at(from), one.at(to)] as const));
      expect([blocks, reorderMore(one)]).toEqual([blocks, isTwice ? 1 : 0]);
    }
  });

  test("RACK-12: three ACKs that repeat a number without a block are a loss all the same", () => {
    const one = measured(origin);
    expect(one.repeat(2, 2)).not.toContain(2);
    expect(one.repeat(2, 1)).toContain(2);
  });

  test("RACK-16: a timeout takes only what is old enough for lost", () => {
    const one = measured(origin, 14);
    expect(one.timeout()).toEqual([2]);
    // 10 to 13 left just now: still under way, and more than the window of two.
    expect(one.ack(10)).toEqual([]);
    const other = new Sender(origin, { segments: 14 });
    other.ack(2);
    expect(other.timeout()).toEqual([2]);
    expect(other.ack(10)).toEqual([10, 11]);
  });

  test("TLP-1, TLP-2, TLP-5: after two RTTs without an ACK the last segment goes again", () => {
    const one = measured(origin, 10);
    expect(one.wait(2 * RTT - MS)).toEqual([]);
    expect(one.wait(2 * MS)).toEqual([9]);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(1);
    // TLP-5: one probe, then the RTO is the control plane's.
    expect(one.wait(2 * RTT)).toEqual([]);
    one.raw.now += 400 * MS;
    const { events } = one.raw.step();
    expect(events.map(({ kind }) => kind)).toContain(EventKind.Timer);
  });

  test("TLP-2: the next tail is probed when an RTT was measured since, and not before", () => {
    const one = measured(origin, 10);
    expect(one.wait(2 * RTT + MS)).toEqual([9]);
    one.raw.now += RTT;
    // Karn: what the probe repeated is no sample. Its second copy has arrived: it is over (7.4.2).
    one.blocks(10, [one.at(9), one.at(10)]);
    one.raw.post(1, { txAppend: 2 * MSS });
    expect(one.wait(0)).toEqual([10, 11]);
    expect(one.wait(3 * RTT)).toEqual([]);
    one.ack(12);
    one.raw.post(1, { txAppend: 2 * MSS });
    expect(one.wait(0)).toEqual([12, 13]);
    expect(one.wait(3 * RTT)).toEqual([13]);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(2);
  });

  test("TLP-1: a single segment and its FIN are left to the RTO, two segments are not", () => {
    for (const [segments, probes] of [
      [1, 0],
      [2, 1],
    ] as const) {
      const one = measured(origin, 2);
      one.raw.post(1, { txAppend: segments * MSS, flags: ATX_FIN });
      expect(one.wait(0)).toHaveLength(segments);
      one.raw.now += 2 * RTT + MS;
      one.raw.step();
      expect(one.raw.counter(Counter.TailLossProbes)).toBe(probes);
    }
  });

  test("TLP-1: an ACK of nothing new does not put the probe off", () => {
    const one = measured(origin, 10);
    expect(one.wait(RTT)).toEqual([]);
    expect(one.ack(2)).toEqual([]);
    expect(one.wait(RTT - MS)).toEqual([]);
    expect(one.wait(2 * MS)).toEqual([9]);
  });

  test("TLP-2, TLP-7: new data that cwnd holds back is the better probe", () => {
    const one = measured(origin);
    // 2 to 13 are in flight, as many as cwnd lets.
    expect(one.wait(2 * RTT + MS)).toEqual([14]);
    expect(one.raw.inspect().txSent).toBeGreaterThan(cwndOf(one));
  });

  test("TLP-3: a tail that the probe repaired is a loss all the same", () => {
    const one = measured(origin, 10);
    one.wait(2 * RTT + MS);
    const before = cwndOf(one);
    one.raw.now += RTT;
    one.ack(10);
    one.raw.post(1, { txAppend: 2 * MSS });
    one.raw.step();
    one.raw.now += RTT;
    one.ack(12);
    expect(cwndOf(one)).toBeLessThan(0.8 * before);
  });

  test("TLP-3: one that arrived twice is none", () => {
    const one = measured(origin, 10);
    one.wait(2 * RTT + MS);
    const before = cwndOf(one);
    one.raw.now += RTT;
    one.blocks(10, [one.at(9), one.at(10)]);
    one.raw.post(1, { txAppend: 2 * MSS });
    one.raw.step();
    one.raw.now += RTT;
    one.ack(12);
    expect(cwndOf(one)).toBeGreaterThanOrEqual(before);
  });

  test("TLP-3, RACK-8: the probe's SACK shows what was lost before it", () => {
    const one = measured(origin, 10);
    expect(one.wait(2 * RTT + MS)).toEqual([9]);
    one.raw.now += RTT;
    const sent = [...one.ack(2, [9, 10]), ...one.wait(RTT / 4 + MS)];
    expect(sent[0]).toBe(2);
  });

  test("TLP-4: no probe while something is selectively acknowledged", () => {
    const one = measured(origin, 10);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    one.wait(RTT / 4 + MS);
    one.wait(3 * RTT);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
  });

  test("RACK-12: RFC 6675 is what the count goes by without RACK, and no clock", () => {
    const one = new Sender(origin);
    one.raw.now += RTT;
    one.ack(2);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    expect(one.wait(RTT)).toEqual([]);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
  });

  test("RACK-1: not without SACK: duplicates are counted, nothing is timed or probed", () => {
    const one = new Sender(origin, { rack: true, sack: false });
    one.raw.now += RTT;
    one.ack(2);
    one.raw.now += RTT;
    expect(one.repeat(2, 2)).not.toContain(2);
    expect(one.wait(RTT)).toEqual([]);
    expect(one.wait(2 * RTT)).toEqual([]);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
    expect(one.ack(2)).toContain(2);
  });

  test("RACK-3: of what left at one time, what stands before the delivered is lost", () => {
    const one = freely(origin);
    one.ack(2, [5, 6]);
    expect(one.wait(RTT / 4 + MS)).toEqual([2, 3, 4]);
  });

  test("RACK-3: what left last of all that arrived counts, and stays so", () => {
    const one = freely(origin);
    expect(one.ack(2, [5, 6])).toEqual([]);
    // 10 and 11 left a round trip behind all others, which are older than the reordering window.
    expect(one.ack(2, [10, 11], [5, 6])).toEqual([2, 3, 4, 6, 7, 8, 9]);
    // What left first tells nothing of those that went again.
    expect(one.ack(2, [7, 8], [10, 11], [5, 6])).toEqual([]);
  });

  test("RACK-5: the least RTT is one of late: after minutes of a longer path it is longer", () => {
    const one = measured(origin, 12);
    const slow = 5 * RTT;
    let next = 12;
    one.ack(next);
    for (let time = 0; time < 320e9; time += 10e9) {
      one.raw.now += 10e9 - slow;
      one.raw.post(1, { txAppend: 4 * MSS });
      one.wait(0);
      one.raw.now += slow;
      next += 4;
      one.ack(next);
    }
    one.raw.post(1, { txAppend: 4 * MSS });
    one.wait(0);
    one.raw.now += slow;
    const ack = (after: number): number[] => {
      one.raw.now += after;
      return one.ack(next, [next + 1, next + 2]);
    };
    expect(ack(0)).toEqual([]);
    expect(ack(RTT / 4 + 2 * MS)).toEqual([]);
    expect(ack(slow / 4)).toContain(next);
  });

  test("RACK-11: send times are finer than a quarter of a round trip of 100 us", () => {
    const round = 100e3;
    const one = new Sender(origin, { rack: true });
    one.raw.now += round;
    one.ack(2);
    one.raw.now += round;
    const ack = (): number[] => one.ack(2, [3, 4]);
    expect(ack()).not.toContain(2);
    // Two turns of the timer wheel are 2 ms: what sees it here is the next ACK.
    one.raw.now += round / 4 - 1000;
    expect(ack()).not.toContain(2);
    one.raw.now += 2000;
    expect(ack()).toContain(2);
  });

  test("RACK-13: what is lost goes as congestion control lets it, not all at once", () => {
    const one = new Sender(origin, { rack: true, window: 20, segments: 60 });
    one.raw.now += RTT;
    one.ack(1);
    one.raw.now += RTT;
    one.ack(1, [19, 20]);
    const first = one.wait(RTT / 4 + MS);
    // Eighteen are lost. RFC 6937: as many as have arrived, and one.
    expect(first[0]).toBe(1);
    expect(first.length).toBeLessThanOrEqual(3);
    const more = one.ack(1, [19, 21]);
    expect(more.length).toBeLessThanOrEqual(2);
    expect(more[0]).toBe(first.length + 1);
  });

  test("RACK-14: a lost retransmission is within what proportional reduction allows", () => {
    const one = measured(origin);
    const flight = one.raw.inspect().txSent / MSS;
    one.raw.now += RTT;
    const sent = one.ack(2, [3, 6]);
    let held = 3;
    for (let to = 7; to <= 14; to += 1) {
      sent.push(...one.ack(2, [3, to]));
      held += 1;
    }
    one.raw.now += RTT;
    const last = Math.max(...sent);
    sent.push(...one.ack(2, [3, last + 1]));
    // 2 was lost twice.
    expect(sent.filter((segment) => segment === 2)).toHaveLength(2);
    held += last + 1 - 14;
    // ssthresh is half of the flight: so is what leaves of what arrives, or one more than arrives.
    expect(sent.length).toBeLessThanOrEqual(held + 1);
    expect(one.raw.inspect().ssthresh).toBe((flight * MSS) / 2);
    expect(one.raw.inspect().txSent).toBeGreaterThan(0);
  });

  test("RACK-17: with the reordering timer running no probe and no RTO comes", () => {
    const one = measured(origin, 10);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    expect(one.wait(RTT / 4 + MS)).toEqual([2]);
    // And behind it none but the RTO's, of 200 ms and more.
    one.raw.now += 100 * MS;
    const before = one.raw.step();
    expect([before.frames, before.events]).toEqual([[], []]);
    one.raw.now += 1000 * MS;
    expect(one.raw.step().events.map(({ kind }) => kind)).toContain(EventKind.Timer);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
  });

  test("TLP-6, RACK-2: the probe's time is that of its own transmission", () => {
    const one = measured(origin, 10);
    expect(one.wait(2 * RTT + MS)).toEqual([9]);
    one.raw.now += RTT;
    // The round trip is RTT, and not the time since the first copy: 2 is older than that at once.
    expect(one.ack(2, [9, 10])).toContain(2);
  });
});

test("RACK-2, RACK-4: the ACK of an original tells nothing of its retransmission", () => {
  const one = measured(5000);
  one.raw.now += RTT;
  expect(one.ack(2, [3, 6])).toContain(2);
  // The ACK of the original, just behind: no sample of the retransmission (RACK-4).
  one.raw.now += MS;
  const sent = one.ack(6);
  expect(Math.min(...sent)).toBeGreaterThanOrEqual(14);
});
