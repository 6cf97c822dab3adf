/**
 * Goal: when a window that is too small starts the persist timer (RFC 9293 MUST-36), to the byte,
 * and for how long, to the nanosecond. Method: the bare core, one descriptor, the timer's deadline.
 */
import { expect, test } from "vitest";
import * as F from "../../../bindings/abi/flow-state.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import { FlowRow } from "../../simulate/checkers/flow-row.ts";
import { buildFrame } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, RawCore } from "../../support/raw-core.ts";

const MSS = 1000;
/** A backoff doubles it so often. */
const RTO = 2 ** 29;

/**
 * `bytes` are appended to a window that has become smaller, after so many timeouts in a row: what
 * leaves, and how long the timer runs.
 */
function appended(
  fields: Partial<FlowFields> & { readonly window: number },
  bytes: number,
  backoff = 0,
): { readonly frames: number; readonly wait: number; readonly persists: boolean } {
  const raw = new RawCore(testCore());
  raw.step();
  const times = { rtoMin: RTO, rtoInitial: RTO };
  const { connection, rxSeq: seq, txSeq: ack } = raw.establish({ mss: MSS, ...times, ...fields });
  raw.offer([buildFrame({ seq, ack, window: fields.window })]);
  const row = new FlowRow(raw.core, connection);
  const recovery = (raw.core.map.base.recovery as number) + connection * F.RECOVERY_SIZE;
  raw.core.bytes[recovery + F.RECOVERY_BACKOFF] = backoff;
  raw.post(1, { txAppend: bytes });
  const { frames } = raw.step();
  const due = row.due(TimerKind.Retransmit);
  return {
    frames: frames.length,
    wait: due === 0 ? 0 : due - raw.now,
    persists: row.has(F.FLOW_PERSIST),
  };
}

test("RFC 9293 MUST-36: a corked full segment that the window cuts is probed for", () => {
  const fields = { flags: F.FLOW_CORK, window: MSS - 1 };
  expect(appended(fields, MSS)).toEqual({ frames: 0, wait: RTO, persists: true });
  // Less waits for more of it.
  expect(appended(fields, MSS - 1)).toEqual({ frames: 0, wait: 0, persists: false });
  const closed = { flags: F.FLOW_CORK, window: 0 };
  expect(appended(closed, 1)).toEqual({ frames: 0, wait: RTO, persists: true });
});

test("RTO-12: backed off, the timer runs as long as its limit lets it, to the nanosecond", () => {
  //   backoff, rtoMax, wait
  const rows = [
    [1, 60e9, 2 * RTO],
    [2, 4 * RTO + 1, 4 * RTO],
    [2, 4 * RTO - 1, 4 * RTO - 1],
    [3, 4 * RTO + 1, 4 * RTO + 1],
    [63, 60e9, 60e9],
  ] as const;
  for (const [backoff, rtoMax, wait] of rows) {
    const got = appended({ window: 0, rtoMax }, MSS, backoff);
    expect(got).toEqual({ frames: 0, wait, persists: true });
  }
});
