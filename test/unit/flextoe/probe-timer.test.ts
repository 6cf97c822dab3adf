/**
 * Goal: after a tail loss probe the RTO comes next (RFC 8985, 7.3), whatever arrives between the
 * expiry of the probe's timer and the probe itself. Method: the bare core, whose carrier is full at
 * the expiry; then comes an ACK, which gives a round trip and so would allow another probe.
 */
import { expect, test } from "vitest";
import * as F from "../../../bindings/abi/flow-state.ts";
import { TimerKind } from "../../../bindings/abi/timer.ts";
import { FlowRow } from "../../simulate/checkers/flow-row.ts";
import { buildFrame } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const MSS = 1000;
const MS = 1e6;
const ROUND = 10 * MS;
const RTO_MIN = 200 * MS;

for (const [what, left] of [
  ["new data", MSS],
  ["the last segment", 0],
] as const) {
  test(`TLP-5: after a probe of ${what} the RTO comes next, also with an ACK before it`, () => {
    const raw = new RawCore(testCore());
    raw.step();
    const flags = F.FLOW_SACK | F.FLOW_NODELAY;
    const cwnd = { cwnd: 3 * MSS, algorithm: F.CongestionAlgorithm.NewReno };
    const rack = { rack: F.RACK_ENABLED, rtoMin: RTO_MIN };
    const flow = raw.establish({ mss: MSS, flags, ...cwnd, ...rack });
    const { rxSeq: seq, txSeq, connection } = flow;
    const row = new FlowRow(raw.core, connection);
    const acknowledge = (segments: number): number => {
      const frame = buildFrame({ seq, ack: txSeq + segments * MSS });
      return raw.offer([frame]).frames.length;
    };
    raw.post(1, { txAppend: 2 * MSS });
    raw.step();
    raw.now += ROUND;
    acknowledge(2);
    expect(row.r64(F.RECOVERY_SRTT)).toBe(ROUND);
    raw.post(1, { txAppend: 3 * MSS });
    raw.step();
    expect(row.r8(F.RECOVERY_TIMER)).toBe(F.LossTimer.Probe);
    raw.now = row.due(TimerKind.Retransmit) + 1024;
    // Its carrier takes nothing yet.
    expect(raw.step(0).frames).toEqual([]);
    expect(row.r8(F.RECOVERY_PROBE)).toBe(F.ProbeState.Due);
    raw.post(1, { txAppend: left });
    expect(acknowledge(3)).toBeGreaterThan(0);
    expect(row.r8(F.RECOVERY_PROBE)).toBeGreaterThan(F.ProbeState.Due);
    expect(row.r8(F.RECOVERY_TIMER)).toBe(F.LossTimer.Timeout);
    expect(row.due(TimerKind.Retransmit)).toBe(row.r64(F.RECOVERY_RTO_DEADLINE));
  });
}
