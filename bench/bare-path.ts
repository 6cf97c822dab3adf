/**
 * The bound of `npm run bench -- bulk`: what a segment's bytes cost when there is no TCP at all.
 * The same copies and sums as on a stack's way, by the same functions, over buffers of the same
 * sizes: application to transmit buffer, fused copy and checksum into the frame, the link's copy of
 * a burst, checksum, copy into the receive buffer, copy to the application, and its own sum.
 */
import { assemble, assembleWordSum, instantiateTesting, wordSum } from "./wasm-loops.ts";

/** Bytes between the places; a period of segments and their headers fits. */
const PLACE = 0x20000;
const [SOURCE, SENT, EGRESS, INGRESS, RECEIVED, SINK] = [1, 2, 3, 4, 5, 6].map((i) => i * PLACE);
/** Bytes of a frame in a burst: the headers of IPv4 and TCP come first. */
const HEADERS = 52;
const PAGES = 16;

const SOURCE_TEXT = `(module
  (import "env" "memory" (memory 1 65535))
  (import "testing" "sumWords" (func $sum (param i32 i32) (result i64)))
  (import "testing" "copyAndSum" (func $copyAndSum (param i32 i32 i32) (result i64)))
  (import "app" "sum" (func $app (param i32 i32) (result i64)))
  (func (export "run") (param $segment i32) (param $stride i32) (param $segments i32)
    (param $times i32) (result i64)
    (local $i i32) (local $at i32) (local $frame i32) (local $period i32) (local $sums i64)
    (local.set $period (i32.mul (local.get $segment) (local.get $segments)))
    (loop $again
      (memory.copy (i32.const ${SENT}) (i32.const ${SOURCE}) (local.get $period))
      (local.set $i (i32.const 0))
      (loop $send
        (local.set $at (i32.mul (local.get $i) (local.get $segment)))
        (local.set $frame (i32.mul (local.get $i) (local.get $stride)))
        (local.set $sums (i64.add (local.get $sums) (call $copyAndSum
          (i32.add (i32.const ${(EGRESS as number) + HEADERS}) (local.get $frame))
          (i32.add (i32.const ${SENT}) (local.get $at)) (local.get $segment))))
        (br_if $send (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (local.get $segments))))
      (memory.copy (i32.const ${INGRESS}) (i32.const ${EGRESS})
        (i32.mul (local.get $segments) (local.get $stride)))
      (local.set $i (i32.const 0))
      (loop $receive
        (local.set $at (i32.mul (local.get $i) (local.get $segment)))
        (local.set $frame (i32.add (i32.const ${(INGRESS as number) + HEADERS})
          (i32.mul (local.get $i) (local.get $stride))))
        (local.set $sums (i64.sub (local.get $sums)
          (call $sum (local.get $frame) (local.get $segment))))
        (memory.copy (i32.add (i32.const ${RECEIVED}) (local.get $at)) (local.get $frame)
          (local.get $segment))
        (br_if $receive (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (local.get $segments))))
      (memory.copy (i32.const ${SINK}) (i32.const ${RECEIVED}) (local.get $period))
      (local.set $sums (i64.add (local.get $sums) (i64.sub
        (call $app (i32.const ${SINK}) (local.get $period))
        (call $app (i32.const ${SOURCE}) (i32.const 16)))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sums)))`;

/** A path that a period of segments can be sent over again and again. */
export interface BarePath {
  /** Payload bytes of a period. */
  readonly period: number;
  /** Sends `times` periods. Throws Error when a sum differs. */
  run(times: number): void;
}

let assembled: WebAssembly.Module | undefined;

/** Assembles the loop, before anything is measured. */
export async function assembleBarePath(): Promise<void> {
  await assembleWordSum();
  assembled ??= await assemble("bare-path.wat", SOURCE_TEXT);
}

/** A period is `segments` of `segment` bytes. Throws Error before assembleBarePath(). */
export function barePath(segment: number, segments: number): BarePath {
  if (assembled === undefined) throw new Error("bench: expected assembleBarePath() first");
  const { memory, testing } = instantiateTesting(PAGES);
  const sum = wordSum(memory);
  const instance = new WebAssembly.Instance(assembled, {
    env: { memory },
    testing: testing.exports,
    app: { sum },
  });
  const run = instance.exports["run"] as (...args: number[]) => bigint;
  const period = segment * segments;
  const stride = (segment + HEADERS + 15) & ~15;
  const source = new Uint8Array(memory.buffer, SOURCE as number, period);
  for (let i = 0; i < period; i += 1) source[i] = (i * 7 + (i >> 8)) & 255;
  const each = sum(SOURCE as number, period) - sum(SOURCE as number, 16);
  return {
    period,
    run: (times) => {
      const total = run(segment, stride, segments, times);
      const expected = each * BigInt(times);
      if (total !== expected) throw new Error(`bare path: expected ${expected}, got ${total}`);
    },
  };
}
