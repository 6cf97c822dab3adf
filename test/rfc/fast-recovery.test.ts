/**
 * Goal: RFC 5681 3.2, 3042 and 6582: duplicate ACKs, limited transmit, fast retransmit and fast
 * recovery of NewReno (ids CC-9, CC-12 to CC-17, CC-23 to CC-25, CC-29, CC-31, CC-32, CC-34,
 * CC-35). Method: a bare core that sends without SACK, the peer's ACKs written by hand; what left
 * is told by numbers of segments.
 */
import { describe, expect, test } from "vitest";
import { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";
import { ACK, FIN, streamBytes } from "../support/frames.ts";
import { MSS, Sender, type SenderChoice } from "./sender.ts";

const MS = 1e6;
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];

const plain = (origin: number, choice: SenderChoice = {}): Sender =>
  new Sender(origin, { sack: false, segments: 100, ...choice });

describe.each(ORIGINS)("from sequence number %d", (origin) => {
  test("CC-9: what is no duplicate starts nothing", () => {
    const one = plain(origin, { segments: 10 });
    one.repeat(0, 2);
    const payload = streamBytes(0, 10);
    const seq = (offset: number) => (one.flow.rxSeq + offset) >>> 0;
    // Each is inside the window: what is below it is no duplicate for that alone.
    const others: Parameters<Sender["segment"]>[0][] = [
      { window: 0xfffe },
      { window: 0xfff0 },
      { window: 0xfff0, seq: seq(10), payload },
      { window: 0xfff0, payload },
      { window: 0xfff0, seq: seq(20), ack: (one.at(0) - 1) >>> 0 },
      { window: 0xfff0, seq: seq(20), flags: ACK | FIN },
    ];
    for (const fields of others) expect(one.segment(fields)).toEqual([]);
    // None of them counted, and this is the third.
    expect(one.segment({ seq: seq(21), window: 0xfff0 })).toEqual([0]);
  });

  test("CC-9: nor is one when nothing is on its way", () => {
    const one = plain(origin, { segments: 10 });
    one.ack(10);
    for (let times = 0; times < 5; times += 1) expect(one.ack(10)).toEqual([]);
    one.raw.post(1, { txAppend: 10 * MSS });
    expect(one.wait(0)).toHaveLength(10);
    expect(one.repeat(10, 2)).toEqual([]);
    expect(one.repeat(10, 1)).toEqual([10]);
  });

  test("CC-12, CC-6: the third in a row: the segment again, and half of the flight", () => {
    const one = plain(origin, { window: 40, segments: 10 });
    expect(one.repeat(0, 2)).toEqual([]);
    expect(one.ack(0)[0]).toBe(0);
    expect(one.ssthresh).toBe(5);
    // In a row: an ACK that moves SND.UNA begins anew.
    const other = plain(origin, { segments: 10 });
    other.repeat(0, 2);
    other.ack(1);
    expect(other.repeat(1, 2)).toEqual([]);
    expect(other.ack(1)[0]).toBe(1);
  });

  test("CC-6: ssthresh is two segments at least", () => {
    const one = plain(origin, { segments: 2 });
    expect(one.repeat(0, 3)[0]).toBe(0);
    expect(one.ssthresh).toBe(2);
  });

  test("CC-13, CC-23: each of the first two sends a new segment beyond an unchanged window", () => {
    const one = plain(origin);
    expect(one.ack(0)).toEqual([10]);
    expect(one.cwnd).toBe(10);
    expect(one.ack(0)).toEqual([11]);
    expect(one.cwnd).toBe(10);
  });

  test("CC-13: not beyond the peer's window", () => {
    const one = plain(origin);
    // 10,992 bytes from una.
    const window = 0x2af;
    one.segment({ ack: one.at(1), window });
    const left = one.raw.inspect().txSent / MSS;
    expect(left).toBe(10);
    expect(one.segment({ ack: one.at(1), window })).toEqual([]);
  });

  test("CC-14: entry: the segment at SND.UNA again, a window of ssthresh and three", () => {
    const one = plain(origin);
    one.repeat(0, 2);
    expect(one.ack(0)).toEqual([0]);
    expect([one.ssthresh, one.cwnd]).toEqual([5, 8]);
  });

  test("CC-25: what limited transmit sent is no flight to halve", () => {
    const one = plain(origin, { window: 10 });
    expect(one.repeat(0, 3)).toEqual([10, 11, 0]);
    expect(one.ssthresh).toBe(5);
  });

  test("CC-15, CC-29: each further one adds a segment, and what there is room for goes", () => {
    const one = plain(origin);
    one.repeat(0, 3);
    const sent = [4, 5, 6, 7, 8, 9].map((times) => {
      const segments = one.ack(0);
      expect(one.cwnd).toBe(8 + times - 3);
      return segments;
    });
    // Twelve in flight.
    expect(sent).toEqual([[], [], [], [], [12], [13]]);
  });

  test("CC-16: the ACK that ends recovery sets the window to ssthresh at most", () => {
    const one = plain(origin);
    one.repeat(0, 9);
    const sent = one.ack(12);
    // RFC 6582 3.2, step 3: what is in flight, and one more.
    expect(one.ssthresh).toBe(5);
    expect(one.cwnd).toBeLessThanOrEqual(5);
    expect(sent.length).toBeLessThanOrEqual(2);
  });

  test("CC-17, CC-35: a partial ACK sends the next hole; the window falls with it", () => {
    const one = plain(origin, { window: 20 });
    expect(one.repeat(0, 3)).toEqual([20, 21, 0]);
    expect(one.cwnd).toBe(13);
    expect(one.ack(4)).toEqual([4]);
    expect(one.cwnd).toBe(13 - 4 + 1);
    expect(one.ack(7)).toEqual([7]);
    expect(one.cwnd).toBe(10 - 3 + 1);
    // Less than a segment: nothing is added.
    one.segment({ ack: (one.at(7) + 500) >>> 0 });
    expect(one.cwnd).toBe(7.5);
  });

  test("CC-34: after a timeout nothing of before starts fast retransmit", () => {
    const one = plain(origin, { segments: 10 });
    expect(one.timeout()).toEqual([0]);
    one.ack(2);
    const before = one.ssthresh;
    expect(one.repeat(2, 4)).not.toContain(2);
    expect([one.ssthresh, one.raw.inspect().txUna]).toEqual([before, one.at(2)]);
    // What was sent since does.
    one.raw.post(1, { txAppend: 10 * MSS });
    one.ack(10);
    const left = one.raw.inspect().txSent / MSS;
    expect(left).toBeGreaterThan(1);
    expect(one.repeat(10, 3)).toContain(10);
  });

  test("CC-34: nor does what a recovery has covered", () => {
    const one = plain(origin, { window: 20 });
    one.repeat(0, 3);
    one.ack(12);
    const before = one.ssthresh;
    one.repeat(12, 5);
    expect(one.ssthresh).toBe(before);
  });

  test("CC-32: losses in two windows in a row reduce twice", () => {
    const one = plain(origin, { window: 20 });
    one.repeat(0, 3);
    expect(one.ssthresh).toBe(10);
    one.ack(22);
    const fresh = one.wait(0).length + one.raw.inspect().txSent / MSS;
    expect(fresh).toBeGreaterThan(0);
    for (let next = 23; one.raw.inspect().txSent < 8 * MSS; next += 1) one.ack(next);
    const una = ((one.raw.inspect().txUna - one.at(0)) >>> 0) / MSS;
    expect(one.repeat(una, 3)).toContain(una);
    expect(one.ssthresh).toBeLessThanOrEqual(5);
  });

  test("CC-32: the loss of what was sent again, too", () => {
    const one = plain(origin, { window: 20 });
    one.repeat(0, 3);
    expect(one.ssthresh).toBe(10);
    expect(one.timeout()).toEqual([0]);
    expect([one.cwnd, one.ssthresh]).toEqual([1, 11]);
  });

  test("CC-31: in the round trip of a loss half of the flight leaves, then avoidance", () => {
    for (const [sack, algorithm] of [
      [false, CongestionAlgorithm.NewReno],
      [true, CongestionAlgorithm.NewReno],
    ] as const) {
      const one = plain(origin, { window: 20, sack, algorithm });
      one.raw.now += 40 * MS;
      const sent: number[] = [];
      // 0 is lost, 1 to 19 arrive.
      for (let held = 2; held <= 20; held += 1) {
        sent.push(...(sack ? one.ack(0, [1, held]) : one.ack(0)));
      }
      expect(sent).toContain(0);
      expect(sent.length).toBeLessThanOrEqual(1 + 10 + 2);
      const next = Math.max(...sent) + 1;
      one.ack(next);
      expect(one.ssthresh).toBe(10);
      expect(one.cwnd).toBeLessThanOrEqual(10);
      const before = one.cwnd;
      for (let to = next + 1; to <= next + Math.floor(before); to += 1) one.ack(to);
      expect(one.cwnd).toBeLessThanOrEqual(Math.max(before + 1, 10));
    }
  });
});

test.each(ORIGINS)(
  "CC-24: with SACK an ACK without new blocks sends nothing new (%d)",
  (origin) => {
    const one = new Sender(origin);
    expect(one.ack(0, [1, 2])).toEqual([10]);
    for (let times = 0; times < 4; times += 1) expect(one.ack(0, [1, 2])).toEqual([]);
    expect(one.cwnd).toBe(10);
    expect(one.ack(0, [1, 3])).toEqual([11]);
  },
);
