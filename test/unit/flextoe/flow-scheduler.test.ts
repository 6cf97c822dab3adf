/**
 * Goal: a paced flow keeps its rate (dissertation 4.3.4): the mean is that of its interval although
 * timers fire up to a slot late or the host polls late, fractions of a nanosecond add up, and a
 * flow that was idle has saved up nothing. Method: the bare core, time moved by hand.
 */
import { expect, test } from "vitest";
import { AtxOpcode } from "../../../bindings/abi/descriptor.ts";
import { FLOW_NODELAY, INTERVAL_FRACTION_BITS } from "../../../bindings/abi/flow-state.ts";
import { SCHEDULER_DEADLINE, SCHEDULER_SIZE } from "../../../bindings/abi/flow-state.ts";
import { streamBytes } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const MSS = 1000;
/** What the data path counts for a segment: its IP packet, here without options. */
const WIRE = MSS + 40;
const SEGMENTS = 60;

/** A paced connection with 60 segments to send; `interval` in ns per byte. */
function paced(interval: number): RawCore {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ mss: MSS, flags: FLOW_NODELAY, txShift: 16, txSeq: 1000 });
  raw.fill(flow, 1000, streamBytes(1000, MSS * SEGMENTS));
  const fixed = BigInt(Math.round(interval * 2 ** INTERVAL_FRACTION_BITS));
  const low = Number(fixed & 0xffffffffn);
  raw.post(0, { opcode: AtxOpcode.SetInterval, low, high: Number(fixed >> 32n) });
  raw.step();
  raw.post(1, { txAppend: MSS * SEGMENTS });
  return raw;
}

/** Sends everything, looking `late` ns after each deadline; ns from the first to the last. */
function duration(raw: RawCore, late: number): number {
  const from = raw.now;
  let sent = raw.step().frames.length;
  let last = raw.now;
  for (let turns = 0; sent < SEGMENTS && turns < 100 * SEGMENTS; turns += 1) {
    const next = raw.core.exports.nextDeadline(raw.core.address);
    raw.now = Math.max(raw.now, next) + late;
    const { frames } = raw.step();
    if (frames.length > 0) last = raw.now;
    sent += frames.length;
  }
  expect(sent).toBe(SEGMENTS);
  return last - from;
}

//  ns per byte: 1 Gbit/s, 100 Mbit/s, 10 Mbit/s, and one with a long fraction
for (const interval of [8, 80, 800, 7.3337]) {
  test.each([0, 700, 50_000])(`${interval} ns a byte, %i ns late: within 1 %`, (late) => {
    const raw = paced(interval);
    const expected = interval * WIRE * (SEGMENTS - 1);
    const took = duration(raw, late);
    // One slot of the wheel and one late poll at the very end.
    expect(took).toBeGreaterThan(expected * 0.99);
    expect(took).toBeLessThan(expected * 1.01 + 1024 + late);
  });
}

test("fractions of a nanosecond add up: 0.02 ns a byte is 20.8 ns a segment", () => {
  const raw = paced(0.02);
  const from = raw.now;
  duration(raw, 0);
  const record = (raw.core.map.base.scheduler as number) + SCHEDULER_SIZE;
  const deadline = Number(raw.core.view.getBigUint64(record + SCHEDULER_DEADLINE, true));
  // 60 segments: 1248 ns less 2^-24 parts, where whole nanoseconds alone would be 1200.
  expect(deadline - from).toBe(1247);
});

test("an idle flow saves up no credit", () => {
  const raw = paced(80);
  duration(raw, 0);
  // Everything is acknowledged by nobody: more data only; the flow was idle for 3 ms.
  raw.now += 3e6;
  raw.post(1, { txAppend: 4 * MSS });
  expect(raw.step().frames).toHaveLength(1);
  expect(raw.step().frames).toHaveLength(0);
});
