/**
 * The retransmission timer (RFC 6298, 5) and what stands in its place while it runs: the tail loss
 * probe's (RFC 8985, 7.2) and RACK's reordering timer (6.2). One timer at a time (RACK-17), the RTO
 * behind the other two always.
 */
import { rtoWithBackoff } from "./round-trip-time.ts";
import { logOf, sackedBytes } from "./send-log.ts";
import { armTimer, cancelTimer, flagsOf, isArmed, setFlags } from "./state.ts";
import { recoveryOf } from "../flow/flow-state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { CORE_NOW } from "../../bindings/abi/memory-map.ts";
import { LOG_REORDER } from "../../bindings/abi/send-log.ts";
import { TimerKind } from "../../bindings/abi/timer.ts";

/** The least PTO is RTO_MIN >> this: a host's own delays are not in SRTT. */
const PROBE_FLOOR_BITS: u64 = 6;

/** (Re)starts the retransmission timer (RFC 6298, 5.1 and 5.3), with its backoff. */
// @ts-ignore: decorator
@inline
export function restartRetransmit(core: usize, connection: u32, p: usize): void {
  const r = recoveryOf(core, connection);
  store<u64>(r, load<u64>(core, CORE_NOW) + rtoWithBackoff(r), F.RECOVERY_RTO_DEADLINE);
  chooseTimer(core, connection, p, r);
}

/** New data leaves: starts it when it is not running (RFC 6298, 5.1), or the probe's. */
// @ts-ignore: decorator
@inline
export function startRetransmit(core: usize, connection: u32, p: usize): void {
  if (!isArmed(core, connection, TimerKind.Retransmit)) {
    return restartRetransmit(core, connection, p);
  }
  const r = recoveryOf(core, connection);
  if (load<u8>(r, F.RECOVERY_TIMER) != <u8>F.LossTimer.Reorder && mayProbe(p, r)) {
    chooseTimer(core, connection, p, r);
  }
}

/**
 * One segment with data leaves while nothing is in flight and no loss is known of: of the three
 * timers the RTO's alone is wanted (startRetransmit() finds the same, more slowly).
 */
// @ts-ignore: decorator
@inline
export function startAlone(core: usize, connection: u32, r: usize): void {
  const due = load<u64>(core, CORE_NOW) + rtoWithBackoff(r);
  store<u64>(r, due, F.RECOVERY_RTO_DEADLINE);
  store<u8>(r, <u8>F.LossTimer.Timeout, F.RECOVERY_TIMER);
  armTimer(core, connection, TimerKind.Retransmit, due);
}

export function stopRetransmit(core: usize, connection: u32, p: usize): void {
  setFlags(p, flagsOf(p) & ~F.FLOW_PERSIST);
  cancelTimer(core, connection, TimerKind.Retransmit);
}

/** The timer that is due first of those that are wanted now; the RTO's deadline stands. */
export function chooseTimer(core: usize, connection: u32, p: usize, r: usize): void {
  let at = load<u64>(r, F.RECOVERY_RTO_DEADLINE);
  let timer: u32 = F.LossTimer.Timeout;
  if (isReordering(p, r)) {
    const due = load<u64>(logOf(r), LOG_REORDER);
    // An RTO that is due first, or was, is one: nothing would end a timer in its place.
    if (due < at) {
      at = due;
      timer = F.LossTimer.Reorder;
    }
  } else if (at > load<u64>(core, CORE_NOW) && mayProbe(p, r)) {
    const alone = load<u32>(p, F.PROTOCOL_TX_SENT) == 1;
    at = min(at, load<u64>(core, CORE_NOW) + probeTimeout(r, alone));
    timer = F.LossTimer.Probe;
  }
  store<u8>(r, <u8>timer, F.RECOVERY_TIMER);
  armTimer(core, connection, TimerKind.Retransmit, at);
}

/**
 * After an ACK that has not moved una. RFC 8985 7.2 (TLP-1): a probe's timer starts again with new
 * data and with what acknowledges some; one that runs and is wanted as before keeps its time.
 */
export function reviewTimer(core: usize, connection: u32, p: usize, r: usize): void {
  const probes = load<u8>(r, F.RECOVERY_TIMER) == <u8>F.LossTimer.Probe;
  if (probes && !isReordering(p, r) && mayProbe(p, r)) return;
  chooseTimer(core, connection, p, r);
}

// @ts-ignore: decorator
@inline
function isReordering(p: usize, r: usize): bool {
  if ((load<u8>(p, F.PROTOCOL_ECHO) & <u8>F.ECHO_LOSS) == 0) return false;
  const log = logOf(r);
  return log != 0 && load<u64>(log, LOG_REORDER) != 0;
}

/** TLP_calc_PTO() (RFC 8985 7.2, TLP-1); `alone`: one segment, whose ACK may be delayed. */
// @ts-ignore: decorator
@inline
function probeTimeout(r: usize, alone: bool): u64 {
  const least = load<u64>(r, F.RECOVERY_RTO_MIN);
  const twice = 2 * load<u64>(r, F.RECOVERY_SRTT);
  return alone ? twice + least : max(twice, least >> PROBE_FLOOR_BITS);
}

// @ts-ignore: decorator
@inline
function isFinAlone(p: usize, sent: u32): bool {
  return sent == 1 && (flagsOf(p) & F.FLOW_FIN_SENT) != 0;
}

/**
 * RFC 8985 7.2 (TLP-1, TLP-4): outside of recovery, nothing selectively acknowledged, an RTT
 * measured since the last probe. A single segment with data in flight is left to the RTO: an
 * allowance for its delayed ACK would bring the probe there. A FIN alone is probed, as by Linux: it
 * is the end of a connection, which nobody looks at any longer, so a second one costs nothing.
 */
// @ts-ignore: decorator
@inline
function mayProbe(p: usize, r: usize): bool {
  // A FIN takes a number and may go along.
  const sent = load<u32>(p, F.PROTOCOL_TX_SENT);
  if (sent <= <u32>load<u16>(p, F.PROTOCOL_MSS) + 1 && !isFinAlone(p, sent)) return false;
  const waits = <u32>load<u16>(r, F.RECOVERY_PROBED) | load<u8>(r, F.RECOVERY_PROBE);
  const fixed = F.FLOW_SACK | F.FLOW_GO_BACK_N | F.FLOW_RECOVERY | F.FLOW_PERSIST;
  if ((flagsOf(p) & fixed) != F.FLOW_SACK || waits != 0 || sackedBytes(r) != 0) return false;
  const rack = load<u8>(r, F.RECOVERY_RACK) & <u8>F.RACK_ENABLED;
  return rack != 0 && load<u64>(r, F.RECOVERY_SRTT) != 0;
}
