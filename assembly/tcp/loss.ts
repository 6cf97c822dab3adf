/**
 * Protocol stage, loss recovery by duplicate ACKs: fast retransmit, then what the peer's SACK says
 * (RFC 6675, sack-recovery.ts), NewReno fast recovery without it (RFC 5681, 3.2; RFC 6582), or
 * go-back-N where FLOW_GO_BACK_N asks for the paper's (4.3.1.3).
 */
import { congestionOnLoss } from "./congestion/congestion-control.ts";
import { congestionOnRecoveryExit } from "./congestion/congestion-control.ts";
import { rttAbandon } from "./round-trip-time.ts";
import { acknowledgeInSackRecovery, enterSackRecovery } from "./sack-recovery.ts";
import { isSackRecovery, resumeSackRecovery } from "./sack-recovery.ts";
import { forgetSacked, lostEdge, sackedCount } from "./scoreboard.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { DUP_ACK_THRESHOLD } from "../../bindings/abi/limits.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { seqBefore } from "../../bindings/abi/seq.ts";
import * as W from "../../bindings/abi/work.ts";
import { act, announceReduction, flagsOf, sentData, setFlags } from "./state.ts";

/** Takes what is in flight back to unsent: the next segment starts at una (Reset). */
export function goBack(p: usize): void {
  store<u32>(p, load<u32>(p, F.PROTOCOL_TX_AVAIL) + sentData(p), F.PROTOCOL_TX_AVAIL);
  store<u32>(p, 0, F.PROTOCOL_TX_SENT);
  setFlags(p, flagsOf(p) & ~(F.FLOW_FIN_SENT | F.FLOW_RETRANSMIT));
}

/** RFC 2018, section 8: after a timeout nothing that was selectively acknowledged counts. */
export function forgetScoreboard(r: usize): void {
  forgetSacked(r);
  store<u32>(r, 0, F.RECOVERY_PRR_FLIGHT);
}

/**
 * A duplicate ACK: by RFC 5681's definition, or, with `delivered`, one that says for the first time
 * that bytes have arrived (RFC 6675, section 2). The third starts fast retransmit, or as much in
 * the scoreboard.
 */
export function countDuplicate(
  core: usize, work: usize, p: usize, r: usize, delivered: u32,
): void {
  act(work, W.ACTION_DUP_ACK);
  const flags = flagsOf(p);
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  if ((flags & F.FLOW_RECOVERY) != 0) {
    if (isSackRecovery(r)) {
      return acknowledgeInSackRecovery(p, r, 0, delivered, load<u64>(core, CORE_NOW));
    }
    // Each one says that a segment has left the network (RFC 6582, 3.2 step 4).
    const window = load<u32>(p, F.PROTOCOL_CWND);
    const ceiling = load<u32>(p, F.PROTOCOL_TX_SENT) + load<u32>(r, F.RECOVERY_SSTHRESH) + 4 * mss;
    if (window < ceiling) store<u32>(p, window + mss, F.PROTOCOL_CWND);
    return;
  }
  const duplicates = <u32>load<u8>(p, F.PROTOCOL_DUP_ACKS) + 1;
  if (duplicates <= DUP_ACK_THRESHOLD) store<u8>(p, <u8>duplicates, F.PROTOCOL_DUP_ACKS);
  if (duplicates == DUP_ACK_THRESHOLD) enterRecovery(core, work, p, r);
  else if (delivered != 0) recoverLost(core, work, p, r);
}

/** The scoreboard alone may say that una is lost: RFC 6675, section 5, (2). */
export function recoverLost(core: usize, work: usize, p: usize, r: usize): void {
  if (lostEdge(p, r) != load<u32>(p, F.PROTOCOL_TX_UNA)) enterRecovery(core, work, p, r);
}

/** The third duplicate ACK: fast retransmit (RFC 5681, 3.2). */
export function enterRecovery(core: usize, work: usize, p: usize, r: usize): void {
  const una = load<u32>(p, F.PROTOCOL_TX_UNA);
  // RFC 6582, 3.2 step 2: no second recovery for losses that the first one or an RTO covers.
  if (seqBefore(una, load<u32>(r, F.RECOVERY_RECOVER))) return;
  // RFC 5681, 3.2 step 2: what limited transmit added does not count as flight.
  const flight = min(load<u32>(p, F.PROTOCOL_TX_SENT), load<u32>(p, F.PROTOCOL_CWND));
  const mss: u32 = load<u16>(p, F.PROTOCOL_MSS);
  congestionOnLoss(p, r, flight, load<u64>(core, CORE_NOW));
  announceReduction(p);
  store<u32>(r, una + load<u32>(p, F.PROTOCOL_TX_MAX), F.RECOVERY_RECOVER);
  const ssthresh = load<u32>(r, F.RECOVERY_SSTHRESH);
  act(work, W.ACTION_FAST_RETRANSMIT);
  rttAbandon(r);
  if ((flagsOf(p) & F.FLOW_GO_BACK_N) != 0) {
    store<u32>(p, ssthresh, F.PROTOCOL_CWND);
    store<u8>(p, 0, F.PROTOCOL_DUP_ACKS);
    forgetScoreboard(r);
    goBack(p);
    return;
  }
  if (sackedCount(r) != 0) return enterSackRecovery(p, r);
  store<u32>(p, ssthresh + DUP_ACK_THRESHOLD * mss, F.PROTOCOL_CWND);
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
  setFlags(p, flags | F.FLOW_RETRANSMIT);
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
  if (isSackRecovery(r)) return resumeSackRecovery(p, r);
  store<u32>(p, load<u32>(r, F.RECOVERY_SSTHRESH), F.PROTOCOL_CWND);
}
