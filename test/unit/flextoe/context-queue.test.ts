/**
 * Goal: a full ARX delays notifications and loses none, and one connection's merge meanwhile
 * (assembly/README.md). Method: eight connections of one context, a ring of four entries, nobody
 * reading.
 */
import { expect, test } from "vitest";
import { buildFrame, streamBytes } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { type FlowFields, RawCore } from "../../support/raw-core.ts";

const CONNECTIONS = 8;
const RING = 4;
const BYTES = 100;

function segment(flow: FlowFields, index: number): Uint8Array {
  const seq = (flow.rxSeq + index * BYTES) >>> 0;
  const ports = { sourcePort: flow.remotePort, destinationPort: flow.localPort };
  return buildFrame({ ...ports, seq, ack: flow.txSeq, payload: streamBytes(seq, BYTES) });
}

test("notifications wait for room in ARX, merged, in the order of their first bytes", () => {
  const raw = new RawCore(testCore({ queueDescriptors: RING }));
  const flows = Array.from({ length: CONNECTIONS }, (_, i) =>
    raw.establish({ connection: i + 1, remotePort: 40000 + i }),
  );
  for (const index of [0, 1, 2]) raw.offer(flows.map((flow) => segment(flow, index)));
  const first = raw.notifications(1);
  expect(first.map(({ connection }) => connection)).toEqual([1, 2, 3, 4]);
  expect(first.map(({ rxBump }) => rxBump)).toEqual([BYTES, BYTES, BYTES, BYTES]);
  const seen = new Map(first.map(({ connection, rxBump }) => [connection, rxBump]));
  for (let turn = 0; turn < 4; turn += 1) {
    raw.step();
    const more = raw.notifications(1);
    expect(more.length).toBeLessThanOrEqual(RING);
    if (turn === 0) expect(more.map(({ connection }) => connection)).toEqual([5, 6, 7, 8]);
    for (const { connection, rxBump } of more) {
      seen.set(connection, (seen.get(connection) ?? 0) + rxBump);
    }
  }
  for (const flow of flows) expect(seen.get(flow.connection)).toBe(3 * BYTES);
  expect(raw.guards()).toEqual([]);
});
