/**
 * Replays the kept inputs of every fuzz target, alone and in bursts, and a short seeded run.
 * A corpus file holds one input a line: a name and the bytes in hex. What a fuzz run finds is
 * added there once it is mended, so that it is looked for ever after.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { seedOf } from "../support/env.ts";
import { fromHex } from "../support/frames.ts";
import { testCore } from "../support/load-core.ts";
import { Random } from "../support/random.ts";
import { TARGETS, type FuzzTarget } from "./registry.ts";

const GROUP = 64;
const SHORT_RUN = 20000;

const makeCore = () =>
  testCore({ connections: 16, queueDescriptors: 64, payloadBytes: 1024 * 1024 });

function corpus(target: FuzzTarget): { name: string; input: Uint8Array }[] {
  const text = readFileSync(new URL(`corpus/${target.name}.txt`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [name = "", hex = ""] = line.split(" ");
      return { name, input: fromHex(hex) };
    });
}

for (const target of TARGETS) {
  test(`fuzz ${target.name}: the corpus, each input alone`, () => {
    for (const { name, input } of corpus(target)) {
      expect(target.start(makeCore).check([input]), name).toBeUndefined();
    }
  });

  test(`fuzz ${target.name}: the corpus in bursts reaches everything it is there for`, () => {
    const session = target.start(makeCore);
    const inputs = corpus(target).map(({ input }) => input);
    // A burst is of one set-up: the first byte.
    for (const first of new Set(inputs.map((input) => input[0]))) {
      const group = inputs.filter((input) => input[0] === first);
      for (let i = 0; i < group.length; i += GROUP) {
        expect(session.check(group.slice(i, i + GROUP))).toBeUndefined();
      }
    }
    const required = [...session.coverage()].slice(0, target.required);
    expect(required.filter(([, times]) => times === 0)).toEqual([]);
  });

  test(`fuzz ${target.name}: a short run`, () => {
    const seed = seedOf(20260101);
    const random = new Random(seed);
    const session = target.start(makeCore);
    for (let done = 0; done < SHORT_RUN; done += GROUP) {
      const found = session.check(session.generate(random, GROUP));
      expect(found?.message, `seed ${seed}, after ${done}`).toBeUndefined();
    }
  });
}
