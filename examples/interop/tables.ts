/**
 * What a stack holds: entries of the connection database, connections in the data path, free
 * payload chunks, descriptors, rows of the control plane. A stack at rest holds what it started
 * with.
 */
import { Counter } from "../../bindings/abi/counters.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import type { Stack } from "../../host/stack.ts";
import { counterOf, dropsOf } from "../demo-world.ts";

export interface TableCounts {
  readonly installed: number;
  readonly bound: number;
  readonly chunksFree: number;
  readonly descriptors: number;
  /** Rows of the control plane, TIME-WAIT included. */
  readonly connections: number;
  readonly sequenceFaults: number;
}

export function tableCounts(stack: Stack): TableCounts {
  const { core } = stack;
  const word = (at: number): number => core.words[(core.address + at) >>> 2] as number;
  return {
    installed: word(M.CORE_INSTALLED),
    bound: word(M.CORE_BOUND),
    chunksFree: word(M.CORE_CHUNK_FREE_COUNT),
    descriptors: stack.toe.internals.table.count,
    connections: stack.toe.connections().length,
    sequenceFaults: word(M.CORE_SEQUENCE_FAULTS),
  };
}

/** What differs, as text; empty when nothing does. */
export function difference(before: TableCounts, after: TableCounts): string[] {
  const names = Object.keys(before) as (keyof TableCounts)[];
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name}: expected ${before[name]}, got ${after[name]}`);
}

/** Counters of interest to a person, and drops by reason. */
export interface StackFigures {
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly retransmissions: number;
  readonly fastRetransmits: number;
  readonly timeouts: number;
  readonly outOfOrder: number;
  readonly drops: Readonly<Record<string, number>>;
}

export function stackFigures(stack: Stack): StackFigures {
  const count = (counter: Counter): number => counterOf(stack.core, counter);
  return {
    segmentsIn: count(Counter.DataSegmentsIn),
    segmentsOut: count(Counter.DataSegmentsOut),
    retransmissions: count(Counter.Retransmissions),
    fastRetransmits: count(Counter.FastRetransmits),
    timeouts: count(Counter.Timeouts),
    outOfOrder: count(Counter.OutOfOrderPlaced),
    drops: dropsOf([stack.core]),
  };
}
