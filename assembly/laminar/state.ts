/**
 * An RMT machine's registers: where a row is, that no packet uses a register twice, and what a
 * low-pass filter does with a sample.
 */
import { CORE_LAMINAR } from "../../bindings/abi/memory-map.ts";
import * as R from "../../bindings/abi/rmt.ts";

/** The row of an index; an index that has none gets row 0, which is nobody's. */
// @ts-ignore: decorator
@inline
export function rowOf(state: usize, group: u32, bytes: u32, index: u32): usize {
  const record = state + R.STATE_GROUPS + group * R.STATE_GROUP_SIZE;
  const row = index < load<u32>(record, 4) ? index : 0;
  return <usize>load<u32>(record) + row * bytes;
}

/** What is kept of a connection beside its registers. */
// @ts-ignore: decorator
@inline
export function laminarOf(core: usize, connection: u32): usize {
  return <usize>load<u32>(core, CORE_LAMINAR) + connection * R.LAMINAR_SIZE;
}

/** Before a packet's first stage. */
// @ts-ignore: decorator
@inline
export function beginPass(state: usize): void {
  store<u64>(state, 0, R.STATE_TOUCHED);
}

/** Asserts the one read-modify-write of a register for each packet (5.1.1, stateful ALUs). */
// @ts-ignore: decorator
@inline
export function touch(state: usize, register: u32): void {
  const bit = <u64>1 << <u64>register;
  const touched = load<u64>(state, R.STATE_TOUCHED);
  if ((touched & bit) != 0) store<u32>(state, load<u32>(state, R.STATE_FAULTS) + 1, R.STATE_FAULTS);
  store<u64>(state, touched | bit, R.STATE_TOUCHED);
}

/**
 * A sample into the low-pass filter at `cell`, whose average has `gain` bits below the point: no
 * sum is beyond a word, for a sample has at most 32 - gain bits. Returns the new average.
 */
// @ts-ignore: decorator
@inline
export function filtered(cell: usize, gain: u32, sample: u32): u32 {
  const old = load<u32>(cell);
  const taken = min<u32>(sample, 0xffffffff >>> gain);
  const sum = old == 0 ? taken << gain : old - (old >>> gain) + taken;
  store<u32>(cell, sum);
  return sum >>> gain;
}
