/**
 * Retransmissions that nothing made necessary: the Eifel algorithm (RFC 3522) tells them by the
 * timestamp that the first acknowledgment echoes, and its response (RFC 4015) takes back what they
 * did to the congestion window. Without both of timestamps and send log a timeout is told by what
 * the second acknowledgment says of data that did not go again (forward RTO-recovery, RFC 5682).
 *
 * Invariant: RECOVERY_DOUBT is Tested only in FLOW_RECOVERY, with all that was ever sent in flight
 * and PROTOCOL_CWND the allowance of two segments; in mode Timeout if there is a log.
 */
import { congestionOnUndo } from "./congestion/congestion-control.ts";
import { count } from "../base/counter.ts";
import { goBack } from "./loss.ts";
import { isEchoOlder } from "./rack.ts";
import { leaveRecovery, refreshAllowance, windowOf } from "./sack-recovery.ts";
import { logOf, restate, runAt, runCount, runFlags } from "./send-log.ts";
import { endSizeProbe } from "./size-probe.ts";
import { flagsOf, sendable, setFlags } from "./state.ts";
import { CONGESTION_WINDOW_MAX } from "../../bindings/abi/congestion.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW_TICKS, TICK_NS } from "../../bindings/abi/memory-map.ts";
import { LOG_AGAIN, LOG_FACK, LOG_RACK_TIME, RUN_LOST } from "../../bindings/abi/send-log.ts";
import { seqAfter, seqBefore } from "../../bindings/abi/seq.ts";

/** Recovery is about to begin: what it will take away. */
export function rememberWindow(core: usize, p: usize, r: usize): void {
  store<u32>(r, windowOf(p, r), F.RECOVERY_PRIOR_CWND);
  store<u32>(r, load<u32>(r, F.RECOVERY_SSTHRESH), F.RECOVERY_PRIOR_SSTHRESH);
  store<u32>(r, load<u32>(core, CORE_NOW_TICKS), F.RECOVERY_RETRANSMIT_TICK);
}

/**
 * The first ACK of a recovery that moves una, by `acked`: true when it answers what was sent before
 * the retransmission, and recovery is over. With `echo` (ECE) there is congestion in any case.
 */
export function isSpurious(
  core: usize, work: usize, p: usize, r: usize, acked: u32, echo: bool,
): bool {
  const window = load<u32>(r, F.RECOVERY_PRIOR_CWND);
  if (acked == 0 || window == 0 || logOf(r) == 0) return false;
  store<u32>(r, 0, F.RECOVERY_PRIOR_CWND);
  const sent = <u64>load<u32>(r, F.RECOVERY_RETRANSMIT_TICK) * TICK_NS;
  if (echo || !isEchoOlder(core, work, sent)) return false;
  leaveSpurious(core, p, r);
  takeBack(p, r, window, acked);
  return true;
}

/** Recovery was for nothing, and is over. */
function leaveSpurious(core: usize, p: usize, r: usize): void {
  forgetLosses(r);
  leaveRecovery(p, r);
  // RFC 6582 3.2 step 2 is of a recovery that was for something: what is lost now begins one.
  store<u32>(r, load<u32>(p, F.PROTOCOL_TX_UNA), F.RECOVERY_RECOVER);
  count(core, Counter.SpuriousRecoveries);
}

/** RFC 4015 3.3: no burst, and slow start up to where the window was. */
function takeBack(p: usize, r: usize, window: u32, acked: u32): void {
  const flight = load<u32>(p, F.PROTOCOL_TX_SENT);
  const more = min(acked, load<u32>(r, F.RECOVERY_INITIAL_WINDOW));
  const threshold = max(window, load<u32>(r, F.RECOVERY_PRIOR_SSTHRESH));
  congestionOnUndo(p, r, min(window, flight + more), threshold);
}

/** What was taken for lost is in the network. */
function forgetLosses(r: usize): void {
  const log = logOf(r);
  if (log == 0) return;
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    const flags = runFlags(runAt(log, i));
    if ((flags & RUN_LOST) != 0) restate(log, i, flags & ~RUN_LOST);
  }
}

// @ts-ignore: decorator
@inline
export function doubtOf(r: usize): u32 {
  return load<u8>(r, F.RECOVERY_DOUBT);
}

// @ts-ignore: decorator
@inline
function setDoubt(r: usize, doubt: u32): void {
  store<u8>(r, <u8>doubt, F.RECOVERY_DOUBT);
}

/**
 * RFC 5682 2.1 and 3.1, step 1 (SP-5): a timeout, the window collapsed and the segment at una about
 * to go again. `calm`: no recovery was under way, in which ACKs of what it had sent again would
 * tell lies. A log with timestamps has the better word, a rate has sent everything again.
 */
export function doubtTimeout(p: usize, r: usize, log: usize, calm: bool): void {
  setDoubt(r, F.Doubt.None);
  const flags = flagsOf(p);
  if (!calm || (flags & F.FLOW_GO_BACK_N) != 0) return;
  if (log != 0 && (flags & F.FLOW_TIMESTAMPS) != 0) return;
  if (load<u32>(p, F.PROTOCOL_CWND) >= CONGESTION_WINDOW_MAX) return;
  setDoubt(r, F.Doubt.Asked);
}

/** Nothing will be taken back: recovery goes on, or begins again, as the timeout has begun it. */
export function endDoubt(core: usize, p: usize, r: usize): void {
  if (doubtOf(r) == F.Doubt.Tested) resend(core, p, r);
  setDoubt(r, F.Doubt.None);
}

/**
 * RFC 5682 2.1 and 3.1, step 2 (SP-5, SP-7): the first ACK that moves una, by `acked` where
 * `before` had gone again, has been answered like any other. When it has reached all of that and
 * not the end of what was sent, two new segments go in place of more of the old, if they may.
 */
export function testTimeout(p: usize, r: usize, acked: u32, before: u32, echo: bool): void {
  setDoubt(r, F.Doubt.None);
  if (echo || !seqBefore(load<u32>(p, F.PROTOCOL_TX_UNA), load<u32>(r, F.RECOVERY_RECOVER))) return;
  const log = logOf(r);
  const flags = flagsOf(p);
  // A log that was opened since knows nothing of the timeout.
  if ((log != 0) != ((flags & F.FLOW_RECOVERY) != 0)) return;
  if (log == 0 ? acked < before : load<u32>(log, LOG_AGAIN) != 0) return;
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  const highest = load<u32>(p, F.PROTOCOL_TX_MAX);
  const avail = load<u32>(p, F.PROTOCOL_TX_AVAIL);
  if (sent + avail <= highest) return;
  const window = load<u32>(p, F.PROTOCOL_CWND);
  // New data follows, so no FIN was sent.
  store<u32>(p, avail - (highest - sent), F.PROTOCOL_TX_AVAIL);
  store<u32>(p, highest, F.PROTOCOL_TX_SENT);
  store<u32>(p, highest + 2 * <u32>load<u16>(p, F.PROTOCOL_MSS), F.PROTOCOL_CWND);
  setFlags(p, (flags | F.FLOW_RECOVERY) & ~F.FLOW_RETRANSMIT);
  // Armed since the timeout: nothing is to be in doubt beside it (RFC 4821, 7.4).
  endSizeProbe(p, r, false);
  if (sendable(p, r) != 0) return setDoubt(r, F.Doubt.Tested);
  store<u32>(p, avail, F.PROTOCOL_TX_AVAIL);
  store<u32>(p, sent, F.PROTOCOL_TX_SENT);
  store<u32>(p, window, F.PROTOCOL_CWND);
  setFlags(p, flags);
}

/**
 * Step 3 with an ACK that moves una by `acked` and tells of `sacked` more (SP-5): true when the
 * timeout was for nothing. With a log what was sent since has to be unacknowledged (SP-8); `echo`
 * takes nothing back (RFC 4015 3.3).
 */
export function settleTimeout(
  core: usize, p: usize, r: usize, acked: u32, sacked: u32, echo: bool,
): bool {
  setDoubt(r, F.Doubt.None);
  if (isBeyond(r)) return false;
  const window = load<u32>(r, F.RECOVERY_PRIOR_CWND);
  const log = logOf(r);
  // The first ACK was the original's: nothing is known to have arrived of what left later.
  if (log != 0) store<u64>(log, 0, LOG_RACK_TIME);
  leaveSpurious(core, p, r);
  if (echo) store<u32>(p, thirdWindow(p), F.PROTOCOL_CWND);
  else takeBack(p, r, window, acked + sacked);
  return true;
}

/** Step 3 with a duplicate ACK (SP-6, SP-8), that tells of `sacked` bytes for the first time. */
export function settleByDuplicate(core: usize, p: usize, r: usize, sacked: u32): void {
  if (sacked != 0 && settleTimeout(core, p, r, 0, sacked, false)) return;
  resend(core, p, r);
  setDoubt(r, F.Doubt.None);
}

/** The peer has something that was sent after the timeout. */
function isBeyond(r: usize): bool {
  const log = logOf(r);
  return log != 0 && seqAfter(load<u32>(log, LOG_FACK), load<u32>(r, F.RECOVERY_RECOVER));
}

/** RFC 5682 2.1, step 3 a): what slow start would have come to in the two round trips. */
// @ts-ignore: decorator
@inline
function thirdWindow(p: usize): u32 {
  return 3 * <u32>load<u16>(p, F.PROTOCOL_MSS);
}

/** Step 3 a): everything from una on, as after any timeout. */
function resend(core: usize, p: usize, r: usize): void {
  if (logOf(r) != 0) {
    store<u32>(r, thirdWindow(p), F.RECOVERY_WINDOW);
    return refreshAllowance(core, p, r, 0);
  }
  const end = load<u32>(p, F.PROTOCOL_TX_UNA) + load<u32>(p, F.PROTOCOL_TX_MAX);
  store<u32>(r, end, F.RECOVERY_RECOVER);
  store<u32>(p, thirdWindow(p), F.PROTOCOL_CWND);
  store<u8>(p, 0, F.PROTOCOL_DUP_ACKS);
  goBack(p);
  setFlags(p, flagsOf(p) & ~F.FLOW_RECOVERY);
}
