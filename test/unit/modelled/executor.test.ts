/**
 * The modelled executor under whole stacks: what it delivers is what the batch executor delivers,
 * over bad links, with every stage replicated and jitter on; and on the wire it is the same frames
 * when nothing is replicated and jitter is 0.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { CoreSource } from "../../../bindings/core.ts";
import { modelledExecutor } from "../../../host/modelled/executor.ts";
import { countedModule } from "../../../host/modelled/counted-core.ts";
import { NFP_4000 } from "../../../host/modelled/machines/nfp-4000.ts";
import { type Placement, TABLE_4_4_ROWS } from "../../../host/modelled/placement.ts";
import type { FaultOptions } from "../../../host/netif/fault-injector.ts";
import { StreamEnd } from "../../stack/stream-end.ts";
import { WorldPair } from "../../stack/world-pair.ts";
import { ROOT, seedOf } from "../../support/env.ts";
import { TEST_LAYOUT } from "../../support/load-core.ts";

const PORT = 80;
const KIB = 1024;
const SEED = seedOf(4711);
const FAULTS: FaultOptions = { loss: 0.02, reorder: 0.05, duplicate: 0.01, corrupt: 0.005 };
const module = countedModule(readFileSync(`${ROOT}build/flextoe.modelled.wasm`));

function executor(id: string, jitter: number, seed: number): CoreSource {
  const placement = TABLE_4_4_ROWS[id] as Placement;
  const layout = TEST_LAYOUT;
  return modelledExecutor({ module, machine: NFP_4000, placement, layout, jitter, seed });
}

/** Transfers both ways at once, then closes; what each end saw. */
function transfer(pair: WorldPair, up: number, down: number): StreamEnd[] {
  const listener = pair.listen(PORT);
  const fds = pair.establish(listener, PORT);
  const sizes = { bytes: up, expect: down, seed: 1, expectSeed: 2 };
  const back = { bytes: down, expect: up, seed: 2, expectSeed: 1 };
  const ends = [
    new StreamEnd(pair.clientToe, fds.client, sizes),
    new StreamEnd(pair.serverToe, fds.server, back),
  ];
  [pair.client, pair.server].forEach((host, side) => {
    host.applications.push(() => (ends[side] as StreamEnd).run(pair.world.now));
  });
  pair.until(() => ends.every(({ finished }) => finished), "the end of both streams");
  expect(pair.clientToe.close(fds.client)).toBe(0);
  expect(pair.serverToe.close(fds.server)).toBe(0);
  expect(pair.serverToe.close(listener)).toBe(0);
  return ends;
}

function expectWhole(ends: readonly StreamEnd[], up: number, down: number): void {
  expect(
    ends.map(({ sent, received, wrongAt, error }) => ({ sent, received, wrongAt, error })),
  ).toEqual([
    { sent: up, received: down, wrongAt: -1, error: 0 },
    { sent: down, received: up, wrongAt: -1, error: 0 },
  ]);
}

test.each(Object.keys(TABLE_4_4_ROWS))("streams are whole on a bad link: %s", (id) => {
  for (let run = 0; run < 2; run += 1) {
    const seed = SEED + run;
    const executors = [undefined, executor(id, 0.5, seed)] as const;
    const pair = new WorldPair({ seed, link: { faults: FAULTS }, executors });
    expectWhole(transfer(pair, 96 * KIB, 64 * KIB), 96 * KIB, 64 * KIB);
  }
});

test("two modelled stacks talk to each other", () => {
  const executors = [
    executor("flow_group_islands", 0.2, SEED),
    executor("replicated_pre_post", 0.2, SEED + 1),
  ] as const;
  const pair = new WorldPair({ seed: SEED, executors, link: { faults: FAULTS } });
  expectWhole(transfer(pair, 64 * KIB, 128 * KIB), 64 * KIB, 128 * KIB);
});

test("without jitter a run repeats itself; another seed of jitter gives other times", () => {
  const trace = (jitter: number, seed: number): string => {
    const executors = [undefined, executor("flow_group_islands", jitter, seed)] as const;
    const pair = new WorldPair({ seed: SEED, executors });
    transfer(pair, 16 * KIB, 16 * KIB);
    return pair.world.traceHash();
  };
  expect(trace(0, 1)).toBe(trace(0, 2));
  expect(trace(0.3, 1)).toBe(trace(0.3, 1));
  expect(trace(0.3, 1)).not.toBe(trace(0.3, 2));
});
