/**
 * Goal: Laminar's rates (5.3.2.1, 5.4): SYNCs turn what the control plane's rate has earned into
 * credits, as seldom as a round trip allows and for nobody who is idle; the meter drops what is
 * beyond; a rate holds within 1 % from 8 Kbit/s to 400 Gbit/s however the host polls. Method: the
 * bare core of both modes, time moved by hand, registers and meters read.
 */
import { expect, test } from "vitest";
import { RATES, runRate } from "../../bench/carousel-rates.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import { AtxOpcode } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { FLOW_NODELAY, RECOVERY_SIZE, RECOVERY_SRTT } from "../../bindings/abi/flow-state.ts";
import { CORE_LAMINAR, STEP_MORE } from "../../bindings/abi/memory-map.ts";
import { CLOCK_DEADLINE } from "../../bindings/abi/rate-clock.ts";
import { LAMINAR_METER, LAMINAR_SIZE, METER_EXCEEDED } from "../../bindings/abi/rmt.ts";
import { intervalWords } from "../../host/control-plane/congestion/policy.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { LaminarFlow, MODES, type Mode } from "../support/laminar-flow.ts";
import { loadLaminarModule } from "../support/load-core.ts";

const MSS = 1000;
const PACKET = MSS + 40;
const US = 1000;

const POLLINGS = [
  { name: "polled exactly", late: 0, random: false },
  { name: "up to 50 us late", late: 50_000, random: true },
];

for (const mode of MODES) {
  for (const polling of POLLINGS) {
    test.each(RATES)(`${mode}: %d bit/s within 1 %, ${polling.name}`, (rate) => {
      const elapsed = (polling.random ? 6 : 1) * 1e6;
      const run = runRate(loadLaminarModule(mode), rate, polling, { elapsed, segments: 60 });
      expect(Math.abs(run.error)).toBeLessThan(0.01);
    });
  }
}

/** A connection whose rate is a full packet each `perPacket` ns. */
class RatedFlow extends LaminarFlow {
  constructor(mode: Mode, perPacket: number, srtt = 0) {
    super(mode, { mss: MSS, flags: FLOW_NODELAY, peerScale: 4 });
    this.rate(perPacket);
    const { core } = this.raw;
    const recovery = (core.map.base.recovery as number) + RECOVERY_SIZE + RECOVERY_SRTT;
    core.view.setBigUint64(recovery, BigInt(srtt), true);
  }

  /** Of 0: none. Segments that left at once. */
  rate(perPacket: number): number {
    const words = intervalWords(perPacket === 0 ? 0 : (PACKET * 1e9) / perPacket);
    this.raw.post(0, { opcode: AtxOpcode.SetInterval, ...words });
    return this.raw.step().frames.length;
  }

  get grants(): number {
    return this.raw.counter(Counter.Grants);
  }

  #meter(field: number): number {
    const { core } = this.raw;
    const records = core.words[(core.address + CORE_LAMINAR) >>> 2] as number;
    return records + LAMINAR_SIZE * this.flow.connection + LAMINAR_METER + field;
  }

  get exceeded(): number {
    return this.raw.core.words[this.#meter(METER_EXCEEDED) >>> 2] as number;
  }

  get deadline(): number {
    return Number(this.raw.core.view.getBigUint64(this.#meter(CLOCK_DEADLINE), true));
  }

  set deadline(at: number) {
    this.raw.core.view.setBigUint64(this.#meter(CLOCK_DEADLINE), BigInt(at), true);
  }

  get next(): number {
    const { core } = this.raw;
    return core.exports.nextDeadline(core.address);
  }

  /** Segments that left in a step at `at`. */
  at(at: number): number {
    this.raw.now = at;
    let sent = 0;
    for (let more = true; more; ) {
      const { frames, status } = this.raw.step();
      sent += frames.length;
      more = (status & STEP_MORE) !== 0;
    }
    return sent;
  }
}

for (const mode of MODES) {
  test(`${mode}: SYNC grants what was earned, and not what an idle connection might have`, () => {
    const one = new RatedFlow(mode, 100 * US);
    one.raw.now += 50_000 * US;
    const start = one.raw.now;
    // Nothing was saved up before: one segment, then one each 100 us.
    expect(one.send(10 * MSS).frames.length).toBe(1);
    expect([one.grants, one.register("credits")]).toEqual([1, 0]);
    expect(one.at(start + 99 * US)).toBe(0);
    expect(one.at(start + 101 * US)).toBe(1);
    // Two periods late: three were earned, and their credits are used.
    expect(one.at(start + 401 * US)).toBe(3);
    expect([one.grants, one.register("credits")]).toEqual([3, 0]);
    expect(one.exceeded).toBe(0);
  });

  test(`${mode}: at its rate a connection has one SYNC each half round trip`, () => {
    const one = new RatedFlow(mode, 10 * US, 80 * US);
    const start = one.raw.now;
    one.send(14 * MSS);
    const bursts: number[] = [];
    for (let at = start; at < start + 170 * US; at += 2 * US) {
      const sent = one.at(at);
      if (sent > 0) bursts.push(sent);
    }
    expect(bursts).toEqual([4, 4, 4, 1]);
    expect(one.grants).toBe(5);
  });

  test(`${mode}: however long the round trip, a SYNC is for a turn and a millisecond`, () => {
    const slow = new RatedFlow(mode, 300 * US, 80_000 * US);
    const start = slow.raw.now;
    slow.send(12 * MSS);
    expect(slow.at(start + 999 * US)).toBe(0);
    expect(slow.at(start + 1002 * US)).toBe(3);
    const fast = new RatedFlow(mode, 10 * US, 80_000 * US);
    fast.send(14 * MSS);
    expect(fast.at(start + 79 * US)).toBe(0);
    expect(fast.at(start + 82 * US)).toBe(8);
  });

  test(`${mode}: short messages below the rate need a SYNC when their credits are gone`, () => {
    const one = new RatedFlow(mode, 100 * US);
    for (let i = 0; i < 20; i += 1) {
      one.raw.now += 100 * US;
      expect(one.send(100).frames.length).toBe(1);
    }
    // 2,000 bytes of credits of a segment each.
    expect(one.grants).toBe(2);
    // Idle: no SYNC, and no timer but the retransmission's.
    expect(one.next).toBeGreaterThan(one.raw.now + 10_000 * US);
  });

  test(`${mode}: small segments are metered with their headers`, () => {
    const one = new RatedFlow(mode, PACKET * US);
    // 60-byte packets: 60 us each, although the credits would do for 50 of them.
    const start = one.raw.now;
    one.send(20);
    expect(one.deadline - start).toBe(60 * US);
    expect(one.send(20).frames).toEqual([]);
    expect(one.register("credits")).toBe(MSS - 20);
    expect(one.at(start + 61 * US)).toBe(1);
  });

  test(`${mode}: the meter drops what is sent beyond the rate, and it is sent again`, () => {
    const one = new RatedFlow(mode, PACKET * US);
    const start = one.raw.now;
    one.send(20);
    one.send(20);
    // Credits are left, and the meter has been set back when the SYNC comes.
    one.deadline = start + 500 * US;
    one.raw.now = start + 61 * US;
    const { frames, drops } = one.raw.step();
    expect([frames.length, drops.get(DropReason.PushRate), one.exceeded]).toEqual([0, 1, 1]);
    one.raw.now = start + 1000 * US;
    one.raw.post(0, { opcode: AtxOpcode.Retransmit, low: 1 });
    const [again] = one.raw.step().frames.map((frame) => judgeSegment(frame));
    expect(again).toMatchObject({ seq: one.flow.txSeq, payloadLength: 40 });
  });

  test(`${mode}: a new rate moves the SYNC that is awaited, none releases it`, () => {
    const one = new RatedFlow(mode, 1000 * US);
    const start = one.raw.now;
    one.send(5 * MSS);
    expect(one.at(start + 90 * US)).toBe(0);
    one.rate(100 * US);
    expect(one.at(start + 102 * US)).toBe(1);
    one.rate(1000 * US);
    expect(one.at(start + 900 * US)).toBe(0);
    expect(one.rate(0)).toBe(3);
  });

  test(`${mode}: a connection that leaves takes its SYNC and its rate along`, () => {
    const one = new RatedFlow(mode, 1000 * US);
    one.send(5 * MSS);
    const { core } = one.raw;
    core.exports.uninstall(core.address, 1);
    core.exports.unbind(core.address, 1);
    one.raw.establish({ generation: 2, mss: MSS, remotePort: 40_001, flags: FLOW_NODELAY });
    one.raw.post(1, { generation: 2, txAppend: 5 * MSS });
    expect(one.raw.step().frames.length).toBe(5);
    expect(one.deadline).toBe(0);
    // No more turns than it has asked for.
    expect(one.at(one.raw.now + 2000 * US)).toBe(0);
  });
}
