/**
 * Builds with one line broken, each of which a run of this folder must notice: every reorder point
 * that releases in order of arrival in place of order of numbers (4.3.2), statistics that replicas
 * add to without atomics, and a stage that is wrong for some payloads, whose failure must repeat
 * in the modelled run that it is recast as.
 */
import { beforeAll, expect, test } from "vitest";
import { countedModule } from "../../host/modelled/counted-core.ts";
import { seedOf } from "../support/env.ts";
import { type Mutation, mutantBinary } from "../support/mutant.ts";
import { overlapRun, statisticsRun } from "./overlap-run.ts";
import { recast, stallRun } from "./stall-run.ts";

const SEED = seedOf(9000);
/** Seeds of which one must notice: threads are not part of a seed. */
const SEEDS = 24;
const TIMEOUT_MS = 180_000;
const REPLICAS = "assembly/workers/replicas.ts";
/** A word of a reorder point that nothing else uses counts arrivals. */
const ARRIVALS = "X.REORDER_ASSIGNED + 4";

type Notice = (seed: number, module: WebAssembly.Module) => Promise<readonly string[]>;

const inOrder: Notice = async (seed, threadsModule) =>
  (await stallRun(seed, 2000, { threadsModule })).failures;
const whole: Notice = (seed, module) => overlapRun(seed, 4, 512 * 1024, module);
const counted: Notice = (seed, module) => statisticsRun(seed, 4 << 20, module);

const byKind = (rx: string, hc: string): Mutation => ({
  file: REPLICAS,
  from: "arrive(reorder, load<u32>(side, X.SIDE_NUMBER), index + 1);",
  to: `arrive(reorder, isRx ? ${rx} : ${hc}, index + 1);`,
});
const NUMBER = "load<u32>(side, X.SIDE_NUMBER)";
const ARRIVAL = `atomic.add<u32>(reorder, 1, ${ARRIVALS})`;

const atOnce = (point: string, value: string): Mutation => ({
  file: REPLICAS,
  from: `arrive(item.reorderOf(stage, ReorderPoint.${point}, group), number, ${value});`,
  to: `const at = item.reorderOf(stage, ReorderPoint.${point}, group);
  arrive(at, atomic.add<u32>(at, 1, ${ARRIVALS}), ${value});`,
});

const MUTANTS: readonly (readonly [name: string, mutation: Mutation, notice: Notice])[] = [
  ["RP1 releases at once", byKind(ARRIVAL, NUMBER), inOrder],
  ["RP2 releases at once", atOnce("Netif", "frame"), inOrder],
  ["RP3 releases at once", atOnce("Notification", "index + 1"), whole],
  ["RP4 releases at once", byKind(NUMBER, ARRIVAL), whole],
  [
    "statistics without atomics",
    {
      file: "assembly/nic/post-processing.ts",
      from: "if (ASC_FEATURE_THREADS) atomic.add<u32>(post, 1, F.POST_SEGMENTS_IN);\n  else store",
      to: "store",
    },
    counted,
  ],
];

test.each(MUTANTS)("%s: noticed", { timeout: TIMEOUT_MS }, async (_, mutation, notice) => {
  const module = new WebAssembly.Module(mutantBinary("assembly/workers.ts", "threads", mutation));
  for (let i = 0; i < SEEDS; i += 1) {
    const failures = await notice(SEED + i, module);
    if (failures.length > 0) return;
  }
  throw new Error(`expected one of ${SEEDS} runs from seed ${SEED} to fail, got none`);
});

/** DMA that forgets the part of a payload behind the end of a chunk. */
const RECEIVE = `
  for (let span: u32 = 0; span <= CHUNKS_PER_BUFFER_MAX && done < length; span++) {
    const bytes = min(length - done, contiguousBytes(shift, start + done));
    copyBytes(receive`;
const FAULT: Mutation = {
  file: "assembly/nic/dma.ts",
  from: `  if (done == length) return;${RECEIVE}`,
  to: `  if (done <= length) return;${RECEIVE}`,
};
const WRONG_BYTE = /^byte \d+: \d+$/;

let threadsModule: WebAssembly.Module;
let modelledModule: WebAssembly.Module;

beforeAll(() => {
  threadsModule = new WebAssembly.Module(mutantBinary("assembly/workers.ts", "threads", FAULT));
  modelledModule = countedModule(mutantBinary("assembly/modelled.ts", "modelled", FAULT));
}, TIMEOUT_MS);

test(`a broken stage fails on threads, and its replay fails alike, seed ${SEED}`, async () => {
  const broken = { threadsModule, modelledModule };
  const { failures } = await stallRun(SEED, 2000, broken);
  expect(failures.some((failure) => WRONG_BYTE.test(failure))).toBe(true);
  const found = await recast(SEED, 2000, broken);
  expect(found?.run.failures.some((failure) => WRONG_BYTE.test(failure))).toBe(true);
  const variant = found?.variant ?? 0;
  // The replay repeats to the byte, and the unbroken build passes it.
  const again = await stallRun(SEED, 2000, { ...broken, modelled: true, variant });
  expect(again).toEqual(found?.run);
  const sound = await stallRun(SEED, 2000, { modelled: true, variant });
  expect(sound.failures).toEqual([]);
});
