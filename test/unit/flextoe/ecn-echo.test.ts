/**
 * Goal: who echoes marks how. A window algorithm of RFC 3168 echoes until it sees CWR (6.1.3);
 * DCTCP, and a connection whose rate the control plane sets, echo each segment's own mark (RFC
 * 8257, 3.2), so that marked bytes can be counted. Method: the bare core, marked segments.
 */
import { expect, test } from "vitest";
import { CongestionAlgorithm, FLOW_ECN, FLOW_NODELAY } from "../../../bindings/abi/flow-state.ts";
import { CWR, ECE, ACK, buildFrame, streamBytes } from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const ECT = 2;
const CE = 3;
const LENGTH = 500;

const ROWS: [name: string, algorithm: CongestionAlgorithm, echoes: boolean[]][] = [
  ["None", CongestionAlgorithm.None, [false, true, false, false, true]],
  ["DCTCP", CongestionAlgorithm.Dctcp, [false, true, false, false, true]],
  ["NewReno", CongestionAlgorithm.NewReno, [false, true, true, true, true]],
  ["CUBIC", CongestionAlgorithm.Cubic, [false, true, true, true, true]],
];

test.each(ROWS)("%s echoes marks as its sender counts them", (_, algorithm, echoes) => {
  for (const rxSeq of [5000, 0xffffff00]) {
    const raw = new RawCore(testCore());
    raw.establish({ algorithm, rxSeq, flags: FLOW_ECN });
    const got = [ECT, CE, ECT, ECT, CE].map((tos, i) => {
      const seq = (rxSeq + i * LENGTH) >>> 0;
      const payload = streamBytes(seq, LENGTH);
      const { frames } = raw.offer([buildFrame({ seq, ack: 1000, tos, payload })]);
      expect(frames).toHaveLength(1);
      return (judgeSegment(frames[0] as Uint8Array).flags & ECE) !== 0;
    });
    expect(got).toEqual(echoes);
  }
});

test("a sender whose rate is set elsewhere answers an echo with CWR, so that it ends", () => {
  const txSeq = 1000;
  const raw = new RawCore(testCore());
  const flow = raw.establish({ txSeq, mss: LENGTH, flags: FLOW_ECN | FLOW_NODELAY });
  const sendOne = (number: number): number => {
    const seq = txSeq + number * LENGTH;
    raw.fill(flow, seq, streamBytes(seq, LENGTH));
    raw.post(1, { txAppend: LENGTH });
    const { frames } = raw.step();
    return judgeSegment(frames[0] as Uint8Array).flags & CWR;
  };
  expect(sendOne(0)).toBe(0);
  raw.offer([buildFrame({ seq: flow.rxSeq, ack: txSeq + LENGTH, flags: ACK | ECE })]);
  expect(sendOne(1)).toBe(CWR);
  raw.offer([buildFrame({ seq: flow.rxSeq, ack: txSeq + 2 * LENGTH })]);
  expect(sendOne(2)).toBe(0);
});
