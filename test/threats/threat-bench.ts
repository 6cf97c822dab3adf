/**
 * What the rows of the threats table share: a core with one connection in ESTABLISHED, frames
 * aimed at it, and the checks "silent" (no frame out, no event, no state change, one counter)
 * and "taken" (the payload arrived).
 */
import { expect } from "vitest";
import { EventKind } from "../../bindings/abi/descriptor.ts";
import type { DropReason } from "../../bindings/abi/drop-reason.ts";
import { ACK, buildFrame, PSH, streamBytes, type FrameFields } from "../support/frames.ts";
import type { FrameMedium } from "../support/frames.ts";
import { testCore } from "../support/load-core.ts";
import { RawCore, type FlowFields, type Outcome } from "../support/raw-core.ts";
import { watchCorePools } from "../support/returned-pools.ts";

export interface Bench {
  readonly raw: RawCore;
  readonly flow: FlowFields;
}

/** A fresh core with one installed connection; when the test has ended, its pools are as new. */
export function bench(flow: Partial<FlowFields> = {}, medium: FrameMedium = "ethernet"): Bench {
  const raw = watchCorePools(new RawCore(testCore({ contexts: 2 }), medium));
  return { raw, flow: raw.establish(flow) };
}

/** A segment of the peer at the left edge of the window, acknowledging what we sent first. */
export function segment({ raw, flow }: Bench, fields: Partial<FrameFields> = {}): Uint8Array {
  const { rxNextSeq, txUna } = raw.inspect(flow.connection);
  const medium = raw.medium;
  const address = { source: flow.remote, destination: flow.local };
  const ports = { sourcePort: flow.remotePort, destinationPort: flow.localPort };
  return buildFrame({ medium, ...address, ...ports, seq: rxNextSeq, ack: txUna, ...fields });
}

/** A segment with `length` bytes that streamBytes() gives for its sequence number. */
export function dataSegment(
  bench: Bench,
  length: number,
  fields: Partial<FrameFields> = {},
): Uint8Array {
  const seq = fields.seq ?? bench.raw.inspect(bench.flow.connection).rxNextSeq;
  const payload = streamBytes(seq, length);
  return segment(bench, { seq, payload, flags: ACK | PSH, ...fields });
}

/** Asserts the global invariants that every row keeps. */
export function expectSound(raw: RawCore, what = ""): void {
  expect(raw.guards(), what).toEqual([]);
  expect(raw.sequenceFaults(), what).toBe(0);
}

/** Offers the frame: it must vanish with exactly this reason and leave no trace. */
export function expectSilent(
  bench: Bench,
  frame: Uint8Array,
  reason: DropReason,
  what = "",
): Outcome {
  const before = bench.raw.inspect(bench.flow.connection);
  const chunks = bench.raw.freeChunks();
  const outcome = bench.raw.offer([frame]);
  expect([...outcome.drops], what).toEqual([[reason, 1]]);
  expect(outcome.frames, what).toEqual([]);
  expect(outcome.events, what).toEqual([]);
  expect(bench.raw.notifications(bench.flow.context), what).toEqual([]);
  expect(bench.raw.inspect(bench.flow.connection), what).toEqual(before);
  expect(bench.raw.freeChunks(), `free chunks ${what}`).toBe(chunks);
  expectSound(bench.raw, what);
  return outcome;
}

/** Offers the frame: it must go to the control plane and leave the connection as it is. */
export function expectRedirected(
  bench: Bench,
  frame: Uint8Array,
  connection: number,
  what = "",
): Outcome {
  const before = bench.raw.inspect(bench.flow.connection);
  const outcome = bench.raw.offer([frame]);
  expect(outcome.events, what).toHaveLength(1);
  expect(outcome.events[0], what).toMatchObject({
    kind: EventKind.Redirect,
    connection,
    a: outcome.offsets[0],
    b: frame.length,
    c: 0,
  });
  expect(outcome.frames, what).toEqual([]);
  expect(bench.raw.inspect(bench.flow.connection), what).toEqual(before);
  expectSound(bench.raw, what);
  return outcome;
}

/** Offers a data segment at the left edge: exactly `length` bytes must arrive and be announced. */
export function expectTaken(bench: Bench, frame: Uint8Array, length: number, what = ""): Outcome {
  const { raw, flow } = bench;
  const before = raw.inspect(flow.connection).rxNextSeq;
  const outcome = raw.offer([frame]);
  expect(outcome.events, what).toEqual([]);
  expect(raw.inspect(flow.connection).rxNextSeq, what).toBe((before + length) >>> 0);
  const announced = raw.notifications(flow.context).reduce((sum, { rxBump }) => sum + rxBump, 0);
  expect(announced, what).toBe(length);
  expect(raw.received(flow, before, length), what).toEqual(streamBytes(before, length));
  expectSound(raw, what);
  if (length > 0) {
    const { connection, generation, context } = flow;
    raw.post(context, { connection, generation, rxCredit: length });
    raw.step();
  }
  return outcome;
}
