/**
 * Retransmissions that nothing made necessary: the Eifel algorithm (RFC 3522) tells them by the
 * timestamp that the first acknowledgment echoes, and its response (RFC 4015) takes back what they
 * did to the congestion window. A connection without timestamps never knows.
 */
import { congestionOnUndo } from "./congestion/congestion-control.ts";
import { count } from "../base/counter.ts";
import { isEchoOlder } from "./rack.ts";
import { leaveRecovery, windowOf } from "./sack-recovery.ts";
import { logOf, restate, runAt, runCount, runFlags } from "./send-log.ts";
import { Counter } from "../../bindings/abi/counters.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW_TICKS, TICK_NS } from "../../bindings/abi/memory-map.ts";
import { RUN_LOST } from "../../bindings/abi/send-log.ts";

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
  forgetLosses(r);
  leaveRecovery(p, r);
  // RFC 6582 3.2 step 2 is of a recovery that was for something: what is lost now begins one.
  store<u32>(r, load<u32>(p, F.PROTOCOL_TX_UNA), F.RECOVERY_RECOVER);
  count(core, Counter.SpuriousRecoveries);
  // RFC 4015 3.3: no burst, and slow start up to where the window was.
  const flight = load<u32>(p, F.PROTOCOL_TX_SENT);
  const more = min(acked, load<u32>(r, F.RECOVERY_INITIAL_WINDOW));
  const threshold = max(window, load<u32>(r, F.RECOVERY_PRIOR_SSTHRESH));
  congestionOnUndo(p, r, min(window, flight + more), threshold);
  return true;
}

/** What was taken for lost is in the network. */
function forgetLosses(r: usize): void {
  const log = logOf(r);
  const count = runCount(log);
  for (let i: u32 = 0; i < count; i++) {
    const flags = runFlags(runAt(log, i));
    if ((flags & RUN_LOST) != 0) restate(log, i, flags & ~RUN_LOST);
  }
}
