/**
 * A whole turn of the flow scheduler at once (predicted-transmit.ts): an egress burst without room
 * costs nothing, not even the turn. Method: one core; its burst is made to look full to the byte.
 */
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import { FLOW_TIMESTAMPS } from "../../../bindings/abi/flow-state.ts";
import { RECOVERY_LAST_SEND, RECOVERY_RTT_TIMING } from "../../../bindings/abi/flow-state.ts";
import { RECOVERY_SIZE } from "../../../bindings/abi/flow-state.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const MSS = 1000;
const SEGMENTS = 3;

test("a burst that is full to the byte keeps the turn for the next step", () => {
  const raw = new RawCore(testCore({ connections: 2, contexts: 2 }));
  const { connection } = raw.establish({ connection: 1, mss: MSS, cwnd: 10 * MSS, txShift: 13 });
  const { view, address } = raw.core;
  const recovery = (raw.core.map.base.recovery as number) + connection * RECOVERY_SIZE;
  const lastSend = (): bigint => view.getBigUint64(recovery + RECOVERY_LAST_SEND, true);
  // With something in flight the connection is not idle, and its turns are plain.
  raw.post(1, { connection, txAppend: MSS });
  expect(raw.step().frames.length).toBe(1);
  const before = lastSend();
  const timing = view.getUint8(recovery + RECOVERY_RTT_TIMING);
  const predicted = raw.counter(Counter.PredictedOut);
  raw.post(1, { connection, txAppend: SEGMENTS * MSS });
  const capacity = view.getUint32(address + M.CORE_EGRESS_CAPACITY, true);
  view.setUint32(address + M.CORE_EGRESS_BYTES, capacity, true);
  raw.now += 1000;
  const held = raw.step();
  expect([held.frames.length, held.drops.size]).toEqual([0, 0]);
  expect([lastSend(), view.getUint8(recovery + RECOVERY_RTT_TIMING)]).toEqual([before, timing]);
  // The host has taken the burst.
  view.setUint32(address + M.CORE_EGRESS_BYTES, 0, true);
  raw.now += 1000;
  const sent = raw.step();
  expect([sent.frames.length, sent.drops.size]).toEqual([SEGMENTS, 0]);
  expect(raw.counter(Counter.PredictedOut) - predicted).toBe(SEGMENTS);
  expect(raw.sequenceFaults()).toBe(0);
});

for (const [name, flags, header] of [
  ["plain headers", 0, 54],
  ["timestamps", FLOW_TIMESTAMPS, 66],
] as const) {
  test(`a turn takes what the burst has room for, to the byte: ${name}`, () => {
    for (const [missing, segments] of [
      [0, SEGMENTS],
      [1, SEGMENTS - 1],
    ] as const) {
      const raw = new RawCore(testCore({ connections: 2, contexts: 2 }));
      raw.step();
      raw.establish({ mss: MSS, cwnd: 10 * MSS, txShift: 13, flags });
      raw.post(1, { txAppend: SEGMENTS * MSS });
      const { view, address } = raw.core;
      const capacity = view.getUint32(address + M.CORE_EGRESS_CAPACITY, true);
      // Each frame begins at a multiple of 16 bytes.
      const stride = (header + MSS + 15) & ~15;
      const room = (SEGMENTS - 1) * stride + header + MSS - missing;
      view.setUint32(address + M.CORE_EGRESS_BYTES, capacity - room, true);
      const { frames, drops } = raw.step();
      expect([frames.length, drops.size]).toEqual([segments, 0]);
      expect(frames.every(({ length }) => length === header + MSS)).toBe(true);
      expect(raw.counter(Counter.PredictedOut)).toBe(segments);
    }
  });
}
