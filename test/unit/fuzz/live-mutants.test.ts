/**
 * Target `live` finds what is planted in the data path: each row is one line of it, what is put
 * there instead, and the verdicts that may come of it. A target that finds none of them would be
 * green for ever.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT } from "../../support/env.ts";
import { mutantBinary, type Mutation } from "../../support/mutant.ts";
import { Random } from "../../support/random.ts";
import { countEdges } from "../../fuzz/edge-counters.ts";
import { liveTarget } from "../../fuzz/targets/live.ts";

const RUNS = 40000;

const PLANTED: readonly (Mutation & { readonly found: RegExp })[] = [
  {
    file: "assembly/flextoe/protocol-reassembly.ts",
    from: "store<u32>(work, seqDistance(seq, start), W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
    to: "store<u32>(work, 0, W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
    found: /not sent: position/,
  },
  {
    file: "assembly/nic/connection.ts",
    from: "  closeTransmit(core, connection);",
    to: "",
    found: /a pool is not as it was/,
  },
  {
    file: "assembly/tcp/window.ts",
    from: "  return min<u32>(field, FIELD_MAX);",
    to: "  return min<u32>(avail >>> shift, FIELD_MAX) & ~255;",
    found: /right edge of the window went back|got 6 /,
  },
  {
    file: "assembly/tcp/retransmit-timer.ts",
    from: "  armTimer(core, connection, TimerKind.Retransmit, at);",
    to: "",
    found: /did not arrive/,
  },
];

test.each(PLANTED)("found: $file: $to", ({ found, ...mutation }) => {
  const { binary, edges } = countEdges(mutantBinary("assembly/index.ts", "release", mutation));
  const module = new WebAssembly.Module(binary);
  const harness = new WebAssembly.Module(readFileSync(`${ROOT}build/fuzz.wasm`));
  const makeCore = (): never => {
    throw new Error("live makes its cores by itself");
  };
  let message = "nothing";
  try {
    const session = liveTarget.start({ module, harness, edges, makeCore });
    const random = new Random(1);
    for (let done = 0; done < RUNS && message === "nothing"; done += 64) {
      message = session.check(session.generate(random, 64))?.message ?? message;
    }
  } catch (error) {
    // Its prepared states already show it.
    message = String(error);
  }
  expect(message).toMatch(found);
});
