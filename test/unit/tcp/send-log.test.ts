/**
 * Goal: the send log says of every byte in flight what a list of bytes says: when it was last sent,
 * whether the peer has it, whether it is lost (RFC 6675, section 3; RFC 8985, 5.1), whatever blocks
 * arrive in whatever order, also across 2^32; bounded: a full log forgets and never invents (ids
 * SK-6, SK-9 to SK-12, RACK-2). Method: a list of bytes beside it.
 */
import { expect, test } from "vitest";
import * as F from "../../../bindings/abi/flow-state.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import * as S from "../../../bindings/abi/send-log.ts";
import { OPTION_HAS_SACK, WORK_OPTIONS } from "../../../bindings/abi/work.ts";
import { WORK_SACK, WORK_SACK_COUNT } from "../../../bindings/abi/work.ts";
import { seedOf } from "../../support/env.ts";
import { loadTesting } from "../../support/load-testing.ts";
import { Random } from "../../support/random.ts";

const SEED = seedOf(20261122);
const CORE = 2048;
const P = 4096;
const R = 8192;
const WORK = 12_288;
const STACK = 16_384;
const LOG = 20_480;
const MSS = 10;

interface LogExports {
  logsInitialize(core: number): void;
  logSent(core: number, p: number, r: number, before: number): void;
  needLog(core: number, p: number, r: number): number;
  closeLog(core: number, r: number): void;
  updateScoreboard(core: number, work: number, p: number, r: number, acked: number): number;
  markLostByCount(p: number, r: number, log: number): void;
  logAgain(log: number, start: number, end: number, now: bigint): void;
  pipeOf(p: number, log: number): number;
}

type Block = readonly [from: number, to: number];

interface Run {
  readonly from: number;
  readonly to: number;
  readonly flags: number;
  readonly time: number;
}

/** What a byte in flight is known for. */
interface Byte {
  time: number;
  sacked: boolean;
  again: boolean;
  /** By the rule, now or before: what has been lost stays so when runs above grow together. */
  lost: boolean;
}

/** The log, with numbers relative to where the stream began, and a list of bytes beside it. */
class Flight {
  readonly #build = loadTesting<LogExports>();
  readonly #origin: number;
  readonly bytes = new Map<number, Byte>();
  una = 0;
  sent = 0;
  now = 0;

  constructor(origin: number) {
    this.#origin = origin;
    const { view, exports } = this.#build;
    view.setUint32(CORE + M.CORE_POOL, CORE, true);
    view.setUint32(CORE + M.CORE_LOGS, 1, true);
    view.setUint32(CORE + M.CORE_LOG_BASE, LOG, true);
    view.setUint32(CORE + M.CORE_LOG_FREE, STACK, true);
    exports.logsInitialize(CORE);
    view.setUint16(P + F.PROTOCOL_MSS, MSS, true);
    view.setUint16(P + F.PROTOCOL_FLAGS, F.FLOW_SACK, true);
    this.#put();
  }

  #seq(offset: number): number {
    return (this.#origin + offset) >>> 0;
  }

  #put(): void {
    const { view } = this.#build;
    view.setUint32(P + F.PROTOCOL_TX_UNA, this.#seq(this.una), true);
    view.setUint32(P + F.PROTOCOL_TX_SENT, this.sent - this.una, true);
    view.setUint32(P + F.PROTOCOL_TX_MAX, this.sent - this.una, true);
    view.setBigUint64(CORE + M.CORE_NOW, BigInt(this.now), true);
  }

  send(bytes: number, later: number): void {
    const before = this.sent - this.una;
    this.now += later;
    for (let i = 0; i < bytes; i += 1) {
      this.bytes.set(this.sent + i, { time: this.now, sacked: false, again: false, lost: false });
    }
    this.sent += bytes;
    this.#put();
    const { view, exports } = this.#build;
    exports.logSent(CORE, P, R, before);
    view.setBigUint64(R + F.RECOVERY_LAST_SEND, BigInt(this.now), true);
  }

  open(): void {
    this.#build.exports.needLog(CORE, P, R);
  }

  /** An ACK that moves una by `acked` and carries `blocks`; what it delivered by SACK. */
  ack(acked: number, blocks: readonly Block[]): number {
    const { view, exports } = this.#build;
    for (let i = 0; i < acked; i += 1) this.bytes.delete(this.una + i);
    this.una += acked;
    this.#put();
    view.setUint32(WORK + WORK_OPTIONS, OPTION_HAS_SACK, true);
    view.setUint32(WORK + WORK_SACK_COUNT, blocks.length, true);
    blocks.forEach(([from, to], i) => {
      view.setUint32(WORK + WORK_SACK + 8 * i, this.#seq(from), true);
      view.setUint32(WORK + WORK_SACK + 8 * i + 4, this.#seq(to), true);
    });
    return exports.updateScoreboard(CORE, WORK, P, R, acked) | 0;
  }

  again(from: number, to: number): void {
    this.now += 1;
    this.#put();
    this.#build.exports.logAgain(LOG, this.#seq(from), this.#seq(to), BigInt(this.now));
    for (let i = from; i < to; i += 1) {
      const byte = this.bytes.get(i) as Byte;
      byte.again = true;
      byte.lost = false;
      byte.time = this.now;
    }
  }

  findLost(): void {
    this.#build.exports.markLostByCount(P, R, LOG);
  }

  close(): void {
    this.#build.exports.closeLog(CORE, R);
  }

  get isOpen(): boolean {
    return this.#build.view.getUint32(R + F.RECOVERY_LOG, true) !== 0;
  }

  get free(): number {
    return this.#build.view.getUint32(CORE + M.CORE_LOG_FREE_COUNT, true);
  }

  get pipe(): number {
    return this.#build.exports.pipeOf(P, LOG);
  }

  counted(field: number): number {
    return this.#build.view.getUint32(LOG + field, true);
  }

  get runs(): Run[] {
    const { view } = this.#build;
    let from = (this.counted(S.LOG_START) - this.#origin) | 0;
    return Array.from({ length: this.counted(S.LOG_COUNT) }, (_, i) => {
      const at = LOG + S.LOG_RUNS + S.RUN_SIZE * i;
      const to = (view.getUint32(at + S.RUN_END, true) - this.#origin) | 0;
      const flags = view.getUint32(at + S.RUN_FLAGS, true);
      const run = { from, to, flags, time: Number(view.getBigUint64(at + S.RUN_TIME, true)) };
      from = to;
      return run;
    });
  }
}

/** IsLost() of RFC 6675, section 4, for a byte below these ranges of what the peer has. */
function isLost(byte: number, known: readonly Block[]): boolean {
  const above = known.filter(([from]) => from > byte);
  const bytes = above.reduce((sum, [from, to]) => sum + to - from, 0);
  return above.length >= 3 || bytes > 2 * MSS;
}

const sacked = ({ flags }: Run): boolean => (flags & S.RUN_SACKED) !== 0;

/** What holds of every log; how many bytes it has forgotten of. */
function judge(flight: Flight, where: string): number {
  const { runs } = flight;
  expect(runs.length, where).toBeLessThanOrEqual(S.LOG_RUNS_MAX);
  expect(runs.at(-1)?.to ?? flight.sent, where).toBe(flight.sent);
  for (const run of runs) expect(run.to, where).toBeGreaterThan(run.from);
  for (const [flag, field] of [
    [S.RUN_SACKED, S.LOG_SACKED],
    [S.RUN_LOST, S.LOG_LOST],
    [S.RUN_AGAIN, S.LOG_AGAIN],
    [S.RUN_TWICE, S.LOG_TWICE],
  ] as const) {
    const with_ = runs.filter(({ flags }) => (flags & flag) !== 0);
    const bytes = with_.reduce((sum, { from, to }) => sum + to - from, 0);
    expect(flight.counted(field), where).toBe(bytes);
  }
  let forgotten = 0;
  for (const run of runs) {
    for (let i = Math.max(run.from, flight.una); i < run.to; i += 1) {
      const byte = flight.bytes.get(i) as Byte;
      if (sacked(run) !== byte.sacked) {
        forgotten += 1;
        // SK-10: never something that the peer has not said.
        if (sacked(run)) expect.fail(`${where}: byte ${i} was never acknowledged`);
        byte.sacked = false;
      }
      if (!sacked(run) && run.time < byte.time) expect.fail(`${where}: byte ${i} is too old`);
    }
  }
  return forgotten;
}

/** Blocks of all kinds, sensible ones most often. */
function anyBlock(random: Random, { una, sent }: Flight): Block {
  const from = random.between(una - 5, sent + 2);
  return [from, from + random.between(-3, 25)];
}

function believe(flight: Flight, blocks: readonly Block[]): void {
  for (const [from, to] of blocks) {
    if (from <= flight.una || to <= from || to > flight.sent) continue;
    for (let i = from; i < to; i += 1) (flight.bytes.get(i) as Byte).sacked = true;
  }
}

/** `whole`: nothing was forgotten so far, which may have made something lost before. */
function compareLost(flight: Flight, where: string, whole: boolean): void {
  flight.findLost();
  const { runs } = flight;
  const known = runs.filter(sacked).map(({ from, to }) => [from, to] as const);
  for (const run of runs) {
    if (sacked(run) || (run.flags & S.RUN_AGAIN) !== 0) continue;
    const lost = (run.flags & S.RUN_LOST) !== 0;
    for (let i = Math.max(run.from, flight.una); i < run.to; i += 1) {
      const byte = flight.bytes.get(i) as Byte;
      byte.lost ||= isLost(i, known);
      const expected = byte.lost || (lost && !whole);
      if (lost !== expected) expect.fail(`${where}: byte ${i} is lost: ${lost}`);
    }
  }
}

test.each([0, 0xffffff80])(`as a list of bytes says, from %d (seed ${SEED})`, (origin) => {
  const random = new Random(SEED);
  let forgotten = 0;
  let full = 0;
  for (let run = 0; run < 40; run += 1) {
    const flight = new Flight(origin);
    flight.send(120, 1);
    flight.open();
    let whole = true;
    const crowded = run % 2 === 1;
    for (let turn = 0; turn < 80; turn += 1) {
      const where = `run ${run}, turn ${turn}`;
      const blocks = Array.from({ length: random.between(0, 4) }, () => anyBlock(random, flight));
      const acked = random.oneIn(crowded ? 30 : 4) ? random.below(flight.sent - flight.una) : 0;
      flight.ack(acked, blocks);
      believe(flight, blocks);
      const missed = judge(flight, where);
      if (missed > 0) whole = false;
      forgotten += missed;
      compareLost(flight, where, whole);
      if (random.oneIn(3)) {
        const holes = flight.runs.filter((one) => !sacked(one));
        const hole = holes[random.below(holes.length)];
        if (hole === undefined) continue;
        const from = Math.max(hole.from, flight.una);
        flight.again(from, Math.min(hole.to, from + MSS));
        const lost = judge(flight, where);
        if (lost > 0) whole = false;
        forgotten += lost;
      }
      for (let i = random.below(crowded ? 12 : 4); i > 0; i -= 1)
        flight.send(1 + random.below(9), random.below(9));
      const late = judge(flight, where);
      if (late > 0) whole = false;
      forgotten += late;
      if (flight.counted(S.LOG_COUNT) > S.LOG_RUNS_MAX - 3) full += 1;
    }
  }
  // Both kinds of runs: those with room throughout, those that ran out of it.
  expect(full).toBeGreaterThan(10);
  expect(forgotten).toBeLessThan(40 * 80 * 20);
});

test("a log has one owner, and is opened when there is something to tell", () => {
  const flight = new Flight(7);
  flight.send(30, 1);
  // What leaves at once needs none.
  expect([flight.isOpen, flight.free]).toEqual([false, 1]);
  flight.send(30, 5);
  expect([flight.isOpen, flight.free]).toEqual([true, 0]);
  expect(flight.runs.map(({ from, to, time }) => [from, to, time])).toEqual([
    [0, 30, 1],
    [30, 60, 6],
  ]);
  flight.close();
  expect([flight.isOpen, flight.free]).toEqual([false, 1]);
  // In the middle of a flight: late is what it says of the bytes before.
  flight.open();
  expect(flight.runs.map(({ from, to, time }) => [from, to, time])).toEqual([[0, 60, 6]]);
});

test("SK-12: pipe: a byte sent again without being lost counts twice, a lost one once", () => {
  const flight = new Flight(0);
  flight.send(100, 1);
  flight.open();
  flight.ack(0, [[20, 60]]);
  flight.findLost();
  // 20 lost, 40 there, 40 on their way.
  expect(flight.pipe).toBe(40);
  flight.again(0, 10);
  expect(flight.pipe).toBe(50);
  flight.again(60, 70);
  expect(flight.pipe).toBe(60);
});

test("SK-12: what the peer has counts no more when it is sent again with what it lacks", () => {
  const flight = new Flight(0);
  flight.send(100, 1);
  flight.open();
  flight.ack(0, [[20, 60]]);
  flight.again(0, 40);
  // 40 there, 20 twice on their way.
  expect(flight.pipe).toBe(80);
  // Joined with what is told of now.
  flight.ack(0, [[60, 70]]);
  expect(flight.pipe).toBe(70);
  flight.ack(70, []);
  expect([flight.pipe, flight.counted(S.LOG_TWICE), flight.counted(S.LOG_AGAIN)]).toEqual([
    30, 0, 0,
  ]);
});

test("a thousand send times are joined: none is late by more than a sixth", () => {
  const flight = new Flight(0);
  for (let i = 0; i < 1000; i += 1) flight.send(10, 100);
  const span = 1000 * 100;
  for (const run of flight.runs) {
    for (let i = run.from; i < run.to; i += 1) {
      const late = run.time - (flight.bytes.get(i) as Byte).time;
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(span / 6);
    }
  }
});
