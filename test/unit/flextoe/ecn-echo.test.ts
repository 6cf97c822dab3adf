/**
 * Goal: who echoes marks how. A window algorithm of RFC 3168 echoes until it sees CWR (6.1.3);
 * DCTCP, and a connection whose policy counts marked bytes, echo each segment's own mark (RFC 8257,
 * 3.2). Method: the bare core, marked segments.
 */
import { expect, test } from "vitest";
import {
  ALGORITHM_EXACT,
  CongestionAlgorithm,
  FLOW_ECN,
  FLOW_NODELAY,
} from "../../../bindings/abi/flow-state.ts";
import { CWR, ECE, ACK, buildFrame, streamBytes } from "../../support/frames.ts";
import { judgeSegment } from "../../support/judge-segment.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const ECT = 2;
const CE = 3;
const LENGTH = 500;

const ROWS: [name: string, algorithm: number, echoes: boolean[]][] = [
  [
    "None for dctcp-rate",
    CongestionAlgorithm.None | ALGORITHM_EXACT,
    [false, true, false, false, true],
  ],
  ["None", CongestionAlgorithm.None, [false, true, true, true, true]],
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

//  marks of the segments in order, and the states of the ACKs that each one causes at once
const CHANGES: [name: string, marks: number[], echoes: boolean[][]][] = [
  ["a mark is told at once", [CE], [[true]]],
  [
    "a change after a segment that waits: its ACK and the new state's",
    [ECT, CE],
    [[], [false, true]],
  ],
  ["the end of marks as well", [CE, CE, ECT], [[true], [], [true, false]]],
  ["no change, no hurry", [CE, CE, CE], [[true], [], [true]]],
];

test.each(CHANGES)("DC-1, DC-10: %s", (_, marks, expected) => {
  for (const rxSeq of [5000, 0xffffff00]) {
    const raw = new RawCore(testCore());
    raw.establish({
      algorithm: CongestionAlgorithm.Dctcp,
      rxSeq,
      flags: FLOW_ECN,
      ackThreshold: 2,
    });
    const got = marks.map((tos, i) => {
      const seq = (rxSeq + i * LENGTH) >>> 0;
      const frame = buildFrame({ seq, ack: 1000, tos, payload: streamBytes(seq, LENGTH) });
      const { frames } = raw.offer([frame]);
      // One slot of the wheel: nothing that waits for the delayed ACK's 40 ms.
      raw.now += 2048;
      const sent = [...frames, ...raw.step().frames];
      return sent.map((each) => (judgeSegment(each).flags & ECE) !== 0);
    });
    expect(got).toEqual(expected);
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
