/**
 * Goal: a retransmission timeout that nothing made necessary is taken back (RFC 3522, 4015, 5682;
 * ids SP-*). Method: a bare core with ten segments in flight, the timeout told by hand, the peer's
 * ACKs written by hand; what left is told by numbers of segments.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { ACK, ECE, sackOption, timestampOption } from "../support/frames.ts";
import { type Block, MSS, Sender, type SenderChoice } from "./sender.ts";

const MS = 1e6;
const RTT = 40 * MS;
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];

const tickOf = ({ raw }: Sender): number => Math.floor(raw.now / MS);

/** The first ten segments of forty, with timestamps; nothing has been acknowledged. */
function stamped(origin: number, choice: SenderChoice = {}): Sender {
  const one = new Sender(origin, { timestamps: true, ...choice });
  expect(one.first).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  return one;
}

/** What leaves after an ACK that echoes what left at `tick`. */
function echo(one: Sender, next: number, tick: number, ...blocks: readonly Block[]): number[] {
  const edges = blocks.map(([from, to]) => [one.at(from), one.at(to)] as const);
  const sack = edges.length > 0 ? sackOption(edges) : [];
  const options = [...timestampOption(0, tick), ...sack];
  return one.segment({ ack: one.at(next), options });
}

const spurious = ({ raw }: Sender): number => raw.counter(Counter.SpuriousRecoveries);

describe.each(ORIGINS)("RFC 3522, 4015 from sequence number %d", (origin) => {
  test.each([
    ["by time", true],
    ["by counting", false],
  ])("SP-1, SP-2: a spike of delay: nothing else goes again; losses %s", (_, rack) => {
    const one = stamped(origin, { rack });
    const sent = tickOf(one);
    const before = one.ssthresh;
    one.raw.now += 1000 * MS;
    expect(one.timeout()).toEqual([0]);
    expect(one.ssthresh).toBe(5);
    one.raw.now += 30 * MS;
    // The ACK of the original: new data, and the window that there was.
    expect(echo(one, 1, sent)).toEqual([10]);
    expect([one.cwnd, one.ssthresh]).toEqual([10, before]);
    expect(spurious(one)).toBe(1);
    for (let next = 2; next <= 9; next += 1) {
      one.raw.now += MS;
      expect(Math.min(...echo(one, next, sent))).toBeGreaterThan(9);
    }
    expect(one.raw.counter(Counter.Retransmissions)).toBe(1);
  });

  test("SP-1: a true loss: an echo of the retransmission, or of its tick, undoes nothing", () => {
    const one = stamped(origin);
    one.raw.now += 1000 * MS;
    expect(one.timeout()).toEqual([0]);
    const again = tickOf(one);
    one.raw.now += RTT;
    expect(echo(one, 1, again)).toEqual([1, 2]);
    expect(one.ssthresh).toBe(5);
    expect(spurious(one)).toBe(0);
    // The second ACK decides nothing, whatever it echoes.
    one.raw.now += RTT;
    expect(echo(one, 2, again - 1000)).toEqual([3, 4]);
    expect(spurious(one)).toBe(0);
  });

  test("SP-3: an ACK of the original that carries ECN-echo takes nothing back", () => {
    const one = stamped(origin, { ecn: true });
    const sent = tickOf(one);
    one.raw.now += 1000 * MS;
    expect(one.timeout()).toEqual([0]);
    one.raw.now += 30 * MS;
    const options = timestampOption(0, sent);
    one.segment({ ack: one.at(1), flags: ACK | ECE, options });
    expect(one.ssthresh).toBe(5);
    expect(spurious(one)).toBe(0);
  });
});

/** Without timestamps: ten segments of forty in flight, a spike of delay, and 0 has gone again. */
function timedOut(origin: number, choice: SenderChoice): Sender {
  const one = new Sender(origin, choice);
  one.raw.now += 1000 * MS;
  expect(one.timeout()).toEqual([0]);
  expect(one.ssthresh).toBe(5);
  one.raw.now += 30 * MS;
  return one;
}

const PEERS = [
  ["NewReno", { sack: false }],
  ["SACK", {}],
  ["RACK", { rack: true }],
] as const;

describe.each(PEERS)("RFC 5682, %s", (kind, choice) => {
  test.each(ORIGINS)("SP-5, SP-6: a spike of delay: nothing else goes again, from %d", (origin) => {
    const one = timedOut(origin, choice);
    // The ACK of the original: two new segments, and none of the others.
    expect(one.ack(1)).toEqual([10, 11]);
    expect(spurious(one)).toBe(0);
    one.raw.now += MS;
    expect(one.ack(2)).not.toContain(2);
    expect(spurious(one)).toBe(1);
    expect(one.ssthresh).toBeGreaterThan(10);
    for (let next = 3; next <= 12; next += 1) {
      one.raw.now += MS;
      expect([...one.ack(next), 99].every((segment) => segment > 11)).toBe(true);
    }
    expect(one.cwnd).toBeGreaterThan(10);
    expect(one.raw.counter(Counter.Retransmissions)).toBe(1);
  });

  test.each(ORIGINS)(
    "SP-6, SP-8: a true loss: all goes again, and nothing is undone, from %d",
    (origin) => {
      const one = timedOut(origin, choice);
      expect(one.ack(1)).toEqual([10, 11]);
      one.raw.now += RTT;
      // 10 arrives, and 1 has not.
      const after = kind === "NewReno" ? one.ack(1) : one.ack(1, [10, 11]);
      expect(after.slice(0, 3)).toEqual([1, 2, 3].slice(0, after.length));
      expect(after).toContain(1);
      expect(spurious(one)).toBe(0);
      expect(one.ssthresh).toBe(5);
    },
  );

  test.each(ORIGINS)(
    "SP-7: nothing new to send, or all acknowledged: as ever, from %d",
    (origin) => {
      const one = timedOut(origin, { ...choice, segments: 10 });
      expect(one.ack(1)).toContain(1);
      one.raw.now += RTT;
      one.ack(2);
      expect(spurious(one)).toBe(0);
      const other = timedOut(origin, choice);
      expect(other.ack(10)).toEqual([10, 11]);
      expect(other.ack(11)).toEqual([12, 13]);
      expect(spurious(other)).toBe(0);
    },
  );

  test.each(ORIGINS)("SP-7: part of what went again is not all of it, from %d", (origin) => {
    const one = timedOut(origin, choice);
    one.segment({ ack: (one.at(0) + MSS / 2) >>> 0 });
    one.raw.now += MS;
    one.segment({ ack: (one.at(1) + MSS / 2) >>> 0 });
    expect(spurious(one)).toBe(0);
    expect(one.ssthresh).toBe(5);
  });

  test.each(ORIGINS)("SP-9: two timeouts of a segment are one question, from %d", (origin) => {
    const one = timedOut(origin, choice);
    one.raw.now += 2000 * MS;
    expect(one.timeout()).toEqual([0]);
    expect(one.ack(1)).toEqual([10, 11]);
    one.raw.now += MS;
    one.ack(2);
    expect(spurious(one)).toBe(1);
    expect(one.ssthresh).toBeGreaterThan(10);
  });

  test.each(ORIGINS)("SP-9: one of another, while all goes again, is a loss, from %d", (origin) => {
    const one = timedOut(origin, choice);
    one.ack(1);
    if (kind === "NewReno") one.ack(1);
    else one.ack(1, [10, 11]);
    one.raw.now += 1000 * MS;
    expect(one.timeout()).toEqual([1]);
    one.raw.now += 30 * MS;
    one.ack(2);
    one.raw.now += MS;
    one.ack(3);
    expect(spurious(one)).toBe(0);
  });

  test.each(ORIGINS)("SP-9: one in fast recovery is a loss, from %d", (origin) => {
    const one = new Sender(origin, choice);
    expect(one.repeat(0, 3)).toContain(0);
    one.raw.now += 1000 * MS;
    expect(one.timeout()).toContain(0);
    one.raw.now += 30 * MS;
    one.ack(5);
    one.raw.now += MS;
    one.ack(6);
    expect(spurious(one)).toBe(0);
  });
});
