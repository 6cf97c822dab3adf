/**
 * What a stack holds of everything that is counted: chunks, rows, timers, descriptors, numbers of
 * the reorder points, guard strips. Needs nothing of a runtime.
 */
import {
  CORE_BOUND,
  CORE_CHUNK_FREE_COUNT,
  CORE_CHUNK_RESERVED,
  CORE_INSTALLED,
  CORE_SEQUENCE_ASSIGNED,
  CORE_SEQUENCE_DOMAINS,
  CORE_SEQUENCE_FAULTS,
  CORE_SEQUENCE_RELEASED,
} from "../../bindings/abi/memory-map.ts";
import { WHEEL_COUNT } from "../../bindings/abi/timer.ts";
import type { Core } from "../../bindings/core.ts";
import { brokenGuards } from "../../bindings/layout.ts";
import type { Stack } from "../../host/stack.ts";

/** Points of the pipeline where sequence numbers are given and released. */
const SEQUENCE_POINTS = 4;

/** What a core alone holds. */
export interface CoreCounts {
  readonly chunks: number;
  /** Chunks that receive windows promise. */
  readonly promised: number;
  readonly installed: number;
  readonly bound: number;
  readonly timers: number;
  readonly sequenceFaults: number;
  /** Reorder points that have given out a number and not released it: "point.domain". */
  readonly unreleased: readonly string[];
  readonly brokenGuards: readonly string[];
}

/** What must be as before when all is closed and every timer has passed. */
export interface PoolCounts extends CoreCounts {
  readonly rows: number;
  readonly listeners: number;
  readonly descriptors: number;
}

function sequencesHeld(core: Core): string[] {
  const { words, address } = core;
  const held: string[] = [];
  for (let point = 0; point < SEQUENCE_POINTS; point += 1) {
    for (let domain = 0; domain < CORE_SEQUENCE_DOMAINS; domain += 1) {
      const at = (address >>> 2) + point * CORE_SEQUENCE_DOMAINS + domain;
      const assigned = words[at + (CORE_SEQUENCE_ASSIGNED >>> 2)];
      const released = words[at + (CORE_SEQUENCE_RELEASED >>> 2)];
      if (assigned !== released) held.push(`${point}.${domain}`);
    }
  }
  return held;
}

/** Numbers given out at all reorder points of a stack: 0 would prove nothing. */
export function sequencesAssigned({ core }: Stack): number {
  const at = (core.address + CORE_SEQUENCE_ASSIGNED) >>> 2;
  const table = core.words.subarray(at, at + SEQUENCE_POINTS * CORE_SEQUENCE_DOMAINS);
  return table.reduce((sum, count) => sum + count, 0);
}

export function coreCounts(core: Core): CoreCounts {
  const word = (offset: number): number => core.words[(core.address + offset) >>> 2] as number;
  return {
    chunks: word(CORE_CHUNK_FREE_COUNT),
    promised: word(CORE_CHUNK_RESERVED),
    installed: word(CORE_INSTALLED),
    bound: word(CORE_BOUND),
    timers: core.words[((core.map.base.wheel as number) + WHEEL_COUNT) >>> 2] as number,
    sequenceFaults: word(CORE_SEQUENCE_FAULTS),
    unreleased: sequencesHeld(core),
    brokenGuards: brokenGuards(core.view, core.map),
  };
}

export function poolCounts({ core, control, toe }: Stack): PoolCounts {
  return {
    ...coreCounts(core),
    rows: control.counters.connections,
    listeners: control.counters.listeners,
    descriptors: toe.internals.table.count,
  };
}
