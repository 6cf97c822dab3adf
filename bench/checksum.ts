/**
 * `npm run bench -- checksum`: the Internet checksum's sum and the copy fused with it (RFC 1071),
 * against memory.copy of the same bytes in the same run. 64 B is an RPC, 1,460 B a full segment.
 */
import { table, timeTasks, WorkHash, type BenchReport, type BenchScale } from "./harness.ts";
import { assembleLoops, loopedChecksum } from "./wasm-loops.ts";
import type { LoopedChecksum, WasmLoops } from "./wasm-loops.ts";

const SIZES = [64, 1460] as const;
const TIMES = 2000;
/** The buffers: apart by no power of two, which would cost cache conflicts. */
const FIRST = 4096;
const SECOND = FIRST + 65536 + 320;

function fill(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 7 + (i >> 8)) & 255;
}

/** Sum of little-endian 16-bit words, folded; the obvious way, to check the fast one. */
export function referenceSum(bytes: Uint8Array, at: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 1) {
    sum += (bytes[at + i] as number) << (8 * (i & 1));
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Equal in one's complement: 0 and 0xffff are the same number. */
function sameSum(partial: bigint, folded: number): boolean {
  return Number(partial % 0xffffn) === folded % 0xffff;
}

function check(looped: LoopedChecksum, length: number): void {
  const { bytes, functions } = looped;
  const expected = referenceSum(bytes, FIRST, length);
  const sum = functions.sumWords(FIRST, length);
  const copied = functions.copyAndSum(SECOND, FIRST, length);
  for (const got of [sum, copied]) {
    if (!sameSum(got, expected)) {
      throw new Error(`checksum: expected ${expected} over ${length} bytes, got ${got}`);
    }
  }
}

function time(looped: LoopedChecksum, taskMs: number): Map<string, number> {
  const names: readonly (keyof WasmLoops)[] = ["sum", "copyAndSum", "copy"];
  const tasks = names.flatMap((name) =>
    SIZES.map((size) => ({
      name: `${name} ${size}`,
      count: TIMES,
      body: () => void looped.loops[name](SECOND, FIRST, size, TIMES),
    })),
  );
  return timeTasks(tasks, taskMs);
}

/** Nanoseconds of one fused copy-and-sum of `length` bytes, after assembleLoops(). */
export function copyAndSumNs(length: number, taskMs: number): number {
  const looped = loopedChecksum();
  fill(looped.bytes);
  const body = (): void => void looped.loops.copyAndSum(SECOND, FIRST, length, TIMES);
  const name = "copyAndSum";
  return timeTasks([{ name, count: TIMES, body }], taskMs).get(name) as number;
}

/** Both functions at both sizes. */
export async function checksum(scale: BenchScale): Promise<BenchReport> {
  await assembleLoops();
  const looped = loopedChecksum();
  fill(looped.bytes);
  for (let length = 0; length <= 130; length += 1) check(looped, length);
  const hash = new WorkHash();
  for (const size of SIZES) {
    check(looped, size);
    hash.add(size, referenceSum(looped.bytes, FIRST, size));
  }
  const ns = time(looped, scale.taskMs);
  const figure = (name: string, size: number): number => ns.get(`${name} ${size}`) as number;
  const rows = SIZES.map((size) => ({
    bytes: size,
    sumNs: figure("sum", size),
    copyAndSumNs: figure("copyAndSum", size),
    memoryCopyNs: figure("copy", size),
    ratio: figure("copyAndSum", size) / figure("copy", size),
  }));
  const cells = rows.map((r) => [
    `${r.bytes} B`,
    r.sumNs.toFixed(1),
    r.copyAndSumNs.toFixed(1),
    r.memoryCopyNs.toFixed(1),
    r.ratio.toFixed(2),
  ]);
  const head = ["ns", "sumWords", "copyAndSum", "memory.copy", "copyAndSum / copy"];
  const lines = [...table([head, ...cells]), `work ${hash}`];
  return { lines, values: { rows, work: hash.toString() }, bars: [] };
}
