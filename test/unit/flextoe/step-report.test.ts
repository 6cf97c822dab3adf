/**
 * Goal: the number that step() returns says all that the host would look for in the header: STEP_*
 * bits and the frames in the egress burst (bindings/abi/memory-map.ts). Method: a table of single
 * crossings of one connection, each with header prediction and with the stages alone.
 */
import { expect, test } from "vitest";
import * as D from "../../../bindings/abi/descriptor.ts";
import { BATCH_MAX, EGRESS_FRAMES_MAX, TRANSMIT_MAX } from "../../../bindings/abi/limits.ts";
import * as M from "../../../bindings/abi/memory-map.ts";
import { buildFrame, streamBytes } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { FLOW_DEFAULTS, type FlowFields, type Outcome, RawCore } from "../../support/raw-core.ts";

const BYTES = 100;
const { rxSeq, txSeq } = FLOW_DEFAULTS;
const { STEP_EVENTS, STEP_HELD, STEP_INTERRUPTS, STEP_MORE, STEP_NOTIFIED } = M;
/** Entries of the event ring; a frame may cause three. */
const EVENTS = BATCH_MAX * 16;

function data(index: number): Uint8Array {
  const payload = streamBytes(index * BYTES, BYTES);
  return buildFrame({ seq: rxSeq + index * BYTES, ack: txSeq, payload });
}

const acked = (bytes: number): Uint8Array => buildFrame({ seq: rxSeq, ack: txSeq + bytes });
/** ARP is the control plane's. */
const redirected = (): Uint8Array => buildFrame({ etherType: 0x0806 });

/** Writes a word of the header. */
function put(raw: RawCore, offset: number, value: number): void {
  raw.core.view.setUint32(raw.core.address + offset, value, true);
}

function word(raw: RawCore, offset: number): number {
  return raw.core.view.getUint32(raw.core.address + offset, true);
}

function arm(raw: RawCore): void {
  raw.setContextWord(1, D.CONTEXT_EVENT_STATE, D.EventState.Armed);
}

/** Appends bytes and crosses. */
function append(raw: RawCore, bytes: number, credit = BATCH_MAX): Outcome {
  raw.post(1, { txAppend: bytes });
  return raw.step(credit);
}

interface Row {
  readonly name: string;
  readonly flow?: Partial<FlowFields>;
  readonly act: (raw: RawCore) => Outcome;
  readonly bits: number;
  /** Frames in the egress burst. */
  readonly frames: number;
}

const ROWS: readonly Row[] = [
  { name: "nothing", act: (raw) => raw.step(), bits: 0, frames: 0 },
  {
    name: "data, acknowledged",
    act: (raw) => raw.offer([data(0)]),
    bits: STEP_NOTIFIED,
    frames: 1,
  },
  {
    name: "data, not acknowledged yet",
    flow: { ackThreshold: 2 },
    act: (raw) => raw.offer([data(0)]),
    bits: STEP_NOTIFIED,
    frames: 0,
  },
  {
    name: "a whole burst of data",
    act: (raw) => raw.offer(Array.from({ length: BATCH_MAX }, (_, i) => data(i))),
    bits: STEP_NOTIFIED,
    frames: BATCH_MAX,
  },
  {
    name: "data out of order: an ACK, nothing to read",
    act: (raw) => raw.offer([data(1)]),
    bits: 0,
    frames: 1,
  },
  { name: "an ACK of nothing", act: (raw) => raw.offer([acked(0)]), bits: 0, frames: 0 },
  { name: "an append", act: (raw) => append(raw, BYTES), bits: 0, frames: 1 },
  { name: "an append without carrier", act: (raw) => append(raw, 1, 0), bits: 0, frames: 0 },
  {
    name: "an ACK of an append",
    act: (raw) => {
      append(raw, BYTES);
      return raw.offer([acked(BYTES)]);
    },
    bits: STEP_NOTIFIED,
    frames: 0,
  },
  {
    name: "as many segments as a step sends",
    flow: { mss: 100 },
    act: (raw) => append(raw, TRANSMIT_MAX * 100),
    bits: 0,
    frames: TRANSMIT_MAX,
  },
  {
    name: "one segment more than a step sends",
    flow: { mss: 100 },
    act: (raw) => append(raw, TRANSMIT_MAX * 100 + 100),
    bits: STEP_MORE,
    frames: TRANSMIT_MAX,
  },
  {
    name: "a redirected frame",
    act: (raw) => raw.offer([redirected()]),
    bits: STEP_EVENTS,
    frames: 0,
  },
  {
    name: "a redirected frame behind data",
    act: (raw) => raw.offer([data(0), redirected()]),
    bits: STEP_EVENTS | STEP_NOTIFIED,
    frames: 1,
  },
  {
    name: "an armed context",
    act: (raw) => {
      arm(raw);
      return raw.offer([data(0)]);
    },
    bits: STEP_INTERRUPTS | STEP_NOTIFIED,
    frames: 1,
  },
  {
    name: "an armed context, nothing to tell",
    act: (raw) => {
      arm(raw);
      return raw.step();
    },
    bits: 0,
    frames: 0,
  },
  {
    name: "an interrupt that the host has not taken",
    act: (raw) => {
      arm(raw);
      raw.offer([data(0)]);
      return raw.step();
    },
    bits: STEP_INTERRUPTS,
    frames: 0,
  },
  {
    name: "frames that the host has not taken",
    act: (raw) => {
      put(raw, M.CORE_EGRESS_COUNT, 5);
      return raw.step();
    },
    bits: 0,
    frames: 5,
  },
];

/** Offers `frames` data segments when the rings hold so much already. */
function offerFull(events: number, egress: number, frames: number): (raw: RawCore) => Outcome {
  return (raw) => {
    put(raw, M.CORE_EVENT_COUNT, events);
    put(raw, M.CORE_EGRESS_COUNT, egress);
    const outcome = raw.offer(Array.from({ length: frames }, (_, i) => data(i)));
    const held = (outcome.status & STEP_HELD) !== 0;
    expect(word(raw, M.CORE_INGRESS_COUNT)).toBe(held ? frames : 0);
    return outcome;
  };
}

const HELD = STEP_HELD | STEP_MORE;
const FULL_ROWS: readonly Row[] = [
  {
    name: "room for the events of two frames",
    act: offerFull(EVENTS - 6, 0, 2),
    bits: STEP_EVENTS | STEP_NOTIFIED,
    frames: 2,
  },
  {
    name: "one event too many for two frames",
    act: offerFull(EVENTS - 5, 0, 2),
    bits: HELD | STEP_EVENTS,
    frames: 0,
  },
  {
    name: "room for the answers to two frames",
    act: offerFull(0, EGRESS_FRAMES_MAX - 2, 2),
    bits: STEP_NOTIFIED,
    frames: EGRESS_FRAMES_MAX,
  },
  {
    name: "one frame too many for the answers",
    act: offerFull(0, EGRESS_FRAMES_MAX - 1, 2),
    bits: HELD,
    frames: EGRESS_FRAMES_MAX - 1,
  },
  {
    name: "both rings full",
    act: offerFull(EVENTS, EGRESS_FRAMES_MAX, 1),
    bits: HELD | STEP_EVENTS,
    frames: EGRESS_FRAMES_MAX,
  },
];

for (const stagesOnly of [0, 1]) {
  const way = stagesOnly === 0 ? "with prediction" : "stages only";
  for (const { name, flow, act, bits, frames } of [...ROWS, ...FULL_ROWS]) {
    test(`step() reports: ${name}, ${way}`, () => {
      const raw = new RawCore(testCore());
      put(raw, M.CORE_STAGES_ONLY, stagesOnly);
      raw.establish(flow);
      const { status } = act(raw);
      expect([status & 0xff, status >>> M.STEP_EGRESS_SHIFT]).toEqual([bits, frames]);
      expect(raw.guards()).toEqual([]);
    });
  }

  test(`step() reports: a held burst is taken when there is room, ${way}`, () => {
    const raw = new RawCore(testCore());
    put(raw, M.CORE_STAGES_ONLY, stagesOnly);
    raw.establish();
    offerFull(EVENTS, EGRESS_FRAMES_MAX, 2)(raw);
    // The rings have been emptied; the same burst again.
    const { status, frames } = raw.offer([data(0), data(1)]);
    expect(status).toBe(STEP_NOTIFIED | (2 << M.STEP_EGRESS_SHIFT));
    expect(frames.length).toBe(2);
    expect(raw.notifications(1).map(({ rxBump }) => rxBump)).toEqual([2 * BYTES]);
  });
}
