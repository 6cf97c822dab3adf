/**
 * FlexTOE as a host of chapter 5's figures: segments that are written as frames and read back are
 * the stream's, whatever order they come in; numbers wrap within the first segments.
 */
import { expect, test } from "vitest";
import { FlexToeHost, FLEXTOE_MSS } from "../../bench/lab/flextoe-host.ts";
import { testbed } from "../../bench/lab/laminar-setting.ts";
import type { StreamSegment } from "../../bench/lab/tcp-frames.ts";

const FLOW = 2;
const BYTES = 3000;

function hostWith(): { run: (ns: number) => void; host: FlexToeHost; seen: StreamSegment[] } {
  const bed = testbed(1);
  const host = new FlexToeHost(bed, { flows: 3, seed: 1 });
  const seen: StreamSegment[] = [];
  host.out = (segment) => seen.push(segment);
  return { host, seen, run: (ns) => bed.simulation.runTo(bed.simulation.now + ns) };
}

const segment = (offset: number, changes: Partial<StreamSegment> = {}): StreamSegment => ({
  ...{ flow: FLOW, offset, length: 1000, acked: 0, marked: false },
  ...changes,
});

test("segments out of order: ACKs of what is there, readable once in order, one interval", () => {
  const { host, seen, run } = hostWith();
  let read = 0;
  host.reader = (flow, readable) => {
    expect(flow).toBe(FLOW);
    read += readable;
  };
  // The third and the fifth: a second interval is not kept.
  const acked = [0, 2000, 4000, 1000, 3000].map((offset) => {
    host.receive(segment(offset), 0);
    run(50_000);
    return (seen.at(-1) as StreamSegment).acked;
  });
  expect(acked).toEqual([1000, 1000, 1000, 3000, 4000]);
  expect([seen.length, read, host.packets]).toEqual([5, 4000, 10]);
  for (const each of seen) expect([each.flow, each.length, each.offset]).toEqual([FLOW, 0, 0]);
});

test("credit comes back: more than a buffer goes through, and not when nothing is read", () => {
  const through = (reads: boolean): number => {
    const { host, seen, run } = hostWith();
    host.reader = (flow, readable) => {
      if (reads) host.update(flow, readable, 0);
    };
    for (let offset = 0; offset < 12_000; offset += 1000) {
      host.receive(segment(offset), 0);
      run(20_000);
    }
    return (seen.at(-1) as StreamSegment).acked;
  };
  expect(through(true)).toBe(12_000);
  expect(through(false)).toBeLessThanOrEqual(8192);
});

test("what is appended leaves in segments, and is freed by ACKs", () => {
  const { host, seen, run } = hostWith();
  let freed = 0;
  host.reader = (_, __, bytes) => {
    freed += bytes;
  };
  host.update(FLOW, 0, BYTES);
  run(50_000);
  const sent = seen.map(({ offset, length }) => [offset, length]);
  expect(sent).toEqual([
    [0, FLEXTOE_MSS],
    [FLEXTOE_MSS, FLEXTOE_MSS],
    [2 * FLEXTOE_MSS, BYTES - 2 * FLEXTOE_MSS],
  ]);
  host.receive(segment(0, { length: 0, acked: BYTES, marked: true }), 0);
  run(50_000);
  expect(freed).toBe(BYTES);
});
