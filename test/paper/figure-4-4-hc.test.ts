/**
 * Figure 4.4 and 4.3.1.1, the HC pipeline: two transmits, of which the second closes the
 * connection, and a retransmission asked for by the control plane. Goal: each step that the figure
 * names has its effect (Fetch, Steer, Win, Fin, FS, Free; Reset). The carrier gives no credit at
 * first, so that what HC did can be seen apart from what TX then does.
 */
import { expect, test } from "vitest";
import { ATX_FIN, AtxOpcode, CONTEXT_ATX_CONSUMER } from "../../bindings/abi/descriptor.ts";
import { FLOW_FIN_PENDING, FLOW_FIN_SENT } from "../../bindings/abi/flow-state.ts";
import { FIN, streamBytes } from "../support/frames.ts";
import { judgeSegment } from "../support/judge-segment.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore, type FlowFields } from "../support/raw-core.ts";

const FIRST = 700;
const SECOND = 500;
const FINS = FLOW_FIN_PENDING | FLOW_FIN_SENT;

/** Two transmits posted and taken, nothing sent yet. */
function twoTransmits(txSeq: number): { raw: RawCore; flow: FlowFields } {
  const raw = new RawCore(testCore());
  const flow = raw.establish({ txSeq });
  raw.fill(flow, txSeq, streamBytes(txSeq, FIRST + SECOND));
  raw.post(1, { txAppend: FIRST });
  raw.post(1, { txAppend: SECOND, flags: ATX_FIN });
  expect(raw.step(0).frames).toEqual([]);
  return { raw, flow };
}

/** Every frame that leaves within a few crossings. */
function sent(raw: RawCore): ReturnType<typeof judgeSegment>[] {
  return [raw.step(), raw.step(), raw.step()].flatMap(({ frames }) =>
    frames.map((frame) => judgeSegment(frame)),
  );
}

for (const txSeq of [1000, 0xfffffe00]) {
  test(`Figure 4.4 two transmits widen the window, the second marks FIN, from ${txSeq}`, () => {
    const { raw } = twoTransmits(txSeq);
    // Fetch and Free: both descriptors are taken and their slots are the host's again.
    expect(raw.contextWord(1, CONTEXT_ATX_CONSUMER)).toBe(2);
    // Win and Fin.
    const info = raw.inspect();
    expect(info).toMatchObject({ txUna: txSeq, txSent: 0, txAvail: FIRST + SECOND });
    expect(info.flags & FINS).toBe(FLOW_FIN_PENDING);
    expect(raw.sequenceFaults()).toBe(0);
  });

  test(`Figure 4.4 FS: the flow scheduler then sends both and the FIN, from ${txSeq}`, () => {
    const { raw } = twoTransmits(txSeq);
    const segments = sent(raw);
    const bytes = segments.flatMap(({ payload }) => [...payload]);
    expect(Uint8Array.from(bytes)).toEqual(streamBytes(txSeq, FIRST + SECOND));
    expect(segments.map(({ flags }) => flags & FIN)).toEqual([0, FIN]);
    // The FIN takes a sequence number behind the last byte (RFC 9293, 3.4).
    expect(raw.inspect()).toMatchObject({ txSent: FIRST + SECOND + 1, txAvail: 0 });
    expect(raw.inspect().flags & FLOW_FIN_SENT).toBe(FLOW_FIN_SENT);
  });

  test(`Figure 4.4 Reset: a retransmission starts at the last ACKed byte, from ${txSeq}`, () => {
    const { raw } = twoTransmits(txSeq);
    const before = sent(raw);
    raw.post(0, { opcode: AtxOpcode.Retransmit });
    expect(raw.step(0).frames).toEqual([]);
    expect(raw.contextWord(0, CONTEXT_ATX_CONSUMER)).toBe(1);
    expect(raw.inspect()).toMatchObject({ txUna: txSeq, txSent: 0, txAvail: FIRST + SECOND });
    expect(raw.inspect().flags & FLOW_FIN_SENT).toBe(0);
    const again = sent(raw);
    expect(again.map(({ seq, flags }) => [seq, flags & FIN])).toEqual(
      before.map(({ seq, flags }) => [seq, flags & FIN]),
    );
    expect(again.map(({ payload }) => payload)).toEqual(before.map(({ payload }) => payload));
    expect(raw.inspect().retransmits).toBe(again.length);
  });
}

test("Figure 4.4 HC requests of one context are taken in order, a batch at a time", () => {
  const raw = new RawCore(testCore());
  const flow = raw.establish();
  raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, 60));
  for (let i = 0; i < 60; i += 1) raw.post(1, { txAppend: 1 });
  raw.step(0);
  expect(raw.inspect().txAvail).toBe(60);
  expect(sent(raw).map(({ payload }) => payload.length)).toEqual([60]);
});
