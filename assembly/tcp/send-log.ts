/**
 * The send log of a flight (bindings/abi/send-log.ts): runs of bytes in sequence with the time they
 * were last sent and what became of them. Bounded (SK-10): a full log joins runs, and a block of
 * SACK that still finds no room says nothing, which costs a retransmission and no byte.
 *
 * Invariant: while RECOVERY_LOG is not 0 the runs lie end to end and the last one ends at
 * una + txSent; those that una has passed since may still be there. LOG_SACKED, LOG_LOST, LOG_TWICE
 * and LOG_AGAIN are the bytes of the runs with that flag from LOG_START on.
 */
import { giveLog, takeLog } from "../flow/send-log-pool.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/send-log.ts";
import { seqAtOrBefore, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";

/** No such run. */
export const NO_RUN: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function logOf(r: usize): usize {
  return <usize>load<u32>(r, F.RECOVERY_LOG);
}

// @ts-ignore: decorator
@inline
export function runAt(log: usize, index: u32): usize {
  return log + S.LOG_RUNS + index * S.RUN_SIZE;
}

// @ts-ignore: decorator
@inline
export function runCount(log: usize): u32 {
  return load<u32>(log, S.LOG_COUNT);
}

// @ts-ignore: decorator
@inline
export function runEnd(run: usize): u32 {
  return load<u32>(run, S.RUN_END);
}

// @ts-ignore: decorator
@inline
export function runFlags(run: usize): u32 {
  return load<u32>(run, S.RUN_FLAGS);
}

// @ts-ignore: decorator
@inline
export function runTime(run: usize): u64 {
  return load<u64>(run, S.RUN_TIME);
}

/** First byte of a run; of the number of runs: where the log ends. */
// @ts-ignore: decorator
@inline
export function runStart(log: usize, index: u32): u32 {
  return index == 0 ? load<u32>(log, S.LOG_START) : runEnd(runAt(log, index - 1));
}

/** Bytes that the peer has selectively acknowledged. */
// @ts-ignore: decorator
@inline
export function sackedBytes(r: usize): u32 {
  const log = logOf(r);
  return log == 0 ? 0 : load<u32>(log, S.LOG_SACKED);
}

/**
 * RFC 8985 6.1 (RACK-2): txSent has grown from `before` by what leaves now; RECOVERY_LAST_SEND
 * still is the time of what went before. Nothing is written down of what leaves at once and alone.
 */
// @ts-ignore: decorator
@inline
export function logSent(core: usize, p: usize, r: usize, before: u32): void {
  if (before != 0) logMore(core, p, r, before);
}

function logMore(core: usize, p: usize, r: usize, before: u32): void {
  const now = load<u64>(core, CORE_NOW);
  let log = logOf(r);
  if (log == 0) {
    if (load<u64>(r, F.RECOVERY_LAST_SEND) == now) return;
    log = openLog(core, p, r, before);
    if (log == 0) return;
  }
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  append(log, una, una + load<u32>(p, F.PROTOCOL_TX_SENT), now);
}

/** The connection's log, of all that is in flight; 0 when there can be none. */
export function needLog(core: usize, p: usize, r: usize): usize {
  const log = logOf(r);
  return log != 0 ? log : openLog(core, p, r, load<u32>(p, F.PROTOCOL_TX_SENT));
}

/**
 * A log whose only run is the first `bytes` in flight, sent last at RECOVERY_LAST_SEND: some may
 * have left before, and count as lost late, not early.
 */
function openLog(core: usize, p: usize, r: usize, bytes: u32): usize {
  const flags: u32 = load<u16>(p, F.PROTOCOL_FLAGS);
  const fixed = F.FLOW_SACK | F.FLOW_GO_BACK_N | F.FLOW_RECOVERY;
  if ((flags & fixed) != F.FLOW_SACK || bytes == 0) return 0;
  // What is sent again after going back has no place here.
  if (load<u32>(p, F.PROTOCOL_TX_SENT) != load<u32>(p, F.PROTOCOL_TX_MAX)) return 0;
  const log = takeLog(core);
  if (log == 0) return 0;
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  store<u32>(r, <u32>log, F.RECOVERY_LOG);
  store<u64>(log, (<u64>una << 32) | 1, S.LOG_COUNT);
  store<u64>(log, 0, S.LOG_SACKED);
  store<u64>(log, 0, S.LOG_TWICE);
  store<u64>(log, (<u64>una << 32) | una, S.LOG_FACK);
  store<u64>(log, 0, S.LOG_RACK_TIME);
  store<u64>(log, load<u64>(r, F.RECOVERY_SRTT), S.LOG_RACK_RTT);
  store<u64>(log, 0, S.LOG_REORDER);
  const run = runAt(log, 0);
  store<u64>(run, una + bytes, S.RUN_END);
  store<u64>(run, load<u64>(r, F.RECOVERY_LAST_SEND), S.RUN_TIME);
  return log;
}

/** Nothing is in flight: the log goes back. */
// @ts-ignore: decorator
@inline
export function closeLog(core: usize, r: usize): void {
  const log = logOf(r);
  if (log == 0) return;
  store<u32>(r, 0, F.RECOVERY_LOG);
  giveLog(core, log);
}

/** Bytes up to `end` left now. */
function append(log: usize, una: u32, end: u32, now: u64): void {
  let count = runCount(log);
  if (count != 0) {
    const last = runAt(log, count - 1);
    if (runTime(last) == now && runFlags(last) == 0) return store<u32>(last, end, S.RUN_END);
    if (count == S.LOG_RUNS_MAX) count = makeRoom(log, una);
  }
  const run = runAt(log, count);
  store<u64>(run, end, S.RUN_END);
  store<u64>(run, now, S.RUN_TIME);
  store<u32>(log, count + 1, S.LOG_COUNT);
}

/** One run fewer at least; how many are left. */
function makeRoom(log: usize, una: u32): u32 {
  passBy(log, una);
  if (runCount(log) == S.LOG_RUNS_MAX) joinRuns(log);
  const count = runCount(log);
  if (count < S.LOG_RUNS_MAX) return count;
  // All different: the last one is forgotten, and joins what is to be appended.
  restate(log, count - 1, 0);
  store<u32>(log, count - 1, S.LOG_COUNT);
  return count - 1;
}

/** Runs that una had passed when nothing was known of any: predicted ACKs leave them. */
export function passBy(log: usize, una: u32): void {
  const count = runCount(log);
  let gone: u32 = 0;
  while (gone < count && seqAtOrBefore(runEnd(runAt(log, gone)), una)) gone++;
  if (seqBefore(load<u32>(log, S.LOG_START), una)) store<u32>(log, una, S.LOG_START);
  removeRuns(log, 0, gone);
}

/** Takes `removed` runs out of the list; what they were counted for has been put right. */
export function removeRuns(log: usize, first: u32, removed: u32): void {
  if (removed == 0) return;
  const left = runCount(log) - removed;
  memory.copy(runAt(log, first), runAt(log, first + removed), (left - first) * S.RUN_SIZE);
  store<u32>(log, left, S.LOG_COUNT);
}

/**
 * Joins neighbours of the same fate whose times differ by less than a thirtieth of what the log
 * spans. The joined run has the later time.
 */
function joinRuns(log: usize): void {
  const count = runCount(log);
  const step = spanOf(log, count) / (S.LOG_RUNS_MAX / 2);
  let into: u32 = 0;
  let begun = runTime(runAt(log, 0));
  for (let i: u32 = 1; i < count; i++) {
    const run = runAt(log, i);
    const kept = runAt(log, into);
    const same = runFlags(run) == runFlags(kept);
    const time = runTime(run);
    if (same && time >= begun && time - begun <= step) {
      store<u32>(kept, runEnd(run), S.RUN_END);
      store<u64>(kept, time, S.RUN_TIME);
      continue;
    }
    into++;
    begun = time;
    memory.copy(runAt(log, into), run, S.RUN_SIZE);
  }
  store<u32>(log, into + 1, S.LOG_COUNT);
}

function spanOf(log: usize, count: u32): u64 {
  let least = u64.MAX_VALUE;
  let most: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    least = min(least, runTime(runAt(log, i)));
    most = max(most, runTime(runAt(log, i)));
  }
  return most - least;
}

/** A run has another fate from here on. */
export function restate(log: usize, index: u32, flags: u32): void {
  const run = runAt(log, index);
  recount(log, runFlags(run), flags, seqDistance(runStart(log, index), runEnd(run)));
  store<u32>(run, flags, S.RUN_FLAGS);
}

/** So many bytes are counted by other flags than before. */
export function recount(log: usize, old: u32, flags: u32, bytes: u32): void {
  if (((old ^ flags) & S.RUN_SACKED) != 0) move(log, S.LOG_SACKED, flags & S.RUN_SACKED, bytes);
  if (((old ^ flags) & S.RUN_LOST) != 0) move(log, S.LOG_LOST, flags & S.RUN_LOST, bytes);
  if (((old ^ flags) & S.RUN_AGAIN) != 0) move(log, S.LOG_AGAIN, flags & S.RUN_AGAIN, bytes);
  if (((old ^ flags) & S.RUN_TWICE) != 0) move(log, S.LOG_TWICE, flags & S.RUN_TWICE, bytes);
}

// @ts-ignore: decorator
@inline
function move(log: usize, counter: usize, up: u32, bytes: u32): void {
  const value = load<u32>(log + counter);
  store<u32>(log + counter, up != 0 ? value + bytes : value - bytes);
}

/** True when two boundaries more can be made. */
export function hasRoom(log: usize): bool {
  if (runCount(log) + 2 <= S.LOG_RUNS_MAX) return true;
  joinRuns(log);
  return runCount(log) + 2 <= S.LOG_RUNS_MAX;
}

/** The first run that does not end before `seq`; the number of runs when all do. */
function runUpTo(log: usize, seq: u32): u32 {
  let low: u32 = 0;
  let high = runCount(log);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (seqBefore(runEnd(runAt(log, middle)), seq)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The run that begins at `seq`, within the log; one is split for it where hasRoom(). By halves: a
 * peer may name eight edges an ACK (CVE-2019-11478).
 */
export function splitAt(log: usize, seq: u32): u32 {
  if (seqAtOrBefore(seq, load<u32>(log, S.LOG_START))) return 0;
  const count = runCount(log);
  const at = runUpTo(log, seq);
  if (at == count) return count;
  const run = runAt(log, at);
  if (runEnd(run) == seq) return at + 1;
  memory.copy(runAt(log, at + 1), run, (count - at) * S.RUN_SIZE);
  store<u32>(run, seq, S.RUN_END);
  store<u32>(log, count + 1, S.LOG_COUNT);
  return at + 1;
}

/** Neighbours that the peer has are one run. */
export function joinSacked(log: usize): void {
  let i: u32 = 1;
  while (i < runCount(log)) {
    const before = runAt(log, i - 1);
    const run = runAt(log, i);
    if ((runFlags(before) & runFlags(run) & S.RUN_SACKED) == 0) {
      i++;
      continue;
    }
    store<u32>(before, runEnd(run), S.RUN_END);
    removeRuns(log, i, 1);
  }
}

/** [start, end) leaves again, now (RFC 8985 6.1; RACK-2): lost it is no longer. */
export function logAgain(log: usize, start: u32, end: u32, now: u64): void {
  const room = hasRoom(log);
  const first = room ? splitAt(log, start) : runOf(log, start);
  const after = room ? splitAt(log, end) : first + 1;
  for (let i = first; i < after; i++) {
    const run = runAt(log, i);
    const old = runFlags(run);
    // What the peer has is in the network no more: runs of it are joined, so they are all alike.
    if ((old & S.RUN_SACKED) != 0) continue;
    const twice = (old & S.RUN_LOST) == 0 ? S.RUN_TWICE : 0;
    restate(log, i, (old & ~(S.RUN_LOST | S.RUN_TWICE)) | S.RUN_AGAIN | twice);
    store<u64>(run, now, S.RUN_TIME);
  }
}

/** The run that has byte `seq`. */
function runOf(log: usize, seq: u32): u32 {
  let i: u32 = 0;
  while (i + 1 < runCount(log) && seqAtOrBefore(runEnd(runAt(log, i)), seq)) i++;
  return i;
}

/** The first run that is lost; NO_RUN when none is. */
export function lostRun(log: usize): u32 {
  if (load<u32>(log, S.LOG_LOST) == 0) return NO_RUN;
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    if ((runFlags(runAt(log, i)) & S.RUN_LOST) != 0) return i;
  }
  return NO_RUN;
}

/** What is in the network: RFC 6675 4, SetPipe() (SK-12). */
export function pipeOf(p: usize, log: usize): u32 {
  const gone = load<u32>(log, S.LOG_SACKED) + load<u32>(log, S.LOG_LOST);
  return load<u32>(p, F.PROTOCOL_TX_SENT) - gone + load<u32>(log, S.LOG_TWICE);
}
