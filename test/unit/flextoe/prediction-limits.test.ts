/**
 * Goal: header prediction takes what lies exactly at its limits, and nothing beyond. The stages
 * would do the same with either (prediction.test.ts), so that nothing else tells. Method: sending,
 * a delayed ACK is due in the step of the descriptor: it rides on data that was predicted, and
 * leaves by itself before data that the stages send. Receiving, PredictedIn says so.
 */
import { expect, test } from "vitest";
import { Counter } from "../../../bindings/abi/counters.ts";
import * as F from "../../../bindings/abi/flow-state.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { buildFrame, fixChecksums, timestampOption } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, RawCore } from "../../support/raw-core.ts";

const LAYOUT = { connections: 2, contexts: 2, chunkBytes: 1024, payloadBytes: 256 * 1024 };
const MSS = 1000;
const MS = 1e6;
const UNREAD = 100;
const OFFSET_AT = 14 + 20 + 12;

/** One connection, and words of its records. */
class Subject {
  readonly raw = new RawCore(testCore(LAYOUT));
  readonly flow: FlowFields;

  constructor(fields: Partial<FlowFields> = {}) {
    const { raw } = this;
    raw.step();
    const base = { mss: MSS, cwnd: 10 * MSS, algorithm: F.CongestionAlgorithm.NewReno };
    this.flow = raw.establish({ ...base, ackThreshold: 2, delayedAck: 40 * MS, ...fields });
  }

  recovery(offset: number, value: number): void {
    const { view, map } = this.raw.core;
    const row = (map.base.recovery as number) + this.flow.connection * F.RECOVERY_SIZE;
    view.setBigUint64(row + offset, BigInt(value), true);
  }

  /** The egress burst has so many bytes left. */
  set room(bytes: number) {
    const { view, address } = this.raw.core;
    const capacity = view.getUint32(address + M.CORE_EGRESS_CAPACITY, true);
    view.setUint32(address + M.CORE_EGRESS_BYTES, capacity - bytes, true);
  }

  receive(length: number, fields: Parameters<typeof buildFrame>[0] = {}): Uint8Array {
    const { rxSeq: seq, txSeq: ack, peerWindow: window } = this.flow;
    return buildFrame({ seq, ack, window, payload: new Uint8Array(length), ...fields });
  }
}

interface Send {
  readonly name: string;
  readonly flow?: Partial<FlowFields>;
  readonly append?: number;
  readonly credit?: number;
  /** Frames that the carrier takes. */
  readonly carrier?: number;
  readonly predicted: boolean;
  readonly act?: (subject: Subject) => void;
}

/** Nothing has left for longer than the RTO by `more` ns. */
const idle = (more: number) => (subject: Subject) => {
  subject.recovery(F.RECOVERY_LAST_SEND, subject.raw.now - subject.flow.rtoInitial - more);
};
const SENDS: readonly Send[] = [
  { name: "one byte", append: 1, predicted: true },
  { name: "a full segment", append: MSS, predicted: true },
  { name: "a byte more than a full segment", append: MSS + 1, predicted: false },
  { name: "credit of all that is unread", credit: UNREAD, predicted: true },
  { name: "credit of a byte more", credit: UNREAD + 1, predicted: false },
  { name: "all of the buffer", flow: { txShift: 10, mss: 1024 }, append: 1024, predicted: true },
  { name: "all of cwnd", flow: { cwnd: MSS }, append: MSS, predicted: true },
  { name: "a byte more than cwnd", flow: { cwnd: MSS - 1 }, append: MSS, predicted: false },
  { name: "all of the window", flow: { peerWindow: MSS }, append: MSS, predicted: true },
  { name: "more than the window", flow: { peerWindow: MSS - 1 }, append: MSS, predicted: false },
  { name: "idle for just an RTO", act: idle(0), predicted: true },
  { name: "idle for longer", act: idle(1), predicted: false },
  { name: "one frame's credit", carrier: 1, predicted: true },
  {
    name: "room for the longest headers",
    act: (subject) => {
      subject.room = F.PRE_TEMPLATE_MAX + 60 + 64;
    },
    predicted: true,
  },
  {
    name: "a byte less room",
    act: (subject) => {
      subject.room = F.PRE_TEMPLATE_MAX + 60 + 63;
    },
    predicted: false,
  },
];

for (const { name, flow = {}, append = 64, credit = 0, predicted, ...rest } of SENDS) {
  test(`at its limits: a segment of ${name} is ${predicted ? "" : "not "}predicted`, () => {
    const subject = new Subject(flow);
    const { raw } = subject;
    raw.offer([subject.receive(UNREAD)]);
    expect(raw.counter(Counter.PredictedIn)).toBe(1);
    raw.now += 40 * MS + 1024;
    rest.act?.(subject);
    raw.post(1, { txAppend: append, rxCredit: credit });
    raw.step(rest.carrier);
    expect(raw.counter(Counter.DelayedAcks)).toBe(predicted ? 0 : 1);
    expect(raw.sequenceFaults()).toBe(0);
  });
}

const STAMPED = { flags: F.FLOW_TIMESTAMPS, tsRecent: 7000 };

interface Receive {
  readonly name: string;
  readonly flow?: Partial<FlowFields>;
  readonly predicted: boolean;
  /** The frame; two bytes of ours are in flight. */
  readonly frame: (subject: Subject) => Uint8Array;
}

/** Data with a timestamp. */
const stamped = (value: number) => (subject: Subject) =>
  subject.receive(64, { options: timestampOption(value, 0) });
const acking = (bytes: number, length: number) => (subject: Subject) =>
  subject.receive(length, { ack: subject.flow.txSeq + bytes });

const RECEIVES: readonly Receive[] = [
  { name: "one byte", frame: (subject) => subject.receive(1), predicted: true },
  { name: "neither data nor news", frame: (subject) => subject.receive(0), predicted: false },
  { name: "an ACK of one byte", frame: acking(1, 0), predicted: true },
  { name: "an ACK of all", frame: acking(2, 0), predicted: true },
  { name: "an ACK of more than all", frame: acking(3, 0), predicted: false },
  { name: "an ACK of the past", frame: acking(-1, 0), predicted: false },
  {
    name: "all of the window",
    flow: { rxShift: 10 },
    frame: (subject) => subject.receive(1024),
    predicted: true,
  },
  {
    name: "a byte more than the window",
    flow: { rxShift: 10 },
    frame: (subject) => subject.receive(1025),
    predicted: false,
  },
  { name: "the same timestamp", flow: STAMPED, frame: stamped(7000), predicted: true },
  { name: "a timestamp of the past", flow: STAMPED, frame: stamped(6999), predicted: false },
  {
    name: "reserved bits that are set",
    frame: (subject) => {
      const frame = subject.receive(64);
      frame[OFFSET_AT] = (frame[OFFSET_AT] as number) | 0x0f;
      fixChecksums(frame, "ethernet");
      return frame;
    },
    predicted: true,
  },
];

for (const { name, flow = {}, frame, predicted } of RECEIVES) {
  test(`at its limits: the arrival of ${name} is ${predicted ? "" : "not "}predicted`, () => {
    const subject = new Subject(flow);
    const { raw } = subject;
    raw.post(1, { txAppend: 2 });
    expect(raw.step().frames.length).toBe(1);
    raw.offer([frame(subject)]);
    expect(raw.counter(Counter.PredictedIn)).toBe(predicted ? 1 : 0);
    expect(raw.sequenceFaults()).toBe(0);
  });
}

const ORDINARY = F.FLOW_TIMESTAMPS | F.FLOW_SACK | F.FLOW_NODELAY | F.FLOW_QUICK_ACK | F.FLOW_ECN;

test("at its limits: a turn of several segments is predicted, whatever was negotiated", () => {
  for (const flags of [0, ORDINARY]) {
    const { raw } = new Subject({ flags });
    raw.post(1, { txAppend: 3 * MSS });
    expect(raw.step().frames.length).toBe(3);
    expect(raw.counter(Counter.PredictedOut)).toBe(3);
  }
});
