/**
 * Goal: the sender's scoreboard (RFC 6675, section 3) says of every byte what a set of bytes says,
 * whatever blocks arrive in whatever order, also across 2^32; bounded: beyond its ranges it
 * forgets, and never invents (ids SK-6, SK-9 to SK-12). Method: a set of numbers beside it.
 */
import { expect, test } from "vitest";
import * as F from "../../../bindings/abi/flow-state.ts";
import { WORK_SACK, WORK_SACK_COUNT } from "../../../bindings/abi/work.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { seedOf } from "../../support/env.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(20261122);
const P = 4096;
const R = 8192;
const WORK = 12_288;
const MSS = 10;

interface ScoreboardExports {
  takeSackBlocks(work: number, p: number, r: number): void;
  pruneSacked(r: number, una: number): void;
  sackedBytes(r: number): number;
  highestSacked(r: number, una: number): number;
  lostEdge(p: number, r: number): number;
  holesBelow(p: number, r: number, edge: number): number;
  holeFrom(r: number, from: number): number;
  holeEnd(r: number, from: number, limit: number): number;
}

type Block = readonly [from: number, to: number];

/** The scoreboard, with numbers relative to where the stream began. */
class Scoreboard {
  readonly #build = loadTesting<ScoreboardExports>();
  readonly #origin: number;
  una = 0;
  sent = 0;

  constructor(origin: number) {
    this.#origin = origin;
    this.#build.view.setUint16(P + F.PROTOCOL_MSS, MSS, true);
  }

  #seq(offset: number): number {
    return (this.#origin + offset) >>> 0;
  }

  #offset(seq: number): number {
    return (seq - this.#origin) | 0;
  }

  move(una: number, sent: number): void {
    this.una = una;
    this.sent = sent;
    const { view, exports } = this.#build;
    view.setUint32(P + F.PROTOCOL_TX_UNA, this.#seq(una), true);
    view.setUint32(P + F.PROTOCOL_TX_MAX, sent - una, true);
    exports.pruneSacked(R, this.#seq(una));
  }

  take(blocks: readonly Block[]): void {
    const { view, exports } = this.#build;
    view.setUint32(WORK + WORK_SACK_COUNT, blocks.length, true);
    blocks.forEach(([from, to], i) => {
      view.setUint32(WORK + WORK_SACK + 8 * i, this.#seq(from), true);
      view.setUint32(WORK + WORK_SACK + 8 * i + 4, this.#seq(to), true);
    });
    exports.takeSackBlocks(WORK, P, R);
  }

  get ranges(): Block[] {
    const { view } = this.#build;
    return Array.from({ length: view.getUint8(R + F.RECOVERY_SACKED_COUNT) }, (_, i) => {
      const at = R + F.RECOVERY_SACKED + 8 * i;
      const [from, to] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      return [this.#offset(from), this.#offset(to)] as const;
    });
  }

  get bytes(): number {
    return this.#build.exports.sackedBytes(R);
  }

  get highest(): number {
    return this.#offset(this.#build.exports.highestSacked(R, this.#seq(this.una)));
  }

  get lost(): number {
    return this.#offset(this.#build.exports.lostEdge(P, R));
  }

  holes(edge: number): number {
    return this.#build.exports.holesBelow(P, R, this.#seq(edge));
  }

  /** The first hole from `from` on, to `limit` at most. */
  hole(from: number, limit: number): Block {
    const { exports } = this.#build;
    const start = exports.holeFrom(R, this.#seq(from));
    return [this.#offset(start), this.#offset(exports.holeEnd(R, start, this.#seq(limit)))];
  }
}

/** Runs of a set, rising. */
function runs(bytes: ReadonlySet<number>): Block[] {
  const found: [number, number][] = [];
  for (const byte of [...bytes].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === byte) last[1] = byte + 1;
    else found.push([byte, byte + 1]);
  }
  return found;
}

const count = (from: number, to: number, has: (byte: number) => boolean): number => {
  let sum = 0;
  for (let byte = from; byte < to; byte += 1) sum += has(byte) ? 1 : 0;
  return sum;
};

/** RFC 6675, section 4, IsLost(), byte by byte. */
function isLost(byte: number, known: readonly Block[]): boolean {
  const above = known.filter(([from]) => from > byte);
  const bytes = above.reduce((sum, [from, to]) => sum + to - from, 0);
  return above.length >= 3 || bytes > 2 * MSS;
}

function compare(board: Scoreboard, known: ReadonlySet<number>, where: string): void {
  const ranges = runs(known);
  expect(board.ranges, where).toEqual(ranges);
  expect(board.bytes, where).toBe(known.size);
  expect(board.highest, where).toBe(ranges.at(-1)?.[1] ?? board.una);
  for (let byte = board.una; byte < board.sent; byte += 1) {
    if (known.has(byte)) continue;
    expect(byte < board.lost, `${where}, byte ${byte}`).toBe(isLost(byte, ranges));
  }
  const edge = board.una + ((board.sent - board.una) >> 1);
  expect(board.holes(edge), where).toBe(count(board.una, edge, (byte) => !known.has(byte)));
  const [from, to] = board.hole(board.una, board.sent);
  expect(
    count(board.una, from, (byte) => !known.has(byte)),
    where,
  ).toBe(0);
  expect(
    count(from, to, (byte) => known.has(byte)),
    where,
  ).toBe(0);
  expect(to === board.sent || known.has(to), where).toBe(true);
}

/** Blocks of all kinds, sensible ones most often. */
function anyBlock(random: Random, { una, sent }: Scoreboard): Block {
  const from = random.between(una - 5, sent + 2);
  return [from, from + random.between(-3, 25)];
}

test.each([0, 0xffffff80])(`as a set of bytes says, from %d (seed ${SEED})`, (origin) => {
  const random = new Random(SEED);
  let full = 0;
  for (let run = 0; run < 60; run += 1) {
    const board = new Scoreboard(origin);
    let known = new Set<number>();
    board.move(0, 120);
    for (let turn = 0; turn < 60; turn += 1) {
      const blocks = Array.from({ length: random.between(0, 4) }, () => anyBlock(random, board));
      board.take(blocks);
      const told = new Set(known);
      for (const [from, to] of blocks) {
        if (from <= board.una || to <= from || to > board.sent) continue;
        for (let byte = from; byte < to; byte += 1) told.add(byte);
      }
      const held = new Set(board.ranges.flatMap(([from, to]) => range(from, to)));
      const where = `run ${run}, turn ${turn}`;
      if (held.size < told.size) {
        // Forgotten for want of room: nothing that was known before, and nothing is invented.
        full += 1;
        expect(
          [...held].every((byte) => told.has(byte)),
          where,
        ).toBe(true);
        expect(
          [...known].every((byte) => held.has(byte)),
          where,
        ).toBe(true);
      }
      known = held.size < told.size ? held : told;
      compare(board, known, where);
      const una = board.una + (random.oneIn(3) ? random.below(30) : 0);
      known = new Set([...known].filter((byte) => byte >= una));
      board.move(una, Math.max(board.sent, una) + random.below(20));
      compare(board, known, where);
    }
  }
  expect(full).toBeGreaterThan(100);
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
