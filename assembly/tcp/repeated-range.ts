/**
 * Bytes that arrived twice, told to the sender: D-SACK (RFC 2883). The range stands where the first
 * block of the item's own ACK goes, and nothing is kept of it: each is told once (SK-20), and one
 * whose item causes no ACK is not told.
 */
import { endOfCover, nextStart } from "./ooo-interval.ts";
import { ACTION_ACK, ACTION_REPEATED } from "../../bindings/abi/work.ts";
import { WORK_ACTIONS, WORK_OUT_SACK } from "../../bindings/abi/work.ts";
import { seqBefore } from "../../bindings/abi/seq.ts";
import { act } from "./state.ts";

/**
 * [start, end) was here before (SK-8); of several ranges of one segment the first counts, and none
 * once its ACK's blocks are written (congestion-marks.ts: some do not wait for the payload).
 */
export function noteRepeated(work: usize, start: u32, end: u32): void {
  const told = load<u32>(work, WORK_ACTIONS) & (ACTION_REPEATED | ACTION_ACK);
  if (!seqBefore(start, end) || told != 0) return;
  store<u32>(work, start, WORK_OUT_SACK);
  store<u32>(work, end, WORK_OUT_SACK + 4);
  act(work, ACTION_REPEATED);
}

/** The first part of [start, end) that an interval holds, which becomes the second block. */
export function noteHeld(work: usize, recovery: usize, start: u32, end: u32): void {
  const first = endOfCover(recovery, start) != start ? start : nextStart(recovery, start, end);
  const stop = endOfCover(recovery, first);
  noteRepeated(work, first, seqBefore(stop, end) ? stop : end);
}

// @ts-ignore: decorator
@inline
export function isRepeated(work: usize): bool {
  return (load<u32>(work, WORK_ACTIONS) & ACTION_REPEATED) != 0;
}
