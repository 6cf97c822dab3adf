/**
 * Goal: a retransmission timeout that nothing made necessary is taken back (RFC 3522, 4015; ids
 * SP-*). Method: a bare core with ten segments in flight, the timeout told by hand, the peer's ACKs
 * written by hand; what left is told by numbers of segments.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { ACK, ECE, sackOption, timestampOption } from "../support/frames.ts";
import { type Block, Sender, type SenderChoice } from "./sender.ts";

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
