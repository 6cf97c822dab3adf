/**
 * Recovery by the send log: what is lost is sent again in sequence, new data after it. How much may
 * leave is said by proportional rate reduction (RFC 6937 with its slow-start bound) after a fast
 * retransmit and by slow start after a timeout (RFC 6675, 5.1).
 *
 * In such a recovery PROTOCOL_CWND is txSent plus what may be sent now, so that the rule for new
 * data (window.ts) need not know of it; a retransmission takes its bytes from there (RACK-13).
 * FLOW_RETRANSMIT says that something lost is due and allowed.
 */
import { congestionOnAck, congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { endReorderRound, isRack, markLostByTime, markOldLost } from "./rack.ts";
import { markFirstLost, markHoleLost, markLostByCount } from "./scoreboard.ts";
import { logAgain, logOf, lostRun, NO_RUN, passBy, pipeOf, restate } from "./send-log.ts";
import { runAt, runCount, runEnd, runFlags, runStart } from "./send-log.ts";
import { flagsOf, setFlags } from "./state.ts";
import { CONGESTION_WINDOW_MAX } from "../../bindings/abi/congestion.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/send-log.ts";
import { seqAfter, seqBefore, seqDistance } from "../../bindings/abi/seq.ts";

// @ts-ignore: decorator
@inline
export function modeOf(r: usize): u32 {
  return load<u8>(r, F.RECOVERY_MODE);
}

// @ts-ignore: decorator
@inline
function setMode(r: usize, mode: u32): void {
  store<u8>(r, <u8>mode, F.RECOVERY_MODE);
}

/** Modes in which RECOVERY_WINDOW is the window, and what it leaves may go. */
// @ts-ignore: decorator
@inline
export function isByWindow(mode: u32): bool {
  return mode >= <u32>F.RecoveryMode.Timeout;
}

/** What the log says is lost now, by time or by counting; the log is not 0. */
export function findLost(core: usize, p: usize, r: usize): void {
  const log = logOf(r);
  if (isRack(r)) markLostByTime(core, p, r, log);
  else markLostByCount(p, r, log);
}

/**
 * Fast retransmit begins (RFC 6675 5, 4.1 to 4.3, SK-24): the congestion policy has set ssthresh,
 * and what is lost first goes at once.
 */
export function enterReduction(p: usize, r: usize): void {
  const log = logOf(r);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  if (load<u32>(log, S.LOG_LOST) == 0) markFirstLost(p, log);
  setMode(r, F.RecoveryMode.Reduction);
  beginReduction(p, r);
  setFlags(p, flagsOf(p) | F.FLOW_RECOVERY);
  allow(p, r, 0, isWindowless(r) ? CONGESTION_WINDOW_MAX : mss);
}

function beginReduction(p: usize, r: usize): void {
  store<u32>(r, load<u32>(p, F.PROTOCOL_TX_SENT), F.RECOVERY_PRR_FLIGHT);
  store<u32>(r, 0, F.RECOVERY_PRR_DELIVERED);
  store<u32>(r, 0, F.RECOVERY_PRR_ALLOWED);
}

/** Recovery goes on with a window that the congestion policy has just set as ssthresh. */
export function resumeRecovery(p: usize, r: usize): void {
  store<u32>(r, load<u32>(r, F.RECOVERY_SSTHRESH), F.RECOVERY_WINDOW);
  beginReduction(p, r);
  allow(p, r, 0, isByWindow(modeOf(r)) ? room(p, r) : 0);
}

/**
 * Everything again, PROTOCOL_CWND being the window to begin with: the retransmission timer has
 * `expired` (RFC 2018 5.1, SK-7, SK-21: what was selectively acknowledged counts no more, and the
 * segment at una goes whatever is in the network), or the segments were too large for the path.
 */
export function enterTimeout(core: usize, p: usize, r: usize, expired: bool): void {
  const log = logOf(r);
  passBy(log, load<u32>(p, F.PROTOCOL_TX_UNA));
  if (expired) forgetSacked(log);
  setMode(r, F.RecoveryMode.Timeout);
  setFlags(p, flagsOf(p) | F.FLOW_RECOVERY);
  markFirstLost(p, log);
  if (expired && isRack(r)) markOldLost(core, p, r, log);
  else markAllLost(log);
  store<u32>(r, load<u32>(p, F.PROTOCOL_CWND), F.RECOVERY_WINDOW);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  allow(p, r, 0, max(room(p, r), mss));
}

/**
 * RFC 4821 7.6.2 (PM-15): the first run of the log, a probe of the path's MTU, was too large, and
 * goes again in segments that are not. The window is as it was, for what follows too.
 */
export function enterSizeProbe(p: usize, r: usize): void {
  const log = logOf(r);
  restate(log, 0, (runFlags(runAt(log, 0)) & S.RUN_AGAIN) | S.RUN_LOST);
  store<u32>(r, runEnd(runAt(log, 0)), F.RECOVERY_RECOVER);
  store<u32>(r, load<u32>(p, F.PROTOCOL_CWND), F.RECOVERY_WINDOW);
  store<u32>(r, 0, F.RECOVERY_PRIOR_CWND);
  setMode(r, F.RecoveryMode.SizeProbe);
  setFlags(p, flagsOf(p) | F.FLOW_RECOVERY);
  const least: u32 = load<u16>(p, F.PROTOCOL_MSS);
  allow(p, r, 0, max(least, room(p, r)));
}

/**
 * RFC 4821 7.6.4: in such a recovery something else is lost as well, or what went again: it is
 * over, and the loss is for another to answer. False: it goes on, or is none.
 */
export function endsSizeProbe(p: usize, r: usize): bool {
  if (modeOf(r) != F.RecoveryMode.SizeProbe) return false;
  const log = logOf(r);
  const end = load<u32>(r, F.RECOVERY_RECOVER);
  for (let i = runCount(log); i > 0; i--) {
    const run = runAt(log, i - 1);
    if ((runFlags(run) & S.RUN_LOST) == 0) continue;
    if ((runFlags(run) & S.RUN_AGAIN) == 0 && !seqAfter(runEnd(run), end)) continue;
    store<u32>(p, load<u32>(r, F.RECOVERY_WINDOW), F.PROTOCOL_CWND);
    store<u32>(r, load<u32>(p, F.PROTOCOL_TX_UNA), F.RECOVERY_RECOVER);
    leaveRecovery(p, r);
    return true;
  }
  return false;
}

function forgetSacked(log: usize): void {
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    restate(log, i, runFlags(runAt(log, i)) & S.RUN_AGAIN);
  }
}

/** Everything that the peer is not known to have. */
function markAllLost(log: usize): void {
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    const flags = runFlags(runAt(log, i));
    if ((flags & S.RUN_SACKED) == 0) restate(log, i, (flags & ~S.RUN_TWICE) | S.RUN_LOST);
  }
  store<u64>(log, 0, S.LOG_REORDER);
}

/** A rate in place of a window: nothing is held back. */
// @ts-ignore: decorator
@inline
function isWindowless(r: usize): bool {
  return load<u32>(r, F.RECOVERY_SSTHRESH) >= CONGESTION_WINDOW_MAX;
}

/** `more` bytes may leave beyond `out`, which have. */
function allow(p: usize, r: usize, out: u32, more: u32): void {
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_SENT) + more, F.PROTOCOL_CWND);
  store<u32>(r, out + more, F.RECOVERY_PRR_ALLOWED);
  chooseLost(p, r);
}

/** Bytes that the window leaves beside what is in the network. */
function room(p: usize, r: usize): u32 {
  const window = load<u32>(r, F.RECOVERY_WINDOW);
  const pipe = pipeOf(p, logOf(r));
  return window > pipe ? window - pipe : 0;
}

/** cwnd as the congestion policy knows it. */
export function windowOf(p: usize, r: usize): u32 {
  const mode = (flagsOf(p) & F.FLOW_RECOVERY) != 0 ? modeOf(r) : F.RecoveryMode.NewReno;
  if (isByWindow(mode)) return load<u32>(r, F.RECOVERY_WINDOW);
  if (mode == F.RecoveryMode.Reduction) return load<u32>(r, F.RECOVERY_SSTHRESH);
  return load<u32>(p, F.PROTOCOL_CWND);
}

/**
 * An ACK in recovery, una and scoreboard up to date, that said for the first time of `delivered`
 * bytes that they have arrived; una has passed `acked`.
 */
export function acknowledgeInReduction(
  core: usize, p: usize, r: usize, acked: u32, delivered: u32,
): void {
  if (isRecovered(p, r)) {
    endRecovery(p, r);
    const window = load<u32>(r, F.RECOVERY_SSTHRESH);
    return congestionOnRecoveryExit(p, r, window, load<u64>(core, CORE_NOW));
  }
  partly(p, r, acked);
  // Unused allowance: cwnd was txSent before this ACK and that.
  const left = load<u32>(p, F.PROTOCOL_CWND) - (load<u32>(p, F.PROTOCOL_TX_SENT) + acked);
  const out = load<u32>(r, F.RECOVERY_PRR_ALLOWED) - left;
  const total = load<u32>(r, F.RECOVERY_PRR_DELIVERED) + delivered;
  store<u32>(r, total, F.RECOVERY_PRR_DELIVERED);
  allow(p, r, out, reduced(p, r, total, delivered, out));
}

/**
 * The same after a timeout: `freed` bytes of `before` in flight were acknowledged; the window grows
 * as it does outside of recovery.
 */
export function acknowledgeAfterTimeout(
  core: usize, p: usize, r: usize, freed: u32, before: u32, echo: bool,
): void {
  store<u32>(p, load<u32>(r, F.RECOVERY_WINDOW), F.PROTOCOL_CWND);
  congestionOnAck(p, r, freed, before, echo, load<u64>(core, CORE_NOW), 0);
  if (isRecovered(p, r)) return endRecovery(p, r);
  store<u32>(r, load<u32>(p, F.PROTOCOL_CWND), F.RECOVERY_WINDOW);
  partly(p, r, freed);
  allow(p, r, 0, room(p, r));
}

/** More is known to be lost, or to have arrived, and una has not moved. */
export function refreshAllowance(core: usize, p: usize, r: usize, delivered: u32): void {
  if (isByWindow(modeOf(r))) allow(p, r, 0, room(p, r));
  else acknowledgeInReduction(core, p, r, 0, delivered);
}

// @ts-ignore: decorator
@inline
function isRecovered(p: usize, r: usize): bool {
  return !seqBefore(load<u32>(p, F.PROTOCOL_TX_UNA), load<u32>(r, F.RECOVERY_RECOVER));
}

/**
 * A partial ACK behind which nothing is known to have arrived: what is at una was lost too
 * (RFC 6582, 3.2). RACK tells by time.
 */
function partly(p: usize, r: usize, acked: u32): void {
  const log = logOf(r);
  if (acked == 0 || isRack(r) || load<u32>(log, S.LOG_SACKED) != 0) return;
  if (load<u32>(log, S.LOG_LOST) != 0) return;
  if ((runFlags(runAt(log, 0)) & S.RUN_AGAIN) == 0) markFirstLost(p, log);
}

/** RFC 6937 3 (RACK-18): sndcnt. */
function reduced(p: usize, r: usize, total: u32, delivered: u32, out: u32): u32 {
  if (isWindowless(r)) return CONGESTION_WINDOW_MAX;
  const threshold = load<u32>(r, F.RECOVERY_SSTHRESH);
  const inNetwork = pipeOf(p, logOf(r));
  if (inNetwork > threshold) {
    const flight = <u64>load<u32>(r, F.RECOVERY_PRR_FLIGHT);
    const due = <u32>min<u64>((<u64>total * threshold + flight - 1) / flight, 0x3fffffff);
    return due > out ? due - out : 0;
  }
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const owed = total > out ? total - out : 0;
  return min(threshold - inNetwork, max(owed, delivered) + mss);
}

/**
 * RFC 6675 4, NextSeg(), rules 1 and 3 (SK-13, SK-15): the next that is lost, if it may go. Rule 2
 * (SK-14), new data, needs no flag. Rule 4, the rescue, is left to the timer.
 */
function chooseLost(p: usize, r: usize): void {
  const log = logOf(r);
  const nothingNew = load<u32>(p, F.PROTOCOL_TX_AVAIL) == 0;
  if (nothingNew && !isRack(r) && load<u32>(log, S.LOG_LOST) == 0) markHoleLost(log);
  const length = lostLength(p, log);
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const cwnd = load<u32>(p, F.PROTOCOL_CWND);
  const may = length != 0 && cwnd > sent && cwnd - sent >= length;
  const flags = flagsOf(p) & ~F.FLOW_RETRANSMIT;
  setFlags(p, may ? flags | F.FLOW_RETRANSMIT : flags);
}

/** First byte of what is lost first; una when nothing is. */
export function lostStart(p: usize, log: usize): u32 {
  const index = lostRun(log);
  return index == NO_RUN ? load<u32>(p, F.PROTOCOL_TX_UNA) : runStart(log, index);
}

/** Sequence numbers from there on that go in one segment, 0 when nothing is lost. */
export function lostLength(p: usize, log: usize): u32 {
  const index = lostRun(log);
  if (index == NO_RUN) return 0;
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  return min(mss, seqDistance(runStart(log, index), runEnd(runAt(log, index))));
}

/** [seq, end) with `length` bytes has left again (SK-17). */
export function sentAgain(core: usize, p: usize, r: usize, seq: u32, end: u32, length: u32): void {
  const log = logOf(r);
  logAgain(log, seq, end, load<u64>(core, CORE_NOW));
  if (modeOf(r) == F.RecoveryMode.NewReno) return;
  const cwnd = load<u32>(p, F.PROTOCOL_CWND);
  const least = load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(p, cwnd > least + length ? cwnd - length : least, F.PROTOCOL_CWND);
  chooseLost(p, r);
}

/** Everything up to the recovery point has arrived (SK-16); what is known beyond stays (SK-26). */
export function endRecovery(p: usize, r: usize): void {
  leaveRecovery(p, r);
  endReorderRound(r);
}

/** The same of one that was for nothing: no loss, so it says nothing of reordering. */
export function leaveRecovery(p: usize, r: usize): void {
  setFlags(p, flagsOf(p) & ~(F.FLOW_RECOVERY | F.FLOW_RETRANSMIT));
  setMode(r, F.RecoveryMode.NewReno);
  store<u32>(r, 0, F.RECOVERY_PRIOR_CWND);
}
