/**
 * Goal: what surrounds TCP's stage program in the data path (5.2, 5.3) is what the dissertation
 * says and RFC 9293 asks: roll-back without a lost window, merges that libTOE hears of ahead, ACKs
 * after the burst, FIN and RST beside the pipeline, segments that T1 to T5 refuse, probes, rows
 * that are used again. Method: the bare core of both modes, frames in and out, registers read.
 */
import { expect, test } from "vitest";
import { Counter } from "../../bindings/abi/counters.ts";
import { AtxOpcode, EventKind } from "../../bindings/abi/descriptor.ts";
import { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, FIN, RST, streamBytes } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { LaminarFlow, MODES } from "../support/laminar-flow.ts";
import type { Outcome } from "../support/raw-core.ts";

const acks = ({ frames }: Outcome, rxSeq: number): number[] =>
  frames.map((frame) => (judgeSegment(frame).ack - rxSeq) >>> 0);

test.each([5000, 0xfffffc00])(
  "relaxed, %d: R3 and R4 hold the nearest of all gaps' runs",
  (rxSeq) => {
    const one = new LaminarFlow("laminar-relaxed", { rxSeq });
    const registers = (): number[] => {
      return [
        (one.register("rxNextSeq") - rxSeq) >>> 0,
        one.register("head"),
        one.register("tail"),
      ];
    };
    const steps: [from: number, length: number, expected: number[]][] = [
      [3000, 500, [0, 3000, 3500]],
      [5000, 500, [0, 3000, 3500]],
      [1000, 500, [0, 1000, 1500]],
      // From both sides, and over what is there.
      [1500, 100, [0, 1000, 1600]],
      [800, 400, [0, 800, 1600]],
      // The first gap closes: the next run is in the registers, from where R1 is now.
      [0, 800, [1600, 1400, 1900]],
      [1600, 200, [1800, 1200, 1700]],
      // Over two runs and the gap between them; beyond the second.
      [1800, 3300, [5500, 0, 0]],
      [5400, 200, [5600, 0, 0]],
    ];
    for (const [from, length, expected] of steps) {
      one.offer(one.data(from, length));
      expect(registers(), `${from}, ${length}`).toEqual(expected);
    }
    const told = one.raw.notifications(1).map(({ rxBump }) => rxBump);
    expect(told.reduce((sum, bump) => sum + bump, 0)).toBe(5600);
    expect(one.raw.received(one.flow, rxSeq, 5600)).toEqual(streamBytes(rxSeq, 5600));
    expect(one.room).toBe(2 ** 14 - 5600);
  },
);

test("relaxed: a segment over more gaps than a pass places is taken up to the fourth", () => {
  const one = new LaminarFlow("laminar-relaxed", { rxSeq: 0xfffffe00 });
  for (const from of [100, 300, 500, 700]) one.offer(one.data(from, 100));
  expect(acks(one.offer(one.data(0, 1000)), one.flow.rxSeq)).toEqual([600]);
  expect([one.register("head"), one.register("tail")]).toEqual([100, 200]);
  expect(acks(one.offer(one.data(0, 1000)), one.flow.rxSeq)).toEqual([1000]);
  expect(one.raw.received(one.flow, 0xfffffe00, 1000)).toEqual(streamBytes(0xfffffe00, 1000));
});

test("relaxed: a run too many is dropped, and R3 and R4 do not keep it", () => {
  const one = new LaminarFlow("laminar-relaxed", { intervals: 2 });
  for (const from of [4000, 3000]) one.offer(one.data(from, 100));
  const { drops } = one.offer(one.data(1000, 100));
  expect(drops.get(DropReason.IntervalLimit)).toBe(1);
  expect([one.register("head"), one.register("tail")]).toEqual([3000, 3100]);
  expect(acks(one.offer(one.data(0, 1000)), one.flow.rxSeq)).toEqual([1000]);
});

for (const mode of MODES) {
  for (const rxSeq of [5000, 0xffffff00]) {
    test(`${mode}, ${rxSeq}: one pseudo segment closes a gap, libTOE hears it at once`, () => {
      const one = new LaminarFlow(mode, { rxSeq });
      expect(acks(one.offer(one.data(1000, 500)), rxSeq)).toEqual([0]);
      expect([one.register("head"), one.register("tail")]).toEqual([1000, 1500]);
      expect(acks(one.offer(one.data(0, 1000)), rxSeq)).toEqual([1500]);
      expect([one.register("head"), one.register("tail")]).toEqual([0, 0]);
      expect((one.register("rxNextSeq") - rxSeq) >>> 0).toBe(1500);
      expect(one.raw.notifications(1).map(({ rxBump }) => rxBump)).toEqual([1500]);
      expect(one.raw.received(one.flow, rxSeq, 1500)).toEqual(streamBytes(rxSeq, 1500));
      expect(one.room).toBe(2 ** 14 - 1500);
    });

    test(`${mode}, ${rxSeq}: a window that is too small for a segment is not lost`, () => {
      const one = new LaminarFlow(mode, { rxSeq });
      for (let at = 0; at < 16_000; at += 1000) one.offer(one.data(at, 1000));
      expect(one.room).toBe(384);
      const { frames, drops } = one.offer(one.data(16_000, 1000));
      const fits = mode === "laminar" ? 0 : 384;
      const [answer] = frames.map((frame) => judgeSegment(frame));
      expect(answer).toMatchObject({ ack: (rxSeq + 16_000 + fits) >>> 0, window: 384 - fits });
      expect(drops.get(DropReason.OutOfWindow) ?? 0).toBe(mode === "laminar" ? 1 : 0);
      expect(one.room).toBe(384 - fits);
      // What fits is taken after it, and a byte more is not.
      one.offer(one.data(16_000, 384));
      expect(one.room).toBe(0);
      const probe = one.offer(one.data(16_384, 1));
      expect(judgeSegment(probe.frames[0] as Uint8Array)).toMatchObject({ window: 0 });
      expect((one.register("rxNextSeq") - rxSeq) >>> 0).toBe(16_384);
      // SYNC: what was read is room again.
      one.raw.post(1, { rxCredit: 10_000 });
      one.raw.step();
      expect(one.room).toBe(10_000);
    });
  }

  test(`${mode}: RFC 9293 MUST-59: a burst is processed, then acknowledged`, () => {
    const one = new LaminarFlow(mode, { ackThreshold: 1 });
    const burst = Array.from({ length: 5 }, (_, i) => one.data(i * 100, 100));
    expect(acks(one.offer(...burst), one.flow.rxSeq)).toEqual([200, 400, 500]);
    // A segment out of order in between is answered for itself.
    const gap = one.offer(one.data(500, 100), one.data(700, 100), one.data(600, 100));
    expect(acks(gap, one.flow.rxSeq)).toEqual([600, 600, 800]);
  });

  test(`${mode}: a FIN that comes early waits, data behind it are refused`, () => {
    const one = new LaminarFlow(mode);
    expect(one.offer(one.data(500, 500, ACK | FIN)).events).toEqual([]);
    const { events, frames } = one.offer(one.data(0, 500));
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.FinReceived]);
    expect(acks({ frames } as Outcome, one.flow.rxSeq)).toEqual([1001]);
    const after = one.offer(one.data(1001, 10));
    expect([...after.drops]).toEqual([[DropReason.AfterFin, 1]]);
    expect(one.register("rxNextSeq")).toBe(one.flow.rxSeq + 1001);
    // The same FIN again is answered and says nothing new.
    const again = one.offer(one.data(500, 500, ACK | FIN));
    expect([again.events, acks(again, one.flow.rxSeq)]).toEqual([[], [1001]]);
  });

  test(`${mode}: an acknowledgment of what was never sent is taken back from T1`, () => {
    const one = new LaminarFlow(mode);
    one.send(1000);
    const { rxSeq, txSeq } = one.flow;
    const { drops } = one.offer(buildFrame({ seq: rxSeq, ack: txSeq + 5000, flags: ACK }));
    expect([...drops]).toEqual([[DropReason.AckOutOfRange, 1]]);
    expect(one.register("txNextAck")).toBe(txSeq);
    one.offer(buildFrame({ seq: rxSeq, ack: txSeq + 1000, flags: ACK }));
    expect(one.register("txNextAck")).toBe(txSeq + 1000);
    expect(one.raw.notifications(1).map(({ txBump }) => txBump)).toEqual([1000]);
  });

  test(`${mode}: credits are granted for a turn, and each segment is charged`, () => {
    const one = new LaminarFlow(mode, { mss: 1000 });
    expect(one.send(2500).frames.length).toBe(2);
    expect(one.register("credits")).toBe(8 * 1000 - 2000);
  });

  test(`${mode}: RFC 9293 MUST-35: a closed window is probed through the pipeline`, () => {
    const one = new LaminarFlow(mode, { peerWindow: 0 });
    expect(one.send(1000).frames).toEqual([]);
    one.raw.post(0, { opcode: AtxOpcode.Probe });
    const [probe] = one.raw.step().frames.map((frame) => judgeSegment(frame));
    expect(probe).toMatchObject({ seq: one.flow.txSeq, payloadLength: 1 });
    expect(one.raw.counter(Counter.Probes)).toBe(1);
  });

  test(`${mode}: RFC 5961: RST at the next number resets, elsewhere it is challenged`, () => {
    const one = new LaminarFlow(mode);
    const { rxSeq, txSeq } = one.flow;
    const off = one.offer(buildFrame({ seq: rxSeq + 5, ack: txSeq, flags: RST }));
    expect([off.events, off.frames.length]).toEqual([[], 1]);
    const { events } = one.offer(buildFrame({ seq: rxSeq, ack: txSeq, flags: RST }));
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.Reset]);
  });

  test(`${mode}: a row that is used again has nothing of its last connection`, () => {
    const one = new LaminarFlow(mode);
    const { core } = one.raw;
    one.offer(one.data(1000, 500));
    one.send(1000);
    core.exports.uninstall(core.address, 1);
    // In no table any more: the control plane's.
    const { events } = one.offer(one.data(0, 100));
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.Redirect]);
    core.exports.unbind(core.address, 1);
    const flow = one.raw.establish({ generation: 2, rxSeq: 77, txSeq: 99, remotePort: 40_001 });
    expect(one.register("rxNextSeq")).toBe(77);
    expect([one.register("head"), one.register("tail"), one.register("credits")]).toEqual([
      0, 0, 0,
    ]);
    expect(one.register("txNextAck")).toBe(99);
    const frame = buildFrame({ seq: 77, ack: 99, sourcePort: 40_001, payload: streamBytes(77, 9) });
    one.offer(frame);
    expect(one.raw.received(flow, 77, 9)).toEqual(streamBytes(77, 9));
  });
}

test("only relaxed mode offers timestamps and SACK", () => {
  const features = MODES.map((mode) => new LaminarFlow(mode).raw.core.exports.features());
  expect(features).toEqual([4, 7]);
});
