/**
 * `npm run stalls -- [--runs N] [--segments N] [--seed S] [--json]`: the workers executor under
 * seeded stalls. Exit status 1 when a run fails; its seed is printed.
 */
import { parseArgs } from "node:util";
import { stallRun } from "./stall-run.ts";

function integer(name: string, text: string, low: number, high: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new RangeError(`stalls: expected --${name} ${low}..${high}, got ${text}`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "20" },
      segments: { type: "string", default: "10000" },
      seed: { type: "string", default: String(Date.now() >>> 0) },
      json: { type: "boolean", default: false },
    },
  });
  const runs = integer("runs", values.runs, 1, 1e6);
  const segments = integer("segments", values.segments, 1, 1e8);
  const first = integer("seed", values.seed, 0, 2 ** 32 - 1);
  console.log(`${runs} runs of ${segments} segments from seed ${first}`);
  const failed: number[] = [];
  let total = 0;
  for (let i = 0; i < runs; i += 1) {
    const {
      seed,
      plan,
      connections,
      segments: seen,
      failures,
    } = await stallRun(first + i, segments);
    total += seen;
    if (failures.length === 0) continue;
    failed.push(seed);
    console.log(`seed ${seed}, ${connections} connections, ${JSON.stringify(plan)}`);
    for (const failure of failures) console.log(`  ${failure}`);
  }
  console.log(`${total} segments, ${runs - failed.length} runs well, ${failed.length} failed`);
  if (values.json) console.log(JSON.stringify({ runs, first, segments: total, failed }));
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof RangeError || error instanceof TypeError ? error.message : error);
  return 2;
});
