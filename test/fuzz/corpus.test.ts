/**
 * Replays the kept inputs of every fuzz target, alone and in bursts, and a short seeded run.
 * A corpus file holds one input a line: a name and the bytes in hex. What a fuzz run finds is
 * added there once it is mended, so that it is looked for ever after.
 */
import { expect, test } from "vitest";
import { buildUnderTest, dataPathUnderTest, seedOf } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { readCorpus } from "./corpus.ts";
import { loadBuild } from "./load-build.ts";
import { TARGETS } from "./registry.ts";

const GROUP = 64;

/** The builds under test have no counters: what is replayed is what users get. */
const build = loadBuild(dataPathUnderTest(), {
  debug: buildUnderTest() === "debug",
  guided: false,
});

for (const target of TARGETS) {
  const inputs = readCorpus(target);

  test.each(inputs.length === 0 ? [] : [target.name])(
    `fuzz %s: the corpus, each input alone`,
    () => {
      const shared = target.grouped === true ? undefined : target.start(build);
      for (const { name, input } of inputs) {
        const session = shared ?? target.start(build);
        expect(session.check([input]), name).toBeUndefined();
      }
    },
  );

  test(`fuzz ${target.name}: the corpus in bursts reaches everything it is there for`, () => {
    const session = target.start(build);
    // A burst is of one set-up: the first byte.
    for (const first of new Set(inputs.map(({ input }) => input[0]))) {
      const group = inputs.filter(({ input }) => input[0] === first).map(({ input }) => input);
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
    const session = target.start(build);
    for (let done = 0; done < target.shortRun; done += GROUP) {
      const found = session.check(session.generate(random, GROUP));
      expect(found?.message, `seed ${seed}, after ${done}`).toBeUndefined();
    }
  });
}
