/**
 * Goal: a sender with SACK does what RFC 6675 and RFC 6937 say (ids SK-* and RACK-18). Method: a
 * bare core that sends, the peer's ACKs written by hand or by a model of a receiver that loses
 * segments; what left is told by numbers of segments from the first on.
 */
import { describe, expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { CongestionAlgorithm, DUP_BY_SACK, LOSS_AT_FIRST } from "../../bindings/abi/flow-state.ts";
import { seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { type Block, MSS, Sender } from "./sender.ts";

const SEED = seedOf(20261122);
/** A window that crosses 2^32, and one that does not. */
const ORIGINS = [5000, 0xfffff000];

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

describe.each(ORIGINS)("RFC 6675 from sequence number %d", (origin) => {
  test("SK-24: the third ACK with new blocks starts recovery, the hole goes at once", () => {
    const one = new Sender(origin);
    expect(one.first).toEqual(range(0, 10));
    // RFC 3042: a new segment for each of the first two.
    expect(one.ack(0, [1, 2])).toEqual([10]);
    expect(one.ack(0, [1, 3])).toEqual([11]);
    expect(one.ack(0, [1, 4])).toEqual([0]);
  });

  test("SK-24: a repeated ACK without new blocks is no duplicate", () => {
    const one = new Sender(origin);
    expect(one.ack(0, [1, 2])).toEqual([10]);
    for (let i = 0; i < 5; i += 1) expect(one.ack(0, [1, 2])).toEqual([]);
    expect(one.ack(0, [1, 3])).toEqual([11]);
  });

  test("SK-24, SK-11: with a DupThresh of one the first block says what is lost below it", () => {
    const one = new Sender(origin, { rules: LOSS_AT_FIRST });
    expect(one.ack(0, [2, 3])).toEqual([0]);
    // Three more have arrived: half as many may have left, rounded up (RFC 6937).
    expect(one.ack(0, [2, 3], [4, 7])).toEqual([1]);
  });

  test("SK-24: with a DupThresh of one and no blocks the first duplicate starts recovery", () => {
    const one = new Sender(origin, { rules: LOSS_AT_FIRST, sack: false });
    expect(one.repeat(0, 1)).toEqual([0]);
  });

  test("SK-24: of a peer without blocks plain duplicates count, unless only blocks do", () => {
    expect(new Sender(origin).repeat(0, 3)).toContain(0);
    const strict = new Sender(origin, { rules: DUP_BY_SACK });
    expect(strict.repeat(0, 8)).toEqual([]);
    expect(strict.ack(0, [1, 4])).toEqual([0]);
    // Where no SACK was agreed on there is nothing else to count.
    expect(new Sender(origin, { rules: DUP_BY_SACK, sack: false }).repeat(0, 3)).toContain(0);
  });

  test("SK-11: one ACK is enough when more than two segments of bytes stand above", () => {
    const one = new Sender(origin);
    expect(one.ack(0, [1, 3])).toEqual([10]);
    expect(new Sender(origin).ack(0, [1, 4])).toEqual([0]);
  });

  test("SK-11: or three runs", () => {
    const one = new Sender(origin);
    expect(one.ack(0, [5, 6], [3, 4], [1, 2])).toEqual([0]);
  });

  test("RACK-18: RFC 6937: as much leaves as has arrived, in proportion", () => {
    const one = new Sender(origin, { window: 20 });
    expect(one.ack(0, [1, 4])).toEqual([0]);
    // Twenty in flight and ten allowed, one sent again: after n more have arrived n / 2 may have
    // left, whole segments.
    const sent = range(5, 13).map((to) => one.ack(0, [1, to]));
    expect(sent).toEqual([[], [], [], [20], [], [21], [], [22]]);
  });

  test("SK-12, RACK-18: RFC 6937: with less than ssthresh in flight, as much as arrived", () => {
    const one = new Sender(origin);
    expect(one.ack(0, [1, 4])).toEqual([0]);
    // Ten in flight, four of them held and one lost and sent again: six, then five, of five.
    expect(range(5, 10).map((to) => one.ack(0, [1, to]))).toEqual([[], [], [10], [11], [12]]);
  });

  test("SK-13, SK-15: where a rate is the limit, holes and new data are not held back", () => {
    const one = new Sender(origin, { algorithm: CongestionAlgorithm.None, segments: 12 });
    expect(one.first).toEqual(range(0, 12));
    one.raw.post(1, { txAppend: 4 * MSS });
    expect(one.ack(0, [1, 4])).toEqual([0, 12, 13, 14, 15]);
    // SK-15: nothing new is left, so a hole goes that is not known to be lost.
    expect(one.ack(0, [5, 6], [1, 4])).toEqual([4]);
    expect(one.ack(0, [5, 9], [1, 4])).toEqual([]);
  });

  test.each([
    ["by counting", false],
    ["by time", true],
  ])("SK-15: a lost tail goes with the partial ACK, without a timeout; losses %s", (_, rack) => {
    const one = new Sender(origin, { segments: 10, rack });
    one.raw.now += 40e6;
    const after = [...one.ack(0, [1, 4]), ...one.ack(0, [1, 8])];
    // Rule 4 would send 9 here.
    expect(after).toEqual([0]);
    one.raw.now += 40e6;
    expect(one.ack(8)).toContain(8);
    one.raw.now += 40e6;
    expect([...one.ack(9), ...one.ack(10)]).toEqual(rack ? [] : [9]);
    expect(one.raw.counter(Counter.Timeouts)).toBe(0);
  });

  test("SK-13, SK-14: the next lost hole goes before new data, each once", () => {
    const one = new Sender(origin, { window: 20 });
    expect(one.first).toEqual(range(0, 20));
    expect(one.ack(0, [1, 4])).toEqual([0]);
    const sent = range(6, 20).flatMap((to) => one.ack(0, [5, to], [1, 4]));
    // 4 is lost once three stand above it; then allowance goes to what is new.
    expect(sent[0]).toBe(4);
    expect(sent.slice(1)).toEqual(range(20, 20 + sent.length - 1));
    expect(sent.length).toBeGreaterThan(4);
  });

  test("SK-14: new data goes before a hole that is not known to be lost", () => {
    const one = new Sender(origin, { window: 20 });
    one.ack(0, [1, 4]);
    for (let to = 5; to < 10; to += 1) one.ack(0, [1, to]);
    const early = [11, 12].flatMap((to) => one.ack(0, [10, to], [1, 9]));
    expect(early).toEqual([21]);
    const late = [13, 14, 15].flatMap((to) => one.ack(0, [10, to], [1, 9]));
    expect(late).toContain(9);
  });

  test("SK-16: a partial ACK goes on, one of the recovery point ends it", () => {
    const one = new Sender(origin, { window: 20 });
    one.ack(0, [1, 8]);
    // Five in the network of ten allowed.
    expect(one.ack(8, [9, 15])).toEqual([8, 20, 21, 22, 23]);
    expect(one.ack(15, [16, 20])[0]).toBe(15);
    const after = one.ack(20);
    // ssthresh is half of what was in flight; nothing of the old window goes again.
    expect(Math.min(...after)).toBeGreaterThanOrEqual(20);
    expect(after.length).toBeLessThanOrEqual(10);
  });

  test("SK-26: what is known beyond the recovery point outlives recovery", () => {
    const one = new Sender(origin, { window: 20 });
    one.ack(0, [1, 8]);
    // 20 and what follows leave in recovery; two of them are held beyond a hole when it ends.
    one.ack(8, [9, 20]);
    one.ack(8, [21, 23], [9, 20]);
    expect(one.ack(20)).not.toContain(20);
    // One more above the hole at 20 makes three, though the ACK does not repeat the others.
    expect(one.ack(20, [23, 24])).toContain(20);
  });

  test("SK-7, SK-21: a timeout forgets the blocks and begins at the left edge", () => {
    const one = new Sender(origin);
    one.ack(0, [1, 4], [6, 8]);
    expect(one.timeout()).toEqual([0]);
    expect(one.ack(1)).toEqual([1, 2]);
    expect(one.ack(1, [2, 5])).not.toContain(1);
  });

  test("SK-25: a timeout ends recovery, and none begins below what was sent by then", () => {
    const one = new Sender(origin, { segments: 60 });
    one.ack(0, [1, 4]);
    // Of what recovery sends anew, beyond its own recovery point of ten.
    const more = [6, 7, 8, 9, 10].flatMap((to) => one.ack(0, [1, to]));
    const highData = Math.max(...more) + 1;
    expect(highData).toBeGreaterThan(11);
    const recoveries = () => one.raw.counter(Counter.FastRetransmits);
    expect(recoveries()).toBe(1);
    expect(one.timeout()).toEqual([0]);
    // Slow start from one segment, in place of a proportion of what has arrived before.
    expect([one.ack(1), one.ack(2)]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const { ssthresh } = one;
    // The old recovery point is passed, and losses above it are known of the same flight.
    one.ack(10);
    for (let to = 12; to <= highData; to += 1) one.ack(10, [11, to]);
    expect([recoveries(), one.ssthresh]).toEqual([1, ssthresh]);
    // From HighData on a loss is a new one.
    const next = one.ack(highData);
    expect(Math.min(...next)).toBeGreaterThanOrEqual(highData);
    while (one.raw.inspect().txSent < 5 * MSS) one.raw.step();
    one.ack(highData, [highData + 1, highData + 4]);
    expect(recoveries()).toBe(2);
  });

  test("SK-9: blocks that cannot be true change nothing", () => {
    const one = new Sender(origin);
    const at = (segment: number): number => one.at(segment);
    expect(one.ack(2)).not.toEqual([]);
    const bad: Block[][] = [
      [[at(6), at(4)]],
      [[at(5), at(5)]],
      [[at(8), at(80)]],
      [[at(0), at(2)]],
      [[at(1), at(6)]],
      [[(at(5) + 2 ** 31) >>> 0, at(5)]],
    ];
    for (const blocks of bad) expect(one.blocks(2, ...blocks)).toEqual([]);
    // Nothing was taken for a duplicate: limited transmit begins with the first that is right.
    expect(one.ack(2, [3, 4])).toHaveLength(1);
  });
});

/** A receiver that loses each segment of a set once. */
class LossyPeer {
  readonly sent: number[] = [];
  readonly #held = new Set<number>();
  readonly #lost: Set<number>;
  #next = 0;
  #recent: number[] = [];

  constructor(lost: ReadonlySet<number>) {
    this.#lost = new Set(lost);
  }

  get next(): number {
    return this.#next;
  }

  /** The ACK of a segment, undefined when it is lost. */
  take(segment: number): readonly Block[] | undefined {
    this.sent.push(segment);
    if (this.#lost.delete(segment)) return undefined;
    if (segment >= this.#next) this.#held.add(segment);
    while (this.#held.delete(this.#next)) this.#next += 1;
    this.#recent = [segment, ...this.#recent];
    return this.#blocks();
  }

  /** Runs of what is held, the one last added to first, four at most. */
  #blocks(): Block[] {
    const blocks: Block[] = [];
    for (const segment of this.#recent) {
      if (!this.#held.has(segment)) continue;
      if (blocks.some(([from, to]) => segment >= from && segment < to)) continue;
      let [from, to] = [segment, segment + 1];
      while (this.#held.has(from - 1)) from -= 1;
      while (this.#held.has(to)) to += 1;
      blocks.push([from, to]);
      if (blocks.length === 4) break;
    }
    return blocks;
  }
}

test.each(ORIGINS)(
  `SK-17: what was lost goes again, once, and nothing else (seed ${SEED}), from %d`,
  (origin) => {
    const random = new Random(SEED);
    for (let run = 0; run < 40; run += 1) {
      const window = random.between(12, 30);
      const lost = new Set(range(0, random.between(1, 6)).map(() => random.below(window - 8)));
      const total = window * 3;
      const sender = new Sender(origin, { window, segments: total });
      const peer = new LossyPeer(lost);
      const under = [...sender.first];
      while (under.length > 0) {
        const blocks = peer.take(under.shift() as number);
        if (blocks !== undefined) under.push(...sender.ack(peer.next, ...blocks));
      }
      const where = `run ${run}: ${window} segments without ${[...lost]}`;
      expect(peer.next, where).toBe(total);
      const again = peer.sent.filter((segment, i) => peer.sent.indexOf(segment) !== i);
      expect(new Set(again), where).toEqual(lost);
      expect(again.length, where).toBe(lost.size);
    }
  },
);
