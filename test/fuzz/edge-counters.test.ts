/** Edge counters: what is counted in a module, and that a counted core does what the other does. */
import { expect, test } from "vitest";
import openWabt from "wabt";
import { dataPathUnderTest } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { COUNTERS_AT, countEdges, EdgeMap } from "./edge-counters.ts";
import { LiveWorld } from "./live/live-world.ts";
import { loadBuild } from "./load-build.ts";
import { mutate, shorten } from "./mutate.ts";

test("each place that a branch leads to counts by itself", async () => {
  const text = `(module (import "env" "memory" (memory 1 1))
    (func (export "run") (param i32) (result i32)
      (if (result i32) (local.get 0) (then (i32.const 7)) (else (i32.const 9)))))`;
  const wabt = await openWabt();
  const { buffer } = wabt.parseWat("counted.wat", text).toBinary({});
  const { binary, edges } = countEdges(buffer);
  expect(edges).toBe(16);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { instance } = await WebAssembly.instantiate(binary, { env: { memory } });
  const run = instance.exports.run as (choice: number) => number;
  expect([run(1), run(1), run(0)]).toEqual([7, 7, 9]);
  // The function, then, else, behind the if.
  expect([...new Uint8Array(memory.buffer, COUNTERS_AT, 5)]).toEqual([3, 2, 1, 3, 0]);
  const map = new EdgeMap(edges);
  expect(map.novel(memory)).toBe(true);
  expect(map.taken).toBe(4);
  run(0);
  expect(map.novel(memory), "once is another class than three times").toBe(true);
  run(0);
  expect(map.novel(memory)).toBe(false);
});

test("a core with counters ends every case as the core without", () => {
  const random = new Random(1);
  const worlds = [true, false].map((guided) => {
    const build = loadBuild(dataPathUnderTest(), { guided });
    return new LiveWorld(build.module, build.harness, build.edges);
  });
  for (let i = 0; i < 300; i += 1) {
    const input = random.bytes(random.between(1, 30));
    const ends = worlds.map((world) => [
      world.run(input),
      Buffer.from(world.stable()).toString("hex"),
    ]);
    expect(ends[0]).toEqual(ends[1]);
  }
});

test("mutants keep their first bytes and their bound; shorten() keeps what fails", () => {
  const random = new Random(2);
  const [input, other] = [random.bytes(20), random.bytes(20)];
  for (let i = 0; i < 2000; i += 1) {
    const mutant = mutate(random, input, other, 24, 3);
    expect(mutant.length).toBeGreaterThan(3);
    expect(mutant.length).toBeLessThanOrEqual(24);
    expect(mutant.subarray(0, 3)).toEqual(input.subarray(0, 3));
  }
  const long = Uint8Array.from({ length: 100 }, (_, i) => i);
  const fails = (bytes: Uint8Array): boolean => bytes.includes(40) && bytes.includes(90);
  expect(shorten(long, fails)).toEqual(Uint8Array.of(40, 90));
});
