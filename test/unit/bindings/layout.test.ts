/**
 * The memory map: regions in order, disjoint, aligned, separated by intact guard strips, for small,
 * default and large choices; options judged with clear words; sizes and offsets of the contract.
 */
import { expect, test } from "vitest";
import * as descriptor from "../../../bindings/abi/descriptor.ts";
import * as flowState from "../../../bindings/abi/flow-state.ts";
import * as limits from "../../../bindings/abi/limits.ts";
import * as memoryMap from "../../../bindings/abi/memory-map.ts";
import * as timer from "../../../bindings/abi/timer.ts";
import * as work from "../../../bindings/abi/work.ts";
import {
  brokenGuards,
  LAYOUT_DEFAULTS,
  type LayoutOptions,
  layout,
  writeHeader,
} from "../../../bindings/layout.ts";

const KEY: readonly [bigint, bigint] = [1n, 0xffffffffffffffffn];

const CHOICES: readonly Partial<LayoutOptions>[] = [
  {},
  { connections: 1, queueDescriptors: 2, chunkBytes: 1024, payloadBytes: 1024, frameBytes: 576 },
  { connections: 63, contexts: 31, payloadBytes: 65536 },
  { connections: 64, chunkBytes: 1 << 20, payloadBytes: 3 << 20 },
  { connections: 100000, payloadBytes: 1 << 20 },
  { frameBytes: limits.FRAME_BYTES_MAX, payloadBytes: 1 << 20 },
  { payloadBytes: 3 * 1024 * 1024 * 1024 },
];
const choices = CHOICES.map((choice) => ({ choice, title: JSON.stringify(choice) }));

test.each(choices)("regions are in order, aligned, and apart: $title", ({ choice }) => {
  const map = layout(choice);
  let end = map.core;
  for (const region of map.regions) {
    expect(region.base % 128, region.name).toBe(0);
    expect(region.base, region.name).toBeGreaterThanOrEqual(end);
    expect(region.bytes, region.name).toBeGreaterThan(0);
    expect(region.bytes % 4, region.name).toBe(0);
    end = region.base + region.bytes + memoryMap.GUARD_BYTES;
  }
  expect(end).toBeLessThanOrEqual(map.pages * 65536);
  expect(end).toBeGreaterThan((map.pages - 1) * 65536);
  expect(map.pages).toBeLessThanOrEqual(65535);
  expect(new Set(map.regions.map((region) => region.name)).size).toBe(map.regions.length);
});

test.each(choices)("tables hold what was asked for: $title", ({ choice }) => {
  const map = layout(choice);
  const { options } = map;
  const bytes = Object.fromEntries(map.regions.map((region) => [region.name, region.bytes]));
  const rows = options.connections + 1;
  expect(options).toEqual({ ...LAYOUT_DEFAULTS, ...choice });
  expect(bytes.protocol).toBe(rows * 64);
  expect(bytes.pre).toBe(rows * 128);
  expect(map.hashEntries).toBeGreaterThanOrEqual(rows * 2);
  expect(Math.log2(map.hashEntries) % 1).toBe(0);
  expect(bytes.hash).toBe(map.hashEntries * flowState.HASH_SIZE);
  expect(map.chunks).toBe(Math.floor(options.payloadBytes / options.chunkBytes));
  expect(bytes.arena).toBe(map.chunks * options.chunkBytes);
  expect(bytes.chunkFree).toBe(map.chunks * 4);
  expect(bytes.ingress).toBeGreaterThanOrEqual(options.frameBytes * limits.BATCH_MAX);
  expect(map.spanBytes).toBe(bytes.ingress);
});

test("hot tables come before the payload arena, which starts on a page", () => {
  const map = layout({ payloadBytes: 1 << 20 });
  expect(map.regions.at(-1)?.name).toBe("arena");
  expect((map.base.arena as number) % 4096).toBe(0);
});

function small(): { map: ReturnType<typeof layout>; view: DataView } {
  const map = layout({ connections: 3, contexts: 2, queueDescriptors: 4, payloadBytes: 65536 });
  const view = new DataView(new ArrayBuffer(map.pages * 65536));
  writeHeader(view, map, KEY);
  return { map, view };
}

test("the header names every region's base, and nothing outside the map", () => {
  const { map, view } = small();
  const word = (offset: number): number => view.getUint32(map.core + offset, true);
  const bases = new Set(map.regions.map((region) => region.base));
  for (let at = memoryMap.CORE_HASH; at < memoryMap.CORE_END; at += 4) {
    expect(bases, `word at ${at}`).toContain(word(at));
  }
  expect(word(memoryMap.CORE_MAGIC)).toBe(memoryMap.CORE_MAGIC_VALUE);
  expect(word(memoryMap.CORE_CONNECTIONS)).toBe(4);
  expect(word(memoryMap.CORE_CONTEXTS)).toBe(3);
  expect(word(memoryMap.CORE_HASH_MASK)).toBe(map.hashEntries - 1);
  expect(1 << word(memoryMap.CORE_CHUNK_SHIFT)).toBe(map.options.chunkBytes);
  expect(word(memoryMap.CORE_CHUNKS)).toBe(map.chunks);
  expect(word(memoryMap.CORE_END)).toBe(view.byteLength);
  expect(view.getBigUint64(map.core + memoryMap.CORE_HASH_KEY, true)).toBe(KEY[0]);
  expect(view.getBigUint64(map.core + memoryMap.CORE_HASH_KEY + 8, true)).toBe(KEY[1]);
});

test("each context has rings of its own, inside the ring regions", () => {
  const { map, view } = small();
  const record = (context: number, offset: number): number =>
    view.getUint32(
      (map.base.contextTable as number) + context * descriptor.CONTEXT_SIZE + offset,
      true,
    );
  for (let context = 0; context <= 2; context += 1) {
    const atx = (map.base.atx as number) + context * 4 * descriptor.ATX_SIZE;
    const arx = (map.base.arx as number) + context * 4 * descriptor.ARX_SIZE;
    expect(record(context, descriptor.CONTEXT_ATX_BASE)).toBe(atx);
    expect(record(context, descriptor.CONTEXT_ARX_BASE)).toBe(arx);
    expect(record(context, descriptor.CONTEXT_ATX_MASK)).toBe(3);
    expect(record(context, descriptor.CONTEXT_ARX_MASK)).toBe(3);
  }
});

test("an overwritten guard strip is named, whichever byte it is", () => {
  const { map, view } = small();
  expect(brokenGuards(view, map)).toEqual([]);
  for (const region of map.regions) {
    for (const at of [0, 1, memoryMap.GUARD_BYTES - 1]) {
      const address = region.base + region.bytes + at;
      const before = view.getUint8(address);
      view.setUint8(address, before ^ 1);
      expect(brokenGuards(view, map)).toEqual([region.name]);
      view.setUint8(address, before);
    }
  }
});

const REFUSED: readonly (readonly [choice: Partial<LayoutOptions>, message: string])[] = [
  [{ connections: 0 }, "layout: expected connections 1..1048575, got 0"],
  [{ connections: 1048576 }, "layout: expected connections 1..1048575, got 1048576"],
  [{ connections: 1.5 }, "layout: expected connections 1..1048575, got 1.5"],
  [{ connections: Number.NaN }, "layout: expected connections 1..1048575, got NaN"],
  [{ contexts: 0 }, "layout: expected contexts 1..31, got 0"],
  [{ contexts: 32 }, "layout: expected contexts 1..31, got 32"],
  [{ queueDescriptors: 1 }, "layout: expected queueDescriptors 2..65536, got 1"],
  [{ queueDescriptors: 3 }, "layout: expected queueDescriptors a power of two, got 3"],
  [{ chunkBytes: 128 }, "layout: expected chunkBytes 256..1048576, got 128"],
  [{ chunkBytes: 1500 }, "layout: expected chunkBytes a power of two, got 1500"],
  [{ payloadBytes: 100 }, "layout: expected payloadBytes 8192..4294901760, got 100"],
  [{ frameBytes: 575 }, "layout: expected frameBytes 576..9216, got 575"],
  [{ frameBytes: 9217 }, "layout: expected frameBytes 576..9216, got 9217"],
  [{ pacingSlotNs: 32 }, "layout: expected pacingSlotNs 64..65536, got 32"],
  [{ pacingSlotNs: 1000 }, "layout: expected pacingSlotNs a power of two, got 1000"],
  [{ payloadBytes: 4294901760 }, "layout: expected all regions below 4 GiB, got"],
];

test.each(REFUSED)("refused with a clear message: %j", (choice, message) => {
  expect(() => layout(choice)).toThrow(RangeError);
  expect(() => layout(choice)).toThrow(message);
});

/** Sizes after Table 4.1 and the cache line: a change here is a change of design. */
const SIZES: readonly (readonly [name: string, got: number, bytes: number])[] = [
  ["PRE", flowState.PRE_SIZE, 128],
  ["PROTOCOL", flowState.PROTOCOL_SIZE, 64],
  ["RECOVERY", flowState.RECOVERY_SIZE, 256],
  ["POST", flowState.POST_SIZE, 128],
  ["SCHEDULER", flowState.SCHEDULER_SIZE, 32],
  ["HASH", flowState.HASH_SIZE, 8],
  ["INTERVALS", flowState.RECOVERY_INTERVAL_COUNT, limits.OOO_INTERVALS_OWN * 8],
];

test.each(SIZES)("the size of %s is %d", (_name, got, bytes) => {
  expect(got).toBe(bytes);
});

test("every constant of the contract is an unsigned 32-bit integer", () => {
  const modules = [descriptor, flowState, limits, memoryMap, timer, work];
  const constants = modules.flatMap((module) => Object.entries(module));
  const numbers = constants.filter(([, value]) => typeof value === "number");
  expect(numbers.length).toBeGreaterThan(200);
  const wrong = numbers.filter(([, value]) => value !== (value as number) >>> 0);
  expect(wrong).toEqual([]);
});

/** Prefix of a record's field constants, the module that defines them, its size in bytes. */
const RECORDS: readonly (readonly [prefix: string, fields: object, bytes: number])[] = [
  ["PRE_", flowState, flowState.PRE_SIZE],
  ["PROTOCOL_", flowState, flowState.PROTOCOL_SIZE],
  ["RECOVERY_", flowState, flowState.RECOVERY_SIZE],
  ["POST_", flowState, flowState.POST_SIZE],
  ["SCHEDULER_", flowState, flowState.SCHEDULER_SIZE],
];

test.each(RECORDS)("fields of %s are apart", (prefix, fields, bytes) => {
  const offsets = Object.entries(fields)
    .filter(([name]) => name.startsWith(prefix) && !/_(SIZE|MAX)$/.test(name))
    .map(([, offset]) => offset as number);
  expect(offsets.length).toBeGreaterThan(3);
  expect(Math.max(...offsets)).toBeLessThan(bytes);
  expect(new Set(offsets).size).toBe(offsets.length);
});
