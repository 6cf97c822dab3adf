/**
 * Goal: a sender with RACK-TLP does what RFC 8985 says (ids RACK-* and TLP-*). Method: a bare core
 * that sends, the peer's ACKs written by hand, time passed by hand; what left is told by numbers of
 * segments.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { EventKind } from "../../bindings/abi/descriptor.ts";
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

  test("RACK-15, RACK-6: a late segment shows reordering: the count says nothing any more", () => {
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

  test("RACK-16: a timeout takes only what is old enough for lost", () => {
    const one = measured(origin);
    expect(one.timeout()).toEqual([2]);
    // 10 to 13 left just now: still under way, and more than the window of two.
    expect(one.ack(10)).toEqual([]);
    const other = new Sender(origin);
    other.ack(2);
    expect(other.timeout()).toEqual([2]);
    expect(other.ack(10)).toEqual([10, 11]);
  });

  test("TLP-1, TLP-2: after two RTTs without an ACK the last segment goes again", () => {
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

  test("TLP-2, TLP-7: new data that cwnd holds back is the better probe", () => {
    const one = measured(origin);
    const next = Math.max(...one.first) + 5;
    const probe = one.wait(2 * RTT + MS);
    expect(probe).toHaveLength(1);
    expect(Math.min(...probe)).toBeGreaterThanOrEqual(next - 4);
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
    one.wait(2 * RTT);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
  });

  test("RFC 6675 is what the count goes by without RACK", () => {
    const one = new Sender(origin);
    one.raw.now += RTT;
    one.ack(2);
    one.raw.now += RTT;
    one.ack(2, [3, 4]);
    expect(one.wait(RTT)).toEqual([]);
    expect(one.raw.counter(Counter.TailLossProbes)).toBe(0);
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
