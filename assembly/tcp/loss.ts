/**
 * Protocol stage, loss recovery: when it begins. With a send log by what the peer says it has,
 * found by time (rack.ts) or by counting (scoreboard.ts) and gone through by sack-recovery.ts;
 * without one by duplicate ACKs: NewReno fast recovery (RFC 5681, 3.2; RFC 6582), or go-back-N
 * where FLOW_GO_BACK_N asks for the paper's (4.3.1.3).
 */
import { congestionOnLoss } from "./congestion/congestion-control.ts";
import { congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { duplicateThreshold, isRack } from "./rack.ts";
import { chooseTimer, restartRetransmit } from "./retransmit-timer.ts";
import { rttAbandon } from "./round-trip-time.ts";
import { endsSizeProbe, enterReduction, enterSizeProbe, findLost } from "./sack-recovery.ts";
import { modeOf, refreshAllowance, resumeRecovery } from "./sack-recovery.ts";
import { logOf, needLog } from "./send-log.ts";
import { forgetSizeProbe, isSizeProbeLost, sizeProbeOf } from "./size-probe.ts";
import { doubtOf, endDoubt, rememberWindow, settleByDuplicate } from "./spurious.ts";
import { forgetProbe, probeDue } from "./tail-loss-probe.ts";
import { protocolOf, recoveryOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../bindings/abi/limits.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { LOG_AGAIN, LOG_LOST, LOG_REORDER, LOG_SACKED } from "../../bindings/abi/send-log.ts";
import { seqBefore } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import { act, announceReduction, flagsOf, hasSendable, sentData, setFlags } from "./state.ts";

/** Takes what is in flight back to unsent: the next segment starts at una (Reset). */
export function goBack(p: usize): void {
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_AVAIL) + sentData(p), F.PROTOCOL_TX_AVAIL);
  store<u32>(p, 0, F.PROTOCOL_TX_SENT);
  setFlags(p, flagsOf(p) & ~(F.FLOW_FIN_SENT | F.FLOW_RETRANSMIT));
}

/**
 * A duplicate ACK: by RFC 5681's definition, or, with `delivered`, one that says for the first time
 * that bytes have arrived (RFC 6675, section 2). The third, or the first where LOSS_AT_FIRST is
 * set, starts fast retransmit, or as much in the scoreboard.
 */
export function countDuplicate(
  core: usize, work: usize, p: usize, r: usize, delivered: u32,
): void {
  act(work, W.ACTION_DUP_ACK);
  const flags = flagsOf(p);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  const doubt = doubtOf(r);
  if (doubt == F.Doubt.Tested) return settleByDuplicate(core, p, r, delivered);
  // RFC 5682 2.1, step 2 a); with blocks of SACK it is 3.1's step 2, which waits.
  if (doubt != F.Doubt.None && logOf(r) == 0) endDoubt(core, p, r);
  if ((flags & F.FLOW_RECOVERY) != 0) {
    if (modeOf(r) != F.RecoveryMode.NewReno) return refreshAllowance(core, p, r, delivered);
    // Each one says that a segment has left the network (RFC 6582, 3.2 step 4); no more of them
    // than there were can have (RFC 5681, 3.2; threats C02).
    const window = load<u32>(p, F.PROTOCOL_CWND) + mss;
    if (window <= load<u32>(r, F.RECOVERY_WINDOW)) store<u32>(p, window, F.PROTOCOL_CWND);
    return;
  }
  const duplicates = <u32>load<u8>(p, F.PROTOCOL_DUP_ACKS) + 1;
  if (duplicates <= DUP_ACK_THRESHOLD) store<u8>(p, <u8>duplicates, F.PROTOCOL_DUP_ACKS);
  // RACK-12: with RACK neither three duplicates nor three runs say anything by themselves.
  const counts = delivered == 0 || !isRack(r);
  if (counts && duplicates == duplicateThreshold(r)) enterRecovery(core, work, p, r);
}

/** The log alone may say that something is lost: RFC 6675, section 5, (2); RFC 8985, 6.2. */
export function recoverLost(core: usize, work: usize, p: usize, r: usize): void {
  const log = logOf(r);
  if (log == 0 || ((flagsOf(p) & F.FLOW_RECOVERY) != 0 && !isRefuted(p, r))) return;
  if (load<u32>(log, LOG_LOST) != 0) enterRecovery(core, work, p, r);
}

/** RFC 4821 7.6.4: a probe was not lost alone after all, so its loss says nothing of its size. */
function isRefuted(p: usize, r: usize): bool {
  if (!endsSizeProbe(p, r)) return false;
  forgetSizeProbe(r);
  return true;
}

/** The third duplicate ACK, or a loss that the log shows: fast retransmit (RFC 5681, 3.2). */
export function enterRecovery(core: usize, work: usize, p: usize, r: usize): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  // RFC 6582, 3.2 step 2: no second recovery for losses that the first one or an RTO covers.
  if (seqBefore(una, load<u32>(r, F.RECOVERY_RECOVER))) return;
  if (isSizeProbeLost(p, r)) {
    rttAbandon(r);
    forgetProbe(r);
    return enterSizeProbe(p, r);
  }
  // RFC 5681, 3.2 step 2: what limited transmit added does not count as flight.
  const flight = min(load<u32>(p, F.PROTOCOL_TX_SENT), load<u32>(p, F.PROTOCOL_CWND));
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  rememberWindow(core, p, r);
  congestionOnLoss(p, r, flight, load<u64>(core, CORE_NOW));
  announceReduction(p);
  store<u32>(r, una + load<u32>(p, F.PROTOCOL_TX_MAX), F.RECOVERY_RECOVER);
  const ssthresh = load<u32>(r, F.RECOVERY_SSTHRESH);
  act(work, W.ACTION_FAST_RETRANSMIT);
  rttAbandon(r);
  forgetProbe(r);
  if ((flagsOf(p) & F.FLOW_GO_BACK_N) != 0) {
    store<u32>(p, ssthresh, F.PROTOCOL_CWND);
    store<u8>(p, 0, F.PROTOCOL_DUP_ACKS);
    goBack(p);
    return;
  }
  const log = needLog(core, p, r);
  if (log != 0 && (load<u32>(log, LOG_SACKED) | load<u32>(log, LOG_LOST)) != 0) {
    return enterReduction(p, r);
  }
  store<u32>(p, ssthresh + duplicateThreshold(r) * mss, F.PROTOCOL_CWND);
  boundInflation(p, r);
  setFlags(p, flagsOf(p) | F.FLOW_RECOVERY | F.FLOW_RETRANSMIT);
}

/**
 * New data acknowledged during fast recovery: a full acknowledgment ends it, a partial one
 * retransmits the next hole (RFC 6582, 3.2 step 3).
 */
export function acknowledgeInRecovery(core: usize, p: usize, r: usize, acked: u32): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  const flags = flagsOf(p);
  if (!seqBefore(una, load<u32>(r, F.RECOVERY_RECOVER))) {
    setFlags(p, flags & ~(F.FLOW_RECOVERY | F.FLOW_RETRANSMIT));
    congestionOnRecoveryExit(p, r, load<u32>(p, F.PROTOCOL_TX_SENT), load<u64>(core, CORE_NOW));
    return;
  }
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  let window = load<u32>(p, F.PROTOCOL_CWND);
  window = window > acked + mss ? window - acked : mss;
  if (acked >= mss) window += mss;
  store<u32>(p, window, F.PROTOCOL_CWND);
  boundInflation(p, r);
  setFlags(p, flags | F.FLOW_RETRANSMIT);
}

/** Fast recovery's window when all that is in flight now has left the network. */
function boundInflation(p: usize, r: usize): void {
  const most = load<u32>(p, F.PROTOCOL_TX_SENT) + load<u32>(r, F.RECOVERY_SSTHRESH);
  store<u32>(r, most + 4 * <u32>load<u16>(p, F.PROTOCOL_MSS), F.RECOVERY_WINDOW);
}

/** ECHO_LOSS as log and probe ask for it: acknowledgments are not predicted then. */
export function noteLossState(p: usize, r: usize): void {
  const log = logOf(r);
  let wanted = <u32>load<u8>(r, F.RECOVERY_PROBE) | sizeProbeOf(r);
  if (log != 0) {
    wanted |= load<u32>(log, LOG_SACKED) | load<u32>(log, LOG_LOST) | load<u32>(log, LOG_AGAIN);
    // RFC 8985 6.2, step 5: also of what left before a retransmission that has been acknowledged.
    wanted |= <u32>(load<u64>(log, LOG_REORDER) != 0);
  }
  const echo = <u32>load<u8>(p, F.PROTOCOL_ECHO) & ~F.ECHO_LOSS;
  store<u8>(p, <u8>(wanted != 0 ? echo | F.ECHO_LOSS : echo), F.PROTOCOL_ECHO);
}

/** The timer in the RTO's place has expired: a tail loss probe, or RACK's reordering timer. */
export function protocolLossTimer(core: usize, work: usize): void {
  const connection = load<u32>(work, W.WORK_CONNECTION);
  const p = protocolOf(core, connection);
  const r = recoveryOf(core, connection);
  store<u32>(work, 0, W.WORK_ACTIONS);
  store<u32>(work, 0, W.WORK_OUT_PAYLOAD_LENGTH);
  store<u32>(work, 0, W.WORK_PLACEMENT_COUNT);
  store<u32>(work, 0, W.WORK_OUT_ECN);
  if (load<u8>(r, F.RECOVERY_TIMER) == <u8>F.LossTimer.Probe) {
    probeDue(core, work, p, r);
    // TLP-5: the RTO comes next.
    return restartRetransmit(core, connection, p);
  }
  if (logOf(r) != 0) reorderTimer(core, work, p, r);
  noteLossState(p, r);
  chooseTimer(core, connection, p, r);
}

/** The reordering window has passed (RACK-9). */
function reorderTimer(core: usize, work: usize, p: usize, r: usize): void {
  const inRecovery = (flagsOf(p) & F.FLOW_RECOVERY) != 0;
  findLost(core, p, r);
  if (!inRecovery) recoverLost(core, work, p, r);
  else if (doubtOf(r) == F.Doubt.Tested) return;
  else if (modeOf(r) != F.RecoveryMode.NewReno) {
    refreshAllowance(core, p, r, 0);
    recoverLost(core, work, p, r);
  }
  if (hasSendable(p, r)) act(work, W.ACTION_SCHEDULE);
}

/**
 * A connection that had a rate has got a window (AtxOpcode.SetAlgorithm) in the middle of recovery:
 * the loss is answered now, for nothing held the sender back before.
 */
export function recoverWithWindow(core: usize, p: usize, r: usize): void {
  if ((flagsOf(p) & F.FLOW_RECOVERY) == 0) return;
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  store<u32>(p, sent, F.PROTOCOL_CWND);
  congestionOnLoss(p, r, sent, load<u64>(core, CORE_NOW));
  announceReduction(p);
  if (modeOf(r) != F.RecoveryMode.NewReno) return resumeRecovery(p, r);
  store<u32>(p, load<u32>(r, F.RECOVERY_SSTHRESH), F.PROTOCOL_CWND);
  boundInflation(p, r);
}
